"""Labels as they were given, numbers or strings → the number of each input's class, and the classes' names."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxentropy.base.errors import InputError

_MANY = 1000


def numbered(labels: Any, class_names: Iterable[Any] | None) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """(labels as an array of numbers, names of the classes if they are known).

    ::

        numbered(["dog", "cat", "dog"], None)  # [1, 0, 1], ("cat", "dog")
        numbered(["dog", "cat", "dog"], ["dog", "cat"])  # [0, 1, 0], ("dog", "cat")

    Strings become class names, in alphabetical order unless ``class_names`` has another one. Numbers stay as they are.
    """
    if labels is None:
        raise InputError("there are no labels; give the class of each input, or np.zeros(n, int) if there is one class")
    names = None if class_names is None else tuple(str(name) for name in class_names)
    labels = _decoded(np.asarray(labels))
    if labels.dtype.kind != "U" or labels.ndim != 1:
        return labels, names
    found, places = np.unique(labels, return_inverse=True)
    if names is None:
        return places.astype(np.int32), tuple(found.tolist())
    unknown = [name for name in found.tolist() if name not in names]
    if unknown:
        raise InputError(f"the label '{unknown[0]}' is no class; class_names has {', '.join(names)}")
    return np.array([names.index(name) for name in found.tolist()], np.int32)[places], names


def refuse_identifiers(largest: int, n: int) -> None:
    """InputError if nearly all classes 0 to ``largest`` would be empty: the labels are identifiers, not numbers of
    classes, and a profile has room for each class."""
    if largest >= max(10 * n, _MANY):
        raise InputError(
            f"labels run to {largest} for {n} inputs, so that nearly all of the {largest + 1} classes would be empty; "
            "number the classes from 0 (np.unique(labels, return_inverse=True)[1]), give the labels as strings, or all "
            "class_names"
        )


def _decoded(labels: np.ndarray) -> np.ndarray:
    """Bytes (as HDF5 keeps strings) and Python's own strings as NumPy's; anything else as it is."""
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8")
    if labels.dtype.kind in "OT" and labels.ndim == 1 and len(labels):
        values = [value.decode() if isinstance(value, bytes) else value for value in labels.tolist()]
        if all(isinstance(value, str) for value in values):
            return np.array(values)
    return labels
