"""Batches, or the draws of a stream, through a network → a Tally."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import write_text
from jaxentropy.base.streams import Stream
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.neurons import add_neurons, by_neuron, no_neurons
from jaxentropy.counting.tallies import Tally
from jaxentropy.recording.constant import one_pattern_counted, warn_of_constant
from jaxentropy.recording.forward import ApplyFunction, Gathered, Step, drive, layers_of, peeked
from jaxentropy.recording.packing import words_for
from jaxentropy.recording.recorder import record
from jaxentropy.recording.recording import Recording, checked_labels
from jaxentropy.recording.states import Quantizer, Sign

RECORDED = 40_000
"""Draws of each class of a stream whose bits are kept, for upper bounds."""
_BATCH = 4096
_PIECE = 1 << 17
"""Draws of each class between two reports of progress, and two files of a checkpoint."""


@runtime_checkable
class Enough(Protocol):
    """When a stream has been drawn from often enough: ``jaxentropy.profiling.until.Until``."""

    @property
    def draws(self) -> int:
        """The most draws of each class."""
        ...

    @property
    def seconds(self) -> float | None:
        """The most time, if it matters."""
        ...

    def looks(self, least: int) -> list[tuple[int, float]]:
        """After how many draws of each class it looks, and with which share of the bounds' error probability."""
        ...

    def enough(self, counted: Tally) -> bool:
        """Whether it has seen enough."""
        ...


def tally(
    apply_fn: ApplyFunction,
    variables: Any,
    batches: Iterable[tuple[Any, Any]] | Stream,
    *,
    class_names: Iterable[Any] | None = None,
    layers: Sequence[str] | None = None,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    meta: Mapping[str, Any] | None = None,
    mesh: jax.sharding.Mesh | None = None,
    seed: int = 0,
    until: Any = None,
    recorded: int = RECORDED,
    checkpoints: str | os.PathLike | None = None,
    progress: bool = False,
) -> Tally:
    """Drive batches, or a stream's draws, through a network and count what ``profile`` needs, without storing the bits.

    >>> def network(variables, inputs):
    ...     hidden = inputs @ variables
    ...     return hidden.sum(1), {"fc1": hidden}
    >>> batches = [(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0, 1])), (np.array([[2.0, 1.0]]), np.array([1]))]
    >>> counted = je.tally(network, np.eye(2), batches, class_names=["cat", "dog"])
    >>> counted.on[0]  # by class and neuron: inputs for which the neuron was on
    array([[1, 0], [1, 2]])

    As ``record``; patterns are hashed and neurons counted inside the compiled forward pass, and the counts stay on the
    device until the last batch. Of a stream it makes draws until there are enough, 8 bytes a draw and layer (and 4 for
    its label): 52 bytes for six layers, 5 GB for 10⁸ draws.

    Args:
        apply_fn: as for ``record``.
        variables: as for ``record``.
        batches: as for ``record``; or a ``Stream``, for example ``je.Augment().of(data)``.
        class_names: a name for each class (``range(10)`` will do); labels are numbers from 0. A stream has its own.
        layers: as for ``record``.
        quantizer: how activations become states.
        meta: stored with the counts (JSON values).
        mesh: devices of this process that share every batch; by default one device.
        seed: of the fingerprints.
        until: of a stream, how many draws of each class; or ``je.Until(...)``: until brackets part, or are narrow.
        recorded: of a stream, so many further draws of each class are recorded with their bits, for upper bounds; they
            are not among the counted ones. Models are fitted to half of them, and the other half is read.
        checkpoints: of a stream, a folder that keeps finished draws, so that a killed call goes on where it was.
        progress: show a progress bar on standard error.

    Raises:
        InputError: as ``record``; labels that are no class; batches without ``class_names``; a stream without
            ``until``; a folder with checkpoints of other settings.

    Warns:
        ConstantLayerWarning: as ``record``.
    """
    settings = _Settings(apply_fn, layers, quantizer, mesh, seed)
    if isinstance(batches, Stream):
        if class_names is not None or until is None:
            raise InputError(
                "tally: a stream has class names of its own, and needs until=…: how many draws of each class"
            )
        counted = _of_stream(settings, variables, batches, until, recorded, checkpoints, progress)
    else:
        if class_names is None or until is not None or checkpoints is not None:
            raise InputError("tally: batches need class_names; until and checkpoints are for streams")
        counted = settings.count(variables, batches, [str(name) for name in class_names], progress)
    patterns = [one_pattern_counted(on, counted.n) for on in counted.on]
    warn_of_constant(counted.layers, patterns, counted.n, quantizer)
    return replace(counted, meta={"quantizer": repr(quantizer), **(meta or {}), **counted.meta})


@dataclass(frozen=True)
class _Settings:
    """How to count, whatever is counted."""

    apply_fn: ApplyFunction
    layers: Sequence[str] | None
    quantizer: Quantizer
    mesh: jax.sharding.Mesh | None
    seed: int

    def bits(self, variables: Any, batches: Iterable[tuple[Any, Any]], names: Sequence[str]) -> Recording | None:
        """The Recording of these batches; None if there are none."""
        for first in (every := iter(batches)):
            return record(
                self.apply_fn, variables, chain([first], every), layers=self.layers, quantizer=self.quantizer,
                class_names=names, mesh=self.mesh,
            )  # fmt: skip
        return None

    def count(self, variables: Any, batches: Iterable[tuple[Any, Any]], names: Sequence[str], progress: bool) -> Tally:
        """The Tally of these batches."""
        gathered = Gathered(batches)
        (inputs, _), batches = peeked(batches)
        order = layers_of(self.apply_fn, variables, inputs, self.layers)
        step = _Counts(*order, self.apply_fn, self.quantizer, len(names), self.seed)
        carry = tuple(no_neurons(len(names), words_for(width), np.iinfo(np.int32).max) for width in step.widths)
        checked = ((x, checked_labels(np.asarray(y), len(names))) for x, y in batches)
        totals = carry
        for own_labels, own_prints, carried in drive(
            step, carry, variables, checked, mesh=self.mesh, progress=progress
        ):
            gathered.add((own_labels, *own_prints))
            totals = carried
        labels, *prints = gathered.arrays()
        if self.mesh is not None:
            totals = jax.tree.map(lambda a: np.asarray(a).sum(0), totals)
        on = tuple(
            np.asarray(by_neuron(jnp.asarray(total), width)).astype(np.int64)
            for total, width in zip(totals, step.widths, strict=True)
        )
        return Tally(step.layers, step.widths, on, tuple(prints), labels, tuple(names), {"hash_seed": self.seed})


def _of_stream(
    settings: _Settings,
    variables: Any,
    stream: Stream,
    until: Any,
    recorded: int,
    checkpoints: str | os.PathLike | None,
    progress: bool,
) -> Tally:
    """The Tally of so many draws of each class, with the bits of some of them."""
    enough = _Budget(int(until)) if isinstance(until, Integral) else until
    if not isinstance(enough, Enough):
        raise InputError(f"tally: until is {until!r}; expected a whole number of draws, or je.Until(...)")
    draws = enough.draws
    if draws < 1 or recorded < 0:
        raise InputError(f"tally: {draws} draws, of which {recorded} are recorded; expected 1 or more, and 0 or more")
    own = replace(settings, apply_fn=stream.through(settings.apply_fn))
    given, labels, names = (variables, stream.data), range(len(stream.class_names)), list(stream.class_names)
    pieces = _Pieces(checkpoints, partial(_key, own, given, stream, recorded, draws))
    kept = pieces.recording(partial(own.bits, given, stream.numbers(labels, draws, draws + recorded, _BATCH), names))
    meta = {"population": "stream", "population_text": stream.text, "stream_seeds": [stream.seed]}
    parts: list[Tally] = []
    counted: Tally | None = None
    done, late, began = 0, False, time.monotonic()
    with tqdm(total=draws * len(names), desc="drawing", unit="draw", unit_scale=True, disable=not progress) as bar:
        for look, share in enough.looks(recorded):
            while done < look and not late:
                stop = min(done + _PIECE, look)
                numbers = stream.numbers(labels, done, stop, _BATCH)
                parts.append(pieces.tally(done, stop, partial(own.count, given, numbers, names, progress=False)))
                bar.update((stop - done) * len(names))
                done = stop
                late = enough.seconds is not None and time.monotonic() - began > enough.seconds
            parts = [parts[0].merge(*parts[1:])]
            counted = replace(parts[0], recorded=kept, meta={**parts[0].meta, **meta, "error_share": share})
            if late or enough.enough(counted):
                break
    assert counted is not None
    return counted


@dataclass(frozen=True)
class _Budget:
    """So many draws of each class, whatever they show."""

    draws: int
    seconds: float | None = None

    def looks(self, least: int) -> list[tuple[int, float]]:
        return [(self.draws, 1.0)]

    def enough(self, counted: Tally) -> bool:
        return True


def _key(own: _Settings, given: Any, stream: Stream, recorded: int, draws: int) -> str:
    """What finished draws depend on: settings, arrays, and what the stream and the network compute from them."""
    found = hashlib.sha256(repr((own.layers, own.quantizer, own.seed, recorded, draws)).encode())
    found.update(repr((stream.text, stream.class_names, stream.seed)).encode())
    number = jax.ShapeDtypeStruct((1, 2), jnp.uint32)
    # the program's text has every constant in it, and no names of files
    found.update(jax.jit(own.apply_fn).lower(given, number).as_text().encode())
    for leaf in jax.tree.leaves(given):
        array = np.ascontiguousarray(leaf)
        found.update(repr((array.dtype.str, array.shape)).encode() + array.tobytes())
    return found.hexdigest()


class _Pieces:
    """Finished draws in a folder; or nothing kept, without one."""

    def __init__(self, folder: str | os.PathLike | None, key: Callable[[], str]):
        self._folder = None if folder is None else Path(folder)
        if self._folder is None:
            return
        said = self._folder / "stream.json"
        text = json.dumps({"format": "jaxentropy-stream", "version": 2, "settings": key()})
        if said.exists() and said.read_text(encoding="utf-8") != text:
            raise InputError(
                f"{self._folder} holds draws of another stream, network or setting, or of another version of JAX; give "
                "each a folder of its own"
            )
        write_text(said, text)

    def recording(self, make: Callable[[], Recording | None]) -> Recording | None:
        """The recorded draws."""
        path = None if self._folder is None else self._folder / "recorded.npz"
        if path is not None and path.exists():
            return Recording.load(path)
        made = make()
        if path is not None and made is not None:
            made.save(path)
        return made

    def tally(self, start: int, stop: int, make: Callable[[], Tally]) -> Tally:
        """The Tally of these draws."""
        if self._folder is None:
            return make()
        path = self._folder / f"draws-{start}-{stop}.npz"
        if not path.exists():
            make().save(path)
        return Tally.load(path)


@dataclass(frozen=True)
class _Counts(Step):
    """The step that adds neurons up and returns fingerprints."""

    num_classes: int
    seed: int

    def step_outputs(self, carry, words, labels, real):
        labels = jnp.where(real, labels, self.num_classes)
        totals = tuple(add_neurons(total, own, labels) for total, own in zip(carry, words, strict=True))
        return totals, tuple(fingerprint(own, self.seed) for own in words)
