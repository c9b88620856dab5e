"""Lower and upper bounds on the entropy of a layer's joint pattern, and the bracket they make."""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxentropy.base.arrays import Array
from jaxentropy.base.errors import InputError
from jaxentropy.bounds.code_length import MODELS, Codes, cross_fit, read_codes, stacked
from jaxentropy.bounds.coincidences import entropy_lower_bound
from jaxentropy.bounds.independence import DependenceWarning, find_copies
from jaxentropy.bounds.limits import any_size_limit, normal_limit
from jaxentropy.recording.packing import WORD_BITS, identify, unpack, words_for

FOLDS = 4
LOWER_SHARE = 0.8
"""Share of the error probability that the lower bound gets: it gains more from it than the upper one."""
LEAST_INPUTS = 12
"""Fewer inputs than this are not split: the upper bound is then one bit a neuron."""


class Bracket(NamedTuple):
    """lower ≤ H ≤ upper, in bits, both with a probability of ``confidence`` or more, for inputs drawn independently.

    >>> states = np.zeros((400, 3), bool)  # a constant: 0 bits
    >>> found = je.bracket(states)
    >>> found.lower, round(found.upper, 1)
    (0.0, 0.4)

    At any number of inputs, unless it was made with ``finite_sample=False``.
    """

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


def bracket(
    patterns: Array,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    finite_sample: bool = True,
    width: int | None = None,
) -> Bracket:
    """A bracket of the entropy of the distribution that these patterns were drawn from independently.

    >>> states = np.random.default_rng(0).random((400, 16)) < 0.5  # 16 fair neurons: 16 bits
    >>> found = je.bracket(states)
    >>> round(found.lower, 2), round(found.upper, 2), found.confidence
    (14.07, 16.0, 0.95)

    *Lower*: from how often patterns coincide (``coincidences.py``). Near 2·log₂ n − log₂(2·ln(1/ε)) where no two are
    equal, and near the plug-in where all have been seen often. *Upper*: the mean held-out code length of a mixture of
    pattern models (``code_length.py``), cross-fitted in four folds, plus a confidence term (``limits.py``) that
    allows for rare patterns which the sample missed: about (d + log₂ n)·ln(1/ε)/n bits, more where code lengths vary.
    Both hold for any number of inputs.

    Args:
        patterns: states, ``bool[n, d]`` or integers 0 and 1; or packed words, ``uint32[n, word]`` (see ``pack``).
        confidence: probability in (0, 1) with which lower and upper hold together. The lower bound's error takes four
            fifths of 1 − confidence.
        seed: of the folds and the models' starts.
        finite_sample: False takes a normal quantile for the upper bound's confidence term: *for large samples only*.
            It is narrower, by about a tenth of a bit for thousands of inputs, and fails where rare patterns matter
            (docs/calibration.md).
        width: the number of neurons d, for packed words; by default all bits of the words are taken for neurons.
            Words that are all 0 or 1 look like states, and are refused without it.

    Edge contract: no input gives NaN; with fewer than 12 the upper bound is d bits; one input, or a constant, has the
    lower bound 0.

    Raises:
        InputError: patterns of another shape or type, ``uint32`` that may be states as well as words, a width that
            does not fit, or a confidence outside (0, 1).

    Warns:
        DependenceWarning: inputs look like copies or near-copies of each other; a bracket says nothing then.
    """
    states = _states(patterns, width)
    if copies := find_copies(np.packbits(states, axis=1), states.shape[1], seed):
        warnings.warn(f"bracket: {copies}", DependenceWarning, stacklevel=2)
    found = brackets([states], confidence, seed, finite_sample=finite_sample)
    return Bracket(float(found.lower[0]), float(found.upper[0]), confidence, "coincidences", found.upper_method[0])


def brackets(
    patterns: list[np.ndarray],
    confidence: float = 0.95,
    seed: int = 0,
    *,
    finite_sample: bool = True,
) -> Brackets:
    """``bracket`` of several classes of one layer, ``bool[n, d]`` each, fitted at once with what they have in common.

    The total correlation Σ H(neuron) − H(pattern) is bracketed too: from below by the paired difference between the
    neurons' own entropies and the code length, from above by the neurons' entropies less the lower bound. Its
    confidence terms, which share the upper bound's part of the error, are for large samples only.
    """
    return both_brackets(patterns, confidence, seed)[0 if finite_sample else 1]


def both_brackets(patterns: list[np.ndarray], confidence: float, seed: int) -> tuple[Brackets, Brackets]:
    """``brackets`` for any number of inputs, and those for large samples only, from the same code lengths."""
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
    uppers = np.where(n > 0, float(width), np.nan) * np.ones((2, 1))
    method = ["one bit a neuron"] * len(n)
    least, most = np.full(len(n), np.nan), np.full(len(n), np.nan)
    enough = np.flatnonzero(n >= LEAST_INPUTS)
    if enough.size:
        chosen = [patterns[c] for c in enough]
        codes = list(_codes(chosen, [identity[c] for c in enough], seed))
        shares = np.mean([part.shares for part in codes], axis=0)
        for i, c in enumerate(enough):
            bits = [part.mixed[i] for part in codes]
            uppers[0, c] = min(any_size_limit(np.concatenate(bits), width, FOLDS, upper_error), width)
            uppers[1, c] = min(normal_limit(bits, upper_error), width)
            if uppers[0, c] < width:
                method[c] = MODELS[int(shares[i].argmax())]
            own = _neuron_code(chosen[i])
            own_bias = _miller(chosen[i])
            # two limits and the lower bound may each fail: together no more often than the bracket
            beyond = [length - own[part.rows[i]] for length, part in zip(bits, codes, strict=True)]
            least[c] = max(own_bias - normal_limit(beyond, upper_error / 2), 0.0)
            most[c] = own_bias + normal_limit([own], upper_error / 2) - lower[c]
    # if they cross, one of them has failed; a bracket is not turned round
    any_size, large = (Brackets(np.minimum(lower, upper), upper, least, most, tuple(method)) for upper in uppers)
    return any_size, large


def _codes(patterns: list[np.ndarray], identity: list[np.ndarray], seed: int) -> Iterator[Codes]:
    """Held-out code lengths of every fold of these classes."""
    n = np.array([len(p) for p in patterns])
    states = stacked(patterns)
    for split in cross_fit(n, FOLDS, seed):
        yield read_codes(states, identity, split, seed)


def _states(patterns: Array, width: int | None) -> np.ndarray:
    """``bool[n, d]``, from states or from packed words."""
    patterns = np.asarray(patterns)
    if patterns.ndim != 2 or patterns.shape[1] < 1:
        raise InputError(f"bracket: patterns of shape {list(patterns.shape)}; expected [n, d] states or packed words")
    binary = patterns.dtype == bool or (
        np.issubdtype(patterns.dtype, np.integer) and bool(((patterns == 0) | (patterns == 1)).all())
    )
    if patterns.dtype == np.uint32 and not (width is None and binary and patterns.size):
        return _unpacked(patterns, width)
    if patterns.dtype == np.uint32:
        raise InputError(
            "bracket: uint32 patterns that are all 0 or 1 may be states or packed words. Give states as bool "
            f"(patterns.astype(bool), {patterns.shape[1]} neurons), or packed words with their number of neurons "
            "(width=…)"
        )
    if not binary:
        raise InputError(f"bracket: patterns are {patterns.dtype}; expected bool, 0 and 1, or packed uint32 words")
    if width is not None and width != patterns.shape[1]:
        raise InputError(f"bracket: width is {width}, but these are states of {patterns.shape[1]} neurons")
    return patterns.astype(bool)


def _unpacked(words: np.ndarray, given: int | None) -> np.ndarray:
    """The states in packed words; InputError if they cannot be those of so many neurons."""
    every = WORD_BITS * words.shape[1]
    width = every if given is None else given
    if width < 1 or words_for(width) != words.shape[1]:
        raise InputError(
            f"bracket: width is {width}, which takes {words_for(max(width, 0))} words, but there are {words.shape[1]} "
            "(for states instead of packed words, give bool)"
        )
    states = np.asarray(unpack(words, every))
    if states[:, width:].any():
        raise InputError(f"bracket: bits beyond the {width} neurons are set; these words are of more neurons")
    return states[:, :width]


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
