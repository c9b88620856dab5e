"""Layers that have one pattern for every input, and the warning of them: their entropies are all 0, whatever n is."""

import warnings
from collections.abc import Sequence

import numpy as np

from jaxentropy.base.errors import ConstantLayerWarning
from jaxentropy.recording.states import Quantizer

_WORDS_AT_ONCE = 1 << 16


def one_pattern(words: np.ndarray, width: int) -> np.ndarray | None:
    """The states ``bool[width]`` that all inputs share, or None; from packed words ``uint32[n, ceil(width / 32)]``.

    Block by block up to the first difference, since the words may be memory-mapped and larger than the memory.
    """
    rows = max(_WORDS_AT_ONCE // words.shape[1], 1)
    if any((words[start : start + rows] != words[0]).any() for start in range(0, len(words), rows)):
        return None
    return np.unpackbits(np.array(words[:1]).view(np.uint8), bitorder="little")[:width].astype(bool)


def one_pattern_counted(on: np.ndarray, n: int) -> np.ndarray | None:
    """As ``one_pattern``, from how many of n inputs each neuron of each class was on for, ``int64[class, width]``."""
    total = on.sum(0)
    return total == n if ((total == 0) | (total == n)).all() else None


def warn_of_constant(
    layers: Sequence[str], patterns: Sequence[np.ndarray | None], n: int, quantizer: Quantizer
) -> None:
    """ConstantLayerWarning for each layer that has one pattern, at the line that called the caller."""
    for name, pattern in zip(layers, patterns, strict=True):
        if n < 2 or pattern is None:  # one input has one pattern in any layer
            continue
        warnings.warn(
            f"layer '{name}': {_what(pattern)} for all {n} inputs by {quantizer!r}, so every entropy of this layer "
            f"is 0. {_advice(pattern)}",
            ConstantLayerWarning,
            stacklevel=3,
        )


def _what(pattern: np.ndarray) -> str:
    if pattern.all():
        return "all neurons are on"
    if not pattern.any():
        return "all neurons are off"
    return f"the same {np.count_nonzero(pattern)} of {len(pattern)} neurons are on"


def _advice(pattern: np.ndarray) -> str:
    if pattern.all():
        return (
            "Outputs of a sigmoid, softmax or softplus are never ≤ 0: give the pre-activations, or a threshold within "
            "the range of the outputs, quantizer=je.Threshold(0.5)"
        )
    if not pattern.any():
        return "It is a dead layer, or its activations are never positive: give the pre-activations, or leave it out"
    return "It does not depend on the inputs: check that they differ from each other and reach it, or leave it out"
