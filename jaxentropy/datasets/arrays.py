"""Data sets in one file of named arrays: .npz, HDF5 or Zarr."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import open_npz
from jaxentropy.datasets.dataset import Dataset, split_off_test, standardised_dataset

_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_WHOLE = ("images", "labels")


def load_arrays(name: str, kind: str, path: Path) -> Dataset:
    """``x_train, y_train, x_test, y_test``; or ``images, labels``, of which a fifth of each class is the test set."""
    if not path.exists():
        raise InputError(f"no file {path}; give --dataset {kind}:FILE with one that exists")
    with FORMATS[kind](path) as file:
        names = sorted(map(str, file))
        for keys, make in ((_SPLIT, standardised_dataset), (_WHOLE, split_off_test)):
            if set(keys) <= set(names):
                return make(name, *(_array(path, key, file) for key in keys))
    raise InputError(
        f"{path} holds {', '.join(names) or 'nothing'}; expected {', '.join(_SPLIT)}, or {' and '.join(_WHOLE)}"
    )


def _array(path: Path, key: str, file: Mapping[str, Any]) -> np.ndarray:
    """One array, read whole."""
    try:
        stored = file[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise InputError(
            f"{path}: {key} holds Python objects; save class names as strings, {key}.astype(str)"
        ) from None
    if not hasattr(stored, "dtype"):
        raise InputError(f"{path}: {key} is a group; expected an array")
    return np.asarray(stored[()])


def _npz(path: Path) -> AbstractContextManager[Mapping[str, Any]]:
    return open_npz(path, missing=f"no file {path}", damaged=f"{path} is damaged or not an .npz of plain arrays")


@contextmanager
def _hdf5(path: Path) -> Iterator[Mapping[str, Any]]:
    import h5py  # only where it is used

    with _told(path, "an HDF5 file"), h5py.File(path, "r") as file:
        yield file


@contextmanager
def _zarr(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import zarr
    except ImportError:
        raise InputError("zarr: needs the extra 'zarr'; install it with pip install 'jaxentropy[zarr]'") from None
    with _told(path, "a Zarr group"):
        group: Any = zarr.open_group(str(path), mode="r")
        yield {key: group[key] for key in group}


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Whatever these libraries raise on damaged files (many types of their own) becomes one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} is damaged or not {what} ({' '.join(str(error).split())[:120]})") from error


FORMATS: Mapping[str, Callable[[Path], AbstractContextManager[Mapping[str, Any]]]] = MappingProxyType(
    {"npz": _npz, "hdf5": _hdf5, "zarr": _zarr}
)
"""What opens a file of each format, by the name of the format."""
