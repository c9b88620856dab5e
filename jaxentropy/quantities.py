"""Counts of one layer's patterns → its quantities: entropies, information, and what tells whether to trust them."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from scipy.special import digamma, entr, exp1

from jaxentropy.base.arrays import Array, on_host
from jaxentropy.base.padding import power_of_two, with_room
from jaxentropy.counting.counts import PatternCounts, counts_of, hash_and_count
from jaxentropy.counting.sharded import count_prints_sharded, count_words_sharded
from jaxentropy.estimators import estimate
from jaxentropy.recording.packing import WORD_BITS

SATURATION_LIMIT = 0.9
"""A cell is called saturated where the plug-in entropy exceeds this share of log2 n: the sample, not the network, then
sets the number …"""
MIN_COINCIDENT_PAIRS = 10
"""… or where fewer pairs of inputs than this share a pattern: then there is nothing to estimate from …"""
MIN_COVERAGE = 0.5
"""… or where the patterns seen make up less than this share of the distribution: the unseen rest may hide any number
of bits, even beside a common pattern that keeps the plug-in low."""


class Estimates(NamedTuple):
    """Bits, ``[seed, shuffle, class]`` for the plug-in, with a further axis ``estimator`` for the others."""

    plugin: np.ndarray
    values: np.ndarray
    errors: np.ndarray


Cell = dict[str, tuple[tuple[str, ...], np.ndarray]]
"""One layer's quantities: variable → (its dimensions after seed, values averaged over shuffles)."""


Kept = np.ndarray | tuple[np.ndarray, np.ndarray]
"""What is known of a layer: its packed words ``[n, word]``, or fingerprints ``[n, 2]`` and neuron counts."""


def count_layers(
    layers: Iterable[tuple[Sequence[Kept], np.ndarray, int]], num_classes: int, mesh: Mesh | None = None
) -> Iterator[tuple[PatternCounts, PatternCounts]]:
    """Counts by class and over all classes, ``[seed, shuffle, ...]``, of each layer.

    Of a layer are given what is kept for each seed, the labels ``[seed, shuffle, n]``, and its width. The next layer is
    under way while one is waited for.
    """
    waiting: deque[tuple[list[Finish], tuple[int, ...], int]] = deque()
    for kept, labels, width in layers:
        begun = [
            _begin(own, by, num_classes, mesh) for own, shuffled in zip(kept, labels, strict=True) for by in shuffled
        ]
        waiting.append((begun, labels.shape[:2], width))
        if len(waiting) > 1:
            yield _stacked(*waiting.popleft())
    while waiting:
        yield _stacked(*waiting.popleft())


Finish = Callable[[], tuple[PatternCounts, PatternCounts]]
"""Waits for what was begun."""


def _begin(kept: Kept, labels: np.ndarray, num_classes: int, mesh: Mesh | None) -> Finish:
    """Counting of one seed and one labelling."""
    if isinstance(kept, tuple):
        prints, labels = with_room(kept[0], labels, num_classes)
        on = kept[1].astype(np.int32)
        if mesh is not None:
            return partial(count_prints_sharded, prints, on, labels, num_classes, mesh)
        return partial(counts_of, prints, on, labels, num_classes)
    # of whole words, so that layers whose last words differ in length share a program
    width = WORD_BITS * kept.shape[1]
    if not isinstance(kept, np.memmap):  # which may be larger than memory
        kept, labels = with_room(kept, labels, num_classes)
    if mesh is not None:
        return partial(count_words_sharded, kept, labels, num_classes, width, mesh)
    return partial(counts_of, *hash_and_count(kept, labels, num_classes, width), labels, num_classes)


def _stacked(begun: Sequence[Finish], shape: tuple[int, ...], width: int) -> tuple[PatternCounts, PatternCounts]:
    """The counts of all seeds and labellings of a layer, on the host."""
    counts = jax.tree.map(lambda *x: np.stack(x).reshape(*shape, *x[0].shape), *[finish() for finish in begun])
    by_class, pooled = (c._replace(on=c.on[..., :width]) for c in counts)
    return by_class, pooled


def neuron_quantities(by_class: PatternCounts, pooled: PatternCounts) -> Cell:
    """The quantities that come from the counts of single neurons."""
    n = by_class.n.astype(float)
    empty = n == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        share = n / n.sum(-1, keepdims=True)
        rate = by_class.on / n[..., None]
        constant = [np.where(empty, np.nan, (rate == state).mean(-1)) for state in (0, 1)]
    by_neuron = _binary_entropy(rate)
    neuron = by_neuron.mean(-1)
    least, most = neuron_limits(by_class.on, by_class.n)
    pooled_entropy = _binary_entropy(pooled.on[..., 0, :] / pooled.n).mean(-1)
    values = {
        "neuron_entropy": (("class",), neuron),
        "neuron_entropy_corrected": (("class",), (least + most) / 2),
        "neuron_entropy_bias": (("class",), (most - least) / 2),
        "neuron_entropy_pooled": ((), pooled_entropy),
        "neuron_information": ((), pooled_entropy - np.where(empty, 0.0, share * neuron).sum(-1)),
        "always_on": (("class",), constant[1]),
        "always_off": (("class",), constant[0]),
        **_active_quantities(by_class, pooled, by_neuron),
    }
    return {name: (dims, value.mean(1)) for name, (dims, value) in values.items()}


def _active_quantities(by_class: PatternCounts, pooled: PatternCounts, by_neuron: np.ndarray) -> Cell:
    """The means over the neurons that are not constant over all inputs, and how many are; ``[seed, shuffle, ...]``.

    Of a neuron that is constant, each class's entropy is zero, and so is that of every resampled class.
    """
    total = pooled.n[..., None]
    never_on, never_off = pooled.on == 0, pooled.on == total
    active = ~never_on & ~never_off
    least, most = neuron_limits(by_class.on, by_class.n, active)
    with np.errstate(invalid="ignore"):
        entropy = by_neuron.sum(-1, where=active) / active.sum(-1)
    shares = [np.where(total > 0, never, np.nan)[..., 0, :].mean(-1) for never in (never_on, never_off)]
    return {
        "neuron_entropy_active": (("class",), entropy),
        "neuron_entropy_active_corrected": (("class",), (least + most) / 2),
        "neuron_entropy_active_bias": (("class",), (most - least) / 2),
        "never_on": ((), shares[0]),
        "never_off": ((), shares[1]),
    }


_TANGENT = 0.1
"""Where the tangent below is laid. A smaller one makes neurons that were never seen to change cheaper, and those that
changed once dearer."""


def neuron_limits(on: Array, n: Array, chosen: Array | bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Mean over (chosen) neurons of two estimates of their entropy whose expectations lie below and above it, in bits.

    Whatever the rates p of the neurons are. The first is Zhang's ("Entropy estimation in Turing's perspective", 2012),
    (k/n)·(ψ(n) − ψ(k)) nats and the same for n − k: it lacks Σ p·(1 − p)^v / v over v ≥ n, which is at most
    (1 − p)ⁿ·F(x)/(n − 1) with x = (n − 1)·p/(1 − p) and F(x) = x·eˣ·E₁(x). F is concave, hence below its tangent
    α + β·x, and (1 − p)ⁿ·(α + β·x)/(n − 1) is what α/(n − 1) nats for each neuron that is never on and β/n for each
    that is on once come to in expectation. That is the second. (For n = 2, where on once is off once, it was computed.)

    Args:
        on: ``int[..., neuron]``, for how many inputs each neuron is on.
        n: ``int[...]``, of how many inputs.
        chosen: ``bool[..., neuron]``, the neurons that are in the mean. The limits hold for neurons that were chosen
            without regard to these inputs.

    Edge contract: NaN without inputs, and without a chosen neuron; 0 and 1 bit with one input.
    """
    k, n = np.asarray(on, float), np.asarray(n, float)[..., None]
    e1 = exp1(_TANGENT) * np.exp(_TANGENT)
    slope = e1 * (1 + _TANGENT) - 1
    level = _TANGENT * (e1 - slope)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [np.where(j > 0, j / n * (digamma(n) - digamma(np.maximum(j, 1))), 0.0) for j in (k, n - k)]
        below = parts[0] + parts[1]
        rare = np.minimum(k, n - k)
        lacking = np.where(rare == 0, level / (n - 1), np.where(rare == 1, slope / n, 0.0))
        chosen = np.broadcast_to(chosen, below.shape)
        number = chosen.sum(-1)
        bits = [x.sum(-1, where=chosen) / number / math.log(2) for x in (below, below + lacking)]
    least, most = (np.where((n[..., 0] > 0) & (number > 0), x, np.nan) for x in bits)
    return least, np.where((n[..., 0] == 1) & (number > 0), 1.0, most)


def _binary_entropy(rate: Array) -> np.ndarray:
    """``estimators.binary_entropy`` in NumPy, which needs no program for each shape."""
    return (entr(np.asarray(rate)) + entr(1 - np.asarray(rate))) / math.log(2)


def pattern_quantities(
    by_class: PatternCounts, pooled: PatternCounts, estimates: Estimates, pooled_estimates: Estimates
) -> Cell:
    """The quantities that come from the multiplicities of joint patterns."""
    n, total = by_class.n.astype(float), pooled.n.astype(float)
    empty = n == 0
    distinct, coverage, pairs, saturation, saturated = _diagnose(by_class, estimates)
    saturated_pooled = _diagnose(pooled, pooled_estimates)[-1][..., 0]
    pooled_entropy = pooled_estimates.values[..., 0, :]
    # an empty class has no weight in the mean over classes
    conditional = np.where(empty[..., None], 0.0, (n / total)[..., None] * estimates.values).sum(-2)
    untold = saturated_pooled | (saturated & ~empty).any(-1)
    values = {
        "pattern_entropy": (("class", "estimator"), estimates.values),
        "pattern_entropy_se": (("class", "estimator"), estimates.errors),
        "pattern_entropy_pooled": (("estimator",), pooled_entropy),
        "pattern_information": (("estimator",), np.where(untold[..., None], np.nan, pooled_entropy - conditional)),
        "patterns": (("class",), np.where(empty, np.nan, distinct)),
        "unique_fraction": (("class",), np.where(empty, np.nan, distinct / np.maximum(n, 1))),
        "coverage": (("class",), coverage),
        "coincident_pairs": (("class",), np.where(empty, np.nan, pairs)),
        "saturation": (("class",), saturation),
    }
    averaged = {name: (dims, value.mean(1)) for name, (dims, value) in values.items()}
    flags = {"saturated": (("class",), saturated.any(1)), "saturated_pooled": ((), saturated_pooled.any(1))}
    return averaged | flags


def pattern_shares(entropy: np.ndarray, widths: Sequence[int], n: np.ndarray) -> Cell:
    """Pattern entropies ``[network, seed, layer, class, estimator]`` by what a layer can hold, and a sample can show.

    The ceiling is the smaller of the two, in bits: one a neuron, and log2 n. Estimators that allow for patterns not
    seen may pass log2 n, so that their share may pass 1. NaN for an empty class, and the share for one of one input.
    """
    width = np.asarray(widths, float)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        ceiling = np.where(n > 0, np.minimum(width, np.log2(n)), np.nan)
        share = np.where(ceiling > 0, 1 / ceiling, np.nan)[..., None] * entropy
    dims = ("network", "seed", "layer", "class", "estimator")
    return {
        "pattern_ceiling": (("layer", "class"), ceiling),
        "pattern_entropy_per_neuron": (dims, entropy / width[..., None]),
        "pattern_entropy_share": (dims, share),
    }


def _diagnose(counts: PatternCounts, estimates: Estimates) -> tuple[Any, Any, Any, Any, Any]:
    """(different patterns, coverage, coincident pairs, saturation, saturated) of each class."""
    n, j = counts.n.astype(float), counts.j[..., None, :].astype(float)
    distinct = counts.f.sum(-1, dtype=float)
    pairs = (counts.f * j * (j - 1) / 2).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = 1 - (counts.f * (j == 1)).sum(-1) / n
        saturation = np.where(n > 1, estimates.plugin / np.log2(n), np.nan)
        # written so that NaN counts as saturated
        trusted = (saturation <= SATURATION_LIMIT) & (pairs >= MIN_COINCIDENT_PAIRS) & (coverage >= MIN_COVERAGE)
    return distinct, coverage, pairs, saturation, ~trusted


def estimate_tables(counts: Sequence[PatternCounts], estimators: tuple[str, ...]) -> list[Estimates]:
    """Entropies and standard errors of all tables in one compiled call an estimator, in float64.

    Where all patterns of a class differ only the plug-in is given: any other estimate would be a function of n alone.
    """
    used = max(int((c.j > 0).sum(-1).max(initial=1)) for c in counts)
    # slots and rows are rounded up: few shapes, few compilations
    slots = power_of_two(used, least=16)
    f = [_resize(c.f, slots) for c in counts]
    j = [np.broadcast_to(_resize(c.j, slots)[..., None, :], own.shape) for c, own in zip(counts, f, strict=True)]
    flat_j, flat_f = (np.concatenate([a.reshape(-1, slots) for a in arrays]) for arrays in (j, f))
    rows = len(flat_f)
    flat_j, flat_f = (np.pad(a, ((0, power_of_two(rows, least=64) - rows), (0, 0))) for a in (flat_j, flat_f))
    by_method = {e: on_host(estimate, flat_j, flat_f, method=e) for e in dict.fromkeys(("plugin", *estimators))}
    n, distinct = (flat_f * flat_j).sum(-1), flat_f.sum(-1)
    meaningless = ((n > 1) & (n == distinct))[:, None] & (np.array(estimators) != "plugin")
    values, errors = (
        np.where(meaningless, np.nan, np.stack([by_method[e][i] for e in estimators], axis=-1)) for i in (0, 1)
    )
    ends = np.cumsum([a[..., 0].size for a in f])[:-1]
    split = (np.split(array[:rows], ends) for array in (by_method["plugin"][0], values, errors))
    return [
        Estimates(*(part.reshape(*table.shape[:-1], *part.shape[1:]) for part in parts))
        for table, *parts in zip(f, *split, strict=True)
    ]


def _resize(array: Array, slots: int) -> np.ndarray:
    """So many slots on the last axis: unused ones cut off or added."""
    used = np.asarray(array)[..., :slots]
    return np.pad(used, [(0, 0)] * (array.ndim - 1) + [(0, slots - used.shape[-1])])
