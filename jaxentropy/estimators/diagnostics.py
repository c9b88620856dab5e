"""How far an estimate can be trusted: coverage, a label in words, and the jackknife's standard error."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike, Float, Int, Shaped

from jaxentropy.base.arrays import Array, on_host
from jaxentropy.base.errors import InputError
from jaxentropy.estimators.bayesian import pitman_yor, pitman_yor_grid
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
"""Below so many pairs of samples with one pattern: *bounds only*. Chosen, not derived."""


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


def standard_error(function, j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Delete-one jackknife standard error of an estimator, in bits (Efron & Stein, 1981).

    Deleting one sample of a pattern seen j times moves that pattern from multiplicity j to j − 1, so there are only as
    many different deletions as multiplicities. NaN where the estimator of n or of n − 1 samples is undefined. For any
    estimator that can be vmapped.

    The samples of a constant are all alike, and the jackknife would be sure of it at any n. Its error is therefore what
    one further sample with another pattern would bring: the binary entropy of 1/(n + 1).
    """
    return value_and_error(function, j, f)[1]


def value_and_error(
    function, j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]
) -> tuple[Float[jax.Array, ""], Float[jax.Array, ""]]:
    """An estimator and its standard error: one program for the whole sample and for all deletions."""
    j, f = jnp.asarray(j), jnp.asarray(f)
    both_j = jnp.concatenate([j, jnp.maximum(j - 1, 0)])
    slots = jnp.arange(len(j))
    if function is pitman_yor:
        # deleting a sample divides the posterior by that sample's predictive probability, which changes slowly: the
        # grid of the whole sample serves all deletions
        function = partial(pitman_yor, grid=pitman_yor_grid(j, f))

    def without_one_of(slot):
        chosen = (slots == slot).astype(f.dtype)
        return function(both_j, jnp.concatenate([f - chosen, chosen]))

    # slot −1 does not exist: nothing is deleted
    value, *deleted = jnp.split(jax.vmap(without_one_of)(jnp.arange(-1, len(j))), [1])
    samples = real(f) * real(j)
    n = samples.sum()
    present = samples > 0
    deleted = jnp.where(present, deleted[0], 0.0)
    mean = jnp.sum(samples * deleted) / n
    squares = jnp.sum(samples * jnp.where(present, deleted - mean, 0.0) ** 2)
    constant = (jnp.where(present, f, 0).sum() == 1) & (n > 1)
    error = jnp.where(constant, binary_entropy(1 / (n + 1)), jnp.sqrt((n - 1) / n * squares))
    return value[0], error + 0 * value[0]


@jax.jit
def binary_entropy(p: Shaped[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """Entropy in bits of a neuron that is on with probability p; 0 at p = 0 and p = 1, NaN stays NaN."""
    p = real(p)
    certain = (p <= 0) | (p >= 1)
    q = jnp.where(certain, 0.5, p)
    return jnp.where(certain, 0.0, -(q * jnp.log(q) + (1 - q) * jnp.log1p(-q)) / np.log(2.0))
