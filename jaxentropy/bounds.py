"""Certified lower and upper bounds on the entropy of a layer's joint pattern, and the bracket they make."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import entr, ndtri

from jaxentropy.code_length import MODELS, UNIFORM_BITS, Codes, Split, cross_fit, prequential, read_codes
from jaxentropy.coincidences import entropy_lower_bound
from jaxentropy.errors import InputError
from jaxentropy.patterns import Array, identify, unpack

FOLDS = 4
LOWER_SHARE = 0.8
"""Share of the error probability that the lower bound gets: it gains more from it than the upper one."""
LEAST_INPUTS = 12
"""Fewer inputs than this are not split: the upper bound is then one bit a neuron."""


class Bracket(NamedTuple):
    """lower ≤ H ≤ upper, in bits, both together with probability ``confidence`` or more."""

    lower: float
    upper: float
    confidence: float
    lower_method: str
    upper_method: str


class Brackets(NamedTuple):
    """Brackets of all classes: ``float64[class]`` in bits, NaN for an empty class; and the model that codes best."""

    lower: np.ndarray
    upper: np.ndarray
    total_correlation_lower: np.ndarray
    total_correlation_upper: np.ndarray
    upper_method: tuple[str, ...]


def bracket(patterns: Array, confidence: float = 0.95, seed: int = 0, *, finite_sample: bool = False) -> Bracket:
    """A bracket of the entropy of the distribution that these patterns were drawn from independently.

    *Lower*: from how often patterns coincide (``coincidences.py``); holds for any sample size. Near
    2·log₂ n − log₂(2·ln(1/ε)) where no two are equal, and near the plug-in where all have been seen often.
    *Upper*: the mean held-out code length of a mixture of pattern models (``code_length.py``), cross-fitted in four
    folds, plus a confidence term. With ``finite_sample=False`` that term is a normal quantile (Bayle et al.,
    "Cross-validation confidence intervals for test error", 2020), right for large samples. With ``finite_sample=True``
    the later half of the inputs is read in order by models of what came before, and the term is a betting bound
    (Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", 2024), which holds for any
    sample size. It costs tenths of a bit for thousands of inputs, and more than ten for a hundred
    (docs/calibration.md).

    Args:
        patterns: ``bool[n, d]`` (or integers 0 and 1), or packed ``uint32[n, words]``; see ``pack``.
        confidence: probability in (0, 1) with which lower and upper hold together. The lower bound's error takes four
            fifths of 1 − confidence.
        seed: of the folds and the models' starts.
        finite_sample: whether the upper bound holds for any sample size.

    Edge contract: no input gives NaN; with fewer than 12 the upper bound is d bits; one input, or a constant, has the
    lower bound 0.

    Raises:
        InputError: patterns of another shape or type, or a confidence outside (0, 1).
    """
    states = _states(patterns)
    found = brackets([states], confidence, seed, finite_sample=finite_sample)
    return Bracket(float(found.lower[0]), float(found.upper[0]), confidence, "coincidences", found.upper_method[0])


def brackets(
    patterns: list[np.ndarray], confidence: float = 0.95, seed: int = 0, *, finite_sample: bool = False
) -> Brackets:
    """``bracket`` of several classes of one layer, ``bool[n, d]`` each, fitted at once with what they have in common.

    The total correlation Σ H(neuron) − H(pattern) is bracketed too: from below by the paired difference between the
    neurons' own entropies and the code length, from above by the neurons' entropies less the lower bound. Its
    confidence terms, which share the upper bound's part of the error, are those of large samples in either mode.
    """
    if not 0 < confidence < 1:
        raise InputError(f"bracket: confidence is {confidence}; expected a probability between 0 and 1")
    n = np.array([len(p) for p in patterns])
    width = patterns[0].shape[1]
    error = 1 - confidence
    lower_error, upper_error = LOWER_SHARE * error, (1 - LOWER_SHARE) * error
    identity = [identify(np.packbits(p, axis=1)) for p in patterns]
    times = [np.bincount(i) for i in identity]
    lower = np.array([entropy_lower_bound(*np.unique(t, return_counts=True), lower_error) for t in times])
    lower = np.where(n > 0, lower, np.nan)
    upper = np.where(n > 0, float(width), np.nan)
    method = ["one bit a neuron"] * len(n)
    least, most = np.full(len(n), np.nan), np.full(len(n), np.nan)
    enough = np.flatnonzero(n >= LEAST_INPUTS)
    if enough.size:
        chosen = [patterns[c] for c in enough]
        splits = prequential if finite_sample else cross_fit
        codes = list(_codes(chosen, [identity[c] for c in enough], splits, seed))
        shares = np.mean([part.shares for part in codes], axis=0)
        for i, c in enumerate(enough):
            bits = [part.mixed[i] for part in codes]
            if finite_sample:
                limit = _betting_limit(
                    np.concatenate(bits), codes[0].chosen[i], float(width + UNIFORM_BITS), upper_error
                )
            else:
                limit = _normal_limit(bits, upper_error)
                if not identity[c].any():
                    limit = max(limit, _constant_limit(len(patterns[c]), upper_error))
            if limit < width:
                upper[c], method[c] = limit, MODELS[int(shares[i].argmax())]
            own = _neuron_code(chosen[i])
            own_bias = _miller(chosen[i])
            # two limits and the lower bound may each fail: together no more often than the bracket
            beyond = [part.mixed[i] - own[part.rows[i]] for part in codes]
            least[c] = max(own_bias - _normal_limit(beyond, upper_error / 2), 0.0)
            most[c] = own_bias + _normal_limit([own], upper_error / 2) - lower[c]
    # if they cross, one of them has failed; a bracket is not turned round
    lower = np.minimum(lower, upper)
    return Brackets(lower, upper, least, most, tuple(method))


def _codes(
    patterns: list[np.ndarray],
    identity: list[np.ndarray],
    splits: Callable[[np.ndarray, int, int], Iterator[Split]],
    seed: int,
) -> Iterator[Codes]:
    """Held-out code lengths of every split of these classes."""
    n = np.array([len(p) for p in patterns])
    states = np.zeros((len(n), int(n.max()), patterns[0].shape[1]), np.uint8)
    for c, p in enumerate(patterns):
        states[c, : n[c]] = p
    for split in splits(n, FOLDS, seed):
        yield read_codes(states, identity, split, seed)


def _states(patterns: Array) -> np.ndarray:
    patterns = np.asarray(patterns)
    if patterns.ndim != 2 or patterns.shape[1] < 1:
        raise InputError(f"bracket: patterns of shape {list(patterns.shape)}; expected [n, d] states or packed words")
    if patterns.dtype == np.uint32:
        return np.asarray(unpack(patterns, 32 * patterns.shape[1]))
    if patterns.dtype != bool and not (
        np.issubdtype(patterns.dtype, np.integer) and ((patterns == 0) | (patterns == 1)).all()
    ):
        raise InputError(f"bracket: patterns are {patterns.dtype}; expected bool, 0 and 1, or packed uint32 words")
    return patterns.astype(bool)


def _normal_limit(bits: list[np.ndarray], error: float) -> float:
    """Upper confidence limit of the mean code length: folds differ in their models, so spread is taken within them."""
    n = sum(map(len, bits))
    within = sum(((b - b.mean()) ** 2).sum() for b in bits if len(b))
    freedom = max(n - sum(len(b) > 0 for b in bits), 1)
    return float(np.concatenate(bits).mean() + ndtri(1 - error) * np.sqrt(within / freedom / n))


def _constant_limit(n: int, error: float) -> float:
    """Bits of the likeliest second pattern that n inputs may all miss with probability ``error``.

    The code lengths of a constant have no spread, and no normal quantile can allow for what was not seen.
    """
    rate = min(np.log(1 / error) / n, 0.5)
    return float(entr([rate, 1 - rate]).sum() / np.log(2))


def _betting_limit(bits: np.ndarray, deviation: float, ceiling: float, error: float) -> float:
    """Upper confidence limit of means that are never below the entropy, of code lengths in [0, ceiling].

    Were the entropy m or more, the capital Π (1 + λ·(m − bits)) of a bettor who puts a fixed λ on short codes would be
    a supermartingale; the smallest m at which it passes 1/error is the limit. λ is set before any of these codes is
    read.
    """
    deviation = deviation if np.isfinite(deviation) and deviation > 0 else 1.0
    stake = min(np.sqrt(2 * np.log(1 / error) / len(bits)) / deviation, 0.95 / ceiling)
    low, high = 0.0, ceiling + 2 * np.log(1 / error) / (stake * len(bits))
    for _ in range(60):
        middle = (low + high) / 2
        gained = np.log1p(stake * (middle - bits)).sum() >= np.log(1 / error)
        low, high = (low, middle) if gained else (middle, high)
    return high


def _neuron_code(states: np.ndarray) -> np.ndarray:
    """Bits of each input if neurons were independent with their observed rates; the mean is Σ H(neuron), plug-in."""
    rate = states.mean(0)
    with np.errstate(divide="ignore"):
        on, off = (-np.log2(np.where(p > 0, p, 1.0)) for p in (rate, 1 - rate))
    return np.where(states, on, off).sum(1)


def _miller(states: np.ndarray) -> float:
    """Miller–Madow correction of Σ H(neuron), in bits."""
    rate = states.mean(0)
    return float(((rate > 0) & (rate < 1)).sum() / (2 * len(states) * np.log(2)))
