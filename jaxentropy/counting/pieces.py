"""Finished draws of a stream: kept in memory, or in a folder from which a killed call goes on."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import write_text
from jaxentropy.counting.tallies import Tally
from jaxentropy.recording.recording import Recording
from jaxentropy.recording.storage import read_arrays, write_arrays

_FORMAT = {"format": "jaxentropy-stream", "version": 3}
_PIECE, _LABELS = "stream-piece", "labels.i32"


class Pieces(Protocol):
    """What finished draws are added to, piece after piece."""

    def recording(self, make: Callable[[], Recording | None]) -> Recording | None:
        """The recorded draws."""
        ...

    def add(self, start: int, stop: int, make: Callable[[], Tally]) -> None:
        """Draws ``start`` to ``stop`` of each class, which follow those that were added before."""
        ...

    def tally(self) -> Tally:
        """All that was added."""
        ...


class InMemory:
    """Pieces that end with the call."""

    def __init__(self):
        self._parts: list[Tally] = []

    def recording(self, make: Callable[[], Recording | None]) -> Recording | None:
        """As it is made."""
        return make()

    def add(self, start: int, stop: int, make: Callable[[], Tally]) -> None:
        """As it is made."""
        self._parts.append(make())

    def tally(self) -> Tally:
        """The pieces as one."""
        self._parts = [self._parts[0].merge(*self._parts[1:])]
        return self._parts[0]


class InFolder:
    """Pieces in files: however many draws, memory holds those of one piece.

    ``prints_0.u32``, ``prints_1.u32``, … and ``labels.i32`` hold the layers' fingerprints and the labels of all draws,
    little-endian, row after row; ``recorded.npz`` the recorded draws. A piece's neuron counts are written last, into
    ``counted-START-STOP.npz``: what the long files hold beyond such pieces was not finished, and is overwritten.
    """

    def __init__(self, folder: str | os.PathLike, key: Callable[[], str]):
        self._folder = Path(folder)
        said, text = self._folder / "stream.json", json.dumps(_FORMAT | {"settings": key()})
        if said.exists() and said.read_text(encoding="utf-8") != text:
            raise InputError(
                f"{folder} holds draws of another stream, network or setting, or of another version of JAX; give "
                "each a folder of its own"
            )
        write_text(said, text)
        self._rows = 0
        self._header: dict[str, Any] = {}
        self._on: list[np.ndarray] = []

    def recording(self, make: Callable[[], Recording | None]) -> Recording | None:
        """Made once."""
        path = self._folder / "recorded.npz"
        if path.exists():
            return Recording.load(path)
        made = make()
        if made is not None:
            made.save(path)
        return made

    def add(self, start: int, stop: int, make: Callable[[], Tally]) -> None:
        """Made once."""
        path = self._folder / f"counted-{start}-{stop}.npz"
        if not path.exists():
            made = make()
            for i, prints in enumerate(made.prints):
                self._write(_prints_file(i), np.ascontiguousarray(prints, "<u4"))
            self._write(_LABELS, np.ascontiguousarray(made.labels, "<i4"))
            header = {"layers": made.layers, "widths": made.widths, "names": made.class_names, "meta": dict(made.meta)}
            write_arrays(path, _PIECE, header | {"n": made.n}, {f"on_{i}": on for i, on in enumerate(made.on)})
        with read_arrays(path, _PIECE, "tally again") as (header, arrays):
            on = [arrays[f"on_{i}"] for i in range(len(header["layers"]))]
        self._header, self._rows = header, self._rows + int(header["n"])
        self._on = on if not self._on else [total + own for total, own in zip(self._on, on, strict=True)]

    def tally(self) -> Tally:
        """The pieces as one; its fingerprints and labels are memory-mapped, read-only."""
        layers, widths, names = (tuple(self._header[key]) for key in ("layers", "widths", "names"))
        prints = tuple(self._mapped(_prints_file(i), "<u4", 2) for i in range(len(layers)))
        labels = self._mapped(_LABELS, "<i4", 1)[:, 0]
        return Tally(layers, widths, tuple(self._on), prints, labels, names, self._header["meta"])

    def _write(self, name: str, rows: np.ndarray) -> None:
        """These rows behind those of the pieces before, on disk when this returns."""
        place = self._rows * rows[:1].nbytes
        path = self._folder / name
        with open(path, "r+b" if path.exists() else "w+b") as file:
            file.truncate(place)
            file.seek(place)
            file.write(rows.data)
            file.flush()
            os.fsync(file.fileno())

    def _mapped(self, name: str, dtype: str, columns: int) -> np.ndarray:
        path, size = self._folder / name, 4 * columns * self._rows
        if not path.exists() or path.stat().st_size < size:
            raise InputError(f"{path} is damaged or not there; delete the folder {self._folder} and tally again")
        return np.memmap(path, dtype, mode="r", shape=(self._rows, columns))


def _prints_file(layer: int) -> str:
    return f"prints_{layer}.u32"
