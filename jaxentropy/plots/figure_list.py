"""Whole figures with their titles, and the list of a report's."""

import os
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxentropy.plots.activity import firing_rates, patterns, rank_frequency
from jaxentropy.plots.brackets import (
    bracket_by_depth,
    total_correlation_by_depth,
)
from jaxentropy.plots.by_depth import entropy_by_depth, information_by_depth
from jaxentropy.plots.style import (
    MEAN,
    OTHER,
    class_colors,
    house_style,
    network_names,
    network_title,
    styled,
)
from jaxentropy.recording.recording import Recording


def figures(profile: xr.Dataset, recordings: Mapping[str, Recording]) -> dict[str, Figure]:
    """Every figure of a report, by file name.

    Args:
        profile: what ``jaxentropy.profile`` returned.
        recordings: one of each network, for the pictures of single patterns.
    """
    correlated = "total_correlation_lower" in profile
    return {
        "entropy-by-depth": entropy_figure(profile),
        "information-by-depth": information_figure(profile),
        **({"total-correlation": total_correlation_figure(profile)} if correlated else {}),
        "patterns": patterns_figure(recordings),
        "firing-rates": firing_figure(recordings),
        "rank-frequency": rank_figure(recordings),
    }


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
def entropy_figure(profile: xr.Dataset) -> Figure:
    """Entropy against depth: the two readings and the networks side by side; brackets in a row of their own."""
    names = network_names(profile)
    rows = [("neuron_entropy", "plugin"), ("pattern_entropy", "plugin")]
    rows += [("pattern_entropy", str(e)) for e in profile.estimator.values if e == "chao_wang_jost"]
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
    handles = [Line2D([], [], color=c, lw=1.2, marker="o", ms=3, label=f"class {n}") for n, c in class_colors(profile)]
    if len(handles) > 12:
        handles = [Line2D([], [], color=OTHER, lw=0.8, label="a class")]
    handles.append(Line2D([], [], color=MEAN, lw=2.2, label="mean of classes"))
    handles.append(Line2D([], [], color=MEAN, lw=0, marker="o", mfc="white", label="saturated:\nsample too small"))
    if bracketed:
        handles += axes[-1, 0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8)
    seeds = profile.sizes.get("seed", 1)
    figure.suptitle("Entropy of activation patterns against depth" + (f", mean of {seeds} seeds" if seeds > 1 else ""))
    return figure


@styled
def information_figure(profile: xr.Dataset) -> Figure:
    """Pooled against class-conditional neuron entropy, the networks side by side."""
    names = network_names(profile)
    figure, axes = plt.subplots(1, len(names), figsize=(3.1 * len(names) + 1.7, 3), sharey=True, squeeze=False)
    for k, name in enumerate(names):
        ax = information_by_depth(profile, axes[0, k], network=name)
        ax.set_title(network_title(name))
        ax.set_ylabel(ax.get_ylabel() if k == 0 else "")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    figure.suptitle("What a neuron's state says about the class")
    return figure


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
    """Activation patterns of the most frequent class, layer by layer, for each network."""
    first = next(iter(recordings.values()))
    label = int(np.bincount(first.labels).argmax())
    figure, axes = plt.subplots(
        len(recordings), len(first.layers),
        figsize=(max(1.7 * len(first.layers), 4) + 0.5, 2.4 * len(recordings) + 0.3), squeeze=False,
    )  # fmt: skip
    for i, (name, recording) in enumerate(recordings.items()):
        for k, layer in enumerate(recording.layers):
            ax = patterns(recording, axes[i, k], layer=layer, label=first.class_names[label])
            ax.set_ylabel(f"{name}\n{ax.get_ylabel()}" if k == 0 else "")
            ax.set_xlabel("neuron,\nby firing rate" if i == len(recordings) - 1 else "")
            ax.set_title(layer if i == 0 else "")
            if k:
                ax.set_yticklabels([])
    figure.suptitle(f"Activation patterns of class {first.class_names[label]}, layer by layer (black: on)")
    return figure


@styled
def firing_figure(recordings: Mapping[str, Recording]) -> Figure:
    """Firing rates within a class, layer by layer, the networks in one histogram."""
    layers = next(iter(recordings.values())).layers
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
        ax.set_title(layers[i])
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
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    figure.suptitle("Rank and frequency of patterns within a class (a flat line at 1: every pattern is unique)")
    return figure
