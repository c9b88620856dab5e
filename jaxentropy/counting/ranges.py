"""Fingerprints of more inputs than there is room for: counted by ranges of keys, from arrays that may lie on disk.

Equal patterns have equal keys, so that each range of keys can be counted on its own. A range's inputs are brought
together in passes over all of them, which reads more and holds less. Patterns that very many inputs have would make one
range as large as all of them; they are found in a part of the inputs beforehand and counted as they pass.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt32, UInt64

AT_ONCE = 1 << 24
"""Inputs that are brought together and sorted: some 30 bytes each."""
_PASSED = 1 << 20
"""Inputs that are looked at together in a pass; so many are searched for frequent patterns, too."""
_FREQUENT = 1 << 8
"""A pattern is frequent if one in so many of the searched inputs has it."""


class Table(NamedTuple):
    """Keys ``uint64[pattern]`` of different patterns, ascending, and how many inputs ``int64[pattern]`` have each."""

    keys: np.ndarray
    times: np.ndarray


def keys_of(prints: UInt32[np.ndarray, "n 2"]) -> np.ndarray:
    """Fingerprints as ``uint64[n]``."""
    return np.ascontiguousarray(prints).view(np.uint64).ravel()


def tables(prints: UInt32[np.ndarray, "n 2"], labels: Int[np.ndarray, " n"], num_classes: int) -> Iterator[list[Table]]:
    """A Table of each class, for one range of keys after the other; a label of ``num_classes`` is not counted."""
    ranges = 1 << max((len(labels) - 1) // AT_ONCE, 0).bit_length()
    frequent = _frequent(prints) if ranges > 1 else np.empty(0, np.uint64)
    passed = np.zeros((num_classes + 1, len(frequent)), np.int64)
    for own in range(ranges):
        together, owners = [], []
        for start in range(0, len(labels), _PASSED if ranges > 1 else AT_ONCE):
            rows = slice(start, start + (_PASSED if ranges > 1 else AT_ONCE))
            keys, classes = keys_of(prints[rows]), np.asarray(labels[rows])
            if ranges > 1:
                inside = keys >> np.uint64(65 - ranges.bit_length()) == own
                keys, classes = keys[inside], classes[inside]
            if len(frequent):
                place = np.minimum(np.searchsorted(frequent, keys), len(frequent) - 1)
                known = frequent[place] == keys
                np.add.at(passed, (classes[known], place[known]), 1)
                keys, classes = keys[~known], classes[~known]
            together.append(keys)
            owners.append(classes)
        yield _by_class(np.concatenate([np.empty(0, np.uint64), *together]), owners, num_classes)
    if len(frequent):
        yield [Table(frequent[times > 0], times[times > 0]) for times in passed[:num_classes]]


def pooled(by_class: list[Table]) -> Table:
    """The Table of all classes as one."""
    if len(by_class) == 1:
        return by_class[0]
    keys, times = (np.concatenate(parts) for parts in zip(*by_class, strict=True))
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(differs(keys[order]))
    return Table(keys[order][starts], np.add.reduceat(times[order], starts) if len(starts) else times)


def _frequent(prints: np.ndarray) -> np.ndarray:
    """Keys, ascending, of the patterns that many of the inputs have: seen in inputs from all over the place."""
    some = keys_of(prints[:: max(len(prints) // _PASSED, 1)][:_PASSED])
    keys, times = np.unique(some, return_counts=True)
    return keys[times > len(some) // _FREQUENT]


def _by_class(keys: np.ndarray, owners: list[np.ndarray], num_classes: int) -> list[Table]:
    """The Table of each class, of keys that are together."""
    if num_classes == 1 and all((own == 0).all() for own in owners):
        keys.sort()
        return [_table(keys)]
    classes = np.concatenate([np.empty(0, np.int64), *owners])
    ends = np.cumsum(np.bincount(classes, minlength=num_classes + 1))[:num_classes]
    parts = np.split(keys[np.argsort(classes, kind="stable")], ends)[:num_classes]
    return [_table(np.sort(part)) for part in parts]


def _table(ordered: np.ndarray) -> Table:
    starts = np.flatnonzero(differs(ordered))
    return Table(ordered[starts], np.diff(starts, append=len(ordered)))


def differs(ordered: UInt64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Where a value differs from the one before it; the first one does."""
    found = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=found[1:])
    return found
