"""Files that appear whole or not at all, and are read whole or not at all."""

import hashlib
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from jaxentropy.base.errors import InputError


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside ``path``; it takes the name of ``path`` when the block ends without an error.

    The temporary name has the same suffix (writers choose a format by it). A reader sees the old file or the new
    one, never a part.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cached(folder: Path | None, key: Iterable[bytes], make: Callable[[], np.ndarray]) -> np.ndarray:
    """What ``make`` returns: called once for each ``key`` and then read from ``folder``; without one, always called."""
    if folder is None:
        return make()
    digest = hashlib.blake2b(digest_size=16)
    for part in key:
        digest.update(part)
    path = folder / f"{digest.hexdigest()}.npy"
    with suppress(OSError, ValueError, EOFError):
        return np.load(path)
    made = make()
    with atomic_path(path) as temporary:
        np.save(temporary, made)
    return made


@contextmanager
def open_npz(path: str | os.PathLike, *, missing: str, damaged: str) -> Iterator[NpzFile]:
    """The arrays of an ``.npz`` without pickled objects.

    Raises:
        InputError: no such file (``missing``), or one that cannot be read to the end of the block (``damaged``).
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(missing) from None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"{damaged} ({' '.join(str(error).split())[:120]})") from error
