"""What is measured of each network of a sweep: its profile beside its twin's, and what can be read from its layers."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.capture import sown
from jaxentropy.datasets import Dataset
from jaxentropy.experiments.sweeps.grid import Network
from jaxentropy.networks.models import ACTIVATIONS, MLP
from jaxentropy.networks.training import Recipe, Trained, noisy_labels, train
from jaxentropy.profiling.profiler import profile
from jaxentropy.recording.recorder import record
from jaxentropy.recording.recording import Recording

BATCH = 1000
BOOTSTRAP = 100
RIDGE = 1e-3
_SUBSET_SEED = 20241105
_TIMED = 5


def train_networks(networks: Sequence[Network], data: Dataset, at_once: int) -> tuple[MLP, Trained]:
    """Networks of one shape, trained with one program."""
    first = networks[0]
    model = MLP((first.width,) * first.depth, len(data.class_names), first.activation, first.norm, first.dropout)
    recipes = [recipe_of(network) for network in networks]
    return model, train(model, data, [network.seed for network in networks], recipes, at_once=at_once)


def recipe_of(network: Network) -> Recipe:
    """How it is trained."""
    return Recipe(
        network.epochs, network.batch_size, network.learning_rate, network.weight_decay, network.init_scale,
        network.label_noise,
    )  # fmt: skip


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
        raise InputError(f"the training diverged: its loss is {final}; give a smaller learning rate")
    untrained, final_variables = trained.of_seed(i)
    variables: dict[str, Any] = {"untrained": untrained, "trained": final_variables}
    recordings = {kind: _recorded(network, model, whole, own) for kind, own in variables.items()}
    ordered = {kind: recordings[kind] for kind in ("trained", "untrained")}
    found = profile(ordered, bounds=False, shuffles=1, bootstrap=BOOTSTRAP, estimators=("plugin",), seed=network.seed)
    read = {kind: _read(network, model, data, own) for kind, own in variables.items()}
    by_layer = {
        name: (("state", "layer"), np.array([getattr(read[kind], source) for kind in ("untrained", "trained")]))
        for name, source in (("probe_accuracy", "probes"), ("centre_accuracy", "centres"))
    }
    params = variables["trained"]["params"]
    noise = _noise_measures(network, model, data, variables)
    scalars = {
        "train_loss": trained.loss[i, -1] if network.epochs else np.nan,
        "train_accuracy": read["trained"].train_accuracy,
        "test_accuracy": read["trained"].test_accuracy,
        "untrained_accuracy": read["untrained"].test_accuracy,
        "parameters": float(sum(leaf.size for leaf in jax.tree.leaves(params))),
        "forward_seconds": _forward_seconds(model, variables["trained"], data),
    }
    linear = _linearised(network, params, data)
    history = {
        "epoch_loss": ("epoch", trained.loss[i]),
        "epoch_train_accuracy": ("epoch", trained.train_accuracy[i]),
        "epoch_test_accuracy": ("epoch", trained.test_accuracy[i]),
    }
    return found.assign(
        {name: ((), float(value)) for name, value in scalars.items()}
        | by_layer | noise | {"linearised_accuracy": ("layer", linear)} | history
    ).assign_coords(state=["untrained", "trained"], epoch=np.arange(1, network.epochs + 1))  # fmt: skip


def _recorded(network: Network, model: MLP, data: Dataset, variables: Any) -> Recording:
    """On every input of a task whose inputs are all listed, or on the first test inputs."""
    split = "all" if data.exhaustive else "test"
    batches = [(images, labels) for images, labels in data.batches(split, BATCH)]
    if not data.exhaustive:
        batches = _first(batches, network.recorded)
    return record(sown(model), variables, batches, class_names=data.class_names, exhaustive=data.exhaustive)


def _first(batches: list[tuple[np.ndarray, np.ndarray]], n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    images, labels = (np.concatenate(parts)[:n] for parts in zip(*batches, strict=True))
    return [(images[i : i + BATCH], labels[i : i + BATCH]) for i in range(0, len(labels), BATCH)]


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
    """What can be read from a network: accuracies, and by layer those of simple readers of its outputs."""

    train_accuracy: float
    test_accuracy: float
    probes: list[float]
    centres: list[float]


def _read(network: Network, model: MLP, data: Dataset, variables: Any) -> _Read:
    fitted, train_logits = _outputs(model, variables, data.train_images)
    tested, test_logits = _outputs(model, variables, data.test_images)
    labels, classes = _labels(network, data), len(data.class_names)
    pairs = list(zip(fitted, tested, strict=True))
    return _Read(
        float((train_logits.argmax(1) == labels).mean()),
        float((test_logits.argmax(1) == data.test_labels).mean()),
        [probe_accuracy(x, labels, y, data.test_labels, classes) for x, y in pairs],
        [centre_accuracy(x, labels, y, data.test_labels, classes) for x, y in pairs],
    )


def probe_accuracy(x: np.ndarray, labels: np.ndarray, y: np.ndarray, test_labels: np.ndarray, classes: int) -> float:
    """Test accuracy of a linear probe: ridge regression of one-hot labels on standardised features."""
    mean, scale = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64) + 1e-6
    design = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    penalty = RIDGE * len(x) * np.eye(design.shape[1])
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ np.eye(classes)[labels])
    guessed = np.column_stack([(y - mean) / scale, np.ones(len(y))]) @ weights
    return float((guessed.argmax(1) == test_labels).mean())


def centre_accuracy(x: np.ndarray, labels: np.ndarray, y: np.ndarray, test_labels: np.ndarray, classes: int) -> float:
    """Test accuracy of the nearest class centre, by Euclidean distance."""
    there = [c for c in range(classes) if (labels == c).any()]
    centres = np.stack([x[labels == c].mean(0, dtype=np.float64) for c in there])
    nearest = (-2 * y @ centres.T + (centres**2).sum(1)).argmin(1)
    return float((np.array(there)[nearest] == test_labels).mean())


def _noise_measures(network: Network, model: MLP, data: Dataset, variables: dict[str, Any]) -> dict[str, Any]:
    """Of networks that were trained with noisy labels: on the training inputs whose label was changed, what a layer's
    neurons tell of the true label and of the one that was trained."""
    if not network.label_noise:
        return {}
    noisy = _labels(network, data)
    changed = np.flatnonzero(noisy != data.train_labels)
    if len(changed) < 2:
        return {}
    given = {}
    for name, labels in (("information_true_label", data.train_labels), ("information_trained_label", noisy)):
        values = []
        for kind in ("untrained", "trained"):
            images = data.train_images[changed]
            batches = [(images[i : i + BATCH], labels[changed][i : i + BATCH]) for i in range(0, len(changed), BATCH)]
            recording = record(sown(model), variables[kind], batches, class_names=data.class_names)
            own = profile({"trained": recording}, bounds=False, shuffles=1, bootstrap=0, estimators=("plugin",))
            information = own.neuron_information
            # less what shuffled labels seem to tell
            values.append((information.sel(network="trained") - information.sel(network="shuffled")).values)
        given[name] = (("state", "layer"), np.array(values))
    return given


def _linearised(network: Network, params: Any, data: Dataset) -> np.ndarray:
    """By layer, the test accuracy if its nonlinearity is left out; NaN where norms stand between."""
    if network.norm != "none":
        return np.full(network.depth, np.nan)
    act = _ON_HOST[network.activation]
    accuracies = np.empty(network.depth)
    layers = jax.tree.map(np.asarray, [params[f"dense{i}"] for i in range(1, network.depth + 1)] + [params["output"]])
    before = data.test_images.reshape(len(data.test_images), -1)
    for k in range(network.depth):
        seen = x = before @ layers[k]["kernel"] + layers[k]["bias"]
        for layer in layers[k + 1 : -1]:
            x = act(x @ layer["kernel"] + layer["bias"])
        logits = x @ layers[-1]["kernel"] + layers[-1]["bias"]
        accuracies[k] = (logits.argmax(-1) == data.test_labels).mean()
        before = act(seen)
    return accuracies


# compiled for each shape, they would take longer than the products
_ON_HOST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


def _forward_seconds(model: MLP, variables: Any, data: Dataset) -> float:
    """Of a thousand inputs through the network: the median of some calls."""
    images = jnp.asarray(np.resize(data.test_images, (BATCH, *data.test_images.shape[1:])))
    seconds = []
    for _ in range(_TIMED + 1):
        start = time.perf_counter()
        jax.block_until_ready(_forward(model, variables, images))
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))
