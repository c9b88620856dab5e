"""Estimators in closed form: sums over the multiplicities, and one smooth integral."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from jaxentropy.base.arrays import Array
from jaxentropy.estimators.special import LN2, digamma, real

# 64 Gauss–Legendre nodes on [0, 1] leave an error below 1e-9 bit in the Chao–Wang–Jost integral (see its docstring)
_NODES, _WEIGHTS = (x / 2 for x in np.polynomial.legendre.leggauss(64))
_NODES = _NODES + 0.5


def plugin(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """The plug-in (maximum-likelihood) entropy −Σ p̂ log₂ p̂, p̂ = j/n, in bits.

    At most log₂ n, and below the truth on average by about (K − 1)/(2 n ln 2) bits for K patterns. One sample: 0.
    All samples different: log₂ n.
    """
    j, f = real(j), real(f)
    n = jnp.sum(f * j)
    j = jnp.where(j > 0, j, n)
    # not −log₂(j/n), which makes a constant's 0 a −0
    return jnp.where(n > 0, jnp.sum(f * (j / n) * jnp.log2(n / j)), jnp.nan)


def miller_madow(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Plug-in + (K_observed − 1)/(2n) nats, in bits (Miller, "Note on the bias of information estimates", 1955).

    All samples different: log₂ n + 0.72.
    """
    j, f = real(j), real(f)
    n, seen = jnp.sum(f * j), jnp.sum(f * (j > 0))
    return jnp.where(n > 1, plugin(j, f) + (seen - 1) / (2 * n * LN2), jnp.nan)


def jackknife(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """The plug-in freed of its bias of order 1/n by the jackknife (Zahl, "Jackknifing an index of diversity", 1977).

    n·H(all) − (n−1)·mean H(one deleted), where large numbers cancel; collected by hand it is
    H − (n−1) ln(1 − 1/n) + Σ f·(j/n)·(j−1) ln(1 − 1/j) nats. In bits. All samples different: log₂ n + 1.44.
    """
    j, f = real(j), real(f)
    n = jnp.sum(f * j)
    many = jnp.maximum(n, 2.0)
    again = jnp.maximum(j, 2.0)
    freed = jnp.sum(jnp.where(j > 1, f * (j / many) * (j - 1) * jnp.log1p(-1 / again), 0.0))
    return jnp.where(n > 1, plugin(j, f) + (freed - (many - 1) * jnp.log1p(-1 / many)) / LN2, jnp.nan)


def grassberger(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Grassberger, "Entropy estimates from insufficient samplings" (2003): ln n − Σ f·(j/n)·G_j nats, in bits.

    G_j = ψ(⌊j/2⌋ + ½) + ln 2, the exact sum of the paper's alternating series. A constant is 0 by definition here; the
    formula would leave ln n − G_n, of order 1/n². All samples different: log₂ n + 1.83.
    """
    j, f = real(j), real(f)
    n, seen = jnp.sum(f * j), jnp.sum(f * (j > 0))
    g = digamma(jnp.floor(j / 2) + 0.5) + LN2
    # ln n − Σ f (j/n) G as a sum of small differences
    nats = jnp.sum(f * (j / n) * (jnp.log(jnp.where(n > 0, n, 1.0)) - g))
    return jnp.where(n > 1, jnp.where(seen > 1, nats, 0.0) / LN2, jnp.nan)


def chao_shen(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Chao & Shen, "Nonparametric estimation of Shannon's index of diversity" (2003), in bits.

    Plug-in probabilities shrunk by the coverage C = 1 − f₁/n, each term divided by its chance to have been seen:
    −Σ f·p ln p / (1 − (1−p)ⁿ), p = C·j/n. Where all samples differ f₁ counts as n − 1: about 2 log₂ n.
    """
    j, f = real(j), real(f)
    n, singletons = jnp.sum(f * j), jnp.sum(f * (j == 1))
    # n − f₁ without rounding
    again = jnp.where(singletons == n, 1.0, n - singletons)
    # 1 where there is nothing: ln 1 = 0
    p = jnp.where((j > 0) & (n > 0), (again / n) * (j / n), 1.0)
    terms = f * p * jnp.log(1 / p) / -jnp.expm1(n * jnp.log1p(-p))
    return jnp.where(n > 1, jnp.sum(jnp.where(p < 1, terms, 0.0)) / LN2, jnp.nan)


def chao_wang_jost(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Chao, Wang & Jost, "Entropy and the species accumulation curve" (2013), equation 7, in bits.

    H = Σ f·(j/n)·[ψ(n) − ψ(j)] + (f₁/n)·T nats, with T = (1 − A)^(1−n)·{−ln A − Σ_{r<n} (1 − A)^r / r} and
    A = 2f₂ / ((n−1)f₁ + 2f₂), or 2 / ((n−1)(f₁−1) + 2) where f₂ = 0. The textbook form of T overflows; it equals
    ∫₀^(−ln A) [(1 − A·eᵛ)/(1 − A)]^(n−1) dv, a smooth integral, computed here by Gauss–Legendre quadrature on the part
    where the integrand exceeds e⁻⁴⁰. All samples different: 2 log₂ n − 1, but for terms of order (log n)/n.
    """
    j, f = real(j), real(f)
    n = jnp.sum(f * j)
    f1, f2 = jnp.sum(f * (j == 1)), jnp.sum(f * (j == 2))
    seen = jnp.sum(f * (j / n) * (digamma(n) - digamma(jnp.where(j > 0, j, 1.0))))

    a = jnp.where(f2 > 0, 2 * f2, 2.0) / jnp.where(f2 > 0, (n - 1) * f1 + 2 * f2, (n - 1) * (f1 - 1) + 2)
    has_unseen = (f1 > 0) & (a < 1)
    a = jnp.where(has_unseen, a, 0.5)
    end = jnp.minimum(-jnp.log(a), jnp.log1p(40 / ((n - 1) * a)))
    # rounded to the float type here: once JAX has captured a float64 array as float32, it stays float32
    nodes, weights = (np.asarray(x, jnp.result_type(float)) for x in (_NODES, _WEIGHTS))
    v = end * nodes
    integrand = jnp.exp((n - 1) * (jnp.log1p(-jnp.minimum(a * jnp.exp(v), 1.0)) - jnp.log1p(-a)))
    unseen = jnp.where(has_unseen, (f1 / n) * end * jnp.sum(weights * integrand), 0.0)
    return jnp.where(n > 1, (seen + unseen) / LN2, jnp.nan)


def james_stein(
    j: Shaped[Array, " slot"], f: Shaped[Array, " slot"], *, log2_support: float | int | None = None
) -> Float[jax.Array, ""]:
    """Hausser & Strimmer, "Entropy inference and the James–Stein estimator" (2009), in bits.

    The plug-in entropy of q = λ/K + (1 − λ)p̂ over all K patterns, seen or not, with
    λ = (1 − Σ p̂²) / ((n−1) Σ (p̂ − 1/K)²), at most 1.

    Args:
        j: multiplicities, ``[slot]``.
        f: how many patterns have them, ``[slot]``.
        log2_support: log₂ K, the number of patterns that are possible; d for d binary neurons, where the unseen
            patterns make the estimate far too large. None takes K as the number of patterns seen.

    NaN for more patterns seen than K. All samples different: log₂ K, whatever the truth.
    """
    j, f = real(j), real(f)
    n, seen = jnp.sum(f * j), jnp.sum(f * (j > 0))
    log_k = jnp.log(seen) if log2_support is None else jnp.asarray(log2_support * LN2, jnp.result_type(float))
    share = jnp.exp(-log_k)
    unseen = jnp.where(jnp.abs(log_k - jnp.log(seen)) < 1e-5, 0.0, 1 - seen * share)
    f = jnp.where(j > 0, f, 0.0)
    p = j / n
    distance = (n - 1) * (jnp.sum(f * (p - share) ** 2) + unseen * share)
    shrink = jnp.where(
        distance > 0, jnp.minimum((1 - jnp.sum(f * p**2)) / jnp.where(distance > 0, distance, 1.0), 1), 1
    )
    q = shrink * share + (1 - shrink) * p
    nats = jnp.sum(jnp.where(q > 0, f * q * jnp.log(1 / jnp.where(q > 0, q, 1.0)), 0.0))
    nats += jnp.where(shrink > 0, unseen * shrink * (log_k - jnp.log(jnp.where(shrink > 0, shrink, 1.0))), 0.0)
    return jnp.where((n > 1) & (unseen >= 0), nats / LN2, jnp.nan)


def collision(j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Rényi's entropy of order 2, −log₂ of the share of pairs of samples that coincide: a lower bound, in bits.

    The share Σ f·j(j−1) / (n(n−1)) is an unbiased estimate of Σ p²; its logarithm is biased by about half its squared
    relative error. Usable long before the others, but far below the entropy of uneven distributions. All samples
    different: NaN.
    """
    j, f = real(j), real(f)
    n = jnp.sum(f * j)
    share = jnp.sum(f * (j / n) * ((j - 1) / (n - 1)))
    return jnp.where((n > 1) & (share > 0), jnp.log2(jnp.maximum(1 / share, 1.0)), jnp.nan)
