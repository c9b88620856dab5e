"""What networks that were trained with noisy labels know of the labels that noise changed."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxentropy.capture import sown
from jaxentropy.datasets import Dataset
from jaxentropy.networks.models import MLP
from jaxentropy.networks.training import accuracy_of
from jaxentropy.recording.recorder import record

SHUFFLES = 20
_BATCH = 1000
_SEED = 20170613


def noise_measures(model: MLP, data: Dataset, trained_labels: np.ndarray, variables: dict[str, Any]) -> dict[str, Any]:
    """Of the training inputs whose label was changed: ``changed_accuracy``, how many have the label that was trained,
    and what a layer's neurons tell of that label and of the true one; nothing if fewer than two were changed.

    A changed label is never the true one, so that what shows the true label tells something of the trained one too.
    Each is therefore measured at equal value of the other: I(state; trained | true) and I(state; true | trained). Of
    two classes the one label determines the other, and both are 0.

    Args:
        model: the networks' module.
        data: with the inputs that they were trained on, and their true labels.
        trained_labels: the labels that they were trained with.
        variables: of each network, by name; the first dimension, ``state``, of what is given back.
    """
    changed = np.flatnonzero(trained_labels != data.train_labels)
    if len(changed) < 2:
        return {}
    images, true, trained = data.train_images[changed], data.train_labels[changed], trained_labels[changed]
    batches = [(images[i : i + _BATCH], true[i : i + _BATCH]) for i in range(0, len(changed), _BATCH)]
    classes, found = len(data.class_names), {"true": [], "trained": []}
    for own in variables.values():
        recording = record(sown(model), own, batches, class_names=data.class_names)
        states = [recording.states(layer)[:] for layer in recording.layers]
        found["true"].append([information_at(on, true, trained, classes) for on in states])
        found["trained"].append([information_at(on, trained, true, classes) for on in states])
    accuracies = [accuracy_of(model, own, jnp.asarray(images), jnp.asarray(trained)) for own in variables.values()]
    return {f"information_{name}_label": (("state", "layer"), np.array(values)) for name, values in found.items()} | {
        "changed_accuracy": ("state", np.array(accuracies))
    }


def information_at(on: np.ndarray, label: np.ndarray, given: np.ndarray, classes: int) -> float:
    """Bits that a neuron's state tells of the label at equal ``given``: I(state; label | given), mean over neurons.

    The plug-in estimate less its mean where labels are shuffled among the inputs of equal ``given``, so that it is 0 on
    average, and may be negative, where there is none. Of few inputs it is too low where there is some.

    Args:
        on: ``bool[n, width]``.
        label, given: ``int[n]`` below ``classes``.
    """
    rng = np.random.default_rng(_SEED)
    order = np.argsort(given, kind="stable")
    states, label, given = on[order].astype(np.float32), label[order], given[order]
    groups = [np.flatnonzero(given == c) for c in np.unique(given)]

    def told(shuffled: np.ndarray) -> float:
        return -_remaining(states, given * classes + shuffled, classes**2)

    shuffles = []
    for _ in range(SHUFFLES):
        shuffled = label.copy()
        for at in groups:
            shuffled[at] = label[rng.permutation(at)]
        shuffles.append(told(shuffled))
    return float(told(label) - np.mean(shuffles))


def _remaining(states: np.ndarray, group: np.ndarray, groups: int) -> float:
    """H(state | group) in bits, mean over neurons."""
    members = np.zeros((groups, len(group)), np.float32)
    members[group, np.arange(len(group))] = 1
    size = members.sum(1)
    there = size > 0
    share = (members[there] @ states).astype(float) / size[there, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -np.nan_to_num(share * np.log2(share)) - np.nan_to_num((1 - share) * np.log2(1 - share))
    return float((size[there] / len(group)) @ bits.mean(1))
