"""A profile's file: netCDF, written atomically, with a checksum of all that it holds.

The classic format (netCDF 3), which is read many times faster than HDF5, whose library asks each of the many small
variables for its dimensions; HDF5 (netCDF 4) where the classic one cannot hold something.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import atomic_path

_CHECKSUM = "checksum"


def save_profile(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Write a profile as netCDF, atomically.

    >>> recording = je.Recording.from_activations({"fc1": np.eye(4, dtype=bool)}, [0, 0, 1, 1])
    >>> je.save_profile(je.profile(recording, bounds=False), "profile.nc")
    >>> je.load_profile("profile.nc").layer.values.tolist()
    ['fc1']
    """
    whole = dataset.assign_attrs({_CHECKSUM: _checksum(dataset)})
    with atomic_path(path) as temporary:
        try:
            if 0 in whole.sizes.values():
                raise ValueError("an axis of no length, which the classic format takes for one that grows")
            whole.to_netcdf(temporary, engine="scipy", format="NETCDF3_64BIT")
        except (ValueError, TypeError, KeyError):  # or integers of more than 32 bits, float16, lists of strings
            whole.to_netcdf(temporary, engine="h5netcdf")


def load_profile(path: str | os.PathLike) -> xr.Dataset:
    """Read a profile that ``save_profile`` wrote.

    >>> je.load_profile("nowhere.nc")
    Traceback (most recent call last):
    jaxentropy.base.errors.InputError: no profile at nowhere.nc; run `jaxentropy run` or `jaxentropy analyze` first

    Raises:
        InputError: no such file, one that is damaged, even by a single byte of what it holds, or one that
            ``save_profile`` did not write.
    """
    if not os.path.exists(path):
        raise InputError(f"no profile at {path}; run `jaxentropy run` or `jaxentropy analyze` first")
    try:
        with xr.open_dataset(path, engine=_engine(path)) as file:
            dataset = file.load()
        missing = [name for name in ("neuron_entropy", "pattern_entropy", "saturated") if name not in dataset]
        expected = dataset.attrs.pop(_CHECKSUM, None)
        intact = expected == _checksum(dataset)
    except Exception as error:  # scipy, h5netcdf and xarray each raise their own on damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{path} is damaged or not a profile ({reason}); delete it and run the same command again"
        ) from error
    if missing:
        raise InputError(f"{path} is not a profile: it lacks {', '.join(missing)}")
    if expected is None:
        raise InputError(
            f"{path} has no checksum: an earlier version or another program wrote it; make the profile again, or save "
            "it with je.save_profile"
        )
    if not intact:
        raise InputError(
            f"{path} is damaged or not a profile (what it holds does not match its checksum); delete it and run the "
            "same command again"
        )
    return dataset


def _engine(path: str | os.PathLike) -> Literal["scipy", "h5netcdf"]:
    with open(path, "rb") as file:
        return "scipy" if file.read(3) == b"CDF" else "h5netcdf"


def _checksum(dataset: xr.Dataset) -> str:
    """A digest of names, dimensions, values and attributes, as they are before writing and after reading.

    HDF5's own checksums cover numbers in chunks only: neither strings of any length nor attributes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in _parts(dataset):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _parts(dataset: xr.Dataset) -> Iterator[bytes]:
    yield from _attributes(dataset.attrs)
    for name in sorted(map(str, dataset.variables)):
        variable = dataset.variables[name]
        coordinate = name in dataset.coords
        yield repr((name, coordinate, variable.dims, variable.shape)).encode()
        yield _values(variable.values)
        yield from _attributes(variable.attrs)


def _attributes(attrs: Mapping[Any, Any]) -> Iterator[bytes]:
    for key in sorted(map(str, attrs)):
        if key != _CHECKSUM:
            yield key.encode()
            yield _values(np.asarray(attrs[key]))


def _values(values: np.ndarray) -> bytes:
    """Bytes of these values, in one type of each kind: a file need not give back the same number of bits."""
    kinds = {"b": "<i8", "i": "<i8", "u": "<i8", "f": "<f8"}
    if values.dtype.kind in kinds:
        return kinds[values.dtype.kind].encode() + values.astype(kinds[values.dtype.kind]).tobytes()
    return b"s" + b"\0".join(str(value).encode() for value in values.ravel())
