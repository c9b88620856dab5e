"""The look of all figures: settings, every colour, axes by depth, names at the ends of lines."""

import functools
import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

MEAN = "#111111"
TEXT = "#444444"
OTHER = "#888888"
CEILING = "#b00020"
BRACKET = "#6a4fb3"
OFF, ON = "#f4f4f0", "#1b1b1b"
SOMETIMES = "#b9b9b4"
STEPS = {"falls": "#3f8f9e", "unclear": OFF, "rises": CEILING}
"""Of what entropy does from a layer to the next."""
SETTINGS = ("#6a4fb3", "#c96f00", "#3f8f9e", "#3b3b3b", "#b00020", "#5b9bd5")
"""For the values of a setting that networks differ by."""
SMALL = 7
"""Points of the smallest text."""
LETTER = SMALL * 0.6 / 72
"""About the width of one of its letters, in inches."""
_NETWORK = {"trained": ("#0b4f8a", "o"), "untrained": ("#c96f00", "s"), "shuffled": ("#7a7a7a", "^")}
"""Blue is darker than orange, so that they differ in grey too, and for the colour-blind."""
_FURTHER = (("#0b4f8a", "o"), ("#c96f00", "s"), ("#5b9bd5", "D"), ("#3b3b3b", "v"))
"""For networks of other names, in the profile's order."""
_LONGEST_NAME = 14
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
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


def drawn_networks(profile: xr.Dataset) -> list[str | None]:
    """The profile's networks without ``shuffled``, whose neurons are those of another."""
    return [name for name in network_names(profile) if name != "shuffled"] or network_names(profile)


def occupied(profile: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """Without the empty classes, which no mean counts."""
    return values.isel({"class": np.flatnonzero(profile.n.values)})


def draw_points(
    ax: Axes, x: np.ndarray, y: np.ndarray, hollow: np.ndarray | None, color, order: int, marker: str = "o"
) -> None:
    """Points of a line over depth, hollow where so flagged; those of order 5 are large."""
    size = 26 if order == 5 else 9 if len(x) <= 16 else 4
    faces = [color] * len(x) if hollow is None else ["white" if h else color for h in hollow]
    ax.scatter(x, y, s=size, facecolors=faces, edgecolors=[color] * len(x), linewidths=0.9, zorder=order, marker=marker)


def depth_axis(ax: Axes, profile: xr.Dataset, *, named: bool = True) -> list[int]:
    """Label the x-axis with the profile's layers, as many as there is room for; returns the places of those."""
    names, shared = short_names([str(n) for n in profile.layer.values])
    room = _inches(ax)[0] / len(names)
    tilted = max(map(len, names)) * LETTER > room
    every = int(np.ceil(0.16 / room)) if tilted else 1
    places = list(range(0, len(names), every))
    ax.set_xlim(0.5, len(names) + 0.5)
    ax.set_xticks([k + 1 for k in places], [names[k] if named else "" for k in places])
    if tilted:
        ax.tick_params("x", rotation=45)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    if named:
        ax.set_xlabel("layer, by depth" + (f" ({_cut(shared, 32)})" if shared else ""))
    return places


def below_axis(profile: xr.Dataset, width: float) -> float:
    """Inches that the names and the label of a depth axis need, if it is so wide."""
    longest = max(map(len, short_names([str(n) for n in profile.layer.values])[0])) * LETTER
    tilted = longest > width / profile.sizes["layer"]
    return 0.38 + (0.75 * longest if tilted else 0)


def short_names(names: list[str]) -> tuple[list[str], str]:
    """Names without the parts that all share, if some are long, and these parts; what is still long, cut in front."""
    shared = ""
    if len(names) > 1 and max(map(len, names)) > _LONGEST_NAME:
        front, back = _shared_front(names), _shared_front([name[::-1] for name in names])
        inner = [name[front : len(name) - back] for name in names]
        if all(inner) and len(set(inner)) == len(names):
            shared = f"{names[0][:front]}…{names[0][len(names[0]) - back :]}"
            names = inner
    return [_cut(name, _LONGEST_NAME) for name in names], shared.strip("…")


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else "…" + name[1 - most :]


def _shared_front(names: list[str]) -> int:
    """How many letters all names begin with, up to a mark that parts them."""
    common = os.path.commonprefix(names)  # noqa: RUF071 - letter by letter is meant
    return max(common.rfind(mark) for mark in "./_- ") + 1


def layer_colors(number: int) -> np.ndarray:
    """A colour a layer, from dark to light with depth."""
    return plt.get_cmap("viridis")(np.linspace(0.05, 0.9, number))


def small_text(ax: Axes) -> None:
    """Labels and ticks in the smallest text, also those that are yet to come."""
    ax.tick_params(labelsize=SMALL, length=2.5)
    ax.xaxis.label.set_fontsize(SMALL)
    ax.yaxis.label.set_fontsize(SMALL)


def network_look(network: str | None, place: int = 0) -> tuple[str, str]:
    """The colour and the marker that a network has in every figure; ``place`` tells those of other names apart."""
    return _NETWORK.get(network or "", _FURTHER[place % len(_FURTHER)])


End = tuple[float, str, str]
"""Where a line ends, the name written there, and its colour."""


def longest_line(name: str) -> int:
    """Letters of the longest line of a name at the end of a line."""
    return max(map(len, wrapped(name).splitlines()), default=0)


def wrapped(name: str) -> str:
    """A name in lines that are short enough for a margin."""
    return "\n".join(textwrap.fill(line, 18) for line in name.split("\n"))


def name_ends(ax: Axes, ends: Sequence[End]) -> None:
    """Write names right of the axes, each at its height ``(y, text, colour)`` or as near as the others leave room."""
    ends = [(y, wrapped(text), color) for y, text, color in reversed(ends) if np.isfinite(y)]  # the first on top
    ends.sort(key=lambda end: end[0])
    if not ends:
        return
    low, high = ax.get_ylim()
    wide, inches = _inches(ax)
    line = SMALL * 1.25 / 72 / inches
    wanted = np.array([(y - low) / (high - low) for y, _, _ in ends])
    tall = np.array([line * (text.count("\n") + 1) for _, text, _ in ends])
    below = np.cumsum(tall) - tall / 2  # of each name's middle above the foot of the lowest, if they touch
    places = np.clip(isotonic_regression(wanted - below).x, 0, max(1 - tall.sum(), 0)) + below
    for (y, text, color), place in zip(ends, places, strict=True):
        ax.annotate(
            text, (1, y), xycoords=("axes fraction", "data"), xytext=(1 + 0.08 / wide, place),
            textcoords="axes fraction", va="center", color=color, fontsize=SMALL, linespacing=1.05,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.5, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)},
            annotation_clip=False,
        )  # fmt: skip


def _inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    figure, box = ax.get_figure(root=True), ax.get_position()
    assert figure is not None  # axes without a figure are none to draw on
    return box.width * figure.get_figwidth(), box.height * figure.get_figheight()


def captioned(figure: Figure, words: str, handles: Sequence[Artist] = ()) -> None:
    """Write words below the figure, in lines as wide as it is, and a legend under them."""
    words = textwrap.fill(words, int(figure.get_figwidth() / LETTER * 0.85))
    look: dict[str, Any] = {"fontsize": SMALL + 1, "frameon": False, "loc": "outside lower center"}
    if handles:
        # a label of the figure would lie on the legend: constrained layout makes room for one of them only
        columns = int(figure.get_figwidth() / LETTER / (6 + max(len(str(one.get_label())) for one in handles)))
        columns = max(min(columns, len(handles)), 1)
        legend = figure.legend(handles=handles, title=words, title_fontsize=SMALL + 1, ncols=columns, **look)
        legend.get_title().set(color=TEXT, ha="center", multialignment="center")
    else:
        figure.supxlabel(words, fontsize=SMALL + 1, color=TEXT)


def placed_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, whose axes stay where they are put."""
    figure = plt.figure(figsize=(width, height), layout="constrained")
    figure.set_layout_engine("none")  # made with "none", it would get the house's engine when it is saved
    return figure


def new_axes() -> Axes:
    """The axes of a figure of one panel."""
    with house_style():
        return plt.subplots(figsize=(4.5, 3.2))[1]
