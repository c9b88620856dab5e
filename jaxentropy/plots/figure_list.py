"""Whole figures with their titles, and the list of a report's."""

import os
import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jaxentropy.plots.activity import firing_rates, firing_states, patterns, rank_frequency
from jaxentropy.plots.brackets import (
    bracket_by_depth,
    total_correlation_by_depth,
)
from jaxentropy.plots.by_depth import entropy_by_depth, information_by_depth
from jaxentropy.plots.entropy_figures import entropy_figure
from jaxentropy.plots.style import (
    LETTER,
    MEAN,
    OFF,
    ON,
    OTHER,
    SMALL,
    SOMETIMES,
    TEXT,
    below_axis,
    drawn_networks,
    house_style,
    longest_line,
    network_look,
    network_names,
    network_title,
    placed_figure,
    short_names,
    small_text,
    styled,
    wrapped,
)
from jaxentropy.profiling.reading import inputs_of
from jaxentropy.recording.recording import Recording


def figures(
    profile: xr.Dataset,
    recordings: Mapping[str, Recording],
    streamed: xr.Dataset | None = None,
    full: bool = False,
    title: str | None = None,
) -> dict[str, Figure]:
    """Every figure of a report, by file name.

    >>> recording = je.Recording.from_activations({"fc1": np.eye(4, dtype=bool)}, [0, 0, 1, 1])
    >>> profile = je.profile({"trained": recording}, bootstrap=0, bounds=False)
    >>> list(je.plots.figures(profile, {"trained": recording}))
    ['entropy-by-depth', 'information-by-depth', 'patterns', 'firing-rates']

    Args:
        profile: what ``jaxentropy.profile`` returned.
        recordings: one of each network, for the pictures of single patterns.
        streamed: a profile of the same layers from a longer stream of inputs; see ``entropy_figure``.
        title: of the first figure; by default what its means show, error bars aside.
        full: with those that tell less at first sight too: each class for itself, total correlation, histograms of
            firing rates, rank and frequency of patterns.
    """
    drawn = {
        "entropy-by-depth": entropy_figure(profile, streamed, title=title),
        "information-by-depth": information_figure(profile),
        "patterns": patterns_figure(recordings),
        "firing-rates": firing_figure(profile),
    }
    if full:
        drawn["entropy-by-class"] = class_figure(profile)
        if "total_correlation_lower" in profile:
            drawn["total-correlation"] = total_correlation_figure(profile)
        drawn["firing-histogram"] = firing_histogram_figure(recordings)
        drawn["rank-frequency"] = rank_figure(recordings)
    return drawn


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure (PNG, SVG, … by the path's ending): the same figure gives the same bytes.

    >>> hidden = np.random.default_rng(0).normal(size=(20, 4))
    >>> recording = je.Recording.from_activations({"fc1": hidden}, np.arange(20) % 2)
    >>> je.plots.save(je.plots.rank_figure({"trained": recording}), "ranks.svg")
    """
    with house_style():
        if figure.get_layout_engine() is not None:  # laid out once, however often it is saved
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        figure.savefig(path, metadata={"Date": None} if str(path).endswith(".svg") else None)


def close(figure: Figure) -> None:
    """Let go of a figure's memory."""
    plt.close(figure)


@styled
def class_figure(profile: xr.Dataset) -> Figure:
    """Entropy against depth, each class for itself: the two readings and the networks side by side."""
    names = network_names(profile)
    rows = [("neuron_entropy", "plugin")] + [
        ("pattern_entropy", str(e)) for e in profile.estimator.values if e in ("plugin", "chao_wang_jost")
    ]
    bracketed = "pattern_lower" in profile
    height = len(rows) + bracketed
    figure, axes = plt.subplots(
        height, len(names), figsize=(3.1 * len(names) + 1.3, 2.6 * height), sharey="row", squeeze=False
    )
    for i, (quantity, estimator) in enumerate(rows):
        for k, name in enumerate(names):
            ax = entropy_by_depth(profile, axes[i, k], quantity=quantity, network=name, estimator=estimator)
            ax.set_ylabel(ax.get_ylabel() if k == 0 else "")
            ax.set_title(network_title(name) if i == 0 else "")
    if bracketed:
        for ax, name in zip(axes[-1], names, strict=True):
            bracket_by_depth(profile, ax, network=name)
            ax.set_ylabel(ax.get_ylabel() if name == names[0] else "")
    handles = [Line2D([], [], color=OTHER, lw=0.8, marker="o", ms=3, label="a class")]
    handles.append(Line2D([], [], color=MEAN, lw=2.2, label="mean of classes"))
    handles.append(Line2D([], [], color=MEAN, lw=0, marker="o", mfc="white", label="saturated:\nsample too small"))
    if bracketed:
        handles += axes[-1, 0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8)
    seeds = profile.sizes.get("seed", 1)
    figure.suptitle("Entropy of activation patterns by class" + (f", mean of {seeds} seeds" if seeds > 1 else ""))
    return figure


@styled
def information_figure(profile: xr.Dataset) -> Figure:
    """What a neuron's state says about the class, all networks in one panel."""
    right = 0.16 + LETTER * max(longest_line(network_title(name)) for name in network_names(profile))
    figure, ax = _one_panel(profile, right, "What a neuron's state says about the class")
    information_by_depth(profile, ax)
    return figure


@styled
def firing_figure(profile: xr.Dataset) -> Figure:
    """Shares of neurons that are never, sometimes and always on, the networks side by side."""
    names = drawn_networks(profile)
    right = 0.4 + LETTER * max(10, *(longest_line(f"right: {name}") for name in names))
    figure, ax = _one_panel(profile, right, "Neurons that are never, sometimes, and always on")
    firing_states(profile, ax)
    handles: list[Patch] = [
        Patch(facecolor=color, edgecolor=MEAN, linewidth=0.6, label=label)
        for color, label in ((ON, "always on"), (SOMETIMES, "sometimes"), (OFF, "never on"))
    ]
    if len(names) > 1:
        sides = ("left: ", "right: ") if len(names) == 2 else [""] * len(names)
        looks = [network_look(name, place)[0] for place, name in enumerate(names)]
        handles += [
            Patch(facecolor="none", edgecolor=color, label=wrapped(f"{side}{name}"))
            for color, side, name in zip(looks, sides, names, strict=True)
        ]
    figure.legend(handles=handles, loc="center right", frameon=False, fontsize=SMALL, handlelength=1.2)
    return figure


def _one_panel(profile: xr.Dataset, right: float, title: str) -> tuple[Figure, Axes]:
    """A figure as wide as a journal's column, its title and data above, with so many inches right of its panel."""
    seeds = profile.sizes.get("seed", 1)
    data = [str(profile.attrs["subject"])] if "subject" in profile.attrs else []
    data += [f"{int(inputs_of(profile).sum())} inputs" + (f", {seeds} seeds" if seeds > 1 else "")]
    lines = textwrap.wrap("; ".join(data), 58)
    wide = 3.5 - 0.62 - right
    below = below_axis(profile, wide)
    height = below + 1.8 + 0.32 + 0.125 * len(lines)
    figure = placed_figure(3.5, height)
    figure.suptitle(title, x=0.015, y=1 - 0.06 / height, ha="left", va="top", fontsize=8, weight="bold")
    figure.text(0.015, 1 - 0.22 / height, "\n".join(lines), va="top", fontsize=SMALL, color=TEXT)
    ax = figure.add_axes((0.62 / 3.5, below / height, wide / 3.5, 1.8 / height))
    small_text(ax)
    return figure, ax


@styled
def total_correlation_figure(profile: xr.Dataset) -> Figure:
    """Brackets of the total correlation by layer, the networks side by side."""
    figure, ax = plt.subplots(figsize=(max(0.9 * profile.sizes["layer"], 4) + 1.5, 3.2))
    total_correlation_by_depth(profile, ax)
    handles = ax.get_legend_handles_labels()[0]
    handles.append(Line2D([], [], color=OTHER, lw=1, label="lowest to highest\nof the classes"))
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8)
    figure.suptitle("Total correlation of a layer's neurons within a class")
    return figure


@styled
def patterns_figure(recordings: Mapping[str, Recording]) -> Figure:
    """Activation patterns of the most frequent class, layer by layer, for each network; of many layers, eight."""
    first = next(iter(recordings.values()))
    label = first.class_names[int(np.bincount(first.labels).argmax())]
    shown = np.unique(np.linspace(0, len(first.layers) - 1, 8).round().astype(int))
    wide = max(1.3 * len(shown), 4) + 0.5
    figure, axes = plt.subplots(
        len(recordings), len(shown), figsize=(wide, 2.3 * len(recordings) + 0.3), squeeze=False
    )  # fmt: skip
    for i, (name, recording) in enumerate(recordings.items()):
        for k, ax in zip(shown, axes[i], strict=True):
            patterns(recording, ax, layer=recording.layers[k], label=label)
            _, *rest = ax.get_title().split("\n")
            ax.set_title("\n".join([short_names(list(recording.layers))[0][k], *rest]), fontsize=8)
            ax.set_ylabel(f"{name}\n{ax.get_ylabel()}" if k == 0 else "")
            ax.set_xlabel("neuron,\nby firing rate" if i == len(recordings) - 1 else "")
            if k:
                ax.set_yticklabels([])
    which = "layer by layer" if len(shown) == len(first.layers) else f"{len(shown)} of {len(first.layers)} layers"
    key = "H: mean entropy of the layer's neurons; constant: share of these on for all inputs of the class, or for none"
    title = (f"Activation patterns of class {label}, {which} (black: on)", key)
    figure.suptitle("\n".join(textwrap.fill(line, int(14 * wide)) for line in title), fontsize=9)
    return figure


@styled
def firing_histogram_figure(recordings: Mapping[str, Recording]) -> Figure:
    """Firing rates within a class, layer by layer, the networks in one histogram."""
    layers = next(iter(recordings.values())).layers
    names, _ = short_names(list(layers))
    columns = min(len(layers), 6)
    rows = -(-len(layers) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(max(1.8 * columns, 4) + 1.2, 2.3 * rows + 0.4),
        sharey=True,
        sharex=True,
        squeeze=False,
    )
    for i, ax in enumerate(axes.flat):
        if i >= len(layers):
            ax.set_axis_off()
            continue
        firing_rates(recordings, ax, layer=layers[i])
        ax.set_title(names[i])
        ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        ax.set_xlabel("")
        if i % columns:
            ax.set_ylabel("")
    figure.supxlabel("firing rate: share of a class's inputs for which the neuron is on", fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.suptitle("Firing rates within a class, over all neurons and classes")
    return figure


@styled
def rank_figure(recordings: Mapping[str, Recording]) -> Figure:
    """Rank and frequency of patterns within a class, the networks side by side."""
    figure, axes = plt.subplots(
        1, len(recordings), figsize=(3.4 * len(recordings) + 0.8, 3.1), sharey=True, squeeze=False
    )
    for k, (name, recording) in enumerate(recordings.items()):
        ax = rank_frequency(recording, axes[0, k])
        ax.set_title(name)
        ax.set_ylabel(ax.get_ylabel() if k == 0 else "")
    lines, layers = axes[0, 0].get_legend_handles_labels()
    every = -(-len(lines) // 12)  # of many layers, some are named: the colours run from the first to the last
    names, _ = short_names(layers)
    figure.legend(lines[::every], names[::every], loc="outside right center", frameon=False, fontsize=8)
    figure.suptitle("Rank and frequency of patterns within a class (a flat line at 1: every pattern is unique)")
    return figure
