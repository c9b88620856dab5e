"""Multiplicities → entropy in bits. One function an estimator, and their table.

An estimator sees the data through its multiplicities only: slot k says that ``f[k]`` different patterns were seen
``j[k]`` times. Slots may repeat a multiplicity, and a slot with ``j = 0`` or ``f = 0`` says nothing; a plain vector of
counts is therefore the case ``j = counts, f = 1``.

Edge contract of every estimator: no sample gives NaN; one sample gives 0 for the plug-in and NaN for the others; a
constant (one pattern seen n ≥ 2 times) gives 0. Where all samples differ the formulas still give a number, but it is a
function of n alone and says nothing of the truth: see ``coverage``, which is then 0.

All run in JAX's default float type: float32, or float64 inside ``jax.enable_x64(True)``.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import digamma
from jaxtyping import Float, Int, Shaped

from jaxentropy.errors import InputError
from jaxentropy.patterns import Array

Estimator = Callable[[Array, Array], jax.Array]
_LN2 = float(np.log(2.0))
# 64 Gauss–Legendre nodes on [0, 1] leave an error below 1e-9 bit in the Chao–Wang–Jost integral (see its docstring)
_NODES, _WEIGHTS = (x / 2 for x in np.polynomial.legendre.leggauss(64))
_NODES = _NODES + 0.5


def _real(x: Shaped[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    return jnp.asarray(x).astype(float)


def plugin(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """The plug-in (maximum-likelihood) entropy −Σ p̂ log₂ p̂, p̂ = j/n, in bits.

    At most log₂ n, and below the truth on average by about (K − 1)/(2 n ln 2) bits for K patterns.
    """
    j, f = _real(j), _real(f)
    n = jnp.sum(f * j)
    p = jnp.where(j > 0, j, n) / n
    # + 0.0 turns the -0.0 of a constant into 0.0
    return jnp.where(n > 0, -jnp.sum(f * p * jnp.log2(p)) + 0.0, jnp.nan)


def miller_madow(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Plug-in + (K_observed − 1)/(2n) nats, in bits (Miller, "Note on the bias of information estimates", 1955)."""
    j, f = _real(j), _real(f)
    n, observed = jnp.sum(f * j), jnp.sum(f * (j > 0))
    return jnp.where(n > 1, plugin(j, f) + (observed - 1) / (2 * n * _LN2), jnp.nan)


def chao_wang_jost(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Chao, Wang & Jost, "Entropy and the species accumulation curve" (2013), equation 7, in bits.

    H = Σ f·(j/n)·[ψ(n) − ψ(j)] + (f₁/n)·T nats, with T = (1 − A)^(1−n)·{−ln A − Σ_{r<n} (1 − A)^r / r} and
    A = 2f₂ / ((n−1)f₁ + 2f₂), or 2 / ((n−1)(f₁−1) + 2) where f₂ = 0. The textbook form of T overflows; it equals
    ∫₀^(−ln A) [(1 − A·eᵛ)/(1 − A)]^(n−1) dv, a smooth integral, computed here by Gauss–Legendre quadrature on the part
    where the integrand exceeds e⁻⁴⁰.
    """
    j, f = _real(j), _real(f)
    n = jnp.sum(f * j)
    f1, f2 = jnp.sum(f * (j == 1)), jnp.sum(f * (j == 2))
    safe_j = jnp.where(j > 0, j, 1.0)
    seen = jnp.sum(f * (j / n) * (digamma(n) - digamma(safe_j)))

    a = jnp.where(f2 > 0, 2 * f2, 2.0) / jnp.where(f2 > 0, (n - 1) * f1 + 2 * f2, (n - 1) * (f1 - 1) + 2)
    has_unseen = (f1 > 0) & (a < 1)
    a = jnp.where(has_unseen, a, 0.5)
    end = jnp.minimum(-jnp.log(a), jnp.log1p(40 / ((n - 1) * a)))
    # rounded to the float type here: JAX keeps a captured float64 array as the float32 it once became, for good
    nodes, weights = (np.asarray(x, jnp.result_type(float)) for x in (_NODES, _WEIGHTS))
    v = end * nodes
    integrand = jnp.exp((n - 1) * (jnp.log1p(-jnp.minimum(a * jnp.exp(v), 1.0)) - jnp.log1p(-a)))
    unseen = jnp.where(has_unseen, (f1 / n) * end * jnp.sum(weights * integrand), 0.0)
    return jnp.where(n > 1, (seen + unseen) / _LN2, jnp.nan)


ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {"plugin": plugin, "miller_madow": miller_madow, "chao_wang_jost": chao_wang_jost}
)


ESTIMATOR_NAMES: Mapping[str, str] = MappingProxyType(
    {"plugin": "plug-in", "miller_madow": "Miller–Madow", "chao_wang_jost": "Chao–Wang–Jost"}
)


def estimator(method: str) -> Estimator:
    """The estimator of this name; InputError names the known ones."""
    if method not in ESTIMATORS:
        raise InputError(f"unknown estimator '{method}'; choose from {', '.join(ESTIMATORS)}")
    return ESTIMATORS[method]


def entropy(counts: Shaped[Array, "..."], method: str = "chao_wang_jost") -> Float[jax.Array, "..."]:
    """Entropy in bits of the distribution that these counts were drawn from.

    Args:
        counts: integers ≥ 0, ``[..., K]``: how often each of K patterns was seen; zeros are allowed and change
            nothing.
        method: a name in ``ESTIMATORS``.

    Returns:
        ``float[...]``; see the estimator for the edge contract.

    Raises:
        InputError: unknown method, counts that are not integers, or (outside ``jit``) negative ones.
    """
    counts = _integers(counts, "entropy")
    return _entropy(counts, estimator(method))


@partial(jax.jit, static_argnums=1)
def _entropy(counts: Int[jax.Array, "*batch k"], function: Estimator) -> Float[jax.Array, "*batch"]:
    return jnp.vectorize(lambda c: function(c, jnp.ones_like(c)), signature="(k)->()")(counts)


def coverage(counts: Shaped[Array, "..."]) -> Float[jax.Array, "..."]:
    """Good–Turing sample coverage 1 − f₁/n: the share of the distribution that the patterns seen make up.

    0 where every pattern was seen once: then no estimator knows anything. NaN without samples.
    Good, "The population frequencies of species and the estimation of population parameters" (1953).
    """
    counts = _integers(counts, "coverage")
    return 1 - _real((counts == 1).sum(-1)) / counts.sum(-1)


def standard_error(function: Estimator, j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Delete-one jackknife standard error of an estimator, in bits (Efron & Stein, 1981).

    Deleting one sample of a pattern seen j times moves that pattern from multiplicity j to j − 1, so there are only as
    many different deletions as multiplicities. NaN where the estimator of n or of n − 1 samples is undefined.
    """
    j, f = jnp.asarray(j), jnp.asarray(f)
    both_j = jnp.concatenate([j, jnp.maximum(j - 1, 0)])
    slots = jnp.arange(len(j))

    def without_one_of(slot):
        return function(both_j, jnp.concatenate([f - (slots == slot), (slots == slot).astype(f.dtype)]))

    samples = _real(f * j)
    n = samples.sum()
    present = samples > 0
    deleted = jnp.where(present, jax.vmap(without_one_of)(slots), 0.0)
    mean = jnp.sum(samples * deleted) / n
    return jnp.sqrt((n - 1) / n * jnp.sum(samples * jnp.where(present, deleted - mean, 0.0) ** 2))


@jax.jit
def binary_entropy(p: Shaped[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """Entropy in bits of a neuron that is on with probability p; 0 at p = 0 and p = 1, NaN stays NaN."""
    p = _real(p)
    certain = (p <= 0) | (p >= 1)
    q = jnp.where(certain, 0.5, p)
    return jnp.where(certain, 0.0, -(q * jnp.log2(q) + (1 - q) * jnp.log1p(-q) / _LN2))


@partial(jax.jit, static_argnames="method")
def estimate(
    j: Int[Array, "cell slot"], f: Int[Array, "cell slot"], method: str
) -> tuple[Float[jax.Array, " cell"], Float[jax.Array, " cell"]]:
    """One estimator and its jackknife standard error for many cells at once, in bits."""
    function = ESTIMATORS[method]
    # the jackknife holds slots² numbers a cell: as many cells at a time as take some tens of megabytes
    at_once = max(1, 2**21 // j.shape[-1] ** 2)
    errors = jax.lax.map(lambda cell: standard_error(function, *cell), (j, f), batch_size=at_once)
    return jax.vmap(function)(j, f), errors


def _integers(counts: Shaped[Array, "..."], caller: str) -> Int[jax.Array, "*batch k"]:
    counts = jnp.asarray(counts)
    if not jnp.issubdtype(counts.dtype, jnp.integer) or counts.ndim < 1:
        raise InputError(f"{caller}: counts are {counts.dtype}{list(counts.shape)}; expected integers [..., K]")
    if not isinstance(counts, Tracer) and counts.size and int(counts.min()) < 0:
        raise InputError(f"{caller}: a count is {int(counts.min())}; counts are 0 or more")
    return counts
