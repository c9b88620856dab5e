"""A profile → plain numbers by name, for whatever tracks a training."""

from itertools import product

import numpy as np
import xarray as xr

_ORDER = ("network", "seed", "layer", "layer_step", "step", "estimator")
_LEFT_OUT = ("n", "pattern_ceiling")


def scalars(profile: xr.Dataset) -> dict[str, float]:
    """The numbers of a profile as a flat dictionary of floats: means over the classes.

    >>> recording = je.Recording.from_activations({"fc1": np.eye(4), "fc2": np.eye(4)[:, :2]}, [0, 0, 1, 1])
    >>> numbers = je.scalars(je.profile(recording, bounds=False, bootstrap=0))
    >>> numbers["neuron_entropy/fc1"], numbers["neuron_entropy_active/fc1"], numbers["never_on/fc2"]
    (0.5, 0.5, 0.0)

    Args:
        profile: what ``je.profile`` returned, or a monitor's ``profile``, of which the last step is taken.

    Returns:
        ``variable/layer`` → number. Networks, seeds and estimators are part of the name where there are more than one:
        ``neuron_entropy/trained/fc1``, ``pattern_entropy/fc1/plugin``. Of flags (``saturated``) it is the share of
        classes. NaN, and variables that are words or of the inputs alone, are left out.
    """
    if "step" in profile.dims and profile["step"].dtype.kind in "iu":
        if not profile.sizes["step"]:
            return {}
        profile = profile.isel(step=-1)
    found: dict[str, float] = {}
    for name, own in profile.data_vars.items():
        if own.dtype.kind not in "biuf" or name in _LEFT_OUT:
            continue
        dims = [dim for dim in _ORDER if dim in own.dims]
        values = own.transpose(*dims, ...).values.astype(float)
        values = values.reshape(*(own.sizes[dim] for dim in dims), -1)
        known = ~np.isnan(values)
        number = known.sum(-1)
        means = np.where(known, values, 0.0).sum(-1) / np.maximum(number, 1)
        shown = [dim in ("layer", "layer_step", "step") or own.sizes[dim] > 1 for dim in dims]
        places = product(*(own[dim].values for dim in dims))
        for place, mean, some in zip(places, means.ravel(), number.ravel(), strict=True):
            if some:
                parts = [str(part) for part, show in zip(place, shown, strict=True) if show]
                found["/".join([str(name), *parts])] = float(mean)
    return found
