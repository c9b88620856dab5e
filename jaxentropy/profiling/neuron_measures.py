"""Counts of single neurons → their entropies and information."""

import math

import numpy as np
from scipy.special import digamma, entr, exp1

from jaxentropy.base.arrays import Array
from jaxentropy.counting.counts import PatternCounts
from jaxentropy.profiling.pattern_measures import Cell


def neuron_quantities(by_class: PatternCounts, pooled: PatternCounts, drawn: PatternCounts | None = None) -> Cell:
    """The quantities that come from the counts of single neurons.

    If rows are not independent, ``drawn`` are the counts by class of some that are: one position of each input.
    """
    n = by_class.n.astype(float)
    empty = n == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        share = n / n.sum(-1, keepdims=True)
        rate = by_class.on / n[..., None]
        constant = [np.where(empty, np.nan, (rate == state).mean(-1)) for state in (0, 1)]
    by_neuron = binary_entropy_on_host(rate)
    neuron = by_neuron.mean(-1)
    least, most = _limits(by_class, drawn)
    pooled_entropy = binary_entropy_on_host(pooled.on[..., 0, :] / pooled.n).mean(-1)
    values = {
        "neuron_entropy": (("class",), neuron),
        "neuron_entropy_corrected": (("class",), (least + most) / 2),
        "neuron_entropy_bias": (("class",), (most - least) / 2),
        "neuron_entropy_pooled": ((), pooled_entropy),
        "neuron_information": ((), pooled_entropy - np.where(empty, 0.0, share * neuron).sum(-1)),
        "always_on": (("class",), constant[1]),
        "always_off": (("class",), constant[0]),
        **_active_quantities(by_class, pooled, by_neuron, drawn),
    }
    return {name: (dims, value.mean(1)) for name, (dims, value) in values.items()}


def _active_quantities(
    by_class: PatternCounts, pooled: PatternCounts, by_neuron: np.ndarray, drawn: PatternCounts | None
) -> Cell:
    """The means over the neurons that are not constant over all inputs, and how many are; ``[seed, shuffle, ...]``.

    Of a neuron that is constant, each class's entropy is zero, and so is that of every resampled class.
    """
    total = pooled.n[..., None]
    never_on, never_off = pooled.on == 0, pooled.on == total
    active = ~never_on & ~never_off
    least, most = _limits(by_class, drawn, active)
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


def _limits(
    by_class: PatternCounts, drawn: PatternCounts | None, chosen: Array | bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """``neuron_limits`` of independent rows; or of all positions, with those drawn of one an input.

    The rate q over drawn rows has, given all rows, the rate r over these as its mean. The entropy h is concave, so that
    E h(q) ≤ E h(r) ≤ H: the plug-in of all rows is a lower limit, and it needs at most as much correction as that of
    the drawn rows, whose upper limit (from ``neuron_limits``) less their own plug-in is added to it for the upper one.
    """
    if drawn is None:
        return neuron_limits(by_class.on, by_class.n, chosen)
    chosen = np.broadcast_to(chosen, by_class.on.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        plugin, own = (
            binary_entropy_on_host(np.asarray(c.on) / np.asarray(c.n, float)[..., None]).sum(-1, where=chosen)
            / chosen.sum(-1)
            for c in (by_class, drawn)
        )
    return plugin, plugin + neuron_limits(drawn.on, drawn.n, chosen)[1] - own


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


def binary_entropy_on_host(rate: Array) -> np.ndarray:
    """``estimators.binary_entropy`` in NumPy, which needs no program for each shape."""
    return (entr(np.asarray(rate)) + entr(1 - np.asarray(rate))) / math.log(2)
