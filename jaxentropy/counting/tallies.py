"""The Tally: counts and fingerprints without the bits, for more inputs than there is room for their patterns."""

import html
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.counting.counts import hash_and_count
from jaxentropy.recording.recording import Recording, checked_labels, described
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

    It takes 8 bytes an input and layer, however wide the layer is. It cannot give what needs the bits themselves:
    bootstrap errors, neuron entropies under shuffled labels, and the upper end of brackets. For the latter a tally of
    a stream carries a recording of some of its draws.

    Attributes:
        layers: names, in the order in which the data flows through them.
        widths: number of neurons of each layer.
        on: for each layer ``int64[class, neuron]``, inputs of each class for which the neuron was on.
        prints: for each layer ``uint32[n, 2]``, the fingerprint of each input's pattern (see ``fingerprint``).
        labels: ``int32[n]``, each in ``0 .. num_classes - 1``.
        class_names: a name for each class; a class may be empty.
        meta: anything to store with the counts (JSON values). Tallies can be merged if their ``hash_seed`` is the same.
        recorded: bits of some draws of the same population, for upper bounds; or None.
    """

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    on: tuple[np.ndarray, ...]
    prints: tuple[np.ndarray, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)
    recorded: Recording | None = None

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
        """The Tally of a recording, from its bits; InputError if it has several rows an input (``clusters``)."""
        if recording.clusters is not None:
            raise InputError(
                "Tally.of: this recording has several rows an input (positions='each'), whose errors and bounds need "
                "the bits; keep the recording, or make one with a row an input (positions='any', 'mean' or 'flatten')"
            )
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
        meta = {**self.meta, **_merged_draws([t.meta for t in every])}
        return Tally(
            self.layers,
            self.widths,
            tuple(np.sum(on, axis=0) for on in zip(*(t.on for t in every), strict=True)),
            tuple(np.concatenate(prints) for prints in zip(*(t.prints for t in every), strict=True)),
            np.concatenate([t.labels for t in every]),
            self.class_names,
            meta,
            next((t.recorded for t in every if t.recorded is not None), None),
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
        if self.recorded is not None:
            header["recorded"] = dict(self.recorded.meta)
            arrays |= {f"recorded_{i}": words for i, words in enumerate(self.recorded.words)}
            arrays["recorded_labels"] = self.recorded.labels
        write_arrays(path, "tally", header, {"labels": self.labels} | arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Tally":
        """Read a Tally that ``save`` wrote; InputError if the file is missing or damaged."""
        with read_arrays(path, "tally", "tally again") as (header, arrays):
            layers, widths, names = (tuple(header[key]) for key in ("layers", "widths", "class_names"))
            recorded = None
            if "recorded" in header:
                words = tuple(arrays[f"recorded_{i}"] for i in range(len(layers)))
                recorded = Recording(layers, widths, words, arrays["recorded_labels"], names, header["recorded"])
            on, prints = (tuple(arrays[f"{key}_{i}"] for i in range(len(layers))) for key in ("on", "prints"))
            return cls(layers, widths, on, prints, arrays["labels"], names, header["meta"], recorded)


def _merged_draws(metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is to be said of the draws of several tallies together; InputError if they cannot be put together."""
    populations = {(meta.get("population"), meta.get("population_text")) for meta in metas}
    if len(populations) > 1:
        said = " and ".join(sorted(str(text or kind or "inputs of no stream") for kind, text in populations))
        raise InputError(f"merge: tallies of different populations, whose bounds would hold of neither: {said}")
    seeds = [seed for meta in metas for seed in meta.get("stream_seeds", [])]
    if len(set(seeds)) < len(seeds):
        raise InputError(
            "merge: two tallies of one stream with one seed hold the same draws; give the second stream another seed"
        )
    found: dict[str, Any] = {"stream_seeds": seeds} if seeds else {}
    if shares := [meta["error_share"] for meta in metas if "error_share" in meta]:
        # each might have stopped at another look: over all pairs of looks, the products add up to 1
        found["error_share"] = math.prod(shares)
    return found
