"""Reading a profile: one number of it, and all of its dimensions."""

from typing import Any

import xarray as xr

from jaxentropy.base.errors import InputError


def value(profile: xr.Dataset, quantity: str, *, label: int | str | None = None, **where: Any) -> float:
    """One number of a profile, in the units of its quantity (bits, for entropies).

    >>> recording = je.Recording.from_activations({"fc1": np.eye(4, dtype=bool)}, [7, 7, 7, 7], class_names=range(10))
    >>> profile = je.profile(recording, bounds=False, bootstrap=0)
    >>> je.value(profile, "neuron_entropy", layer="fc1", label=7)  # each neuron is on for one input of four
    0.811...

    Args:
        profile: what ``je.profile`` returned.
        quantity: one of its variables.
        label: the class, by its name or, as a number, by name or place: 7 and "7" are the same.
        where: the place along each other dimension of the quantity: ``layer``, ``network``, ``seed``, ``estimator``,
            ``step``. A dimension of one place may be left out.

    Raises:
        InputError: an unknown quantity, dimension or place, or a dimension that was left out (with its places).
    """
    if quantity not in profile.data_vars:
        raise InputError(f"the profile has no '{quantity}'; it has {', '.join(map(str, profile.data_vars))}")
    found = profile[quantity]
    places = dict(where) | ({} if label is None else {"class": label})
    for dim, place in places.items():
        if dim not in found.dims:
            raise InputError(f"{quantity} has no dimension '{dim}', only {', '.join(map(str, found.dims)) or 'none'}")
        known = list(found[dim].values)
        matching = [i for i, own in enumerate(known) if own == place or str(own) == str(place)]
        if not matching and dim == "class" and isinstance(place, int) and 0 <= place < len(known):
            matching = [place]
        if not matching:
            raise InputError(f"no {dim} {place!r}; choose from {', '.join(map(str, known))}")
        found = found.isel({dim: matching[0]})
    open_dims = [str(dim) for dim in found.dims if found.sizes[dim] > 1]
    if open_dims:
        dim = open_dims[0]
        argument = "label" if dim == "class" else dim
        raise InputError(
            f"{quantity} has a value for each {' and '.join(open_dims)}; choose one with {argument}=…, from "
            f"{', '.join(map(str, found[dim].values))}"
        )
    return float(found.squeeze())


def with_all_dimensions(profile: xr.Dataset) -> xr.Dataset:
    """The profile with the dimensions ``network`` and ``seed``, of one place each where it had none."""
    full = profile
    for dim, alone in (("network", "recorded"), ("seed", 0)):
        if dim not in full.dims:
            full = full.expand_dims(dim if dim in full.coords else {dim: [alone]})
    return full


def inputs_of(profile: xr.Dataset) -> xr.DataArray:
    """Inputs of each class: ``n``, unless that counts several rows of each input."""
    return profile["inputs"] if "inputs" in profile else profile["n"]
