"""The results of a sweep: profiles one by one, or all networks in one Dataset and in tables."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.markdown import markdown_table
from jaxentropy.experiments.sweeps.grid import SETTINGS
from jaxentropy.experiments.sweeps.store import Store

if TYPE_CHECKING:
    import pandas as pd

_STATES = ["untrained", "trained"]
_BY_LAYER_AND_CLASS = {
    "neuron_entropy": ("class-conditional neuron entropy, mean over neurons (plug-in)", "bits"),
    "pattern_entropy": ("class-conditional entropy of the layer's joint pattern (plug-in)", "bits"),
    "pattern_saturated": ("the sample is too small for the pattern entropy to mean anything", "1"),
}
_BY_LAYER = {
    "neuron_entropy_active": ("neuron_entropy without constant neurons, mean over classes", "bits"),
    "neuron_information": ("information of a neuron's state about the class, mean over neurons", "bits"),
    "pattern_information": ("information of the joint pattern about the class; NaN where saturated", "bits"),
    "never_on": ("share of neurons that are off for every input", "1"),
    "probe_accuracy": ("test accuracy of a linear probe of the layer's outputs", "1"),
    "centre_accuracy": ("test accuracy of the nearest class centre of the layer's outputs", "1"),
    "information_true_label": ("I(neuron's state; true label | trained label), where noise changed the label", "bits"),
    "information_trained_label": ("I(neuron's state; trained label | true label), there", "bits"),
}
_BY_HALF_AND_CLASS = {
    "neuron_entropy_half": ("neuron_entropy of each half of the recorded inputs", "bits"),
}
_BY_HALF = {
    "neuron_information_half": ("neuron_information of each half of the recorded inputs", "bits"),
    "probe_accuracy_half": ("probe_accuracy on each half of the test inputs", "1"),
    "centre_accuracy_half": ("centre_accuracy on each half of the test inputs", "1"),
}
_WITHOUT_NONLINEARITY = {
    "linearised_accuracy": ("test accuracy without this layer's nonlinearity", "1"),
    "retrained_accuracy": ("the same after retraining", "1"),
}
_BY_STATE = {"changed_accuracy": ("share of the changed labels that the network gives", "1")}
_BY_STEP = {
    "neuron_fall": ("fall of the neuron entropy from a layer to the next", "bits"),
    "neuron_fall_se": ("standard error of neuron_fall", "bits"),
    "neuron_fall_bias": ("most by which the expectation of neuron_fall may be off", "bits"),
    "neuron_fall_active": ("neuron_fall without constant neurons", "bits"),
    "neuron_fall_active_se": ("standard error of neuron_fall_active", "bits"),
    "neuron_fall_active_bias": ("most by which the expectation of neuron_fall_active may be off", "bits"),
}
_OF_NETWORK = {
    "test_accuracy": ("test accuracy", "1"),
    "train_accuracy": ("accuracy on the labels that were trained", "1"),
    "train_loss": ("training loss, mean over the last epoch's steps", "nats"),
    "untrained_accuracy": ("test accuracy of the untrained twin", "1"),
    "retrained_control": ("test accuracy after as much retraining with all nonlinearities", "1"),
    "parameters": ("number of parameters", "1"),
    "forward_seconds": ("a forward pass of 1,000 inputs, the fastest of some", "s"),
}


class Results:
    """The networks of a sweep that are done.

    ::

        results = je.load_sweep("sweep")
        results.to_dataframe().groupby(["depth", "layer", "state"]).neuron_entropy.mean()

    Attributes:
        store: the folder's files.
    """

    def __init__(self, store: Store):
        self.store = store

    @property
    def failed(self) -> dict[str, str]:
        """Why networks have no result, by key."""
        return self.store.failures()

    @cached_property
    def keys(self) -> list[str]:
        """Of the networks that are done, in the order of the sweep."""
        return [key for key in self.store.networks if self.store.path(key).exists()]

    def profile(self, key: str) -> xr.Dataset:
        """One network's whole profile.

        Raises:
            InputError: there is no such network, it failed or is not done, or its file is damaged.
        """
        if key not in self.store.networks:
            some = ", ".join(self.keys[:3]) or "none is done yet"
            raise InputError(f"no network {key!r} in this sweep; keys are in results.keys, for example {some}")
        if not self.store.path(key).exists() and key in self.failed:
            raise InputError(f"network {key} ({self.store.described(key)}) failed: {self.failed[key]}")
        return self.store.load(key)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"Results({len(self)} of {len(self.store.networks)} networks{failed}; {self.store.folder})"

    @cached_property
    def _gathered(self) -> xr.Dataset:
        if not self.keys:
            raise InputError(f"{self.store.folder} has no finished networks yet")
        networks = [self.store.networks[key] for key in self.keys]
        layers = max(network.depth for network in networks)
        profiles = [self.store.load(key) for key in self.keys]
        classes = max(one.sizes["class"] for one in profiles)
        sizes = {
            "member": len(profiles),
            "half": 2,
            "state": 2,
            "layer": layers,
            "step": max(layers - 1, 1),
            "class": classes,
        }
        given: dict[str, xr.Variable] = {}

        def room(name: str, dims: tuple[str, ...], text: tuple[str, str]) -> np.ndarray:
            values = np.full([sizes[d] for d in dims], np.nan)
            given[name] = xr.Variable(dims, values, {"long_name": text[0], "units": text[1]})
            return values

        kinds = (
            (_BY_LAYER_AND_CLASS, ("member", "state", "layer", "class")),
            (_BY_LAYER, ("member", "state", "layer")),
            (_BY_HALF_AND_CLASS, ("member", "half", "state", "layer", "class")),
            (_BY_HALF, ("member", "half", "state", "layer")),
            (_BY_STEP, ("member", "state", "step", "class")),
            (_BY_STATE, ("member", "state")),
            (_OF_NETWORK, ("member",)),
            (_WITHOUT_NONLINEARITY, ("member", "layer")),
        )
        rooms = {name: room(name, dims, text) for names, dims in kinds for name, text in names.items()}
        for i, one in enumerate(profiles):
            for name, values in rooms.items():
                own = _values(one, name)
                if own is not None:
                    values[(i, *(slice(0, size) for size in own.shape))] = own
        coords = {name: ("member", np.array([getattr(network, name) for network in networks])) for name in SETTINGS}
        coords |= {
            "key": ("member", np.array(self.keys)),
            "configuration": ("member", np.array([network.configuration for network in networks])),
            "state": _STATES,
            "layer": np.arange(1, sizes["layer"] + 1),
            "step": np.arange(1, sizes["step"] + 1),
            "class": np.arange(classes),
        }
        exact = xr.Variable("member", [one.attrs["population"] == "enumeration" for one in profiles])
        attrs = {"title": "A sweep of networks and their untrained twins", "failed": len(self.failed)}
        return xr.Dataset({**given, "exact": exact}, coords, attrs)

    def to_dataset(self) -> xr.Dataset:
        """All finished networks in one Dataset, along ``member``; shallower networks are filled up with NaN.

        Dimensions are ``member``, ``state`` (untrained, trained), ``layer``, ``step`` (from a layer to the next),
        ``class``, and ``half`` (of the inputs); the settings are coordinates along ``member``.
        """
        return self._gathered.copy()

    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each network, state and layer, with means over classes; ``.to_parquet(...)`` writes it.

        Columns are the settings, what each layer has (``neuron_entropy``, H, and ``neuron_information``, I, in bits a
        neuron, and so on) and what the whole network has; ``docs/sweeps.md`` says what each is.
        """
        gathered = self._gathered
        table = gathered[[*_BY_LAYER_AND_CLASS, *_BY_LAYER, *_WITHOUT_NONLINEARITY]].mean("class")
        rows: Any = table.to_dataframe().reset_index()
        rows = rows[rows.layer <= rows.depth]
        return rows.merge(self.networks()[["key", *_OF_NETWORK]], on="key").drop(columns="member")

    def summary(self) -> str:
        """The mean accuracy and last layer's entropies of each configuration, as a table in Markdown."""
        table: Any = self.to_dataframe()
        last = table[table.layer == table.depth]
        varied = [name for name in SETTINGS if name != "seed" and table[name].nunique() > 1]
        rows = []
        for values, group in last.groupby(varied, sort=False) if varied else [((), last)]:
            means = group.groupby("state")[["neuron_entropy", "neuron_information"]].mean().loc[_STATES]
            numbers = [group.test_accuracy.mean(), *means.neuron_entropy, *means.neuron_information]
            rows.append([*map(str, values), str(group.key.nunique()), *(f"{number:.3f}" for number in numbers)])
        head = [*varied, "networks", "test accuracy", "H untrained", "H trained", "I untrained", "I trained"]
        note = "H, I: last hidden layer's neuron entropy within classes and information about the class, bits a neuron."
        return f"{markdown_table(head, rows)}\n{note}"

    def networks(self) -> "pd.DataFrame":
        """A row for each network: its settings, accuracies and size."""
        table: Any = self._gathered[[*_OF_NETWORK, "exact"]].to_dataframe().reset_index(drop=True)
        return table[["key", "configuration", *SETTINGS, *_OF_NETWORK, "exact"]]


def load_sweep(folder: str | Path) -> Results:
    """The results of a sweep, as far as it is done.

    Raises:
        InputError: a folder that holds no sweep.
    """
    return Results(Store.opened(Path(folder)))


def _values(profile: xr.Dataset, name: str) -> np.ndarray | None:
    """A network's values of a gathered variable, with the state in front where there is one; None if it has none."""
    source = {"pattern_saturated": "saturated"}.get(name, name)
    if source not in profile:
        return None
    values = profile[source]
    if "network" in values.dims:
        values = values.sel(network=_STATES)
    if "estimator" in values.dims:
        values = values.isel(estimator=0)
    if name in _BY_LAYER and "class" in values.dims:
        values = values.mean("class")
    return values.values.astype(float)
