"""Recordings and Tallies as files, and a recording's bits in a folder: every format and header, once.

A file is an ``.npz`` without pickled objects, with a ``header`` in JSON. A folder is written batch by batch and read
back memory-mapped: ``words_0.u32``, ``words_1.u32``, … hold the layers' packed words, ``labels.i32`` the labels, and
``clusters.i32`` each row's input if inputs have several, all little-endian and row after row; ``recording.json`` is the
header, and is written last: a folder without it was not finished.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import atomic_path, open_npz, write_text
from jaxentropy.recording.packing import words_for

_HEADER, _LABELS, _CLUSTERS = "recording.json", "labels.i32", "clusters.i32"
_FORMAT = {"format": "jaxentropy-recording-folder", "version": 1}
_VERSION = 1


def write_arrays(
    path: str | os.PathLike, what: str, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write the arrays of a recording or Tally (``what``) and its header, atomically."""
    content = json.dumps({"format": f"jaxentropy-{what}", "version": _VERSION, **header})
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, header=np.frombuffer(content.encode(), np.uint8), **arrays)


@contextmanager
def read_arrays(path: str | os.PathLike, what: str, remedy: str) -> Iterator[tuple[dict[str, Any], NpzFile]]:
    """(header, arrays) of a file that ``write_arrays`` wrote; InputError if the file is missing or damaged."""
    damaged = f"{path} is damaged or not a {what}; delete it and {remedy}"
    with open_npz(path, missing=f"no {what} at {path}", damaged=damaged) as arrays:
        if "header" not in arrays:
            raise InputError(f"{path} is not a {what}: it has no header of ours; {remedy}")
        header = json.loads(arrays["header"].tobytes())
        found = header.get("format"), header.get("version")
        if found != (f"jaxentropy-{what}", _VERSION):
            raise InputError(f"{path} is not a {what} of version {_VERSION}: its header says {found[0]!r} {found[1]!r}")
        yield header, arrays


class Spill:
    """Writes a recording into a folder; use it as a context, which leaves nothing behind if it ends in an error."""

    def __init__(
        self, folder: str | os.PathLike, layers: Sequence[str], widths: Sequence[int], *, with_clusters: bool = False
    ):
        self._clustered = with_clusters
        self.folder, self.layers, self.widths, self.n = Path(folder), tuple(layers), tuple(widths), 0
        if (self.folder / _HEADER).exists():
            raise InputError(f"{folder} holds a recording already; load it, delete it, or spill to another folder")

    def __enter__(self) -> "Spill":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        rows = [_LABELS, *[_CLUSTERS] * self._clustered]
        names = [*rows, *(_words_file(i) for i in range(len(self.layers)))]
        self._files = [self._open.enter_context((self.folder / name).open("wb")) for name in names]
        return self

    def append(self, labels: np.ndarray, clusters: np.ndarray | None, words: Sequence[np.ndarray]) -> None:
        """One batch: labels ``[n]``, clusters ``[n]`` if it has any, and each layer's words ``[n, word]``."""
        by_row = [labels] if clusters is None else [labels, clusters]
        types = ["<i4"] * len(by_row) + ["<u4"] * len(words)
        for file, own, kind in zip(self._files, [*by_row, *words], types, strict=True):
            file.write(np.ascontiguousarray(own, kind).data)
        self.n += len(labels)

    def finish(self, class_names: Sequence[str], meta: Mapping[str, Any]) -> None:
        """All batches are written."""
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())
        header = {"n": self.n, "layers": self.layers, "widths": self.widths, "class_names": list(class_names)}
        header |= {"clusters": self._clustered}
        write_text(self.folder / _HEADER, json.dumps(_FORMAT | header | {"meta": dict(meta)}, indent=1))

    def __exit__(self, error: type[BaseException] | None, *_: Any) -> None:
        self._open.close()
        if error is not None and not (self.folder / _HEADER).exists():
            for file in self._files:
                Path(file.name).unlink(missing_ok=True)


def read_spilled(
    folder: str | os.PathLike,
) -> tuple[tuple, tuple, tuple[np.ndarray, ...], np.ndarray, tuple, dict, np.ndarray | None]:
    """(layers, widths, words, labels, class names, meta, clusters); the words are memory-mapped, read-only.

    Raises:
        InputError: no recording in this folder, one that was not finished, or files that are too short or too long.
    """
    folder = Path(folder)
    try:
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        if {key: header.get(key) for key in _FORMAT} != _FORMAT:
            raise ValueError("another format or version")
        n, widths = int(header["n"]), tuple(header["widths"])
        labels = _one_a_row(folder / _LABELS, n)
        clusters = _one_a_row(folder / _CLUSTERS, n) if header.get("clusters") else None
        words = tuple(_mapped(folder / _words_file(i), n, words_for(width)) for i, width in enumerate(widths))
        return tuple(header["layers"]), widths, words, labels, tuple(header["class_names"]), header["meta"], clusters
    except FileNotFoundError as error:
        raise InputError(
            f"no finished recording in the folder {folder} ({Path(error.filename).name} is missing); record again"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"the recording in the folder {folder} is damaged ({error}); delete it and record again"
        ) from error


def _one_a_row(path: Path, n: int) -> np.ndarray:
    numbers = np.fromfile(path, "<i4")
    if len(numbers) != n:
        raise ValueError(f"{path.name} holds {len(numbers)} numbers instead of {n}")
    return numbers


def _mapped(path: Path, n: int, words: int) -> np.ndarray:
    size = path.stat().st_size
    if size != 4 * n * words:
        raise ValueError(f"{path.name} holds {size} bytes instead of {4 * n * words}")
    return np.memmap(path, "<u4", mode="r", shape=(n, words))


def _words_file(layer: int) -> str:
    return f"words_{layer}.u32"
