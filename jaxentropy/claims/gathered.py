"""A gathered sweep: as it is given, its settings, and its networks one by one."""

from typing import Any, Protocol, runtime_checkable

import xarray as xr

from jaxentropy.base.errors import InputError

NOT_SETTINGS = ("member", "key", "configuration", "depth", "seed")
"""Coordinates along ``member`` in which networks of one family may differ."""


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


def settings_of(gathered: xr.Dataset) -> list[str]:
    """The settings by which families differ: all along ``member`` but depth and seed."""
    along = (str(name) for name, one in gathered.coords.items() if one.dims == ("member",))
    return [name for name in along if name not in NOT_SETTINGS]


def one_by_one(members: xr.Dataset) -> tuple[xr.Dataset, ...]:
    """Each network by itself."""
    return tuple(members.isel(member=k) for k in range(members.sizes["member"]))
