"""What the plotted means show, as a title."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from jaxentropy.plots.style import drawn_networks, of_network

_LEAST = 5e-4
"""Bits that a mean must change to be said to: less is not seen in a figure."""


def finding(profile: xr.Dataset) -> str:
    """One sentence on the means that ``entropy_figure`` draws: at how many steps neuron entropy falls, and where
    training adds information. It knows no error bars: what can be relied on is the verdict's to say."""
    names = drawn_networks(profile)
    means = [of_network(profile, name).mean("seed") for name in names]
    entropy = [(one.neuron_entropy_pooled - one.neuron_information).values for one in means]
    if profile.sizes["layer"] == 1:
        said = ", ".join(
            f"{value[0]:.2f} bits {name or ''}".strip() for name, value in zip(names, entropy, strict=True)
        )
        course = f"Mean neuron entropy of one layer: {said}"
    else:
        courses = [_course(value) for value in entropy]
        if len(set(courses)) == 1:
            together = ", trained or not" if names == ["trained", "untrained"] else ", in all networks"
            course = f"Mean neuron entropy {courses[0]}{together * (len(names) > 1)}"
        elif len(names) == 2:
            course = "Mean neuron entropy " + "; ".join(f"{c}, {name}" for c, name in zip(courses, names, strict=True))
        else:
            course = "Mean neuron entropy against depth"
    if {"trained", "untrained"} <= set(names):
        trained, untrained = (means[names.index(name)].neuron_information.values for name in ("trained", "untrained"))
        course += f"; {_added(trained - untrained)}"
    return course


def _course(values: np.ndarray) -> str:
    """How a quantity changes with depth."""
    change = np.diff(values)
    steps = len(change)
    falls, rises = int((change < -_LEAST).sum()), int((change > _LEAST).sum())
    if not falls and not rises:
        return "stays the same" if np.isfinite(change).all() else "against depth"
    verb, number = ("falls", falls) if falls else ("rises", rises)
    return f"{verb} at {'every step' if number == steps else f'{number} of {steps} steps'}"


def _added(gain: Sequence[float] | np.ndarray) -> str:
    """Where the trained network's information exceeds the untrained one's."""
    more, less = int((np.asarray(gain) > _LEAST).sum()), int((np.asarray(gain) < -_LEAST).sum())
    if more == len(gain):
        return "training adds information"
    if less == len(gain):
        return "training removes information"
    if not more:
        return "training adds no information"
    return f"training adds information at {more} of {len(gain)} layers"
