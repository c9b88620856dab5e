"""Multiplicities → a lower bound on the entropy that holds for any sample size, from how often patterns coincide.

The bound is an *e-value*. Let pattern i have probability p_i and be seen N_i times among n inputs, and choose weights
1 = u₀ = u₁ ≥ u₂ ≥ … ≥ 0 that punish coincidences. Multinomial counts are negatively associated (Joag-Dev & Proschan
1983), so E Π u(N_i) ≤ Π E u(N_i). If for every p in (0, 1]

    E u(N) ≤ exp(s·p·(ln(1/p) − m)),  N ~ Binomial(n, p),                                                       (1)

then E Π u(N_i) ≤ exp(s·(H − m)) whatever the distribution: e(H) = exp(s·(m − H))·Π_j u_j^(f_j) has expectation at most
one, and by Markov's inequality H ≥ m + (Σ_j f_j ln u_j − ln(1/ε))/s nats with probability at least 1 − ε, for any
sample size. Given u and s, the largest m that satisfies (1) is the minimum of a smooth function of p.

Weights: ln u_j = −(s/n)·max(2e^(μ−1), j·(μ + ψ(j))) for j ≥ 2. The first term counts coincidences and is the tangent
that (1) needs at small p; the second is Grassberger's and Zhang's unbiased estimate of p ln p for patterns that are
seen often. μ slides from a birthday bound (large) to a plug-in (negative: only what is seen more than e^(−μ) times is
punished, so that u is flat where those counts lie and their chance costs little). Several (μ, s) are averaged with
fixed shares: an average of e-values is an e-value, so choosing costs the logarithm of a share and nothing is tuned on
the sample.

Without any coincidence the bound reaches 2·log₂ n − log₂(2·ln(1/ε)) before that cost, which a uniform distribution
attains: no bound without assumptions can do better.
"""

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, gammaln, logsumexp, xlog1py, xlogy

Array = np.ndarray
_LN2 = float(np.log(2.0))
_STEP = 0.6  # between neighbouring μ
_SPEEDS = (1.0, 2.2)  # multiples of the s that suits as many coincidences as μ expects
_POINTS = 200  # values of p at which (1) is evaluated
_TOLERANCE = 2e-3  # nats that every bound gives away for the finite number of p
_EXACT, _SPACING = 100, 0.06  # so many counts at either end are summed one by one; steps of √n·arcsin √(N/n) between


def entropy_lower_bound(j: Array, f: Array, error: float) -> float:
    """A number that is at most the entropy, in bits, with probability at least 1 − ``error``; for any sample size.

    Args:
        j, f: ``int[slot]``: f[k] different patterns were seen j[k] times; slots with 0 say nothing.
        error: probability in (0, 1) with which the bound may fail.

    Edge contract: 0 without samples, with one sample, and for a constant (nothing speaks against zero entropy).
    """
    j, f = (np.asarray(x, float)[(np.asarray(j) > 0) & (np.asarray(f) > 0)] for x in (j, f))
    n = int(np.sum(j * f))
    if n < 2 or (len(j) == 1 and f[0] == 1):
        return 0.0
    mu, s, intercept, log_share = _designs(n, error)
    grassberger = _grassberger(j)
    log_weight = np.array([-(f @ _penalty(j, grassberger, *design)) / n for design in zip(mu, s, strict=True)])

    def excess(nats: float) -> float:
        return logsumexp(log_share + intercept - s * nats + log_weight) - np.log(1 / error)

    return float(np.asarray(brentq(excess, 0.0, 4 * np.log(n) + 4))) / _LN2 if excess(0.0) > 0 else 0.0


def _grassberger(j: Array) -> Array:
    """j·ψ(j), for j ≥ 2."""
    many = np.maximum(j, 2.0)
    return many * digamma(many)


def _penalty(j: Array, grassberger: Array, mu: float, s: float) -> Array:
    """−n·ln u_j."""
    return np.where(j < 2, 0.0, s * np.maximum(2 * np.exp(mu - 1), j * mu + grassberger))


@lru_cache(maxsize=256)
def _designs(n: int, error: float) -> tuple[Array, Array, Array, Array]:
    """(μ, s, s·m, ln share) of every e-value that is averaged for samples of this size."""
    mu, s = [], []
    for level in np.arange(-np.log(n), np.log(n) + 1 + _STEP, _STEP):
        fitting = np.sqrt(np.log(1 / error) * (n * np.exp(-max(level, 0.0)) + 2 * np.log(1 / error)))
        mu += [level] * len(_SPEEDS)
        s += [speed * fitting for speed in _SPEEDS]
    mu, s = np.array(mu), np.array(s)
    # a bound with a small s pays more for its share, so it gets a larger one
    share = 1 / s
    return mu, s, _intercepts(n, mu, s), np.log(share / share.sum())


def _intercepts(n: int, mu: Array, s: Array) -> Array:
    """s·m of each design: the minimum over p of s·ln(1/p) − ln E u(N) / p."""
    log_p = np.linspace(np.log(1e-3) - 2 * np.log(n), np.log(0.9999), _POINTS)
    p = np.exp(log_p)
    # weights e^(−s·…) move the mass that matters below the mean, by about this much
    shift = s.max() * p * (1 - p) * (mu.max() + np.log(n * p + 1) + 1)
    counts, log_mass = _binomial(n, p, shift)
    grassberger = _grassberger(counts)
    value = np.empty((len(mu), _POINTS))
    for k in range(len(mu)):
        punished = _penalty(counts, grassberger, mu[k], s[k]) / n
        # 1 − E u is accurate where it is small, and the logarithm of E u where that is
        missing = np.sum(np.exp(log_mass) * -np.expm1(-punished), axis=1)
        small = np.asarray(logsumexp(log_mass - punished, axis=1))
        log_expected = np.where(missing < 0.5, np.log1p(-np.minimum(missing, 0.5)), small)
        value[k] = -s[k] * log_p - log_expected / p
    return _minimum(value) - _TOLERANCE * s


def _binomial(n: int, p: Array, shift: Array) -> tuple[Array, Array]:
    """Counts ``[p, node]``, and the log of the binomial mass that each stands for.

    Small samples are summed over every count. In large ones that is done at both ends; in between, nodes lie evenly in
    arcsin √(N/n), where the binomial has the same width everywhere, and reach 14 deviations beyond what matters. (Mass
    times weight is log-concave in N from 2 on, so what lies outside is below e⁻⁵⁰ of the sum.)
    """
    if n <= 4 * _EXACT:
        counts, log_step = np.broadcast_to(np.arange(n + 1.0), (len(p), n + 1)), 0.0
    else:
        reach = 14 * np.sqrt(n * p * (1 - p)) + 60
        ends = np.arcsin(np.sqrt((_EXACT + 0.5) / n)), np.arccos(np.sqrt((_EXACT + 0.5) / n))
        low, high = (
            np.clip(np.arcsin(np.sqrt(np.clip(x / n, 0, 1))), *ends)
            for x in (n * p - 1.3 * shift - reach, n * p + reach)
        )
        nodes = int(np.ceil(np.max(high - low) * np.sqrt(n) / _SPACING)) + 1
        width = ((high - low) / nodes)[:, None]
        angle = low[:, None] + width * (np.arange(nodes) + 0.5)
        one_by_one = np.concatenate([np.arange(_EXACT + 1.0), np.arange(n - _EXACT, n + 1.0)])
        one_by_one = np.broadcast_to(one_by_one, (len(p), len(one_by_one)))
        counts = np.concatenate([one_by_one, n * np.sin(angle) ** 2], axis=1)
        with np.errstate(divide="ignore"):  # an empty window has no mass
            log_step = np.log(n * np.sin(2 * angle) * width)
        log_step = np.concatenate([np.zeros(one_by_one.shape), log_step], axis=1)
    p = p[:, None]
    ways = gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)
    return counts, ways + xlogy(counts, p) + xlog1py(n - counts, -p) + log_step


def _minimum(value: Array) -> Array:
    """The minimum over the last axis, less what a parabola through it and its neighbours lies below it."""
    k = np.clip(value.argmin(-1), 1, value.shape[-1] - 2)[:, None]
    left, middle, right = (np.take_along_axis(value, k + i, -1)[:, 0] for i in (-1, 0, 1))
    curvature = np.maximum(left - 2 * middle + right, 1e-12)
    dip = np.minimum((right - left) ** 2 / (8 * curvature), np.maximum(np.maximum(left, right) - middle, 0.0))
    return np.minimum(value.min(-1), middle - dip)
