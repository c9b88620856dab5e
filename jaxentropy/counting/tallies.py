"""The Tally: counts and fingerprints without the bits, for more inputs than there is room for their patterns."""

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.counting.counts import hash_and_count
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.neurons import add_neurons, by_neuron, no_neurons
from jaxentropy.recording.constant import one_pattern_counted, warn_of_constant
from jaxentropy.recording.forward import ApplyFunction, Gathered, Step, drive, layers_of, peeked
from jaxentropy.recording.packing import words_for
from jaxentropy.recording.recording import Recording, checked_labels, described
from jaxentropy.recording.states import Quantizer, Sign
from jaxentropy.recording.storage import read_arrays, write_arrays


@dataclass(frozen=True, eq=False)
class Tally:
    """What is left of a recording when its bits are thrown away: enough for every entropy of a profile.

    >>> hidden = np.array([[-1.0, 2.0], [1.0, 2.0], [1.0, -2.0]])  # 3 inputs, 2 neurons
    >>> counted = je.Tally.of(je.Recording.from_activations({"fc1": hidden}, labels=[0, 1, 1]))
    >>> counted
    Tally(3 inputs, 2 classes; neurons: fc1 2)
    >>> counted.merge(counted).n
    6

    It takes 8 bytes an input and layer, however wide the layer is. It cannot give what needs the bits
    themselves: brackets, bootstrap errors, and neuron entropies under shuffled labels.

    Attributes:
        layers: names, in the order in which the data flows through them.
        widths: number of neurons of each layer.
        on: for each layer ``int64[class, neuron]``, inputs of each class for which the neuron was on.
        prints: for each layer ``uint32[n, 2]``, the fingerprint of each input's pattern (see ``fingerprint``).
        labels: ``int32[n]``, each in ``0 .. num_classes - 1``.
        class_names: a name for each class; a class may be empty.
        meta: anything to store with the counts (JSON values). Tallies can be merged if their ``hash_seed`` is the same.
    """

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    on: tuple[np.ndarray, ...]
    prints: tuple[np.ndarray, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if not len(self.layers) == len(self.widths) == len(self.on) == len(self.prints) > 0:
            raise InputError("a tally needs one or more layers, and a width, counts and fingerprints for each")
        object.__setattr__(self, "class_names", tuple(str(name) for name in self.class_names))
        object.__setattr__(self, "labels", checked_labels(self.labels, self.num_classes))
        for name, width, on, prints in zip(self.layers, self.widths, self.on, self.prints, strict=True):
            if on.shape != (self.num_classes, width) or prints.shape != (self.n, 2) or prints.dtype != np.uint32:
                raise InputError(
                    f"layer '{name}' of {width} neurons: counts {list(on.shape)} and fingerprints {prints.dtype}"
                    f"{list(prints.shape)}; expected [{self.num_classes}, {width}] and uint32[{self.n}, 2]"
                )

    @property
    def n(self) -> int:
        """Number of inputs."""
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """Number of classes, empty ones included."""
        return len(self.class_names)

    def __repr__(self) -> str:
        return described("Tally", self.n, self.num_classes, self.layers, self.widths)

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"

    @classmethod
    def of(cls, recording: Recording, seed: int = 0) -> "Tally":
        """The Tally of a recording, from its bits."""
        on, prints = [], []
        for words, width in zip(recording.words, recording.widths, strict=True):
            own_prints, own_on = hash_and_count(words, recording.labels, recording.num_classes, width, seed)
            prints.append(np.asarray(own_prints))
            on.append(np.asarray(own_on, np.int64))
        meta = {**recording.meta, "hash_seed": seed}
        layers, widths, labels, names = recording.layers, recording.widths, recording.labels, recording.class_names
        return cls(layers, widths, tuple(on), tuple(prints), labels, names, meta)

    def merge(self, *others: "Tally") -> "Tally":
        """The Tally of all their inputs: of further batches, or of other machines' shares of the data."""
        for other in others:
            if (self.layers, self.widths, self.class_names) != (other.layers, other.widths, other.class_names):
                raise InputError("merge: tallies must have the same layers, widths and classes")
            if self.meta.get("hash_seed") != other.meta.get("hash_seed"):
                raise InputError(
                    f"merge: fingerprints of hash_seed {self.meta.get('hash_seed')} and {other.meta.get('hash_seed')} "
                    "cannot be compared; make both with one seed"
                )
        every = (self, *others)
        return Tally(
            self.layers,
            self.widths,
            tuple(np.sum(on, axis=0) for on in zip(*(t.on for t in every), strict=True)),
            tuple(np.concatenate(prints) for prints in zip(*(t.prints for t in every), strict=True)),
            np.concatenate([t.labels for t in every]),
            self.class_names,
            self.meta,
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write the Tally to ``path`` (an ``.npz`` without pickled objects), atomically."""
        header = {
            "layers": self.layers,
            "widths": self.widths,
            "class_names": self.class_names,
            "meta": dict(self.meta),
        }
        arrays = {f"on_{i}": on for i, on in enumerate(self.on)}
        arrays |= {f"prints_{i}": prints for i, prints in enumerate(self.prints)}
        write_arrays(path, "tally", header, {"labels": self.labels} | arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Tally":
        """Read a Tally that ``save`` wrote; InputError if the file is missing or damaged."""
        with read_arrays(path, "tally", "tally again") as (header, arrays):
            layers = tuple(header["layers"])
            on, prints = (tuple(arrays[f"{key}_{i}"] for i in range(len(layers))) for key in ("on", "prints"))
            return cls(
                layers,
                tuple(header["widths"]),
                on,
                prints,
                arrays["labels"],
                tuple(header["class_names"]),
                header["meta"],
            )


def tally(
    apply_fn: ApplyFunction,
    variables: Any,
    batches: Iterable[tuple[Any, Any]],
    *,
    class_names: Iterable[Any],
    layers: Sequence[str] | None = None,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    meta: Mapping[str, Any] | None = None,
    mesh: jax.sharding.Mesh | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Tally:
    """Drive batches through a network and count what ``profile`` needs, without storing any bits.

    >>> def network(variables, inputs):
    ...     hidden = inputs @ variables
    ...     return hidden.sum(1), {"fc1": hidden}
    >>> batches = [(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0, 1])), (np.array([[2.0, 1.0]]), np.array([1]))]
    >>> counted = je.tally(network, np.eye(2), batches, class_names=["cat", "dog"])
    >>> counted.on[0]  # by class and neuron: inputs for which the neuron was on
    array([[1, 0], [1, 2]])

    As ``record``; patterns are hashed and neurons counted inside the compiled forward pass, and the counts stay on the
    device until the last batch.

    Args:
        apply_fn: as for ``record``.
        variables: as for ``record``.
        batches: as for ``record``.
        class_names: a name for each class (``range(10)`` will do); labels are numbers from 0.
        layers: as for ``record``.
        quantizer: how activations become states.
        meta: stored with the counts (JSON values).
        mesh: devices of this process that share every batch; by default one device.
        seed: of the fingerprints.
        progress: show a progress bar on standard error.

    Raises:
        InputError: as ``record``, and labels that are no class.

    Warns:
        ConstantLayerWarning: as ``record``.
    """
    names = tuple(str(name) for name in class_names)
    gathered = Gathered(batches)
    (inputs, _), batches = peeked(batches)
    step = _Counts(*layers_of(apply_fn, variables, inputs, layers), apply_fn, quantizer, len(names), seed)
    carry = tuple(no_neurons(len(names), words_for(width), np.iinfo(np.int32).max) for width in step.widths)
    checked = ((x, checked_labels(np.asarray(y), len(names))) for x, y in batches)
    totals = carry
    for own_labels, own_prints, carried in drive(step, carry, variables, checked, mesh=mesh, progress=progress):
        gathered.add((own_labels, *own_prints))
        totals = carried
    labels, *prints = gathered.arrays()
    if mesh is not None:
        totals = jax.tree.map(lambda a: np.asarray(a).sum(0), totals)
    on = tuple(
        np.asarray(by_neuron(jnp.asarray(total), width)).astype(np.int64)
        for total, width in zip(totals, step.widths, strict=True)
    )
    warn_of_constant(step.layers, [one_pattern_counted(own, len(labels)) for own in on], len(labels), quantizer)
    return Tally(
        step.layers, step.widths, on, tuple(prints), labels, names,
        {"quantizer": repr(quantizer), **(meta or {}), "hash_seed": seed},
    )  # fmt: skip


@dataclass(frozen=True)
class _Counts(Step):
    """The step that adds neurons up and returns fingerprints."""

    num_classes: int
    seed: int

    def step_outputs(self, carry, words, labels, real):
        labels = jnp.where(real, labels, self.num_classes)
        totals = tuple(add_neurons(total, own, labels) for total, own in zip(carry, words, strict=True))
        return totals, tuple(fingerprint(own, self.seed) for own in words)
