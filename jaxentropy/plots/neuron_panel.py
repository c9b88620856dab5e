"""Neuron entropy of all networks against depth, with what a neuron's state says about the class."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from jaxentropy.plots.style import (
    SMALL,
    TEXT,
    End,
    depth_axis,
    draw_points,
    drawn_networks,
    network_look,
    occupied,
    of_network,
)


def neuron_ends(profile: xr.Dataset) -> list[str]:
    """The names that ``draw_neurons`` gives for the ends of lines."""
    return [f"{name or ''} {what}".strip() for name in drawn_networks(profile) for what in ("H(A|Y)", "H(A)")]


def draw_neurons(profile: xr.Dataset, ax: Axes) -> list[End]:
    """H(A|Y) as lines with the range of classes and seeds, H(A) dotted, and arrows between them at each layer.

    Returns the names for the ends of lines, which are written when the axes have their final limits.
    """
    ends, curves, arrows = [], [], []
    top = 0.0
    names = drawn_networks(profile)
    for place, name in enumerate(names):
        color, marker = network_look(name, place)
        one = of_network(profile, name)
        x = np.arange(1, one.sizes["layer"] + 1) + dodge(place, len(names), 0.07)
        by_seed = (one.neuron_entropy_pooled - one.neuron_information).transpose("seed", "layer").values
        within, pooled = by_seed.mean(0), one.neuron_entropy_pooled.mean("seed").values
        classes = occupied(profile, one.neuron_entropy.mean("seed")).transpose("layer", "class").values
        ax.fill_between(x, classes.min(1), classes.max(1), color=color, alpha=0.13, lw=0, zorder=1)
        if len(x) == 1:  # a band of one layer has no width
            ax.vlines(x, classes.min(1), classes.max(1), color=color, alpha=0.25, lw=5, zorder=1)
        aside = x + dodge(place, len(names), 0.06)
        ax.plot(aside, pooled, color=color, lw=1, ls=":", marker=marker if len(x) == 1 else "", ms=2.5, zorder=3)
        ax.plot(x, within, color=color, lw=1.3, zorder=4)
        draw_points(ax, x, within, None, color, 4, marker)
        if len(by_seed) > 1:
            reach = np.abs(np.stack([by_seed.min(0), by_seed.max(0)]) - within)
            ax.errorbar(x, within, reach, fmt="none", ecolor=color, elinewidth=0.8, capsize=1.8, capthick=0.8, zorder=5)
        curves += [within, pooled]
        arrows.append((aside, within, pooled, color))
        for y, what in ((within[-1], "H(A|Y)"), (pooled[-1], "H(A)")):
            ends.append((float(y), f"{name or ''} {what}".strip(), color))
        top = max(top, np.nanmax(classes, initial=0), np.nanmax(pooled, initial=0))
    ax.set_ylim(0, 1.04 * max(top, 0.05))
    ax.set_ylabel("neuron entropy (bits)")
    places = depth_axis(ax, profile, named=False)
    for x, within, pooled, color in arrows:
        for k in places:
            ax.annotate("", (x[k], pooled[k]), (x[k], within[k]), arrowprops=_ARROW | {"color": color}, zorder=2)
    _name_arrow(ax, arrows[0], curves, places)
    return ends


_ARROW = {"arrowstyle": "-|>,head_width=0.12,head_length=0.22", "lw": 0.7, "shrinkA": 0, "shrinkB": 0}


def _name_arrow(ax: Axes, arrow: tuple, curves: list[np.ndarray], places: list[int]) -> None:
    """Write I(A;Y) beside the longest arrow of a network, at the height that is farthest from every line."""
    x, within, pooled, color = arrow
    longest = max(places, key=lambda k: np.nan_to_num(pooled[k] - within[k]))
    low, high = within[longest], pooled[longest]
    if not high - low > 0.01 * ax.get_ylim()[1]:
        return
    side = -1 if longest or len(x) == 1 else 1
    reach = np.linspace(longest, longest + side * 0.35 * np.diff(ax.get_xlim())[0] / 2.2, 5)
    heights = np.linspace(low, high, 42)[1:-1]
    lines = np.stack([np.interp(reach, np.arange(len(c)), c) for c in curves])
    gaps = np.abs(heights[:, None, None] - lines).min((1, 2))
    fits = gaps.max() > 0.03 * ax.get_ylim()[1]  # half the height of its letters; otherwise it stands below the arrow
    ax.annotate(
        "I(A;Y)", (x[longest], heights[gaps.argmax()] if fits else low),
        xytext=(2.5 * side, 0) if fits else (0, -5), textcoords="offset points",
        ha=("right" if side < 0 else "left") if fits else "center", va="center" if fits else "top",
        fontsize=SMALL, color=color, zorder=9, path_effects=[withStroke(linewidth=2, foreground="white")],
    )  # fmt: skip


def draw_silent(profile: xr.Dataset, ax: Axes) -> list[End]:
    """Bars of the share of neurons that are off for every input."""
    names = drawn_networks(profile)
    top = 0.0
    for place, name in enumerate(names):
        share = 100 * of_network(profile, name).never_on.mean("seed").values
        x = np.arange(1, len(share) + 1) + dodge(place, len(names), 0.76 / len(names))
        ax.bar(x, share, 0.7 / len(names), color=network_look(name, place)[0], lw=0)
        top = max(top, np.nanmax(share, initial=0))
    depth_axis(ax, profile, named=False)
    high = next(limit for limit in (5, 10, 20, 50, 100) if top <= limit)
    ax.set_ylim(0, high)
    ax.set_yticks([0, high])
    ax.set_ylabel("never\non (%)", color=TEXT)
    if not top:
        ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", va="center", fontsize=SMALL, color=TEXT)
    return []


def dodge(place: int, number: int, apart: float) -> float:
    """How far right of its layer the mark of one of several networks is drawn, so that they lie side by side."""
    return (place - (number - 1) / 2) * apart
