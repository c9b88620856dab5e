"""Bayesian estimators: posterior means of the entropy under priors that are flat over entropies.

Their posteriors have one peak, whose width runs from 10⁻⁴ to 60 in the logarithm of a concentration. The grids are
of static shape and laid anew for each sample, around the part of the posterior that counts.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from jaxentropy.base.arrays import Array
from jaxentropy.estimators.special import (
    LN2,
    digamma,
    digamma_above,
    harmonic,
    harmonic_below,
    level_set,
    log_rising,
    log_uniform_density,
    log_uniform_rest,
    real,
    trigamma_above,
)

_LOWEST = -40.0
# the slot sums of Pitman–Yor are smooth functions of the discount on [0, 1] (nearest pole at 2): 20 Chebyshev nodes
# give them to 10⁻¹⁵, and need each slot's special functions 20 times however fine the grid is
_ORDER = 20
_ANGLES = np.pi * (np.arange(_ORDER) + 0.5) / _ORDER
_DISCOUNTS = 0.5 + 0.5 * np.cos(_ANGLES)
_TO_CHEBYSHEV = 2 / _ORDER * np.cos(np.arange(_ORDER)[:, None] * _ANGLES)
_TO_CHEBYSHEV[0] /= 2
# the discount is integrated in its root, which takes the edge off the prior's logarithm at 0
_ROOTS = (1e-8, 0.999)
_NODES, _WEIGHTS = (x / 2 for x in np.polynomial.legendre.leggauss(40))
_NODES = _NODES + 0.5


def nsb(
    j: Shaped[Array, " slot"], f: Shaped[Array, " slot"], *, log2_support: float | int | None = None
) -> Float[jax.Array, ""]:
    """Nemenman, Shafee & Bialek, "Entropy and inference, revisited" (2002): posterior mean, in bits.

    A mixture of symmetric Dirichlet priors over K patterns of total concentration κ, weighted by dE[H]/dκ so that the
    prior is nearly flat over entropies: ψ₁(κ+1) − ψ₁(κ/K+1)/K.

    Args:
        j: multiplicities, ``[slot]``.
        f: how many patterns have them, ``[slot]``.
        log2_support: log₂ K, the number of patterns that are possible (d for d binary neurons). None is the limit
            K → ∞, which for d > 40 it equals in practice, and which is cheap.

    Edge contract: NaN for fewer than 2 samples, and for more patterns seen than K. A constant gives a small positive
    number: there may be more to see. All samples different: NaN for K → ∞ (the posterior is improper); otherwise near
    (2 log₂ n + log₂ K) / 2, halfway between what the sample excludes and what the support allows.

    10⁻⁵ bit or better to n = 10⁹ in float64; 10⁻³ in float32, or worse where nearly all of 10⁶ samples differ.
    """
    j, f = real(j), real(f)
    n, seen = jnp.sum(f * j), jnp.sum(f * (j > 0))
    defined, log_n = n > 1, jnp.log(jnp.maximum(n, 2.0))
    j, f = jnp.where(j > 0, j, 1.0), jnp.where(j > 0, f, 0.0)

    if log2_support is None:
        defined &= n > seen
        highest = 2 * log_n + 40
        seen_part = jnp.sum(f * j * digamma(j + 1)) / n

        def log_weight(u):
            likelihood = (seen - 1) * u - log_rising(jax.nn.softplus(u), n - 1)
            return likelihood + jnp.log(log_uniform_density(u))

        def expected(u):
            total = jnp.logaddexp(log_n, u)
            rest = jnp.exp(u - total) * digamma(1.0)
            return digamma_above(total) - jnp.exp(log_n - total) * seen_part - rest
    else:
        log_k = log2_support * LN2
        # give the rounding of log₂ K room
        defined &= jnp.log(seen) <= log_k + 1e-5
        highest = jnp.maximum(2 * log_n, log_k) + 40
        log_j = jnp.log(j)

        def log_weight(u):
            log_b = u - log_k
            rising = jnp.sum(f * log_rising(jax.nn.softplus(log_b)[..., None], j - 1), axis=-1)
            likelihood = seen * log_b + rising - u - log_rising(jax.nn.softplus(u), n - 1)
            # far out both densities tend to 1, near zero both rests do
            difference = jnp.where(
                u < 0,
                log_uniform_density(u) - log_uniform_density(log_b),
                log_uniform_rest(log_b) - log_uniform_rest(u),
            )
            return likelihood + jnp.log(difference)

        def expected(u):
            log_b, total = u - log_k, jnp.logaddexp(log_n, u)
            above = jnp.logaddexp(log_j, log_b[..., None])
            seen_part = jnp.sum(f * jnp.exp(above - total[..., None]) * digamma_above(above), axis=-1)
            unseen = jnp.exp(u - total) * -jnp.expm1(jnp.minimum(jnp.log(seen) - log_k, 0.0))
            return digamma_above(total) - seen_part - unseen * digamma_above(log_b)

    low, high, _ = level_set(log_weight, _LOWEST, highest, depth=32.0, points=48, stages=4)
    # without a repetition the posterior is a plateau as long as the support's logarithm
    points = 64 + int(log2_support or 0)
    u = low + (high - low) * np.linspace(0, 1, points, dtype=jnp.result_type(float))
    mean = jnp.sum(jax.nn.softmax(log_weight(u)) * expected(u))
    return jnp.where(defined, mean / LN2, jnp.nan)


class Grid(NamedTuple):
    """Where to evaluate a posterior of Pitman–Yor processes: roots t of the discount, and for each its own ln α."""

    t: Float[jax.Array, " root"]
    u: Float[jax.Array, "root point"]
    weight: Float[jax.Array, " root"]


def pitman_yor(
    j: Shaped[Array, " slot"], f: Shaped[Array, " slot"], *, grid: Grid | None = None
) -> Float[jax.Array, ""]:
    """Archer, Park & Pillow, "Bayesian entropy estimation for countable discrete distributions" (2014), in bits.

    The posterior mean under a mixture of Pitman–Yor processes of concentration α and discount δ, for tails from
    exponential (δ = 0) to power laws. The prior is the paper's: exp(−10/(1−γ)) on h = ψ(α+1) − ψ(1−δ) and
    γ = [ψ(1) − ψ(1−δ)]/h, with the Jacobian ψ₁(α+1)·ψ₁(1−δ)/h. (The authors' own code leaves the Jacobian out.)

    Args:
        j: multiplicities, ``[slot]``.
        f: how many patterns have them, ``[slot]``.
        grid: of a sample that differs little (``pitman_yor_grid``), to save laying one.

    Edge contract: NaN for fewer than 2 samples, and where all samples differ (the posterior mean is infinite). A
    constant gives a small positive number: there may be more to see.

    10⁻⁴ bit or better to n = 10⁹ in float64 (10⁻³ where all but one of 10⁹ samples differ); 10⁻³ in float32, or worse
    where nearly all of 10⁶ samples differ.
    """
    log_weight, expected, (n, seen) = _pitman_yor_posterior(j, f)
    t, u, weight = pitman_yor_grid(j, f) if grid is None else grid
    height = log_weight(u, t[:, None])
    weight = weight[:, None] * jnp.exp(height - height.max())
    mean = jnp.sum(weight * expected(u, t[:, None])) / jnp.sum(weight)
    return jnp.where((n > 1) & (n > seen), mean / LN2, jnp.nan)


def pitman_yor_grid(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Grid:
    """The part of the posterior that counts: first the discounts, then for each of them the concentrations.

    The posterior's ridge may be thin and oblique, and so each discount has concentrations of its own.
    """
    log_weight, _, (n, _) = _pitman_yor_posterior(j, f)
    highest = 2 * jnp.log(jnp.maximum(n, 2.0)) + 40

    def ridge(t):
        return level_set(lambda u: log_weight(u, t), _LOWEST, highest, depth=25.0, points=16, stages=6)

    low, high, _ = level_set(lambda t: jax.vmap(ridge)(t)[2], *_ROOTS, depth=25.0, points=16, stages=4)
    nodes, weights = (np.asarray(x, jnp.result_type(float)) for x in (_NODES, _WEIGHTS))
    t = low + (high - low) * nodes
    low, high, _ = jax.vmap(ridge)(t)
    steps = np.linspace(0, 1, 40, dtype=jnp.result_type(float))
    return Grid(t, low[:, None] + (high - low)[:, None] * steps, weights * (high - low))


def _pitman_yor_posterior(j, f):
    """(log posterior density, expected entropy, (n, patterns seen)): functions of u = ln α and t = √δ."""
    j, f = real(j), real(f)
    n, seen, again = jnp.sum(f * j), jnp.sum(f * (j > 0)), jnp.sum(f * (j > 1))
    log_n = jnp.log(jnp.maximum(n, 2.0))
    j, f = jnp.where(j > 0, j, 1.0), jnp.where(j > 0, f, 0.0)
    discounts, to_chebyshev = (np.asarray(x, jnp.result_type(float)) for x in (_DISCOUNTS, _TO_CHEBYSHEV))
    # Σ f·ln[Γ(j−δ)/Γ(2−δ)] over j ≥ 2, and Σ f·(j−δ)·ψ(j−δ+1)/n
    rises = log_rising(jnp.log(2 - discounts), jnp.maximum(j - 2, 0.0)[:, None])
    rises = to_chebyshev @ (jnp.where(j > 1, f, 0.0) @ rises)
    above = j[:, None] - discounts
    digammas = to_chebyshev @ ((f / n) @ (above * digamma(above + 1)))

    def chebyshev(t, coefficients):
        return jnp.cos(jnp.arccos(2 * t * t - 1)[..., None] * np.arange(_ORDER)) @ coefficients

    def log_weight(u, t):
        log_delta, log_rest = 2 * jnp.log(t), jnp.log1p(-t * t)
        likelihood = (seen - 1) * log_delta + again * log_rest + chebyshev(t, rises)
        likelihood += log_rising(jax.nn.softplus(u - log_delta), seen - 1) - log_rising(jax.nn.softplus(u), n - 1)
        own, spread = harmonic(u), harmonic_below(t * t)
        # dψ(1 − δ)/dt, but for a factor of 2
        slope = t * (trigamma_above(1 - t * t) + jnp.exp(-2 * log_rest))
        return likelihood - 10 * spread / own + jnp.log(log_uniform_density(u) * slope / (own + spread))

    def expected(u, t):
        total = jnp.logaddexp(log_n, u)
        unseen = jnp.exp(u - total) + seen * t * t * jnp.exp(-total)
        seen_part = unseen * (digamma(1.0) - harmonic_below(t * t)) + jnp.exp(log_n - total) * chebyshev(t, digammas)
        return digamma_above(total) - seen_part

    return log_weight, expected, (n, seen)
