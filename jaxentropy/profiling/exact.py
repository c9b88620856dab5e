"""Enumerations → exact entropies: every input is there with its probability, so that nothing is estimated."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import entr

from jaxentropy.profiling.comparable import Recorded
from jaxentropy.profiling.pattern_measures import Cell, pattern_shares
from jaxentropy.recording.packing import identify, unpack_on_host
from jaxentropy.recording.recording import Recording

ESTIMATOR = "exact"
_BY_LAYER = ("network", "seed", "layer")


def exact_quantities(
    patterns: Mapping[str, Sequence[Sequence[Any]]], labels: Mapping[str, np.ndarray], first: Recorded
) -> Cell:
    """Every variable of a profile for each network, seed and layer, without error; with zeros where errors stand.

    Args:
        patterns: by network, the packed words of each layer and seed.
        labels: by network, ``int[seed, shuffle, n]``; what is computed is averaged over shuffles.
        first: a recording with the weights of all inputs.
    """
    assert isinstance(first, Recording)
    assert first.weights is not None
    weights = first.weights / first.weights.sum()
    cells: list[dict[str, np.ndarray]] = []
    dims_of: dict[str, tuple[str, ...]] = {}
    for name in patterns:
        for by_layer, shuffled in zip(zip(*patterns[name], strict=True), labels[name], strict=True):  # of each seed
            by_shuffle = [_network(by_layer, own, weights, first) for own in shuffled]
            cells.append({key: np.mean([one[key][1] for one in by_shuffle], axis=0) for key in by_shuffle[0]})
            dims_of = {key: dims for key, (dims, _) in by_shuffle[0].items()}
    variables: Cell = {}
    for key, dims in dims_of.items():
        stacked = np.stack([cell[key] for cell in cells])
        variables[key] = (("network", "seed", *dims), stacked.reshape(len(patterns), -1, *stacked.shape[1:]))
    n = np.bincount(first.labels, minlength=first.num_classes)
    variables |= pattern_shares(variables["pattern_entropy"][1], first.widths, n)
    variables |= _without_error(variables, list(patterns), len(first.layers))
    variables["n"] = (("class",), n)
    return variables


def _network(layers: Sequence[np.ndarray], labels: np.ndarray, weights: np.ndarray, first: Recorded) -> Cell:
    """The quantities of one network under one labelling, ``[layer, ...]``."""
    by_class = np.bincount(labels, weights, minlength=first.num_classes)
    numbers = [identify(words) for words in layers]
    cells = [
        _neurons(unpack_on_host(words, width), labels, weights, by_class)
        | _patterns(number, labels, weights, by_class, width)
        for words, width, number in zip(layers, first.widths, numbers, strict=True)
    ]
    found: Cell = {key: (("layer", *dims), np.stack([c[key][1] for c in cells])) for key, (dims, _) in cells[0].items()}
    if len(layers) > 1:
        entropy = found["pattern_entropy"][1][..., 0]
        joint = [
            _entropies(_together(a, b), labels, weights, by_class) for a, b in pairwise(numbers)
        ]  # H(this, next); the chain rule gives H(next | this)
        found["pattern_conditional_upper"] = (("step", "class"), np.array(joint) - entropy[:-1])
    return found


def _neurons(states: np.ndarray, labels: np.ndarray, weights: np.ndarray, by_class: np.ndarray) -> Cell:
    """Of one layer's single neurons; a class that does not occur is NaN."""
    empty = by_class == 0
    on = np.stack([weights[labels == c] @ states[labels == c] for c in range(len(by_class))])
    # of counts, since sums of probabilities need not be exactly 0 or 1
    members = np.bincount(labels, minlength=len(by_class))
    times = np.stack([states[labels == c].sum(0) for c in range(len(by_class))])
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(times == members[:, None], 1.0, on / by_class[:, None])
    rate[empty] = np.nan
    neuron, pooled = _binary(rate), _binary(weights @ states)
    never_on, never_off = ~states.any(0), states.all(0)
    active = ~never_on & ~never_off
    entropy = neuron.mean(-1)
    active_entropy = neuron[:, active].mean(-1) if active.any() else np.full(len(by_class), np.nan)
    always = [np.where(empty, np.nan, (times == all_of).mean(-1)) for all_of in (members[:, None], 0)]
    conditional = np.where(empty, 0.0, by_class * np.where(empty, 0.0, entropy)).sum()
    return {
        "neuron_entropy": (("class",), entropy),
        "neuron_entropy_corrected": (("class",), entropy),
        "neuron_entropy_active": (("class",), active_entropy),
        "neuron_entropy_active_corrected": (("class",), active_entropy),
        "neuron_entropy_pooled": ((), pooled.mean()),
        "neuron_information": ((), pooled.mean() - conditional),
        "always_on": (("class",), always[0]),
        "always_off": (("class",), always[1]),
        "never_on": ((), never_on.mean()),
        "never_off": ((), never_off.mean()),
    }


def _patterns(numbers: np.ndarray, labels: np.ndarray, weights: np.ndarray, by_class: np.ndarray, width: int) -> Cell:
    """Of one layer's joint patterns."""
    empty = by_class == 0
    entropy = _entropies(numbers, labels, weights, by_class)
    pooled = _entropy(np.bincount(numbers, weights))
    conditional = np.where(empty, 0.0, by_class * np.where(empty, 0.0, entropy)).sum()
    distinct = np.array([len(np.unique(numbers[labels == c])) for c in range(len(by_class))], float)
    n = np.bincount(labels, minlength=len(by_class))
    times = [np.bincount(numbers[labels == c]).astype(float) for c in range(len(by_class))]
    pairs = np.array([(t * (t - 1) / 2).sum() for t in times])
    with np.errstate(invalid="ignore", divide="ignore"):
        saturation = np.where(n > 1, entropy / np.log2(n), np.nan)
        unique = distinct / n
    return {
        "pattern_entropy": (("class", "estimator"), entropy[:, None]),
        "pattern_entropy_pooled": (("estimator",), np.array([pooled])),
        "pattern_information": (("estimator",), np.array([pooled - conditional])),
        "pattern_lower": (("class",), entropy),
        "pattern_upper": (("class",), entropy),
        "patterns": (("class",), np.where(empty, np.nan, distinct)),
        "unique_fraction": (("class",), unique),
        "coverage": (("class",), np.where(empty, np.nan, 1.0)),
        "coincident_pairs": (("class",), np.where(empty, np.nan, pairs)),
        "saturation": (("class",), saturation),
    }


def _entropies(numbers: np.ndarray, labels: np.ndarray, weights: np.ndarray, by_class: np.ndarray) -> np.ndarray:
    """Entropy of each class's patterns; NaN for a class that does not occur."""
    found = np.full(len(by_class), np.nan)
    for c in np.flatnonzero(by_class):
        rows = labels == c
        found[c] = _entropy(np.bincount(numbers[rows], weights[rows]) / by_class[c])
    return found


def _together(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A number for each pair of numbers."""
    return np.unique(a * (int(b.max()) + 1) + b, return_inverse=True)[1]


def _entropy(probability: np.ndarray) -> float:
    return float(entr(probability).sum() / np.log(2))


def _binary(rate: np.ndarray) -> np.ndarray:
    rate = np.clip(rate, 0.0, 1.0)  # NaN stays
    return (entr(rate) + entr(1 - rate)) / np.log(2)


def _without_error(made: Cell, networks: list[str], layers: int) -> Cell:
    """What a sample's profile has beside these: falls, differences from the twin, and errors, all of which are 0."""

    def zero(name: str, like: str) -> Cell:
        dims, values = made[like] if like in made else found[like]
        return {name: (dims, np.where(np.isnan(values), np.nan, 0.0))}

    found: Cell = {}
    found |= zero("pattern_entropy_se", "pattern_entropy")
    for kind in ("", "_active"):
        found |= zero(f"neuron_entropy{kind}_bias", f"neuron_entropy{kind}")
        if layers > 1:
            values = -np.diff(made[f"neuron_entropy{kind}"][1], axis=2)
            found[f"neuron_fall{kind}"] = (("network", "seed", "step", "class"), values)
            for ending in ("_bias", "_se"):
                found |= zero(f"neuron_fall{kind}{ending}", f"neuron_fall{kind}")
    found |= zero("neuron_entropy_se", "neuron_entropy")
    if {"trained", "untrained"} <= set(networks):
        twins = [networks.index(name) for name in ("trained", "untrained")]
        pairs = [("twin_difference", made["neuron_entropy"])]
        pairs += [("excess_fall", found["neuron_fall"])] if layers > 1 else []
        for name, (dims, values) in pairs:
            found[name] = (dims[1:], values[twins[0]] - values[twins[1]])
            for ending in ("_bias", "_se"):
                found |= zero(f"{name}{ending}", name)
            found[f"{name}_mean_se"] = (dims[2:], np.zeros(values.shape[2:]))
    shape = made["saturation"][1].shape
    dims = made["saturation"][0]
    found["saturated"] = (dims, np.zeros(shape, bool))
    found["saturated_pooled"] = (_BY_LAYER, np.zeros(shape[:3], bool))
    found["reliability"] = (dims, np.full(shape, ESTIMATOR, object))
    found["copies"] = (("class",), np.zeros(shape[-1], bool))
    return found
