"""Functions that the estimators share, in forms that stay accurate from n = 2 to 10⁹.

Concentrations run from e⁻⁴⁰ to far beyond what a float can hold, and so they are passed as logarithms. Beyond ``_FAR``
a function of them is its leading term.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import zeta

from jaxentropy.base.arrays import Array

LN2 = float(np.log(2.0))
_FAR = 60.0
_EULER = float(np.euler_gamma)
# ζ(2), −ζ(3), ζ(4), …: ψ(1 + x) + γ = ζ(2)x − ζ(3)x² + …
_ZETAS = tuple(float((-1) ** k * zeta(k + 2)) for k in range(9))


def real(x: Shaped[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """In JAX's default float type: float32, or float64 inside ``jax.enable_x64(True)``."""
    return jnp.asarray(x).astype(float)


def _polynomial(x, *coefficients: float):
    """c₀ + c₁x + c₂x² + …"""
    value = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = value * x + c
    return value


def _stirling(x):
    """lnΓ(x) − [(x − ½) ln x − x + ½ ln 2π] for x ≥ 4, to 10⁻⁹."""
    return _polynomial(1 / (x * x), 1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188) / x


def log_rising(log_a, m):
    """ln[Γ(a + m)/Γ(a)] for a = exp(log_a) ≥ 1 and m ≥ 0: a difference of two lgamma would lose all digits.

    To 10⁻⁹ and some roundings of the result.
    """
    near = jnp.minimum(log_a, _FAR)
    a = jnp.exp(near)
    # Stirling's series from a + 3 on; the first three factors come by hand
    steps = a / (a + m) * ((a + 1) / (a + 1 + m)) * ((a + 2) / (a + 2 + m))
    b = a + 3
    x = m / b
    log_ratio = jnp.log1p(x)
    # ln(1 + x) − x without cancellation: ln(1 + x) = 2 artanh z with z = x/(2 + x) ≤ 0.2, and 2z − x = −xz
    z = x / (2 + x)
    series = -x * z + 2 * z**3 * _polynomial(z * z, *(1 / k for k in range(3, 23, 2)))
    bent = jnp.where(x < 0.5, series, log_ratio - x)
    risen = m * jnp.log(b) + b * bent + (m - 0.5) * log_ratio
    return risen + _stirling(b + m) - _stirling(b) + jnp.log(steps) + m * (log_a - near)


def digamma(x):
    """ψ(x) for x ≥ ½, to 10⁻¹¹: six steps up, then the asymptotic series. Compiles faster than JAX's for all x."""
    y = x + 6
    w = 1 / (y * y)
    tail = w * _polynomial(w, 1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)
    return jnp.log(y) - 0.5 / y - tail - sum(1 / (x + i) for i in range(6))


def digamma_above(log_x):
    """ψ(1 + x), x = exp(log_x)."""
    near = jnp.minimum(log_x, _FAR)
    return digamma(1 + jnp.exp(near)) + (log_x - near)


def harmonic(log_x):
    """ψ(1 + x) − ψ(1), x = exp(log_x), with all digits where x is small."""
    small = jnp.exp(jnp.minimum(log_x, -3.0))
    return jnp.where(log_x < -3, small * _polynomial(small, *_ZETAS), digamma_above(log_x) + _EULER)


def harmonic_below(x):
    """ψ(1) − ψ(1 − x) for 0 < x < 1, with all digits where x is small."""
    small = jnp.minimum(x, 0.05)
    series = small * _polynomial(-small, *_ZETAS)
    return jnp.where(x < 0.05, series, 1 / (1 - x) - _EULER - digamma(2 - x))


def trigamma_above(x):
    """ψ₁(1 + x) for x ≥ 0, to 10⁻¹¹: six steps up, then the asymptotic series."""
    y = x + 7
    head = sum(1 / (x + i) ** 2 for i in range(1, 7))
    w = 1 / (y * y)
    return head + 1 / y + w / 2 + w / y * _polynomial(w, 1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66)


def log_uniform_density(log_x):
    """x·ψ₁(1 + x): the density in ln x of a concentration x whose expected entropy is uniform. From 0 up to 1."""
    near = jnp.minimum(log_x, _FAR)
    return jnp.exp(near) * trigamma_above(jnp.exp(near))


def log_uniform_rest(log_x):
    """1 − x·ψ₁(1 + x), with all digits where x is large."""
    x = jnp.exp(jnp.clip(log_x, 2.5, _FAR))
    w = 1 / x
    rest = w * _polynomial(w, 1 / 2, -1 / 6, 0.0, 1 / 30, 0.0, -1 / 42, 0.0, 1 / 30, 0.0, -5 / 66)
    far = rest * jnp.exp(-jnp.maximum(log_x - _FAR, 0.0))
    return jnp.where(log_x > 2.5, far, 1 - log_uniform_density(log_x))


def level_set(log_weight, low, high, *, depth: float, points: int, stages: int):
    """The part of [low, high] where a function of one peak comes within ``depth`` of it, give or take a grid step.

    A grid over the interval, then a grid over the part of it that counts, and so on: each stage shortens the interval
    by at most points / 2 times, and the peak is never lost. Also returns the greatest height met.
    """
    steps = np.linspace(0, 1, points)

    def shorten(_, ends):
        low, high, _ = ends
        x = low + (high - low) * np.asarray(steps, jnp.result_type(float))
        height = log_weight(x)
        counts = height >= height.max() - depth
        first, last = jnp.argmax(counts), points - 1 - jnp.argmax(counts[::-1])
        return x[jnp.maximum(first - 1, 0)], x[jnp.minimum(last + 1, points - 1)], height.max()

    return jax.lax.fori_loop(0, stages, shorten, (low + 0 * high, high + 0 * low, 0 * low * high))


@jax.jit
def binary_entropy(p: Shaped[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """Entropy in bits of a neuron that is on with probability p; 0 at p = 0 and p = 1, NaN stays NaN."""
    p = real(p)
    certain = (p <= 0) | (p >= 1)
    q = jnp.where(certain, 0.5, p)
    return jnp.where(certain, 0.0, -(q * jnp.log(q) + (1 - q) * jnp.log1p(-q)) / np.log(2.0))
