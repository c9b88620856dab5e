"""The Recording: packed patterns by layer, and labels. Everything after it is a function of it alone."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxentropy.errors import InputError
from jaxentropy.files import atomic_path, open_npz
from jaxentropy.patterns import Array, Quantizer, Sign, pack, states_of, words_for

ApplyFunction = Callable[[Any, Any], tuple[Any, Mapping[str, Any]]]
_FORMAT = "jaxentropy-recording"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Recording:
    """What each neuron of each layer did, one bit an input, and the inputs' labels.

    Attributes:
        layers: names, in the order in which the data flows through them.
        widths: number of neurons of each layer.
        words: the packed patterns of each layer, ``uint32[n, ceil(width / 32)]`` (see ``pack``).
        labels: ``int32[n]``, each in ``0 .. num_classes - 1``.
        class_names: a name for each class, kept as strings; a class may be empty.
        meta: whatever is worth keeping beside the bits (JSON values): quantizer, network, seed, split.
    """

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    words: tuple[np.ndarray, ...]
    labels: np.ndarray
    class_names: tuple[Any, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

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
        try:
            object.__setattr__(self, "meta", json.loads(json.dumps(dict(self.meta), default=_plain)))
        except TypeError as error:
            raise InputError(f"meta must be JSON values (numbers, strings, lists, mappings): {error}") from error

    @property
    def n(self) -> int:
        """Number of inputs."""
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """Number of classes, empty ones included."""
        return len(self.class_names)

    def states(self, layer: str) -> np.ndarray:
        """The states of one layer, ``bool[n, width]``."""
        if layer not in self.layers:
            raise InputError(f"no layer '{layer}' in this recording; it has {', '.join(self.layers)}")
        index = self.layers.index(layer)
        # on the host, a byte a bit; on the device it would be a word a bit
        bits = np.unpackbits(self.words[index].view(np.uint8), axis=1, bitorder="little")
        return bits[:, : self.widths[index]].astype(bool)

    def take(self, indices: np.ndarray) -> "Recording":
        """The recording of these inputs only, in this order (indices or a boolean mask)."""
        return Recording(
            self.layers,
            self.widths,
            tuple(words[indices] for words in self.words),
            self.labels[indices],
            self.class_names,
            self.meta,
        )

    @classmethod
    def from_activations(
        cls,
        activations: Mapping[str, Array],
        labels: Array | Sequence[int],
        *,
        quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
        class_names: Iterable[Any] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> "Recording":
        """A recording of activations that any framework made.

        Args:
            activations: by layer, in the order of depth: ``float[n, width]``, or states (bool).
            labels: ``int[n]``, each 0 or more.
            quantizer: how activations become states.
            class_names: one for each class; by default the numbers 0 to the largest label.
            meta: kept beside the bits.

        Raises:
            InputError: shapes that do not fit each other, NaN or infinite activations (with the layer's name and
                their number), labels that are not whole numbers of 0 or more.
        """
        labels = checked_labels(np.asarray(labels))
        words, widths = [], []
        for name, layer in activations.items():
            layer = np.asarray(layer)
            if layer.ndim != 2 or layer.shape[0] != len(labels) or layer.shape[1] < 1:
                raise InputError(
                    f"layer '{name}' has shape {list(layer.shape)}; expected [{len(labels)}, neurons] for "
                    f"{len(labels)} labels (give a layer with more axes as one row an input, or one a position)"
                )
            if not any(jnp.issubdtype(layer.dtype, kind) for kind in (np.bool_, np.integer, np.floating)):
                raise InputError(f"layer '{name}' holds {layer.dtype}; expected real numbers or booleans")
            _refuse_nonfinite(name, int(layer.size - np.isfinite(layer).sum()), layer.size)
            widths.append(layer.shape[1])
            words.append(np.asarray(pack(states_of(layer, quantizer))))
        return cls(
            tuple(activations),
            tuple(widths),
            tuple(words),
            labels,
            _names(class_names, labels),
            {"quantizer": repr(quantizer), **(meta or {})},
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write the recording to ``path`` (an ``.npz`` without pickled objects), atomically."""
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "layers": self.layers,
            "widths": self.widths,
            "class_names": self.class_names,
            "meta": dict(self.meta),
        }
        arrays: dict[str, Any] = {f"words_{i}": words for i, words in enumerate(self.words)}
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                header=np.frombuffer(json.dumps(header).encode(), np.uint8),
                labels=self.labels,
                **arrays,
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recording":
        """Read a recording that ``save`` wrote.

        Raises:
            InputError: no such file, a damaged or truncated one, or one that is not a recording.
        """
        with open_npz(
            path,
            missing=f"no recording at {path}",
            damaged=f"{path} is damaged or not a recording; delete it and record again",
        ) as file:
            if "header" not in file:
                raise InputError(f"{path} is not a recording: expected a file written by Recording.save")
            header = json.loads(file["header"].tobytes())
            if header.get("format") != _FORMAT or header.get("version") != _VERSION:
                raise InputError(
                    f"{path} is not a recording of version {_VERSION}: its header says "
                    f"{header.get('format')!r} {header.get('version')!r}"
                )
            return cls(
                tuple(header["layers"]),
                tuple(header["widths"]),
                tuple(file[f"words_{i}"] for i in range(len(header["layers"]))),
                file["labels"],
                tuple(header["class_names"]),
                header["meta"],
            )


def concatenate(recordings: Sequence[Recording]) -> Recording:
    """One recording of all their inputs, in order; layers and classes must be the same in each."""
    if not recordings:
        raise InputError("concatenate: expected at least one recording, got none")
    first = recordings[0]
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
    )


def record(
    apply_fn: ApplyFunction,
    variables: Any,
    batches: Iterable[tuple[Any, Any]],
    *,
    layers: Sequence[str] | None = None,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    class_names: Iterable[Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Recording:
    """Drive batches through a network and keep the pattern of each layer for each input.

    Activations become states and packed words inside the compiled forward pass; only bits leave it. A batch
    shorter than the first is filled up and its filling dropped, so that one program serves all of them. Give the
    same ``apply_fn`` object again and nothing is compiled again.

    Args:
        apply_fn: ``apply_fn(variables, inputs) -> (output, {layer: activations [batch, width]})``, traceable by
            ``jax.jit``; see ``jaxentropy.capture.sown`` for Flax modules.
        variables: the network's parameters (any pytree).
        batches: pairs of inputs ``[batch, ...]`` and labels ``int[batch]``.
        layers: which layers, and in which order. By default all, in the order of the mapping; where that order is
            merely alphabetical, as ``jax.jit`` makes it, numbers count as numbers (fc10 after fc9).
        quantizer: how activations become states.
        class_names: one for each class; by default the numbers 0 to the largest label.
        meta: kept beside the bits.
        progress: show a progress bar on standard error.

    Raises:
        InputError: no batch, no layer, a layer that is not ``[batch, neurons]``, a name in ``layers`` that the
            network does not give, labels that do not match the inputs, NaN or infinite activations.
    """
    order: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    rows = 0
    words, labels, nonfinite = [], [], 0
    for inputs, batch_labels in tqdm(batches, desc="recording", unit="batch", disable=not progress):
        size = len(batch_labels)
        if len(inputs) != size:
            raise InputError(f"a batch has {len(inputs)} inputs and {size} labels; expected as many of each")
        if not order:
            order, widths = _layers_of(apply_fn, variables, inputs, layers)
            rows = size
        if size > rows:
            raise InputError(f"a batch has {size} inputs, the first one had {rows}; give the largest first")
        if size < rows:
            inputs = np.concatenate([inputs, np.zeros((rows - size, *inputs.shape[1:]), inputs.dtype)])
        batch_words, bad = _record_batch(apply_fn, quantizer, order, variables, inputs, size)
        words.append([w[:size] for w in batch_words])
        labels.append(np.asarray(batch_labels))
        nonfinite = nonfinite + bad
    if not words:
        raise InputError("record: no batch was given; expected pairs of inputs and labels")
    all_labels = checked_labels(np.concatenate(labels))
    for name, width, count in zip(order, widths, np.asarray(nonfinite).tolist(), strict=True):
        _refuse_nonfinite(name, count, len(all_labels) * width)
    return Recording(
        order,
        widths,
        tuple(np.concatenate([np.asarray(w) for w in layer]) for layer in zip(*words, strict=True)),
        all_labels,
        _names(class_names, all_labels),
        {"quantizer": repr(quantizer), **(meta or {})},
    )


@partial(jax.jit, static_argnames=("apply_fn", "quantizer", "layers"))
def _record_batch(apply_fn, quantizer, layers, variables, inputs, size):
    """Packed words of each layer, and its number of NaN or infinite activations in the first ``size`` rows."""
    activations = apply_fn(variables, inputs)[1]
    real = (jnp.arange(len(inputs)) < size)[:, None]
    words = tuple(pack(states_of(activations[name], quantizer)) for name in layers)
    bad = [jnp.sum(~jnp.isfinite(activations[name]) & real, dtype=jnp.int32) for name in layers]
    return words, jnp.stack(bad)


def _layers_of(apply_fn, variables, inputs, wanted) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and widths of the layers that ``apply_fn`` gives, found by tracing it once."""
    names: list[str] = []

    def trace(variables, inputs):
        result = apply_fn(variables, inputs)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
            raise InputError(
                "record: expected apply_fn(variables, inputs) -> (output, {layer: activations}); "
                f"it returned {type(result).__name__}"
            )
        names.extend(result[1])
        return tuple(result[1].values())

    traced = jax.eval_shape(trace, variables, inputs)
    shapes = dict(zip(names, traced, strict=True))
    if not shapes:
        raise InputError("record: the network gave no layers; sow its activations, or return them by name")
    order = tuple(wanted) if wanted is not None else in_depth_order(names)
    for name in order:
        if name not in shapes:
            raise InputError(f"record: no layer '{name}'; the network gives {', '.join(in_depth_order(names))}")
        if shapes[name].ndim != 2:
            raise InputError(
                f"record: layer '{name}' has shape {list(shapes[name].shape)}; expected [batch, neurons]. "
                "Flatten it in apply_fn, or leave it out with layers=[...]"
            )
    return order, tuple(shapes[name].shape[1] for name in order)


def in_depth_order(names: Iterable[str]) -> tuple[str, ...]:
    """The order given, unless it is merely alphabetical: then fc10 comes after fc9."""
    names = tuple(names)
    if list(names) != sorted(names):
        return names
    return tuple(sorted(names, key=lambda name: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", name)]))


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
        )
    if not len(labels):
        raise InputError("there are no inputs: the labels are empty")
    low, high = int(labels.min()), int(labels.max())
    most = np.iinfo(np.int32).max if num_classes is None else num_classes - 1
    if low < 0 or high > most:
        raise InputError(f"labels run from {low} to {high}; expected 0 to {most}")
    return labels.astype(np.int32)


def _names(class_names: Iterable[Any] | None, labels: np.ndarray) -> tuple[str, ...]:
    return tuple(str(name) for name in (range(int(labels.max()) + 1) if class_names is None else class_names))


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is none")


def _refuse_nonfinite(layer: str, count: int, size: int) -> None:
    if count:
        raise InputError(
            f"layer '{layer}': {count} of {size} activations are NaN or infinite; "
            "a state cannot be told from them, so mend the network or its inputs first"
        )
