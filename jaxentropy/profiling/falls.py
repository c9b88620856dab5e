"""Falls of the neuron entropy from layer to layer, with errors from a paired bootstrap."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from jaxentropy.base.padding import with_room
from jaxentropy.profiling.bootstrap import layer_entropies
from jaxentropy.profiling.clusters import side_by_side
from jaxentropy.profiling.comparable import Recorded
from jaxentropy.profiling.pattern_measures import (
    Cell,
)


def steps(layers: Sequence[str]) -> list[str]:
    """Names of the steps from each layer to the next: ``fc1→fc2``."""
    return [f"{a}→{b}" for a, b in pairwise(layers)]


def neuron_errors(
    patterns: Mapping[str, Sequence[Any]],
    made: Cell,
    first: Recorded,
    replicates: int,
    seed: int,
    rows: np.ndarray | None = None,
) -> Cell:
    """Standard errors of neuron entropies, and with errors: their falls, and trained minus untrained.

    Inputs are resampled, with all their positions: ``rows`` has those of each, ``int[input, position]``.
    """
    resampled = _resampled(patterns, first, replicates, seed, rows)
    error = np.full(made["neuron_entropy"][1].shape, np.nan)
    for i, name in enumerate(patterns):
        if name in resampled:
            error[i] = _spread(resampled[name])
    result: Cell = {"neuron_entropy_se": (("network", "seed", "layer", "class"), error)}
    twins = [list(patterns).index(name) for name in ("trained", "untrained") if name in patterns]
    if len(twins) == 2:
        level, bias = (made[f"neuron_entropy_{name}"][1][twins] for name in ("corrected", "bias"))
        replicated = resampled["trained"] - resampled["untrained"]
        result |= _differences("twin_difference", ("seed", "layer", "class"), level, bias, replicated)
    if len(first.layers) > 1:
        result |= _falls(list(patterns), made, first, resampled)
        if len(twins) == 2:
            fall, bias = (result[f"neuron_fall{name}"][1][twins] for name in ("", "_bias"))
            replicated = -np.diff(resampled["trained"], axis=1) + np.diff(resampled["untrained"], axis=1)
            result |= _differences("excess_fall", ("seed", "step", "class"), fall, bias, replicated)
    return result


def _falls(names: Sequence[str], made: Cell, first: Recorded, resampled: Mapping[str, np.ndarray]) -> Cell:
    """Falls of the neuron entropy from layer to layer: over all neurons, and over those that are not constant."""
    # constant neurons are so in every replicate: the mean without them is that of all neurons, times a number
    active = np.round((1 - made["never_on"][1] - made["never_off"][1]) * np.array(first.widths))
    without = np.divide(first.widths, active, out=np.full(active.shape, np.nan), where=active > 0)
    result: Cell = {}
    for kind, scale in (("", np.ones_like(without)), ("_active", without)):
        corrected, bias = (made[f"neuron_entropy{kind}_{name}"][1] for name in ("corrected", "bias"))
        fall, off = -np.diff(corrected, axis=2), bias[:, :, :-1] + bias[:, :, 1:]
        spread = np.full(fall.shape, np.nan)
        for i, name in enumerate(names):
            if name in resampled:
                spread[i] = _spread(-np.diff(resampled[name] * scale[i, ..., None, None], axis=1))
            else:
                fall[i] = off[i] = np.nan
        for name, values in (("", fall), ("_bias", off), ("_se", spread)):
            result[f"neuron_fall{kind}{name}"] = (("network", "seed", "step", "class"), values)
    return result


def _differences(
    name: str, dims: tuple[str, ...], values: np.ndarray, bias: np.ndarray, replicated: np.ndarray
) -> Cell:
    """Trained minus untrained, with errors from replicates that both share; and the error of the mean over seeds."""
    return {
        name: (dims, values[0] - values[1]),
        f"{name}_bias": (dims, bias[0] + bias[1]),
        f"{name}_se": (dims, _spread(replicated)),
        f"{name}_mean_se": (dims[1:], _spread(replicated.mean(0))),
    }


def _resampled(
    patterns: Mapping[str, Sequence[Any]], first: Recorded, replicates: int, seed: int, rows: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Neuron entropies ``[seed, layer, class, replicate]`` of each network but the shuffled one."""
    labels = first.labels if rows is None else first.labels[rows[:, 0]]
    largest = int(np.bincount(labels).max())
    resample = partial(
        layer_entropies,
        widths=first.widths,
        num_classes=first.num_classes,
        replicates=replicates,
        chunk_size=128 if largest <= 128 else 512,
    )
    found = {}
    for name in patterns:
        if name != "shuffled":
            by_seed = zip(*patterns[name], strict=True)
            replicated = [
                resample(*_with_room([side_by_side(own, rows) for own in layers], labels, first.num_classes), seed)
                for layers in by_seed
            ]
            found[name] = np.stack([np.asarray(own, float) for own in replicated])
    return found


def _with_room(
    layers: Sequence[np.ndarray], labels: np.ndarray, num_classes: int
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Every layer's words ``[input, position, word]`` and the labels, with room for further inputs."""
    padded = [with_room(own.reshape(len(own), -1), labels, num_classes) for own in layers]
    words = tuple(own.reshape(len(own), *layer.shape[1:]) for (own, _), layer in zip(padded, layers, strict=True))
    return words, padded[0][1]


def _spread(replicates: np.ndarray) -> np.ndarray:
    """Standard deviation over the last axis; NaN replicates (no input drawn) are left out, if any are left."""
    usable = ~np.isnan(replicates)
    count = usable.sum(-1)
    safe = np.maximum(count, 2)
    mean = np.where(usable, replicates, 0).sum(-1, keepdims=True) / np.maximum(count, 1)[..., None]
    squares = np.where(usable, replicates - mean, 0) ** 2
    return np.where(count > 1, np.sqrt(squares.sum(-1) / (safe - 1)), math.nan)
