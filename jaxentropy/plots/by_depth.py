"""Entropies by class, and information, against depth."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from jaxentropy.estimators import ESTIMATOR_NAMES
from jaxentropy.plots.brackets import (
    draw_ceiling,
    draw_mean_bracket,
    has_bracket,
)
from jaxentropy.plots.style import (
    MEAN,
    OTHER,
    depth_axis,
    draw_points,
    name_ends,
    network_look,
    network_names,
    network_title,
    new_axes,
    occupied,
    of_network,
)


def entropy_by_depth(
    profile: xr.Dataset,
    ax: Axes | None = None,
    *,
    quantity: str = "neuron_entropy",
    network: str | None = None,
    estimator: str = "plugin",
) -> Axes:
    """Entropy against depth: a thin line a class (mean over seeds), and their mean in bold.

    >>> draw = np.random.default_rng(0).normal
    >>> hidden = {"fc1": draw(size=(20, 4)), "fc2": draw(size=(20, 2))}
    >>> recording = je.Recording.from_activations(hidden, np.arange(20) % 2)
    >>> profile = je.profile(recording, estimators=("plugin",), bootstrap=0, bounds=False)
    >>> je.plots.entropy_by_depth(profile).get_ylabel()
    'entropy per neuron (bits)'

    A band shows the smallest and largest mean among the seeds. For ``pattern_entropy`` the ceiling log₂ n is drawn,
    points where the sample is too small (``saturated`` in any seed) are hollow, and brackets are a violet band (mean
    over classes and seeds), cut off above the estimates: ``bracket_by_depth`` shows the whole.

    Args:
        profile: what ``jaxentropy.profile`` returned.
        ax: where to draw; by default new axes.
        quantity: ``neuron_entropy`` or ``pattern_entropy``.
        network: which one, if the profile has several (by default the first).
        estimator: for ``pattern_entropy``.
    """
    ax = ax or new_axes()
    one = of_network(profile, network)
    values, hollow, top = one[quantity], None, 1.02
    if quantity == "pattern_entropy":
        values = values.sel(estimator=estimator)
        hollow = one.saturated.any("seed")
        top = draw_ceiling(ax, profile)
    x = np.arange(1, values.sizes["layer"] + 1)
    lines = values.mean("seed", skipna=False)
    for label in profile["class"].values:
        line = lines.sel({"class": label}).values
        ax.plot(x, line, color=OTHER, lw=0.8, alpha=0.7, zorder=2)
        draw_points(ax, x, line, None if hollow is None else hollow.sel({"class": label}).values, OTHER, 3)
    _draw_mean(ax, x, occupied(profile, values), hollow)
    if lines.isnull().all():
        ax.text(0.5, 0.72, "no estimate:\nevery pattern is unique", transform=ax.transAxes, ha="center", va="center")
    if quantity == "pattern_entropy":
        # the same in the panels of all networks
        drawn = profile[quantity].sel(estimator=estimator)
        drawn = drawn.mean("seed", skipna=False) if "seed" in drawn.dims else drawn
        top = 1.1 * max(top, float(drawn.max().fillna(0)), 1e-3)
        if has_bracket(one):
            draw_mean_bracket(ax, profile, one, quantity)
    ax.set_ylim(0, top)
    what = "entropy per neuron" if quantity == "neuron_entropy" else f"pattern entropy,\n{ESTIMATOR_NAMES[estimator]}"
    ax.set_ylabel(f"{what} (bits)")
    depth_axis(ax, profile)
    return ax


def _draw_mean(ax: Axes, x: np.ndarray, values: xr.DataArray, hollow: xr.DataArray | None) -> None:
    """The mean of the classes in bold, with the range of the seeds."""
    # a mean over some of the classes only would move when a class drops out; an empty class never counts
    by_seed = values.mean("class", skipna=False)
    mean = by_seed.mean("seed", skipna=False).values
    if values.sizes["seed"] > 1:
        low, high = by_seed.min("seed", skipna=False), by_seed.max("seed", skipna=False)
        ax.fill_between(x, low, high, color=MEAN, alpha=0.15, lw=0)
    ax.plot(x, mean, color=MEAN, lw=2.2, zorder=4)
    draw_points(ax, x, mean, None if hollow is None else hollow.any("class").values, MEAN, 5)


def information_by_depth(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """What a neuron's state says about the class, I(A;Y), against depth: a line a network, its name at the end.

    >>> draw = np.random.default_rng(0).normal
    >>> hidden = {"fc1": draw(size=(20, 4)), "fc2": draw(size=(20, 2))}
    >>> recording = je.Recording.from_activations(hidden, np.arange(20) % 2)
    >>> profile = je.profile({"trained": recording}, estimators=("plugin",), bootstrap=0, bounds=False)
    >>> sorted(text.get_text() for text in je.plots.information_by_depth(profile).texts)
    ['shuffled labels', 'trained']

    Lines are means over seeds; bars reach from the lowest to the highest seed.
    """
    ax = ax or new_axes()
    names = network_names(profile)
    ends, top = [], 0.1
    for place, name in enumerate(names):
        color, marker = network_look(name, place)
        by_seed = of_network(profile, name).neuron_information.transpose("seed", "layer").values
        x, mean = np.arange(1, by_seed.shape[1] + 1) + 0.05 * (place - (len(names) - 1) / 2), by_seed.mean(0)
        ax.plot(x, mean, color=color, lw=1.4, marker=marker, ms=4, zorder=3, clip_on=False)
        if len(by_seed) > 1:
            reach = np.abs(np.stack([by_seed.min(0), by_seed.max(0)]) - mean)
            ax.errorbar(x, mean, reach, fmt="none", ecolor=color, elinewidth=0.9, capsize=2)
        ends.append((float(mean[-1]), network_title(name), color))
        top = max(top, np.nanmax(by_seed, initial=0))
    ax.set_ylim(0, 1.08 * top)
    ax.set_ylabel("information I(A;Y) (bits)")
    depth_axis(ax, profile)
    name_ends(ax, [end for end in ends if end[1]])
    return ax
