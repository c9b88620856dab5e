"""Held-out code lengths → an upper limit of the entropy: one for any sample size, and the usual normal one.

Inputs are drawn independently from a distribution p over the 2^d patterns of d neurons. They are dealt into K folds,
and each is read by a model q_k that was fitted to the other folds: ℓ = −log₂ q_k(x) bits. Every input is read once, but
the models overlap in what they were fitted to, so that the code lengths of different folds are not independent. Two
facts make a test of "H ≥ m" all the same.

*The truth's own code cannot be beaten by much.* Let p̃ = (1 − 1/n)·p + (1/n)·uniform, and y = −log₂ p̃(x), which lies
between 0 and c = d + log₂ n bits. Given the other folds, the ratio r = (1 − 1/n)·q_k(x)/p̃(x) has expectation at most 1,
and so has the product over the fold of (1 − w) + w·r, for any w in (0, 1).

*The truth's own code is a sample of independent draws.* Its expectation is at least H, so if H ≥ m the product over all
inputs of 1 + λ·(m − y) has expectation at most 1, for 0 < λ ≤ 1/c: a bet on short codes (Waudby-Smith & Ramdas,
"Estimating means of bounded random variables by betting", 2024).

By Hölder's inequality Π_k (product of fold k)^η · (bet)^θ with K·η + θ = 1 has expectation at most 1 too, *however the
folds depend on each other*. The y are not known. But for each input the least that its factor can be is,

    g(ℓ) = min over y in [0, c] of  η·ln((1 − w) + w·2^(y − ℓ)) + θ·ln(1 + λ·(m − y)),

and if Σ g(ℓ) ≥ ln(1/ε), H is below m with probability at least 1 − ε, by Markov's inequality, for any n. With
η = θ·λ/(w·ln 2) both slopes cancel at y = ℓ = m, and g(ℓ) is θ·ln(1 + λ·(m − ℓ)) but for terms of a higher order: the
price of cross-fitting is the factor 1/θ = 1 + K·λ/(w·ln 2), near 1 in wide layers, since λ ≤ 1/c. What is left is the
price of validity itself, c·ln(1/ε)/n bits where code lengths vary little: patterns of probability ln(1/ε)/n, each worth
d bits, may have been missed. Several λ are averaged with fixed shares, since an average of such e-values is one too;
none of them is chosen by the sample.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp, ndtri

Array = np.ndarray
_LN2 = float(np.log(2.0))
_ROUNDING = 1e-3  # bits that code lengths are taken to be longer: float32 takes 0.0005 from the mean at 4,000 neurons
_LARGEST = 0.9  # λ·c, at most; 1 would lose all on the dearest pattern
_CLOSE = 1e-3  # bits to which minima are found: they are off by its square, a millionth of what _ROUNDING allows for
_PRECISION = 1e-3  # bits to which the limit is found, and by which it is then raised


def any_size_limit(bits: Array, width: int, folds: int, error: float) -> float:
    """A number that is at least the entropy, in bits, with probability at least 1 − ``error``; for any sample size.

    Args:
        bits: ``float[n]``, code lengths of all inputs, each by a model fitted to the other folds.
        width: neurons d.
        folds: into how many parts the inputs were dealt.
        error: probability in (0, 1) with which the limit may fail.

    Edge contract: never above d + log₂ n, but for rounding.
    """
    n = len(bits)
    ceiling = width + np.log2(n)
    longer = bits + _ROUNDING - np.log2(1 - 1 / n)
    stakes = _stakes(n, error) / ceiling
    # the smaller a stake, the less its share matters beside what else it costs
    log_shares = np.log(stakes / stakes.sum())

    def excess(m: float) -> float:
        each = [_least_gain(longer, m, stake, ceiling, folds) for stake in stakes]
        return float(np.asarray(logsumexp(log_shares + each))) - np.log(1 / error)

    low = min(float(longer.mean()), ceiling)
    if excess(low) >= 0:
        return low
    # most limits lie near low; each look at the excess costs a pass through all inputs
    step = 3 * np.std(longer) / np.sqrt(n) + 4 * ceiling / n
    while (high := min(low + step, ceiling)) < ceiling and excess(high) <= 0:
        low, step = high, 4 * step
    if high == ceiling and excess(high) <= 0:
        return float(ceiling)
    return float(np.asarray(brentq(excess, low, high, xtol=_PRECISION))) + _PRECISION


def normal_limit(bits: list[Array], error: float) -> float:
    """Upper confidence limit of the mean code length, taken as normal: *for large samples only*.

    Folds differ in their models, so spread is taken within them (Bayle et al., "Cross-validation confidence intervals
    for test error", 2020). It cannot allow for rare patterns that the sample missed.
    """
    n = sum(map(len, bits))
    within = sum(((b - b.mean()) ** 2).sum() for b in bits if len(b))
    freedom = max(n - sum(len(b) > 0 for b in bits), 1)
    return float(np.concatenate(bits).mean() + ndtri(1 - error) * np.sqrt(within / freedom / n))


def _stakes(n: int, error: float) -> Array:
    """The λ that are averaged, times c: from the largest to what suits code lengths that vary as much as can be."""
    least = min(2 * np.sqrt(2 * np.log(1 / error) / n), 1.0)
    return _LARGEST * 2.0 ** -np.arange(np.ceil(-np.log2(least)) + 1)


def _least_gain(bits: Array, m: float, stake: float, ceiling: float, folds: int) -> float:
    """Σ g(bits) of the module's docstring.

    The function of y that g is the minimum of falls, rises and falls again: with s the share that r has in its factor,
    its slope has the sign of s·(1 + λ·(m − y)) − w, a log-concave function less a constant. So the minimum is at the
    first zero, which Newton's method finds for the logarithm, from the left without passing it; or else at c or 0.
    """
    # small enough for patterns as dear as can be: the first factor then gains what a large stake loses
    w = 1 / 3 if stake * ceiling > _LARGEST / 2 else 1 / 2
    odds, price = w / (1 - w), stake / (w * _LN2)
    near = np.minimum(_zero_if(1 + stake * (m - bits), bits, w), ceiling) - 1
    y = _zero_if(1 + stake * (m - near), bits, w)
    if not (y >= near).all():  # then it is not sure to lie left of the zero
        y = _zero_if(1 + stake * m, bits, w)
    y = np.clip(y, 0.0, ceiling)
    for _ in range(50):
        left = 1 + stake * (m - y)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            r = odds * np.exp2(y - bits)
            slope = _LN2 / (1 + r) - stake / left
            step = np.log(w / left * (1 + 1 / r)) / slope
        # where the slope is not positive there is no zero
        step = np.where(slope > 0, step, ceiling)
        moved = np.clip(y + step, 0.0, ceiling)
        step, y = np.abs(moved - y).max(initial=0.0), moved
        if step < _CLOSE:
            break

    with np.errstate(divide="ignore", over="ignore"):  # too much at the zero is less at the ceiling
        at_zero = price * np.log(1 - w + w * np.exp2(y - bits)) + np.log1p(stake * (m - y))
        longest = (ceiling - bits) * _LN2 + np.log(w) + np.log1p(np.exp2(bits - ceiling) / odds)
        at_ceiling = price * longest + np.log1p(stake * (m - ceiling))
    return float(np.minimum(at_zero, at_ceiling).sum()) / (1 + folds * price)


def _zero_if(left: Array | float, bits: Array, w: float) -> Array:
    """The zero, if the second factor were this everywhere; it falls with y."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return bits - np.log2(np.maximum(left / w - 1, 0.0) * (w / (1 - w)))
