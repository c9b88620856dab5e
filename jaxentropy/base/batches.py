"""Batches as loaders give them → pairs of arrays: dictionaries, labels apart, names as labels, batches of any sizes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import chain
from typing import Any

import numpy as np

from jaxentropy.base.errors import InputError


class Pairs:
    """Batches as pairs of inputs ``[batch, ...]`` and labels ``int[batch]``, none larger than the first.

    Iterate as often as the batches themselves can be iterated. Labels that are names become numbers, in ``names``'
    order; if the names are not known beforehand, in the order of their first appearance.
    """

    def __init__(
        self,
        batches: Iterable[Any],
        keys: tuple[str, str] | None = None,
        labels: Any = None,
        class_names: Iterable[Any] | None = None,
    ):
        if isinstance(batches, Mapping | str) or not isinstance(batches, Iterable):
            raise InputError(
                f"batches are a {type(batches).__name__}; expected an iterable of them, for example [(images, labels)]"
            )
        if keys is not None and labels is not None:
            raise InputError("keys name the labels in each batch; leave labels out, or keys")
        self._batches, self._keys = batches, keys
        self._labels = None if labels is None else np.asarray(labels)
        self.names: list[str] = [] if class_names is None else [str(name) for name in class_names]
        self._fixed = class_names is not None
        self.named: bool | None = None
        """Whether labels are names; None before the first batch."""
        self._begun: Iterator[tuple[Any, np.ndarray]] | None = None

    def first(self) -> Any:
        """The inputs of the first batch; who iterates next gets this batch too, without its being read again."""
        begun = self._made()
        for batch in begun:
            self._begun = chain([batch], begun)
            return batch[0]
        raise InputError("no batch was given; expected pairs of inputs and labels")

    def __iter__(self) -> Iterator[tuple[Any, np.ndarray]]:
        begun, self._begun = self._begun, None
        return self._made() if begun is None else begun

    def _made(self) -> Iterator[tuple[Any, np.ndarray]]:
        first: tuple[int, ...] = ()
        given = seen = 0
        for inputs, labels in self._raw():
            if not len(labels):
                given += 1
                continue
            if not first:
                first = inputs.shape
            if inputs.shape[1:] != first[1:]:
                raise InputError(
                    f"batch {given} has inputs of shape {list(inputs.shape[1:])}, the first one had {list(first[1:])}; "
                    "expected one shape"
                )
            for start in range(0, len(labels), first[0]):
                yield inputs[start : start + first[0]], labels[start : start + first[0]]
            given, seen = given + 1, seen + len(labels)
        if given < (promised := how_many(self._batches) or 0):
            raise InputError(f"the batches ended after {given} of {promised}; mend the loader")
        if self._labels is not None and seen != len(self._labels):
            raise InputError(f"there are {len(self._labels)} labels for {seen} inputs; expected as many of each")

    def _raw(self) -> Iterator[tuple[Any, np.ndarray]]:
        """Inputs and labels of each batch, as arrays."""
        seen = 0
        for number, batch in enumerate(self._batches):
            inputs, labels = self._parts(batch, number, seen)
            inputs = inputs if hasattr(inputs, "shape") and hasattr(inputs, "at") else np.asarray(inputs)
            labels = np.asarray(labels)
            if inputs.ndim < 1 or labels.ndim != 1 or len(inputs) != len(labels):
                scores = "; of scores or one-hot rows, give argmax(axis=1)" if labels.ndim == 2 else ""
                raise InputError(
                    f"batch {number} has inputs {list(inputs.shape)} and labels {list(labels.shape)}; expected "
                    f"[batch, ...] and [batch]{scores}"
                )
            seen += len(labels)
            yield inputs, self._numbers(labels, number)

    def _parts(self, batch: Any, number: int, seen: int) -> tuple[Any, Any]:
        """Inputs and labels of one batch."""
        if self._keys is not None:
            if not isinstance(batch, Mapping) or any(key not in batch for key in self._keys):
                there = ", ".join(map(str, batch)) if isinstance(batch, Mapping) else f"a {type(batch).__name__}"
                raise InputError(f"batch {number} has no {' and '.join(self._keys)}, only {there}")
            return batch[self._keys[0]], batch[self._keys[1]]
        if isinstance(batch, Mapping):
            raise InputError(
                f"batch {number} is a dictionary of {', '.join(map(str, batch))}; say which are inputs and labels, for "
                'example keys=("image", "label")'
            )
        if self._labels is not None:
            if isinstance(batch, tuple | list) and any(hasattr(part, "shape") and np.ndim(part) for part in batch[1:2]):
                raise InputError(f"batch {number} has several parts, and labels=… are given too; leave one of them out")
            return batch, self._labels[seen : seen + len(batch)]
        if isinstance(batch, Sequence) and len(batch) == 2:
            return batch[0], batch[1]
        raise InputError(
            f"batch {number} is a {type(batch).__name__}; expected a pair of inputs and labels, or a dictionary with "
            "keys=(…), or inputs alone with labels=…"
        )

    def _numbers(self, labels: np.ndarray, number: int) -> np.ndarray:
        """Labels as numbers; names are looked up."""
        if not len(labels):
            return labels
        if labels.dtype == object and (kinds := {type(one) for one in labels.tolist()}) - {str, bytes}:
            labels = np.array(labels.tolist()) if kinds <= {int, bool} | {type(np.int64(0))} else labels
        names = labels.dtype.kind in "USO"
        missing = [one for one in labels.tolist() if one is None or one != one]
        if missing:
            raise InputError(f"batch {number} has inputs without a label ({missing[0]}); leave them out")
        if self.named is not None and names != self.named:
            raise InputError(f"batch {number} has labels of another kind than the first: names and numbers; give one")
        self.named = names
        if not names:
            return labels
        texts = [one.decode() if isinstance(one, bytes) else str(one) for one in labels.tolist()]
        for text in dict.fromkeys(texts):
            if text not in self.names:
                if self._fixed:
                    raise InputError(f"label '{text}' is none of the classes {', '.join(self.names)}")
                self.names.append(text)
        place = {name: i for i, name in enumerate(self.names)}
        return np.array([place[text] for text in texts], np.int32)


class SizedPairs(Pairs):
    """Pairs of batches whose number is known, so that room for all of them can be made at once."""

    def __len__(self) -> int:
        assert isinstance(self._batches, Sized)
        return len(self._batches)


def how_many(batches: Iterable[Any]) -> int | None:
    """The number of batches, if they know it: loaders without an end have a length that raises TypeError."""
    try:
        return len(batches) if isinstance(batches, Sized) else None
    except TypeError:
        return None


def pairs(
    batches: Iterable[Any],
    keys: tuple[str, str] | None = None,
    labels: Any = None,
    class_names: Iterable[Any] | None = None,
) -> Pairs:
    """The batches as pairs of arrays.

    Args:
        batches: pairs of inputs and labels; dictionaries; or inputs alone.
        keys: of dictionaries, which entries are inputs and labels.
        labels: of all inputs, in order, if the batches have none.
        class_names: by which labels that are names are looked up.

    Raises:
        InputError: batches of another kind, in iteration too.
    """
    return (Pairs if how_many(batches) is None else SizedPairs)(batches, keys, labels, class_names)
