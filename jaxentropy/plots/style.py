"""The look of all figures: settings, every colour, axes by depth."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MEAN = "#111111"
POOLED = "#444444"
OTHER = "#888888"
INFORMATION, INFORMATION_TEXT = "#2a9d5c", "#1c6b3f"
CEILING = "#b00020"
BRACKET = "#6a4fb3"
OFF, ON = "#f4f4f0", "#1b1b1b"
_NETWORK = {"trained": "#1f77b4", "untrained": "#e07b00", "shuffled": "#7f7f7f"}
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
    "svg.hashsalt": "jaxentropy",
}


@contextmanager
def house_style() -> Iterator[None]:
    """The house's style, whatever the user's own settings are.

    ``plt.rc_context`` would also take back what a notebook sets when its first figure starts the inline backend.
    """
    before = {key: plt.rcParams[key] for key in _STYLE}
    plt.rcParams.update(_STYLE)
    try:
        yield
    finally:
        plt.rcParams.update(before)


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """A function that makes a figure, in the house's style."""

    @functools.wraps(function)
    def draw(*args, **kwargs):
        with house_style():
            return function(*args, **kwargs)

    return draw


def network_names(profile: xr.Dataset) -> list[str | None]:
    """The profile's networks; one without a name if it has no such dimension."""
    return [str(n) for n in profile.network.values] if "network" in profile.dims else [None]


def network_title(network: str | None) -> str:
    """A network as a title."""
    return f"{network} labels" if network == "shuffled" else network or ""


def of_network(profile: xr.Dataset, network: str | None) -> xr.Dataset:
    """One network of the profile, always with a seed dimension."""
    one = profile
    if "network" in profile.dims:
        one = profile.sel(network=network) if network else profile.isel(network=0)
    return one if "seed" in one.dims else one.expand_dims("seed")


def occupied(profile: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """Without the empty classes, which no mean counts."""
    return values.isel({"class": np.flatnonzero(profile.n.values)})


def class_colors(profile: xr.Dataset) -> list[tuple[str, Any]]:
    """Each class and its colour."""
    names = [str(c) for c in profile["class"].values]
    few = len(names) <= 10
    palette = plt.get_cmap("tab10" if few else "turbo")(np.arange(10) if few else np.linspace(0, 1, len(names)))
    return list(zip(names, palette, strict=False))


def draw_points(ax: Axes, x: np.ndarray, y: np.ndarray, hollow: np.ndarray | None, color, order: int) -> None:
    """Points of a line over depth, hollow where so flagged; those of order 5 are large."""
    size = 26 if order == 5 else 9
    faces = [color] * len(x) if hollow is None else ["white" if h else color for h in hollow]
    ax.scatter(x, y, s=size, facecolors=faces, edgecolors=[color] * len(x), linewidths=0.9, zorder=order)


def depth_axis(ax: Axes, profile: xr.Dataset) -> Axes:
    """Label the x-axis with the profile's layers."""
    names = [str(n) for n in profile.layer.values]
    every = -(-len(names) // 12)
    ax.set_xticks(np.arange(1, len(names) + 1, every), names[::every])
    ax.set_xlim(0.7, len(names) + 0.45)
    ax.set_xlabel("layer, by depth")
    return ax


def network_color(network: str) -> str:
    """The colour that a network has in every figure."""
    return _NETWORK.get(network, _NETWORK["trained"])


def new_axes() -> Axes:
    """The axes of a figure of one panel."""
    with house_style():
        return plt.subplots(figsize=(4.5, 3.2))[1]
