"""The folder of a sweep: a file for each network, and what is known of those that failed."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import write_text
from jaxentropy.experiments.sweeps.grid import SETTINGS, Network, networks_of
from jaxentropy.profiling.storage import load_profile, save_profile
from jaxentropy.reports.folder import CONFIG, claim, read_config, refuse_foreign

COMMAND = "sweep"
_NETWORKS, _FAILED = "networks", "failed"
_STALE = 600.0  # seconds; to write one takes less than one


class Store:
    """The files of a sweep's networks, by their keys.

    Attributes:
        folder: the results folder.
        networks: by key, in the order of the sweep.
    """

    def __init__(self, folder: Path, networks: Sequence[Network], data: Mapping[str, str]):
        self.folder = folder
        self.data = dict(data)
        self.networks = {network.key(data[network.dataset]): network for network in networks}

    @classmethod
    def opened(cls, folder: Path) -> "Store":
        """The sweep that a folder holds; InputError if it holds none."""
        config = read_config(folder)
        if config.get("command") != COMMAND:
            raise InputError(f"{folder} holds the results of `{config.get('command')}`, not of a sweep")
        settings, data = json.loads(config["grid"]), json.loads(config["data"])
        networks = networks_of(settings, config["seeds"], max_networks=10**9)
        return cls(folder, networks, data)

    def refuse_other(self) -> None:
        """Raise InputError if the folder is not ours, or holds networks that this sweep has not."""
        refuse_foreign(self.folder)
        if not (self.folder / CONFIG).exists():
            return
        if read_config(self.folder).get("command") != COMMAND:
            found = read_config(self.folder).get("command")
            raise InputError(f"{self.folder} holds the results of `{found}`; choose another folder, or delete it")
        other = Store.opened(self.folder)
        changed = [name for name, digest in other.data.items() if self.data.get(name, digest) != digest]
        if changed:
            raise InputError(
                f"{changed[0]} has changed since the sweep in {self.folder}; choose another folder, or delete it"
            )
        there = {key: network for key, network in other.networks.items() if other.path(key).exists()}
        missing = [network for key, network in there.items() if key not in self.networks]
        if missing:
            raise InputError(
                f"{self.folder} holds another sweep: {len(missing)} of the {len(there)} networks there are "
                f"not in the grid that you give now (the first: {missing[0]}). Choose another folder for this grid, or "
                "give a grid that has those networks too"
            )

    def claim(self, settings: Mapping[str, Any], seeds: Sequence[int]) -> None:
        """Make the folder this sweep's; one that holds a part of it grows.

        Raises:
            InputError: as ``refuse_other``.
        """
        self.refuse_other()
        for left in (self.folder / _NETWORKS).glob(".*.nc"):  # half-written, by something that was killed
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _STALE:
                    left.unlink()
        claim(
            self.folder,
            COMMAND,
            {"grid": json.dumps(dict(settings)), "seeds": list(seeds), "data": json.dumps(self.data)},
        )

    @cached_property
    def varied(self) -> list[str]:
        """The settings that differ among the networks."""
        return [name for name in SETTINGS if len({getattr(one, name) for one in self.networks.values()}) > 1]

    def described(self, key: str) -> str:
        """A network by what sets it apart from the others of the sweep."""
        network = self.networks[key]
        return ", ".join(f"{name} {getattr(network, name)}" for name in self.varied) or str(network)

    def path(self, key: str) -> Path:
        """The file of a network."""
        return self.folder / _NETWORKS / f"{key}.nc"

    def is_there(self, key: str) -> bool:
        """Whether there is a result that can be read; a damaged one is removed."""
        if not self.path(key).exists():
            return False
        try:
            self.load(key)
        except InputError:
            self.path(key).unlink(missing_ok=True)
            return False
        return True

    def load(self, key: str) -> xr.Dataset:
        """The profile of a network, with its settings as attributes.

        Raises:
            InputError: it is not there, or damaged.
        """
        if not self.path(key).exists():
            raise InputError(f"{self.folder} has no network {key}; run the sweep again, which makes what is missing")
        try:
            return load_profile(self.path(key))
        except InputError as error:
            reason = str(error).partition("; ")[0]  # what to do is said for a sweep here
            raise InputError(f"{reason}; run the sweep again, which makes damaged files anew") from error

    def save(self, key: str, result: xr.Dataset) -> None:
        """Write a network's result, whole or not at all."""
        result.attrs |= {f"setting_{name}": value for name, value in asdict(self.networks[key]).items()}
        save_profile(result, self.path(key))
        self._failure(key).unlink(missing_ok=True)

    def save_failure(self, key: str, reason: str) -> None:
        """Note why a network has no result."""
        record = {"reason": reason, "settings": asdict(self.networks[key])}
        write_text(self._failure(key), json.dumps(record, indent=1) + "\n")

    def failures(self) -> dict[str, str]:
        """Reasons, by key, of the networks of this sweep that failed."""
        there = {path.stem: path for path in (self.folder / _FAILED).glob("*.json")}
        return {
            key: json.loads(there[key].read_text(encoding="utf-8"))["reason"] for key in self.networks if key in there
        }

    def _failure(self, key: str) -> Path:
        return self.folder / _FAILED / f"{key}.json"
