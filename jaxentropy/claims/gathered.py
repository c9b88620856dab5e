"""A sweep as it is given: gathered, or the results that it is gathered from."""

from typing import Any, Protocol, runtime_checkable

import xarray as xr

from jaxentropy.base.errors import InputError


@runtime_checkable
class Gathers(Protocol):
    """What gives a sweep's networks in one Dataset, as ``load_sweep`` does."""

    def to_dataset(self) -> xr.Dataset:
        """All networks, along ``member``."""
        ...


def gathered_from(given: Any, who: str) -> xr.Dataset:
    """The Dataset itself, or that of results.

    Raises:
        InputError: something else, such as a table.
    """
    if isinstance(given, xr.Dataset):
        return given
    if isinstance(given, Gathers):
        return given.to_dataset()
    raise InputError(f"{who}: expected what load_sweep(folder) gives, or its .to_dataset(); got {type(given).__name__}")
