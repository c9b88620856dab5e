"""An upper bound on H(following | this): the entropy of a layer's pattern, given the pattern of the layer before.

A conditional model q assigns −log₂ q(b | a) bits to the pattern b that follows a. If for every a the q(b | a) of all
2^d patterns b sum to at most 1, the mean on fresh pairs is at least H(b | a), whatever the model. The limit of
``limits.py``, with d the neurons of the *following* layer, holds for such code lengths as it stands. Pairs (a, b) are
drawn independently from p, and dealt into folds of which each is read by a q_k fitted to the others.

*The truth's own code.* Let p̃(b | a) = (1 − 1/n)·p(b | a) + (1/n)·2^−d, and y = −log₂ p̃(b | a). p̃ is at most 1 and at
least 2^−d/n, so that y lies between 0 and c = d + log₂ n. The y of all inputs are independent, being one function of
independent pairs. For each a, the expectation of y over b is a cross-entropy of p(· | a), at least its entropy; so over
all pairs it is at least H(b | a), and the bet Π 1 + λ·(m − y) has expectation at most 1 if H(b | a) ≥ m.

*No model beats it by much.* Given the other folds and a, the ratio (1 − 1/n)·q_k(b | a)/p̃(b | a) has the expectation
Σ_b p(b | a)·(1 − 1/n)·q_k(b | a)/p̃(b | a) ≤ Σ_b q_k(b | a) ≤ 1, since (1 − 1/n)·p ≤ p̃; so it has averaged over a, and
the inputs of a fold are independent given the others. These are the two facts that the proof in ``limits.py`` rests on.

The models are those of ``code_length.py``, which do not look at a; the autoregressive one with a given (every neuron's
state from all of a and the neurons before it); and *repeats given*, what followed the same a before. Only a and the
class are given.
"""

from collections.abc import Iterator

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.bounds import autoregressive
from jaxentropy.bounds.brackets import FOLDS, LEAST_INPUTS
from jaxentropy.bounds.code_length import (
    Split,
    best_shares,
    cross_fit,
    gather,
    held_rows,
    mix,
    model_codes,
    stacked,
)
from jaxentropy.bounds.limits import any_size_limit
from jaxentropy.bounds.pattern_models import moments
from jaxentropy.recording.packing import identify

DISCOUNTS = (0.5, 0.1, 0.01)
"""What is taken from the count of each pair that was seen, for those that were not: one model each."""


def conditional_limits(
    this: list[np.ndarray], following: list[np.ndarray], confidence: float = 0.95, seed: int = 0
) -> np.ndarray:
    """At least H(following layer's pattern | this layer's) of each class, with a probability of ``confidence``.

    >>> from jaxentropy.bounds.conditional import conditional_limits
    >>> this = np.random.default_rng(0).random((400, 6)) < 0.5
    >>> following = this[:, :3] & this[:, 3:]  # a function of this layer's pattern: 0 bits
    >>> conditional_limits([this], [following]).round(1)
    array([0.3])

    For any number of inputs that were drawn independently. There is no lower bound to share the error with: each
    class's bound fails with a probability of at most 1 − ``confidence`` on its own.

    Args:
        this: states of each class's inputs, ``bool[n, d]``.
        following: states of the same inputs in the layer that follows, ``bool[n, d]``.
        confidence: probability in (0, 1) with which a bound holds.
        seed: of the folds and the models' starts.

    Returns:
        ``float64[class]`` in bits.

    Edge contract: an empty class is NaN; with fewer than 12 inputs the bound is one bit a neuron of what follows, and
    it is never more than that.

    Raises:
        InputError: a confidence outside (0, 1), or classes that differ in their inputs.
    """
    if not 0 < confidence < 1:
        raise InputError(f"conditional_limits: confidence is {confidence}; expected a probability between 0 and 1")
    n, after = [len(a) for a in this], [len(b) for b in following]
    if n != after:
        raise InputError(
            f"conditional_limits: {n} inputs by class in this layer, {after} in the following one; expected the states "
            "of the same inputs in both"
        )
    width = following[0].shape[1]
    limits = np.where(np.array(n) > 0, float(width), np.nan)
    enough = [c for c, size in enumerate(n) if size >= LEAST_INPUTS]
    if enough:
        codes = list(_cross_fitted([this[c] for c in enough], [following[c] for c in enough], seed))
        for c, bits in zip(enough, zip(*codes, strict=True), strict=True):
            limits[c] = min(any_size_limit(np.concatenate(bits), width, FOLDS, 1 - confidence), width)
    return limits


def _cross_fitted(this: list[np.ndarray], following: list[np.ndarray], seed: int) -> Iterator[list[np.ndarray]]:
    """Code lengths ``float64[read]`` of each class, fold by fold."""
    for split in cross_fit(np.array([len(a) for a in this]), FOLDS, seed):
        yield read_conditional(this, following, split, seed)


def read_conditional(this: list[np.ndarray], following: list[np.ndarray], split: Split, seed: int) -> list[np.ndarray]:
    """Bits ``float64[read]`` of each class under the mixture, as ``code_length.read_codes`` has it without ``this``."""
    read = []
    for bits, choose in zip(conditional_codes(this, following, split, seed), split.choose, strict=True):
        choosing = len(choose)
        read.append(mix(bits[choosing:], best_shares(bits[:choosing])))
    return read


def conditional_codes(this: list[np.ndarray], following: list[np.ndarray], split: Split, seed: int) -> list[np.ndarray]:
    """Bits ``float64[row, model]`` of each class, of the rows that choose and behind them those that are read.

    The models: repeats given, with each discount; what they fall back on, a mixture of all the others; and uniform.
    """
    before, after = (_numbered(states) for states in (this, following))
    pair = [a * (int(b.max(initial=0)) + 1) + b for a, b in zip(before, after, strict=True)]
    others = model_codes(stacked(following), after, split, seed)
    given = _given_codes(this, following, split, seed)
    found = []
    for c, rows in enumerate(held_rows(split)):
        # the uniform model stays the last, which always has a share
        bits = np.column_stack([given[c, : len(rows)], others[c, : len(rows)]])
        fallback = mix(bits, best_shares(bits[: len(split.choose[c])]))
        repeats = repeats_given(before[c], pair[c], split.fit[c], rows, fallback)
        found.append(np.column_stack([repeats, fallback, bits[:, -1]]))
    return found


def _numbered(states: list[np.ndarray]) -> list[np.ndarray]:
    """For each class, ``int64[n]``: equal numbers are equal patterns."""
    return [identify(np.packbits(own, axis=1)).astype(np.int64) for own in states]


def _given_codes(this: list[np.ndarray], following: list[np.ndarray], split: Split, seed: int) -> np.ndarray:
    """The autoregressive model of both layers' neurons, of which the first are given: bits ``[class, row]``."""
    both = stacked([np.concatenate(own, axis=1) for own in zip(this, following, strict=True)])
    fitted, chooser, held = (gather(both, rows) for rows in (split.fit, split.choose, held_rows(split)))
    fit_sizes, choose_sizes = (np.array([len(rows) for rows in part], np.int32) for part in split[:2])
    plan = autoregressive.sizes(len(this), int(fit_sizes.sum()), both.shape[-1])
    found = moments(fitted, fit_sizes, pairs=plan.per_class)
    model = autoregressive.fit(
        fitted, fit_sizes, chooser, choose_sizes, found.rate, found.covariance, seed, plan, given=this[0].shape[1]
    )
    return np.asarray(autoregressive.code_length(model, held), float)


def repeats_given(
    before: np.ndarray, pair: np.ndarray, fit: np.ndarray, rows: np.ndarray, fallback: np.ndarray
) -> np.ndarray:
    """Bits ``[row, discount]`` by what followed the same pattern before: (pair's count − δ) / pattern's count.

    What the discount δ takes from each pair that was seen is shared out by the fallback, a distribution too, which has
    all of it where the pattern is new (absolute discounting; Ney, Essen and Kneser 1994).

    Args:
        before, pair: ``int[n]``, numbers of this layer's patterns and of both layers' patterns together.
        fit: rows that are counted.
        rows: rows that are coded.
        fallback: ``float64[row]`` bits of these rows.
    """
    times = np.bincount(before[fit], minlength=before.max() + 1)[before[rows]]
    pairs, first, count = np.unique(pair[fit], return_index=True, return_counts=True)
    followers = np.bincount(before[fit][first], minlength=before.max() + 1)[before[rows]]
    place = np.minimum(np.searchsorted(pairs, pair[rows]), max(len(pairs) - 1, 0))
    seen = np.where(pairs[place] == pair[rows], count[place], 0)
    codes = np.empty((len(rows), len(DISCOUNTS)))
    for k, discount in enumerate(DISCOUNTS):
        with np.errstate(divide="ignore"):
            own = np.log2(np.maximum(seen - discount, 0) / np.maximum(times, 1))
            left = np.log2(np.where(times > 0, discount * followers / np.maximum(times, 1), 1.0))
        codes[:, k] = -np.logaddexp2(own, left - fallback)
    return codes
