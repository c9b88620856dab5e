"""What is measured of each network of a sweep: its profile beside its twin's, and what can be read from its layers."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.capture import sown
from jaxentropy.datasets import Dataset
from jaxentropy.experiments.sweeps.grid import Network
from jaxentropy.experiments.sweeps.linearised import recipe_of, without_nonlinearity
from jaxentropy.experiments.sweeps.noise import noise_measures
from jaxentropy.networks.models import ACTIVATIONS, MLP, MOMENTUM
from jaxentropy.networks.training import Trained, noisy_labels, train
from jaxentropy.profiling.profiler import profile
from jaxentropy.recording.recorder import record
from jaxentropy.recording.recording import Recording

BATCH = 1000
BOOTSTRAP = 100
RIDGE = 1e-3
_SUBSET_SEED = 20241105
_TIMED = 20
_STATES = ("untrained", "trained")


def train_networks(networks: Sequence[Network], data: Dataset, at_once: int) -> tuple[MLP, Trained]:
    """Networks of one shape, trained with one program."""
    first = networks[0]
    model = MLP((first.width,) * first.depth, len(data.class_names), first.activation, first.norm, first.dropout)
    recipes = [recipe_of(network) for network in networks]
    return model, train(model, data, [network.seed for network in networks], recipes, at_once=at_once)


def trained_on(data: Dataset, train_size: int) -> Dataset:
    """The data set with so many training inputs at most, chosen by a fixed seed."""
    n = len(data.train_labels)
    if n <= train_size:
        return data
    chosen = np.sort(np.random.default_rng(_SUBSET_SEED).permutation(n)[:train_size])
    # not every input any more; what is recorded is taken from the whole set
    return Dataset(
        data.name, data.train_images[chosen], data.train_labels[chosen], data.test_images, data.test_labels,
        data.class_names, False, data.pixel_mean, data.pixel_scale, data.split_source,
    )  # fmt: skip


def measured(network: Network, model: MLP, whole: Dataset, data: Dataset, trained: Trained, i: int) -> xr.Dataset:
    """The profile of one network and its untrained twin, with what belongs to a sweep.

    Args:
        network: its settings.
        model: its module.
        whole: the data set; what is recorded is taken from it.
        data: the same, with the inputs that it was trained on.
        trained: networks of this shape.
        i: which of them.
    """
    final = trained.loss[i, -1] if network.epochs else 0.0
    if not np.isfinite(final):
        raise InputError(f"the training diverged: its loss is {final}; give a smaller learning rate or initial scale")
    untrained, final_variables = trained.of_seed(i)
    if network.norm == "batch":
        untrained = _normalised(model, untrained, data.train_images)
    variables: dict[str, Any] = {"untrained": untrained, "trained": final_variables}
    recordings = {kind: _recorded(network, model, whole, own) for kind, own in variables.items()}
    ordered = {kind: recordings[kind] for kind in ("trained", "untrained")}
    found = profile(ordered, bounds=False, shuffles=1, bootstrap=BOOTSTRAP, estimators=("plugin",), seed=network.seed)
    read = {kind: _read(network, model, data, own) for kind, own in variables.items()}
    right = {
        f"{name}_accuracy": np.array([getattr(read[kind], name) for kind in _STATES]) for name in ("probe", "centre")
    }
    by_layer = {name: (("state", "layer"), values.mean(-1)) for name, values in right.items()}
    halves = _of_halves(recordings, right)
    noise = noise_measures(model, data, _labels(network, data), variables)
    scalars = {
        "train_loss": trained.loss[i, -1] if network.epochs else np.nan,
        "train_accuracy": read["trained"].train_accuracy,
        "test_accuracy": read["trained"].test_accuracy,
        "untrained_accuracy": read["untrained"].test_accuracy,
        "parameters": float(sum(leaf.size for leaf in jax.tree.leaves(variables["trained"]["params"]))),
        "forward_seconds": _forward_seconds(model, variables["trained"], data),
    }
    history = {
        "epoch_loss": ("epoch", trained.loss[i]),
        "epoch_train_accuracy": ("epoch", trained.train_accuracy[i]),
        "epoch_test_accuracy": ("epoch", trained.test_accuracy[i]),
    }
    return found.assign(
        {name: ((), float(value)) for name, value in scalars.items()}
        | by_layer | halves | noise | without_nonlinearity(network, model, variables["trained"], data) | history
    ).assign_coords(state=list(_STATES), epoch=np.arange(1, network.epochs + 1))  # fmt: skip


def _normalised(model: MLP, variables: Any, images: np.ndarray) -> Any:
    """The twin with the mean and variance of its own inputs in each batch normalisation.

    As they are before training, 0 and 1, it would not normalise, and training would seem to bring what they do.
    """
    whole, before = model.clone(dropout=0.0), variables["batch_stats"]
    _, moved = whole.apply(variables, jnp.asarray(images), train=True, mutable=["batch_stats"])
    stats = jax.tree.map(lambda old, new: (new - MOMENTUM * old) / (1 - MOMENTUM), before, moved["batch_stats"])
    return variables | {"batch_stats": stats}


def _recorded(network: Network, model: MLP, data: Dataset, variables: Any) -> Recording:
    """On every input of a task whose inputs are all listed, or on test inputs that a fixed seed chose."""
    batches = list(data.batches("all", BATCH)) if data.exhaustive else _drawn(data, network.recorded)
    return record(sown(model), variables, batches, class_names=data.class_names, exhaustive=data.exhaustive)


def _drawn(data: Dataset, most: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """So many test inputs, by lot: the first ones may be of one class."""
    n = len(data.test_labels)
    chosen = np.sort(np.random.default_rng(_SUBSET_SEED).permutation(n)[:most])
    parts = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    return [(data.test_images[part], data.test_labels[part]) for part in parts]


def _labels(network: Network, data: Dataset) -> np.ndarray:
    """Those that it was trained with."""
    if not network.label_noise:
        return data.train_labels
    return noisy_labels(data.train_labels, network.label_noise, len(data.class_names), network.seed)


@jax.jit(static_argnames="model")
def _forward(model: MLP, variables: Any, images: Any) -> tuple[list[jax.Array], jax.Array]:
    """Each hidden layer's outputs, and the logits."""
    logits, seen = sown(model)(variables, images)
    act = ACTIVATIONS[model.activation]
    return [act(own) for own in seen.values()], logits


def _outputs(model: MLP, variables: Any, images: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The same of any number of images, by batches of one size, so that one program serves all of them."""
    parts = []
    for start in range(0, len(images), BATCH):
        own = images[start : start + BATCH]
        filled = np.concatenate([own, np.zeros((BATCH - len(own), *own.shape[1:]), own.dtype)])
        parts.append([np.asarray(a)[: len(own)] for a in jax.tree.leaves(_forward(model, variables, filled))])
    *layers, logits = (np.concatenate(own) for own in zip(*parts, strict=True))
    return layers, logits


class _Read(NamedTuple):
    """What can be read from a network: accuracies, and by layer which test inputs simple readers get right."""

    train_accuracy: float
    test_accuracy: float
    probe: list[np.ndarray]
    centre: list[np.ndarray]


def _read(network: Network, model: MLP, data: Dataset, variables: Any) -> _Read:
    fitted, train_logits = _outputs(model, variables, data.train_images)
    tested, test_logits = _outputs(model, variables, data.test_images)
    labels, classes = _labels(network, data), len(data.class_names)
    pairs = list(zip(fitted, tested, strict=True))
    return _Read(
        float((train_logits.argmax(1) == labels).mean()),
        float((test_logits.argmax(1) == data.test_labels).mean()),
        [probed(x, labels, y, classes) == data.test_labels for x, y in pairs],
        [nearest_centre(x, labels, y, classes) == data.test_labels for x, y in pairs],
    )


def probed(x: np.ndarray, labels: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """What a linear probe takes ``y`` for: ridge regression of one-hot labels on standardised features ``x``."""
    mean, scale = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64) + 1e-6
    design = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    penalty = RIDGE * len(x) * np.eye(design.shape[1])
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ np.eye(classes)[labels])
    return (np.column_stack([(y - mean) / scale, np.ones(len(y))]) @ weights).argmax(1)


def nearest_centre(x: np.ndarray, labels: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """The class of ``x`` whose centre is nearest, by Euclidean distance."""
    there = [c for c in range(classes) if (labels == c).any()]
    centres = np.stack([x[labels == c].mean(0, dtype=np.float64) for c in there])
    return np.array(there)[(-2 * y @ centres.T + (centres**2).sum(1)).argmin(1)]


def _of_halves(recordings: dict[str, Recording], right: dict[str, np.ndarray]) -> dict[str, Any]:
    """What depth is read off, of each half of the test inputs (every second one) by itself.

    Recorded inputs that are all there are tell nothing of samples: of these, the readers alone are halved.
    """
    halves = [slice(h, None, 2) for h in (0, 1)]
    of_half = ("half", "state", "layer")
    found: dict[str, Any] = {
        f"{name}_half": (of_half, np.array([values[..., half].mean(-1) for half in halves]))
        for name, values in right.items()
    }
    if any(recording.weights is not None or recording.n < 4 for recording in recordings.values()):
        return found
    own = []
    for half in halves:
        parts = {kind: recordings[kind].take(np.arange(recordings[kind].n)[half]) for kind in _STATES}
        own.append(profile(parts, bounds=False, shuffles=0, bootstrap=0, estimators=("plugin",)))
    for name, dims in (("neuron_entropy", (*of_half, "class")), ("neuron_information", of_half)):
        found[f"{name}_half"] = dims, np.array([one[name].sel(network=list(_STATES)).values for one in own])
    return found


def _forward_seconds(model: MLP, variables: Any, data: Dataset) -> float:
    """Of a thousand inputs through the network: the fastest of some calls, since what else runs only adds to it."""
    images = jnp.asarray(np.resize(data.test_images, (BATCH, *data.test_images.shape[1:])))
    seconds = []
    for _ in range(_TIMED):
        start = time.perf_counter()
        jax.block_until_ready(_forward(model, variables, images))
        seconds.append(time.perf_counter() - start)
    return min(seconds)
