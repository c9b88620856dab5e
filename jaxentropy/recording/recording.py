"""The Recording: packed patterns by layer, and labels. Everything after it is a function of it alone."""

import html
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxentropy.base.arrays import Array
from jaxentropy.base.errors import InputError
from jaxentropy.recording.chunks import Activations, Sliceable, as_array, check_shape, packed
from jaxentropy.recording.constant import one_pattern, warn_of_constant
from jaxentropy.recording.depth import warn_if_alphabetical
from jaxentropy.recording.labels import numbered, refuse_identifiers
from jaxentropy.recording.packing import unpack_on_host, words_for
from jaxentropy.recording.positions import pooled, refuse_enumeration, repeated, rows_of
from jaxentropy.recording.states import Quantizer, Sign
from jaxentropy.recording.storage import read_arrays, read_spilled, write_arrays


@dataclass(frozen=True, eq=False)
class Recording:
    """What each neuron of each layer did, one bit an input, and the inputs' labels.

    >>> hidden = np.array([[-1.0, 2.0], [1.0, 2.0], [1.0, -2.0]])  # 3 inputs, 2 neurons
    >>> recording = je.Recording.from_activations({"fc1": hidden}, labels=[0, 1, 1])
    >>> recording
    Recording(3 inputs, 2 classes; neurons: fc1 2)
    >>> recording.states("fc1")
    array([[False,  True], [ True,  True], [ True, False]])

    Attributes:
        layers: names, in the order in which the data flows through them.
        widths: number of neurons of each layer.
        words: the packed patterns of each layer, ``uint32[n, ceil(width / 32)]`` (see ``pack``).
        labels: ``int32[n]``, each in ``0 .. num_classes - 1``.
        class_names: a name for each class, stored as strings; a class may be empty.
        meta: anything to store with the bits (JSON values): quantizer, network, seed, split.
        weights: of an *enumeration*, a recording of every possible input: ``float64[n]``, each input's probability, up
            to a common factor. All its entropies are exact. None for a *sample* of inputs.
        clusters: ``int32[n]``, the number of the input that each row is a position of, if inputs have several
            (``positions="each"``). Rows of one input have its label; they are not independent, and errors and bounds go
            by inputs. None where each row is an input. ``take`` and ``concatenate`` keep which rows belong together;
            of several recordings, equal numbers are different inputs.
    """

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    words: tuple[np.ndarray, ...]
    labels: np.ndarray
    class_names: tuple[Any, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)
    weights: np.ndarray | None = None
    clusters: np.ndarray | None = None

    def __post_init__(self):
        if not self.layers or len(set(self.layers)) != len(self.layers):
            raise InputError(f"a recording needs one or more layers of different names, got {list(self.layers)}")
        if not len(self.layers) == len(self.widths) == len(self.words):
            raise InputError(
                f"a recording has {len(self.layers)} layer names, {len(self.widths)} widths and "
                f"{len(self.words)} arrays of words; expected as many of each"
            )
        for name, width, words in zip(self.layers, self.widths, self.words, strict=True):
            if words.dtype != np.uint32 or words.shape != (self.n, words_for(width)):
                raise InputError(
                    f"layer '{name}' of {width} neurons: the words are {words.dtype}{list(words.shape)}, "
                    f"expected uint32[{self.n}, {words_for(width)}] for {self.n} labels"
                )
        names = tuple(str(name) for name in self.class_names)
        if len(set(names)) != len(names):
            raise InputError(f"class names must differ from each other, got {', '.join(names)}")
        object.__setattr__(self, "class_names", names)
        object.__setattr__(self, "labels", checked_labels(self.labels, self.num_classes))
        object.__setattr__(self, "meta", json_values(self.meta))
        if self.weights is not None:
            object.__setattr__(self, "weights", checked_weights(self.weights, self.n))
        if self.clusters is not None:
            if self.weights is not None:
                raise InputError("an enumeration lists inputs, not their positions; give weights or clusters, not both")
            object.__setattr__(self, "clusters", checked_clusters(self.clusters, self.labels))

    @property
    def n(self) -> int:
        """Number of rows: of inputs, or with ``clusters``, of their positions."""
        return len(self.labels)

    @property
    def num_inputs(self) -> int:
        """Number of inputs."""
        return self.n if self.clusters is None else len(np.unique(self.clusters))

    @property
    def num_classes(self) -> int:
        """Number of classes, empty ones included."""
        return len(self.class_names)

    def __repr__(self) -> str:
        what = "Recording" if self.weights is None else "Recording of every input"
        rows = "" if self.clusters is None else f"{self.n} positions of "
        return described(what, self.num_inputs, self.num_classes, self.layers, self.widths, rows)

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"

    def class_index(self, label: int | str) -> int:
        """The number of a class, asked for by its name, or by a number that is its name or its place: 7 or "7"."""
        if str(label) in self.class_names:
            return self.class_names.index(str(label))
        if isinstance(label, int | np.integer) and 0 <= label < self.num_classes:
            return int(label)
        raise InputError(f"no class {label!r}; choose from {', '.join(self.class_names)}")

    def states(self, layer: str) -> np.ndarray:
        """The states of one layer, ``bool[n, width]``."""
        if layer not in self.layers:
            raise InputError(f"no layer '{layer}' in this recording; it has {', '.join(self.layers)}")
        index = self.layers.index(layer)
        return unpack_on_host(self.words[index], self.widths[index])

    def take(self, indices: np.ndarray) -> "Recording":
        """The recording of these rows only, in this order (indices or a boolean mask): a sample, whatever it was."""
        return Recording(
            self.layers,
            self.widths,
            tuple(words[indices] for words in self.words),
            self.labels[indices],
            self.class_names,
            self.meta,
            clusters=None if self.clusters is None else self.clusters[indices],
        )

    @classmethod
    def from_activations(
        cls,
        activations: Activations,
        labels: Array | Sequence[int] | Sequence[str] | Sliceable,
        *,
        quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
        class_names: Iterable[Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        layers: Sequence[str] | None = None,
        positions: str | None = None,
        exhaustive: bool = False,
        weights: Array | Sequence[float] | None = None,
    ) -> "Recording":
        """A recording of activations that any framework made.

        >>> hidden = np.array([[-1.0, 2.0], [1.0, 2.0], [1.0, -2.0]])  # 3 inputs, 2 neurons
        >>> je.Recording.from_activations({"fc1": hidden}, [0, 1, 1], class_names=["cat", "dog"]).class_names
        ('cat', 'dog')

        Args:
            activations: by layer, in the order of depth: ``float[n, width]``, or states (bool); whatever has a shape
                and gives rows (NumPy, memory maps, tensors, datasets of an open h5py or Zarr file) is read, quantised
                and packed chunk by chunk. With ``positions``, ``[n, position..., width]``, each read at once.
            labels: ``int[n]``, each 0 or more; or strings, which become the classes' names.
            layers: which layers, and in which order; by default all, as the mapping has them.
            quantizer: how activations become states.
            class_names: one for each class; by default the numbers 0 to the largest label, or the strings among the
                labels in alphabetical order.
            meta: stored with the bits (JSON values).
            positions: what becomes of layers with positions (a convolution's places, tokens): ``"each"``,
                ``"flatten"``, ``"any"`` or ``"mean"``, as for ``record``.
            exhaustive: these are all inputs there are, not a sample of them; their entropies are then exact.
            weights: of exhaustive inputs, their probabilities up to a common factor; by default all are equal.

        Raises:
            InputError: shapes that do not fit each other, whole numbers as activations, NaN or infinite activations
                (with the layer's name, their number and the first such input), labels that are not strings or whole
                numbers of 0 or more, unknown ``layers``, weights that are not positive numbers, one an input, or
                without ``exhaustive``.

        Warns:
            DepthOrderWarning: the layers are in alphabetical order, as ``jax.jit`` leaves a dictionary, and not
                numbered; ``layers`` says their order of depth.
            ConstantLayerWarning: a layer has the same pattern for all of two or more inputs.
        """
        numbers, names = numbered(labels, class_names)
        labels = checked_labels(numbers, None if names is None else len(names))
        if layers is None:
            warn_if_alphabetical(list(activations))
        elif unknown := [name for name in layers if name not in activations]:
            raise InputError(f"no layer '{unknown[0]}'; there are {', '.join(activations)}")
        chosen = tuple(activations if layers is None else layers)
        refuse_enumeration("from_activations", positions, exhaustive)
        # one layer after the other: a file's layers are read when they are asked for
        if positions is None:
            words = [packed(name, activations[name], len(labels), quantizer) for name in chosen]
            widths, places = tuple(int(np.shape(activations[name])[1]) for name in chosen), None
        else:
            shapes = {name: np.shape(activations[name]) for name in chosen}
            widths, places = rows_of("from_activations", shapes, positions)
            words = [_pooled_words(name, activations[name], len(labels), positions, quantizer) for name in chosen]
        if names is None:
            refuse_identifiers(int(labels.max()), len(labels))
        names = class_names_of(names, int(labels.max()))
        inputs, clusters = len(labels), None
        if places is not None:
            labels, clusters = repeated(labels, places)
        header = {"quantizer": repr(quantizer), **({"positions": positions} if positions else {}), **(meta or {})}
        weights = enumeration_weights(exhaustive, weights, len(labels))
        recording = cls(chosen, widths, tuple(words), labels, names, header, weights, clusters)
        warn_of_constant(recording.layers, list(map(one_pattern, words, widths)), inputs, quantizer)
        return recording

    def save(self, path: str | os.PathLike) -> None:
        """Write the recording to ``path`` (an ``.npz`` without pickled objects), atomically."""
        header = {
            "layers": self.layers,
            "widths": self.widths,
            "class_names": self.class_names,
            "meta": dict(self.meta),
        }
        words = {f"words_{i}": own for i, own in enumerate(self.words)}
        optional = {"weights": self.weights, "clusters": self.clusters}
        given = {name: array for name, array in optional.items() if array is not None}
        write_arrays(path, "recording", header, {"labels": self.labels} | given | words)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recording":
        """Read a recording that ``save`` wrote, or, memory-mapped, the folder that ``record(spill=…)`` did.

        Raises:
            InputError: no such file, a damaged or truncated one, or one that is not a recording.
        """
        if Path(path).is_dir():
            layers, widths, words, labels, names, meta, clusters = read_spilled(path)
            return cls(layers, widths, words, labels, names, meta, clusters=clusters)
        with read_arrays(path, "recording", "record again") as (header, arrays):
            return cls(
                tuple(header["layers"]),
                tuple(header["widths"]),
                tuple(arrays[f"words_{i}"] for i in range(len(header["layers"]))),
                arrays["labels"],
                tuple(header["class_names"]),
                header["meta"],
                arrays.get("weights"),
                arrays.get("clusters"),
            )


def described(
    what: str, inputs: int, num_classes: int, layers: Sequence[str], widths: Sequence[int], rows: str = ""
) -> str:
    """``Recording(5000 inputs, 10 classes; neurons: fc1 128, fc2 64)``; ``rows`` stands before the inputs."""
    neurons = ", ".join(f"{layer} {width}" for layer, width in zip(layers, widths, strict=True))
    return f"{what}({rows}{inputs} inputs, {num_classes} classes; neurons: {neurons})"


def concatenate(recordings: Sequence[Recording]) -> Recording:
    """One recording of all their inputs, in order; layers and classes must be the same in each.

    >>> first = je.Recording.from_activations({"fc1": np.array([[-1.0, 2.0], [1.0, 2.0]])}, [0, 1])
    >>> second = je.Recording.from_activations({"fc1": np.array([[3.0, 2.0], [1.0, -2.0]])}, [1, 0])
    >>> je.concatenate([first, second])
    Recording(4 inputs, 2 classes; neurons: fc1 2)
    """
    if not recordings:
        raise InputError("concatenate: expected at least one recording, got none")
    first = recordings[0]
    weights = [r.weights for r in recordings if r.weights is not None]
    if 0 < len(weights) < len(recordings):
        raise InputError("concatenate: some recordings are of every input and some are samples; expected one kind")
    if len({r.clusters is None for r in recordings}) > 1:
        raise InputError(
            "concatenate: some recordings have several rows an input (positions='each'), others one; expected one kind"
        )
    for other in recordings[1:]:
        if (other.layers, other.widths, other.class_names) != (first.layers, first.widths, first.class_names):
            raise InputError(
                "concatenate: recordings must have the same layers, widths and classes; "
                f"got {dict(zip(first.layers, first.widths, strict=True))} with {first.num_classes} classes and "
                f"{dict(zip(other.layers, other.widths, strict=True))} with {other.num_classes}"
            )
    return Recording(
        first.layers,
        first.widths,
        tuple(np.concatenate(words) for words in zip(*(r.words for r in recordings), strict=True)),
        np.concatenate([r.labels for r in recordings]),
        first.class_names,
        first.meta,
        np.concatenate(weights) if weights else None,
        _clusters_of_all(recordings),
    )


def _clusters_of_all(recordings: Sequence[Recording]) -> np.ndarray | None:
    """Inputs numbered on from recording to recording, since those of each are others."""
    parts, first = [], 0
    for own in (r.clusters for r in recordings):
        if own is None:
            return None
        parts.append(own.astype(np.int64) + first)
        first = int(parts[-1].max()) + 1
    return np.concatenate(parts)


def enumeration_weights(exhaustive: bool, weights: Array | Sequence[float] | None, n: int) -> np.ndarray | None:
    """The weights of every input, all 1 by default; None for a sample."""
    if not exhaustive:
        if weights is not None:
            raise InputError("weights are the probabilities of all inputs there are; say so with exhaustive=True")
        return None
    return np.ones(n) if weights is None else np.asarray(weights, np.float64)


def checked_weights(weights: np.ndarray, n: int) -> np.ndarray:
    """The weights as ``float64[n]``; InputError unless they are positive numbers, one an input."""
    weights = np.asarray(weights, np.float64)
    if weights.shape != (n,) or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise InputError(
            f"weights of shape {list(weights.shape)} for {n} inputs; expected a positive number for each, its "
            "probability up to a common factor (leave out inputs that never occur)"
        )
    return weights


def checked_clusters(clusters: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The clusters as ``int32[n]``; InputError unless they are one whole number a row, and one label a number."""
    clusters = np.asarray(clusters)
    whole = np.issubdtype(clusters.dtype, np.integer)
    if clusters.shape != labels.shape or not whole or clusters.min() < 0 or clusters.max() > np.iinfo(np.int32).max:
        raise InputError(
            f"clusters are {clusters.dtype}{list(clusters.shape)}; expected the number of its input for each of "
            f"{len(labels)} rows: whole numbers of 0 or more"
        )
    order = np.argsort(clusters, kind="stable")
    same = clusters[order][1:] == clusters[order][:-1]
    if (same & (labels[order][1:] != labels[order][:-1])).any():
        raise InputError("clusters: rows of one input have different labels; expected the input's label in each")
    return clusters.astype(np.int32)


def checked_labels(labels: np.ndarray, num_classes: int | None = None) -> np.ndarray:
    """The labels as ``int32[n]``; InputError unless they are one whole number an input, within the classes."""
    whole = np.issubdtype(labels.dtype, np.integer) or (
        np.issubdtype(labels.dtype, np.floating)
        and np.isfinite(labels).all()
        and np.array_equal(labels, labels.round())
    )
    if labels.ndim != 1 or not whole:
        raise InputError(
            f"labels are {labels.dtype}{list(labels.shape)}; expected a whole number for each input, int[n]"
            + (" (of one row an input with a 1 at the class, labels.argmax(1))" if labels.ndim == 2 else "")
        )
    if not len(labels):
        raise InputError("there are no inputs: the labels are empty")
    low, high = int(labels.min()), int(labels.max())
    most = np.iinfo(np.int32).max if num_classes is None else num_classes - 1
    if low < 0 or high > most:
        remedy = "" if num_classes is None else f", one of {num_classes} classes"
        raise InputError(
            f"labels run from {low} to {high}; expected 0 to {most}{remedy}: number the classes from 0, and leave out "
            "inputs without a class"
        )
    return labels.astype(np.int32, copy=not isinstance(labels, np.memmap))  # which may be larger than memory


def _pooled_words(
    name: str, activations: Sliceable | Sequence, n: int, positions: str, quantizer: Quantizer
) -> np.ndarray:
    """The packed words of a layer with positions, one row for each of the rows that they become."""
    given = as_array(name, activations)
    check_shape(name, (len(given), given[:1].size), n)
    rows = np.asarray(pooled(given, positions))
    rows = rows.reshape(-1, rows.shape[-1])
    return packed(name, rows, len(rows), quantizer)


def class_names_of(class_names: Iterable[Any] | None, largest: int) -> tuple[str, ...]:
    """The names as strings; by default the numbers 0 to ``largest``."""
    return tuple(str(name) for name in (range(largest + 1) if class_names is None else class_names))


def json_values(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON gives them back; InputError if it cannot hold them."""
    try:
        return json.loads(json.dumps(dict(meta), default=_plain))
    except TypeError as error:
        raise InputError(f"meta must be JSON values (numbers, strings, lists, mappings): {error}") from error


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is not one")
