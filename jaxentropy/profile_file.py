"""A profile's file: netCDF, written atomically."""

import os

import xarray as xr

from jaxentropy.errors import InputError
from jaxentropy.files import atomic_path


def save_profile(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Write a profile as netCDF, atomically."""
    with atomic_path(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")


def load_profile(path: str | os.PathLike) -> xr.Dataset:
    """Read a profile that ``save_profile`` wrote; InputError if it is missing or damaged."""
    if not os.path.exists(path):
        raise InputError(f"no profile at {path}; run `jaxentropy run` or `jaxentropy analyze` first")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            dataset = file.load()
        missing = [name for name in ("neuron_entropy", "pattern_entropy", "saturated") if name not in dataset]
    except Exception as error:  # h5py, h5netcdf and xarray each raise their own on damaged files
        raise InputError(
            f"{path} is damaged or not a profile ({str(error).splitlines()[0]}); "
            "delete it and run the same command again"
        ) from error
    if missing:
        raise InputError(f"{path} is not a profile: it lacks {', '.join(missing)}")
    return dataset
