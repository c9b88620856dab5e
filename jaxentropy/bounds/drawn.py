"""Draws of a stream → an upper bound on the entropy of their distribution, which narrows with the number of draws.

Of a stream there are as many draws as one likes, so that none needs to serve twice: some are only counted, some of the
recorded ones are what the models are fitted to and weighed by, and the rest are read. What is read is coded by a
mixture of the models and of how often its pattern was counted; that is a code like any other, made from other draws, so
that the mean code length bounds the entropy as in ``limits.py``, with one fold and nothing to pay for cross-fitting.
Where most patterns have been counted, the code is near the best there is.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jaxentropy.bounds.brackets import LEAST_INPUTS
from jaxentropy.bounds.code_length import best_shares, halves, held_rows, mix, model_codes, stacked
from jaxentropy.bounds.limits import any_size_limit
from jaxentropy.recording.packing import identify


class Known(NamedTuple):
    """What the counted draws of a class say of the patterns of its recorded ones.

    Attributes:
        probability: ``float64[n]`` of each recorded draw's pattern; over all patterns they sum to 1 − ``rest``.
        rest: what is left for the models, above 0.
    """

    probability: np.ndarray
    rest: float


def known_of(recorded: Sequence[np.ndarray], counted: Iterable[Sequence[tuple[np.ndarray, np.ndarray]]]) -> list[Known]:
    """For each class: counts less a discount, over their sum.

    The discount δ = f₁ / (f₁ + 2·f₂), with f₁ and f₂ the patterns counted once and twice, is that of Ney, Essen and
    Kneser ("On structuring probabilistic dependences in stochastic language modelling", 1994); what it takes from every
    pattern is the models' share.

    Args:
        recorded: of each class, the keys ``uint64[n]`` of its recorded draws' patterns.
        counted: of each class, the keys of its counted draws' patterns, ascending, and how often each was seen; one
            range of keys after the other.
    """
    seen_times = [np.zeros(len(keys), np.int64) for keys in recorded]
    draws, patterns, once, twice = np.zeros((4, len(recorded)), np.int64)
    for by_class in counted:
        for c, ((keys, times), own) in enumerate(zip(by_class, recorded, strict=True)):
            if len(keys):
                place = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
                seen_times[c] += np.where(keys[place] == own, times[place], 0)
            draws[c] += times.sum()
            patterns[c] += len(times)
            once[c] += (times == 1).sum()
            twice[c] += (times == 2).sum()
    found = []
    for c, seen in enumerate(seen_times):
        if not draws[c]:
            found.append(Known(np.zeros(len(seen)), 1.0))
            continue
        # never nothing for the models: a pattern that is new would have no code at all
        discount = max(once[c] / max(once[c] + 2 * twice[c], 1), 1 / draws[c])
        probability = np.where(seen > 0, (seen - discount) / draws[c], 0.0)
        found.append(Known(probability, float(discount * patterns[c] / draws[c])))
    return found


def drawn_limits(patterns: list[np.ndarray], known: list[Known], error: float, seed: int) -> np.ndarray:
    """Numbers ``float64[class]`` that are at least the entropy, in bits, each with a probability of 1 − ``error``.

    Args:
        patterns: of each class, the states ``bool[n, d]`` of its recorded draws.
        known: of each class, what *other* draws say of them.
        error: probability in (0, 1) with which each may fail.
        seed: of the halves and the models' starts.

    Edge contract: a class of fewer than 12 draws has one bit a neuron.
    """
    width = patterns[0].shape[1]
    upper = np.full(len(patterns), float(width))
    enough = [c for c, own in enumerate(patterns) if len(own) >= LEAST_INPUTS]
    if enough:
        chosen = [patterns[c] for c in enough]
        identity = [identify(np.packbits(own, axis=1)) for own in chosen]
        split = halves(np.array([len(own) for own in chosen]), seed)
        bits, held = model_codes(stacked(chosen), identity, split, seed), held_rows(split)
        for i, c in enumerate(enough):
            choosing, rows = len(split.choose[i]), held[i]
            upper[c] = min(
                any_size_limit(_read(bits[i, : len(rows)], known[c], rows, choosing), width, 1, error), width
            )
    return upper


def _read(bits: np.ndarray, known: Known, rows: np.ndarray, choosing: int) -> np.ndarray:
    """Code lengths of what is read, from the models' ``bits[row, model]`` of what chooses and of what is read.

    The first ``choosing`` rows choose the mixture of the models, and how far it is worth to know what was counted.
    """
    models = mix(bits, best_shares(bits[:choosing]))
    with np.errstate(divide="ignore"):
        both = -np.logaddexp2(np.log2(known.rest) - models, np.log2(known.probability[rows]))
    codes = np.stack([both, models, bits[:, -1]], axis=-1)  # the last one is the uniform model, as it was
    return mix(codes, best_shares(codes[:choosing]))[choosing:]
