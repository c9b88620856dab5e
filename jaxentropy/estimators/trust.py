"""How far an estimate can be trusted: every limit, once; coverage, and a label in words."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike, Float, Int, Shaped

from jaxentropy.base.arrays import Array, on_host
from jaxentropy.base.errors import InputError
from jaxentropy.estimators.special import real

LABELS = ("reliable", "good", "usable", "weak", "indicative", "bounds only")
"""From best to worst, with the error of Chao–Wang–Jost, median and 90th percentile in bits, and how often the truth is
within 1.96 standard errors, over 620 synthetic problems (docs/calibration.md):

- *reliable*: 0.01, 0.09; 96 %.
- *good*: 0.07, 0.25; 92 %.
- *usable*: 0.10, 0.36; 88 %. A correction is needed, and its standard error is too small for large samples.
- *weak*: 0.4, 1.3; 63 %. Show more than one estimator.
- *indicative*: 1.3, 5; 38 %. An order of magnitude.
- *bounds only*: no point estimate means anything.

No coverage below 1 bounds an entropy from above."""
COVERAGE_LIMITS = (0.99, 0.95, 0.8, 0.5, 0.05)
"""The least coverage of each label but the last."""
LEAST_PAIRS = 10
"""Below so many pairs of samples with one pattern there is nothing to estimate from: *bounds only*, and saturated.
Chosen, not derived."""
TRUSTED = LABELS[: LABELS.index("usable") + 1]
"""The labels with which point estimates of the pattern entropy are judged."""
SATURATION_LIMIT = 0.9
"""A cell is called saturated where the plug-in entropy exceeds this share of log2 n: the sample, not the network, then
sets the number. So it is with fewer than ``LEAST_PAIRS``, or …"""
MIN_COVERAGE = 0.5
"""… where the patterns seen make up less than this share of the distribution: the unseen rest may hide any number of
bits, even beside a common pattern that makes the plug-in low."""
MIN_INPUTS = 10
"""In a class of fewer inputs than this the bootstrap's error says nothing; its neuron entropies are undecided. With
more, it still knows nothing of a kind of input that the sample missed."""


def integers(counts: Shaped[Array, "..."], caller: str) -> Int[Array, "*batch k"]:
    """Counts that are fit to be counts; InputError otherwise."""
    counts = counts if isinstance(counts, Tracer | jax.Array) else np.asarray(counts)
    if counts.ndim > 1 and counts.dtype == bool:
        raise InputError(_STATES.format(caller=caller))
    if not jnp.issubdtype(counts.dtype, jnp.integer) or counts.ndim < 1:
        raise InputError(f"{caller}: counts are {counts.dtype}{list(counts.shape)}; expected integers [..., K]")
    if isinstance(counts, Tracer) or not counts.size:
        return counts
    low, high = int(counts.min()), int(counts.max())
    if low < 0:
        raise InputError(f"{caller}: a count is {low}; counts are 0 or more")
    if counts.ndim > 1 and high == 1:
        raise InputError(_STATES.format(caller=caller))
    return counts


_STATES = (
    "{caller}: an array of several axes that holds 0 and 1 only looks like states of neurons, but counts are expected: "
    "how often each pattern was seen. For states [n, neurons] use bracket(states), or count_patterns(states, labels, "
    "num_classes) and entropy(counts of each class). If they are counts, give one row at a time"
)


def coverage(counts: Shaped[Array, "..."], method: str = "good_turing") -> Float[jax.Array, "..."]:
    """Sample coverage: the share of the distribution that the patterns seen make up.

    >>> round(float(je.coverage(np.array([5, 3, 1, 1]))), 3)  # two of the ten samples are patterns seen once
    0.8

    Args:
        counts: integers ≥ 0, ``[..., K]``: how often each of K patterns was seen.
        method: ``good_turing``, 1 − f₁/n (Good, "The population frequencies of species and the estimation of
            population parameters", 1953); or ``chao_jost``, 1 − (f₁/n)·(n−1)f₁ / ((n−1)f₁ + 2f₂), and with f₂ = 0
            1 − (f₁/n)·(n−1)(f₁−1) / ((n−1)(f₁−1) + 2) (Chao & Jost, "Coverage-based rarefaction and extrapolation",
            2012).

    Returns:
        ``float[...]`` in [0, 1]. NaN without samples, 0 for one sample. Where every pattern was seen once, 0
        (good_turing) or about 2/n² (chao_jost): then no estimator knows anything.

    Raises:
        InputError: unknown method, counts that are not integers, or (outside ``jit``) negative ones.
    """
    if method not in ("good_turing", "chao_jost"):
        raise InputError(f"unknown coverage '{method}'; choose from good_turing, chao_jost")
    counts = integers(counts, "coverage")
    if isinstance(counts, Tracer):
        return _coverage(counts, method)
    return jnp.asarray(on_host(_coverage, counts, method=method), float)


def _coverage(counts: Int[Array, "*batch k"], method: str) -> Float[jax.Array, "*batch"]:
    counts = jnp.asarray(counts)
    n, f1, f2 = real(counts).sum(-1), real((counts == 1).sum(-1)), real((counts == 2).sum(-1))
    missing = f1 / n
    if method == "chao_jost":
        rare = (n - 1) * jnp.where(f2 > 0, f1, jnp.maximum(f1 - 1, 0.0))
        rare_and_next = rare + jnp.where(f2 > 0, 2 * f2, 2.0)
        missing = jnp.where(n == 1, missing, missing * rare / rare_and_next)
    return 1 - missing


def label(coverage: Shaped[ArrayLike, "..."], coincident_pairs: Shaped[ArrayLike, "..."]) -> np.ndarray:
    """What an estimate is worth, in a word of ``LABELS``, from its coverage and its number of coincident pairs.

    >>> je.label(np.array([0.97, 0.6, 0.6]), np.array([500, 40, 3]))
    array(['good', 'weak', 'bounds only'], dtype='<U11')

    Args:
        coverage: sample coverage (Good–Turing), any shape.
        coincident_pairs: pairs of samples with the same pattern, Σ f·j(j−1)/2, of a shape that fits.

    Returns:
        Strings, of the common shape. *bounds only* where a number is NaN.
    """
    coverage, pairs = np.broadcast_arrays(np.asarray(coverage, float), np.asarray(coincident_pairs, float))
    reached = np.stack([coverage >= limit for limit in COVERAGE_LIMITS])
    best = np.where(reached.any(0) & (pairs >= LEAST_PAIRS), reached.argmax(0), len(LABELS) - 1)
    return np.asarray(np.array(LABELS)[best])
