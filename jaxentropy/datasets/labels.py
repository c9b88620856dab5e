"""Labels as they are stored → class numbers and names."""

from collections.abc import Sequence

import numpy as np

from jaxentropy.base.errors import InputError

_STRINGS = "USOT"  # NumPy's kinds: str, bytes, objects, strings of any length


def classes_of(
    name: str, parts: Sequence[np.ndarray], class_names: tuple[str, ...] | None = None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Whole numbers ``0 .. classes - 1`` for the labels of each part of a data set, and the classes' names.

    Strings (``str``, ``bytes`` or objects) are classes in alphabetical order. Numbers stay as they are, and are named
    by ``class_names``, or by themselves.

    Raises:
        InputError: labels that are neither, missing or out of range.
    """
    kinds = [labels.dtype.kind in _STRINGS for labels in parts]
    if any(kinds):
        if not all(kinds):
            raise InputError(f"data set {name}: some labels are strings and some numbers; expected one kind")
        texts = [[_text(name, label) for label in labels.ravel().tolist()] for labels in parts]
        names = tuple(sorted({text for own in texts for text in own}))
        numbers = {text: number for number, text in enumerate(names)}
        return [
            np.array([numbers[text] for text in own], np.int32).reshape(labels.shape)
            for own, labels in zip(texts, parts, strict=True)
        ], names
    for labels in parts:
        if not np.issubdtype(labels.dtype, np.integer):
            raise InputError(f"data set {name}: labels are {labels.dtype}; expected whole numbers, or names as strings")
        if labels.size and labels.min() < 0:
            raise InputError(f"data set {name}: a label is negative ({labels.min()}); expected 0 .. classes - 1")
    largest = max((int(labels.max()) for labels in parts if labels.size), default=0)
    known = len(class_names) if class_names else sum(labels.size for labels in parts)
    if largest >= known:
        what = "classes" if class_names else "labels"
        raise InputError(
            f"data set {name}: a label is {largest}, but there are {known} {what}; expected 0 .. classes - 1, or names "
            "as strings"
        )
    return list(parts), class_names or tuple(map(str, range(largest + 1)))


def check_classes(name: str, train: np.ndarray, test: np.ndarray, class_names: tuple[str, ...]) -> None:
    """InputError unless there is something to tell apart, and what is tested can be learnt."""
    seen = np.unique(train)
    if len(seen) < 2:
        raise InputError(
            f"data set {name}: all training images are of one class ({class_names[seen[0]]}); expected two or more"
        )
    unseen = np.setdiff1d(test, seen)
    if len(unseen):
        raise InputError(
            f"data set {name}: test images of {', '.join(class_names[c] for c in unseen[:5])} have no training images"
        )


def _text(name: str, label: object) -> str:
    if isinstance(label, bytes):
        label = label.decode("utf-8", "replace")
    if not isinstance(label, str) or not label:
        raise InputError(f"data set {name}: a label is missing ({label!r}); expected a class name for each image")
    return label
