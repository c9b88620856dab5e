"""A stream's draws through a network → a Tally: as many as are enough."""

import hashlib
import os
import time
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxentropy.base.errors import InputError
from jaxentropy.base.streams import Stream
from jaxentropy.counting.batches import Counting
from jaxentropy.counting.pieces import InFolder, InMemory, Pieces
from jaxentropy.counting.tallies import Tally

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


def draw_until(
    settings: Counting,
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
    pieces: Pieces = InMemory()
    if checkpoints is not None:
        pieces = InFolder(checkpoints, partial(_key, own, given, stream, recorded, draws))
    kept = pieces.recording(partial(own.bits, given, stream.numbers(labels, draws, draws + recorded, _BATCH), names))
    meta = {"population": "stream", "population_text": stream.text, "stream_seeds": [stream.seed]}
    counted: Tally | None = None
    done, late, began = 0, False, time.monotonic()
    with tqdm(total=draws * len(names), desc="drawing", unit="draw", unit_scale=True, disable=not progress) as bar:
        for look, share in enough.looks(recorded):
            while done < look and not late:
                stop = min(done + _PIECE, look)
                numbers = stream.numbers(labels, done, stop, _BATCH)
                pieces.add(done, stop, partial(own.count, given, numbers, names, progress=False))
                bar.update((stop - done) * len(names))
                done = stop
                late = enough.seconds is not None and time.monotonic() - began > enough.seconds
            drawn = pieces.tally()
            counted = replace(drawn, recorded=kept, meta={**drawn.meta, **meta, "error_share": share})
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


def _key(own: Counting, given: Any, stream: Stream, recorded: int, draws: int) -> str:
    """What finished draws depend on: settings, arrays, and what the stream and the network compute from them."""
    found = hashlib.sha256(repr((own.layers, own.quantizer, own.seed, own.positions, recorded, draws)).encode())
    found.update(repr((stream.text, stream.class_names, stream.seed)).encode())
    number = jax.ShapeDtypeStruct((1, 2), jnp.uint32)
    # the program's text has every constant in it, and no names of files
    found.update(jax.jit(own.apply_fn).lower(given, number).as_text().encode())
    for leaf in jax.tree.leaves(given):
        array = np.ascontiguousarray(leaf)
        found.update(repr((array.dtype.str, array.shape)).encode() + array.tobytes())
    return found.hexdigest()
