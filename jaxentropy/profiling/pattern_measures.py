"""Multiplicities of joint patterns → entropies, information, and what says whether to trust them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxentropy.base.arrays import Array, on_host
from jaxentropy.base.padding import power_of_two
from jaxentropy.counting.counts import PatternCounts
from jaxentropy.estimators import estimate
from jaxentropy.estimators.trust import LEAST_PAIRS, MIN_COVERAGE, SATURATION_LIMIT


class Estimates(NamedTuple):
    """Bits, ``[seed, shuffle, class]`` for the plug-in, with a further axis ``estimator`` for the others."""

    plugin: np.ndarray
    values: np.ndarray
    errors: np.ndarray


Cell = dict[str, tuple[tuple[str, ...], np.ndarray]]
"""One layer's quantities: variable → (its dimensions after seed, values averaged over shuffles)."""


def pattern_quantities(
    by_class: PatternCounts,
    pooled: PatternCounts,
    estimates: Estimates,
    pooled_estimates: Estimates,
    drawn: tuple[PatternCounts, PatternCounts] | None = None,
) -> Cell:
    """The quantities that come from the multiplicities of joint patterns.

    If rows are not independent, ``drawn`` are the same counts of some that are, one position of each input. They say
    how far the estimates can be trusted: patterns that recur among the positions of one input would pass for coverage.
    """
    n, total = by_class.n.astype(float), pooled.n.astype(float)
    empty = n == 0
    distinct = by_class.f.sum(-1, dtype=float)
    independent, independent_pooled = drawn or (by_class, pooled)
    coverage, pairs, saturation, saturated = _diagnose(independent, estimates)
    saturated_pooled = _diagnose(independent_pooled, pooled_estimates)[-1][..., 0]
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


def _diagnose(counts: PatternCounts, estimates: Estimates) -> tuple[Any, Any, Any, Any]:
    """(coverage, coincident pairs, saturation, saturated) of each class."""
    n, j = counts.n.astype(float), counts.j[..., None, :].astype(float)
    pairs = (counts.f * j * (j - 1) / 2).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = 1 - (counts.f * (j == 1)).sum(-1) / n
        saturation = np.where(n > 1, estimates.plugin / np.log2(n), np.nan)
        # written so that NaN counts as saturated
        trusted = (saturation <= SATURATION_LIMIT) & (pairs >= LEAST_PAIRS) & (coverage >= MIN_COVERAGE)
    return coverage, pairs, saturation, ~trusted


def with_plugin_of(whole: Estimates, drawn: Estimates, estimators: Sequence[str]) -> Estimates:
    """Estimates of draws, but with the plug-in of all rows (without an error): the more rows, the less it is too low.

    The other estimators correct for what was not seen, by how often patterns recur among independent draws.
    """
    is_plugin = np.array(estimators) == "plugin"
    values = np.where(is_plugin, whole.plugin[..., None], drawn.values)
    return Estimates(drawn.plugin, values, np.where(is_plugin, np.nan, drawn.errors))


def estimate_tables(counts: Sequence[PatternCounts], estimators: tuple[str, ...]) -> list[Estimates]:
    """Entropies and standard errors of all tables in one compiled call an estimator, in float64.

    Where all patterns of a class differ only the plug-in is given: any other estimate would be a function of n alone.
    """
    used = max(int((c.j > 0).sum(-1).max(initial=1)) for c in counts)
    # few sizes, so that few programs compile, which takes longer than estimating
    slots = _common(used, 16, 64)
    f = [_resize(c.f, slots) for c in counts]
    j = [np.broadcast_to(_resize(c.j, slots)[..., None, :], own.shape) for c, own in zip(counts, f, strict=True)]
    flat_j, flat_f = (np.concatenate([a.reshape(-1, slots) for a in arrays]) for arrays in (j, f))
    rows = len(flat_f)
    padded = _common(rows, 64, 1024) if slots <= 64 else power_of_two(rows, least=64)
    flat_j, flat_f = (np.pad(a, ((0, padded - rows), (0, 0))) for a in (flat_j, flat_f))
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


def _common(size: int, small: int, large: int) -> int:
    """A size that many tables share: one for small ones, and powers of two from ``large`` on."""
    return small if size <= small else power_of_two(size, least=large)


def _resize(array: Array, slots: int) -> np.ndarray:
    """So many slots on the last axis: unused ones cut off or added."""
    used = np.asarray(array)[..., :slots]
    return np.pad(used, [(0, 0)] * (array.ndim - 1) + [(0, slots - used.shape[-1])])
