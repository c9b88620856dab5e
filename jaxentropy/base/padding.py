"""Round sizes: arrays that differ little in length share a compiled program."""

import numpy as np

_LEAST = 256


def rounded(n: int) -> int:
    """The next number of four significant bits: at most an eighth more."""
    step = 1 << max(n.bit_length() - 4, 0)
    return -(-n // step) * step


def power_of_two(n: int, least: int = 1) -> int:
    """The next power of two that is at least ``least``."""
    return max(least, 1 << max(n - 1, 0).bit_length())


def with_room(words: np.ndarray, labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The inputs, padded to a round number of them."""
    return filled(words, labels, max(rounded(len(labels)), _LEAST), num_classes)


def filled(words: np.ndarray, labels: np.ndarray, size: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The inputs, padded to ``size`` of them; padding has the label ``num_classes``, which is not counted."""
    room = size - len(labels)
    if not room:
        return words, labels
    return np.pad(words, ((0, room), (0, 0))), np.pad(labels, (0, room), constant_values=num_classes)
