"""Brackets → matplotlib: what a layer's joint patterns can be, whatever an estimator says."""

from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from jaxentropy.base.errors import InputError
from jaxentropy.estimators import ESTIMATOR_NAMES
from jaxentropy.plots.style import (
    BRACKET,
    CEILING,
    MEAN,
    OTHER,
    depth_axis,
    draw_points,
    network_look,
    network_names,
    network_title,
    new_axes,
    occupied,
    of_network,
)

_BRACKETED = {
    "pattern_entropy": ("pattern", "pattern entropy,\nbracket (bits)"),
    "total_correlation": ("total_correlation", "total correlation,\nlarge-sample limits (bits)"),
}
"""Quantity → (the stem of its ``…_lower`` and ``…_upper``, the axis's label)."""


def bracket_by_depth(
    profile: xr.Dataset,
    ax: Axes | None = None,
    *,
    quantity: str = "pattern_entropy",
    network: str | None = None,
    estimator: str = "chao_wang_jost",
) -> Axes:
    """Brackets against depth: two thin lines a class (mean over seeds), and their mean as a band.

    For ``pattern_entropy`` the ceiling log₂ n of the plug-in is drawn, and the mean of the estimates, if the profile
    has this estimator: hollow where ``saturated`` in any seed and class. The network ``shuffled`` has no brackets.

    Args:
        profile: what ``jaxentropy.profile`` returned, with ``bounds=True``.
        ax: where to draw; by default new axes.
        quantity: ``pattern_entropy`` or ``total_correlation``.
        network: which one, if the profile has several (by default the first).
        estimator: for ``pattern_entropy``.

    Raises:
        InputError: a profile without brackets.
    """
    _expect_brackets(profile, quantity)
    ax = ax or new_axes()
    one = of_network(profile, network)
    stem, label = _BRACKETED[quantity]
    x = np.arange(1, profile.sizes["layer"] + 1)
    top = float(profile[f"{stem}_upper"].max().fillna(1e-3))
    if has_bracket(one):
        for limit in _limits(one, quantity):
            ax.plot(x, limit.values, color=OTHER, lw=0.8, alpha=0.7, zorder=2)
        draw_mean_bracket(ax, profile, one, quantity, edge=1.8)
    else:
        ax.text(0.5, 0.6, "no brackets", transform=ax.transAxes, ha="center", va="center")
    if quantity == "pattern_entropy":
        # below, since the lower limits begin right above it
        top = max(top, draw_ceiling(ax, profile, words="below"))
        if estimator in profile.estimator.values:
            estimates = occupied(profile, one[quantity].sel(estimator=estimator)).mean(["class", "seed"], skipna=False)
            name = f"{ESTIMATOR_NAMES[estimator]},\nmean of classes"
            ax.plot(x, estimates, color=MEAN, lw=1.6, ls=":", zorder=4, label=name)
            draw_points(ax, x, estimates.values, one.saturated.any(["seed", "class"]).values, MEAN, 5)
    ax.set_ylim(0, 1.05 * top)
    ax.set_ylabel(label)
    depth_axis(ax, profile)
    return ax


def total_correlation_by_depth(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Brackets of the total correlation by layer, the networks side by side.

    A bar reaches from the mean of the lower to the mean of the upper limits, over classes and seeds; the thin line from
    the lowest lower to the highest upper limit of a class (mean over seeds).

    Raises:
        InputError: a profile without brackets.
    """
    _expect_brackets(profile, "total_correlation")
    ax = ax or new_axes()
    shown = [name for name in network_names(profile) if has_bracket(of_network(profile, name))]
    for k, name in enumerate(shown):
        one = of_network(profile, name)
        x = np.arange(1, profile.sizes["layer"] + 1) + (k - (len(shown) - 1) / 2) * 0.8 / len(shown)
        low, high = _mean_limits(profile, one, "total_correlation")
        color, wide = network_look(name, k)[0], 0.7 / len(shown)
        label = f"{network_title(name)}\nmean of classes".strip()
        ax.bar(x, high - low, wide, bottom=low, color=color, alpha=0.75, lw=0, label=label)
        lower, upper = _limits(one, "total_correlation")
        ax.vlines(x, lower.min("class").values, upper.max("class").values, color=color, lw=1)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(_BRACKETED["total_correlation"][1])
    depth_axis(ax, profile)
    return ax


def _expect_brackets(profile: xr.Dataset, quantity: str) -> None:
    if f"{_BRACKETED[quantity][0]}_lower" not in profile:
        raise InputError(f"the profile has no brackets of the {quantity.replace('_', ' ')}; make it with bounds=True")


def draw_ceiling(ax: Axes, profile: xr.Dataset, *, words: Literal["above", "below"] = "above") -> float:
    """Draw log₂ n, the plug-in's ceiling, its words above or below it; returns the highest of the classes'."""
    ceilings = np.log2(profile.n.values[profile.n.values > 0])
    low, high = float(ceilings.min()), float(ceilings.max())
    ax.axhline(high, color=CEILING, lw=1, ls="--", zorder=1)
    if high - low > 0.01:
        ax.axhspan(low, high, color=CEILING, alpha=0.12, lw=0)
    ax.annotate(
        f"ceiling log₂ n = {high:.2f}" if high - low <= 0.01 else f"ceilings log₂ n = {low:.2f} … {high:.2f}",
        (0.02, high), xycoords=("axes fraction", "data"), xytext=(0, 6 if words == "above" else -3),
        textcoords="offset points", va="baseline" if words == "above" else "top", color=CEILING, fontsize=8,
    )  # fmt: skip
    return high


def has_bracket(one: xr.Dataset) -> bool:
    """Whether one network of a profile has brackets; ``shuffled`` has not."""
    return "pattern_lower" in one and bool(one.pattern_lower.notnull().any())


def draw_mean_bracket(ax: Axes, profile: xr.Dataset, one: xr.Dataset, quantity: str, *, edge: float = 0) -> None:
    """A light band from the mean lower to the mean upper limit of one network; its edges are lines of this width."""
    x = np.arange(1, profile.sizes["layer"] + 1)
    low, high = _mean_limits(profile, one, quantity)
    label = f"{100 * profile.attrs.get('bounds_confidence', 0.95):g} % bracket,\nmean of classes"
    ax.fill_between(x, low, high, color=BRACKET, alpha=0.15, lw=0, zorder=1, label=label)
    if edge:
        for limit in (low, high):
            ax.plot(x, limit, color=BRACKET, lw=edge, zorder=4)


def _limits(one: xr.Dataset, quantity: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Lower and upper limits of one network, by layer and class, their mean over seeds."""
    stem = _BRACKETED[quantity][0]
    lower, upper = (
        one[f"{stem}_{end}"].mean("seed", skipna=False).transpose("layer", "class") for end in ("lower", "upper")
    )
    return lower, upper


def _mean_limits(profile: xr.Dataset, one: xr.Dataset, quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits of one network, a number a layer: their means over classes and seeds."""
    lower, upper = (occupied(profile, limit).mean("class", skipna=False).values for limit in _limits(one, quantity))
    return lower, upper
