"""The linear program of Valiant & Valiant: an estimator that runs on the host and cannot be compiled."""

import math

import numpy as np
from jax.core import Tracer
from jaxtyping import Shaped
from scipy import sparse
from scipy.optimize import OptimizeResult, linprog
from scipy.stats import poisson

from jaxentropy.base.arrays import Array
from jaxentropy.base.errors import InputError

_RATIO = 1.05
"""Neighbours in the grid of probabilities."""
_SLACK = 0.5
"""How much worse than the best fit the simplest histogram may fit."""
_LARGEST = 2000
"""Patterns seen more often than this count as seen: the program would grow, and the bias is below 1/(2·2000) nats."""


def unseen(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> float:
    """Valiant & Valiant, "Estimating the unseen: improved estimators for entropy and other properties" (2013; 2017).

    The entropy in bits of the histogram of fewest patterns among those whose expected multiplicities fit the sample
    nearly best; two linear programs over probabilities from 1/n² up (or, without singletons, from the rarest seen up).
    Multiplicities with few others around them are taken as seen. Grid ratio 1.05 and slack ½, as in the published code.

    Args:
        j: multiplicities, ``[slot]``.
        f: how many patterns have them, ``[slot]``.

    Returns:
        A float; NaN for fewer than 2 samples, or where the solver gives up. A constant is 0. All samples different:
        about 2 log₂ n − 1. Some 0.05 s, and a few seconds for samples of 10⁹.

    Raises:
        InputError: inside ``jit`` or ``vmap``: the program is solved by SciPy.
    """
    if isinstance(j, Tracer) or isinstance(f, Tracer):
        raise InputError("'unseen' is a linear program that SciPy solves; call it outside jit and vmap")
    j, f = np.asarray(j), np.asarray(f)
    times, slot = np.unique(j[(j > 0) & (f > 0)], return_inverse=True)
    patterns = np.bincount(slot, f[(j > 0) & (f > 0)], len(times))
    n = float(times @ patterns)
    if n < 2:
        return math.nan
    around = np.ceil(np.sqrt(times))
    known = np.concatenate([[0], np.cumsum(patterns)])
    first, last = np.searchsorted(times, times - around), np.searchsorted(times, times + around, side="right")
    as_seen = (known[last] - known[first] < 2 * np.sqrt(times)) | (times > _LARGEST)
    p = times[as_seen] / n
    nats = -np.sum(patterns[as_seen] * p * np.log(p))
    if not as_seen.all():
        nats += _program(times[~as_seen].astype(int), patterns[~as_seen], n, int(times[0]))
    # + 0.0 turns the -0.0 of a constant into 0.0
    return float(nats / math.log(2) + 0.0)


def _program(times: np.ndarray, patterns: np.ndarray, n: float, rarest: int) -> float:
    """−Σ h·p ln p of the fitted histogram, over the multiplicities that are not taken as seen."""
    most = int(times.max())
    rows = np.arange(1, most + math.ceil(math.sqrt(most)) + 1)
    seen = np.zeros(len(rows))
    seen[times - 1] = patterns
    # expected multiplicities rather than probabilities, and the histogram as mass: numbers near 1
    least = float(rarest) if rarest > 1 else 1 / max(10.0, n)
    mean = least * _RATIO ** np.arange(math.ceil(math.log(most / least) / math.log(_RATIO)) + 1)
    chance = poisson.pmf(rows[:, None], mean) / mean
    chance[chance < 1e-12] = 0
    over = sparse.identity(len(rows))
    fit = sparse.hstack([sparse.csr_array(chance), -over, over])
    none = np.zeros(2 * len(rows))
    mass = np.concatenate([np.ones(len(mean)), none])[None]
    equal, right = sparse.vstack([fit, mass]), np.append(seen, times @ patterns)

    miss = np.concatenate([np.zeros(len(mean)), np.tile(1 / np.sqrt(seen + 1), 2)])
    best = linprog(miss, A_eq=equal, b_eq=right, method="highs")
    if best.status != 0:
        return math.nan
    simplest: OptimizeResult = linprog(
        np.concatenate([1 / mean, none]), A_ub=miss[None], b_ub=[best.fun + _SLACK], A_eq=equal, b_eq=right,
        method="highs",
    )  # fmt: skip
    return -np.sum(simplest.x[: len(mean)] / n * np.log(mean / n)) if simplest.status == 0 else math.nan
