"""Entropies and information against depth."""

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
    INFORMATION,
    INFORMATION_TEXT,
    MEAN,
    POOLED,
    class_colors,
    depth_axis,
    draw_points,
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

    A band shows the smallest and largest mean among the seeds. For ``pattern_entropy`` the ceiling log₂ n is drawn, and
    points where the sample is too small (``saturated`` in any seed) are hollow. Brackets, if
    the profile has them, are a violet band (mean over classes and seeds), cut off above the estimates:
    ``bracket_by_depth`` shows the whole.

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
    for label, color in class_colors(profile):
        line = lines.sel({"class": label}).values
        ax.plot(x, line, color=color, lw=0.8, alpha=0.8, zorder=2)
        draw_points(ax, x, line, None if hollow is None else hollow.sel({"class": label}).values, color, 3)
    # a mean over some of the classes only would move when a class drops out; an empty class never counts
    by_seed = occupied(profile, values).mean("class", skipna=False)
    mean = by_seed.mean("seed", skipna=False).values
    if values.sizes["seed"] > 1:
        low, high = by_seed.min("seed", skipna=False), by_seed.max("seed", skipna=False)
        ax.fill_between(x, low, high, color=MEAN, alpha=0.15, lw=0)
    ax.plot(x, mean, color=MEAN, lw=2.2, zorder=4)
    draw_points(ax, x, mean, None if hollow is None else hollow.any("class").values, MEAN, 5)
    if lines.isnull().all():
        ax.text(
            0.5,
            0.72,
            "no estimate:\nevery pattern is unique",
            transform=ax.transAxes,
            ha="center",
            va="center",
        )
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
    return depth_axis(ax, profile)


def information_by_depth(profile: xr.Dataset, ax: Axes | None = None, *, network: str | None = None) -> Axes:
    """Pooled against class-conditional neuron entropy; the shaded gap is what a neuron's state says about the class.

    >>> draw = np.random.default_rng(0).normal
    >>> hidden = {"fc1": draw(size=(20, 4)), "fc2": draw(size=(20, 2))}
    >>> recording = je.Recording.from_activations(hidden, np.arange(20) % 2)
    >>> profile = je.profile(recording, estimators=("plugin",), bootstrap=0, bounds=False)
    >>> je.plots.information_by_depth(profile).get_ylabel()
    'entropy per neuron (bits)'
    """
    ax = ax or new_axes()
    one = of_network(profile, network).mean("seed")
    share = profile.n / profile.n.sum()
    x = np.arange(1, profile.sizes["layer"] + 1)
    pooled = one.neuron_entropy_pooled.values
    conditional = (one.neuron_entropy.fillna(0) * share).sum("class").values
    ax.fill_between(x, conditional, pooled, color=INFORMATION, alpha=0.25, lw=0, label="information I(A;Y)")
    ax.plot(x, pooled, color=POOLED, marker="o", ms=4, lw=1.6, label="pooled H(A)")
    ax.plot(x, conditional, color=INFORMATION, marker="o", ms=4, lw=1.6, label="class-conditional H(A|Y)")
    ax.annotate(
        f"{pooled[-1] - conditional[-1]:.2f}", (x[-1], (pooled[-1] + conditional[-1]) / 2),
        xytext=(6, 0), textcoords="offset points", va="center", fontsize=8, color=INFORMATION_TEXT,
    )  # fmt: skip
    ax.set_ylim(0, 1.02)
    ax.set_ylabel("entropy per neuron (bits)")
    return depth_axis(ax, profile)
