"""What the headline and the terminal's text both say of a network and its untrained twin."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from jaxentropy.base.markdown import short_names
from jaxentropy.claims.evidence import is_exact, judged_networks
from jaxentropy.claims.twins import Twins, twins_of
from jaxentropy.claims.words import number_of
from jaxentropy.profiling.reading import inputs_of

LONGEST_NAME = 24
"""Characters of a layer's or a class's name in a line of text."""


@dataclass(frozen=True)
class Facts:
    """A profile with all dimensions and its words: the trained (or first) network, and its untrained twin."""

    profile: xr.Dataset
    table: xr.Dataset

    @cached_property
    def exact(self) -> bool:
        return is_exact(self.profile)

    @cached_property
    def networks(self) -> list[str]:
        """The network that is judged, and its untrained twin if there is one."""
        return judged_networks(self.profile)

    @cached_property
    def twins(self) -> Twins:
        """What the two are called in sentences."""
        return twins_of(self.profile)

    @cached_property
    def words(self) -> xr.Dataset:
        """The table of the judged network."""
        return self.table.sel(network=self.networks[0])

    @cached_property
    def layers(self) -> list[str]:
        return short_names([str(layer) for layer in self.profile.layer.values], LONGEST_NAME)

    @cached_property
    def judges_steps(self) -> bool:
        """Whether steps from layer to layer could be judged: a tally has no bits to resample."""
        has_bits = self.profile.attrs.get("source", "recording") in ("recording", "enumeration")
        return len(self.layers) > 1 and (has_bits or bool((self.words.neuron_mean != "undecided").any()))

    def mean(self, quantity: str, network: str) -> np.ndarray:
        """A quantity by layer: the mean over seeds, and over the classes that have inputs."""
        values = self.profile[quantity].sel(network=network)
        return values.mean([dim for dim in ("seed", "class") if dim in values.dims]).values

    def ends(self, network: str) -> tuple[str, str]:
        """The neuron entropy of the first and of the last layer, in bits."""
        entropy = self.mean("neuron_entropy", network)
        return f"{entropy[0]:.2f}", f"{entropy[-1]:.2f}"

    def informs_more(self) -> int:
        """1 if a neuron of the trained network's last layer tells more of the class than its twin's, −1 if less, or 0.

        In every seed, and by more than two standard errors, as large as they are when all neurons tell the same: an
        estimate from n inputs of a small information of I nats has a variance of about 2 I/n.
        """
        values = self.profile.neuron_information.isel(layer=-1)
        own, twin = (values.sel(network=name) for name in self.networks)
        least = xr.full_like(own, 0.01) if self.exact else self._information_margin(own + twin)
        gain = own - twin
        return int(bool((gain > least).all())) - int(bool((gain < -least).all()))

    def informs(self) -> bool:
        """Whether a neuron of the last layer tells more of the class than chance would."""
        own = self.profile.neuron_information.isel(layer=-1).sel(network=self.networks[0])
        n, classes = int(inputs_of(self.profile).sum()), int((inputs_of(self.profile) > 0).sum())
        bias = 0 if self.exact else max(classes - 1, 0) / (2 * n * np.log(2))
        return bool((own - bias > (0.01 if self.exact else self._information_margin(own))).all())

    def _information_margin(self, information: xr.DataArray) -> xr.DataArray:
        variance = 2 * information / (np.log(2) * int(inputs_of(self.profile).sum()))
        return np.maximum(2 * variance**0.5, 0.01)


def steps_said(words: xr.DataArray) -> str:
    """What the words on the steps from layer to layer come to: ``falls at 4 of 5 steps, rises at none``."""
    falls, rises, equal = (number_of(words, word) for word in ("falls", "rises", "equal"))
    if falls == words.size:
        return "falls at every step" if words.size > 1 else "falls"
    if rises == words.size:
        return "rises at every step" if words.size > 1 else "rises"
    if equal == words.size:
        return "is equal at all layers"
    if not falls + rises + equal:
        return "is undecided at every step"
    if falls:
        said = f"falls at {falls} of {words.size} steps, rises at {rises or 'none'}"
    elif rises:
        said = f"rises at {rises} of {words.size} steps, falls at none"
    else:
        return f"is equal at {equal} of {words.size} steps"
    return said + (f", is equal at {equal}" if equal else "")


def constants_decide(words: xr.Dataset) -> bool:
    """Whether a network's steps go another way without its constant neurons: one rises instead, or none falls."""
    of_all, of_active = words.neuron_mean, words.neuron_active_mean
    rises = ((of_all == "rises") != (of_active == "rises")).any()
    falls = (of_all == "falls").any() != (of_active == "falls").any()
    return bool(rises | falls)
