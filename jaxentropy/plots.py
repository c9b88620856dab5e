"""Profiles and Recordings → matplotlib. Every function draws on the axes given, or makes a figure; none shows it."""

import os
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from jaxentropy.bracket_plots import (
    bracket_by_depth,
    draw_ceiling,
    draw_mean_bracket,
    has_bracket,
    total_correlation_by_depth,
)
from jaxentropy.estimators import ESTIMATOR_NAMES
from jaxentropy.recording.packing import identify
from jaxentropy.recording.recording import Recording
from jaxentropy.style import (
    MEAN,
    class_colors,
    depth_axis,
    draw_points,
    house_style,
    network_color,
    network_names,
    network_title,
    new_axes,
    occupied,
    of_network,
    styled,
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

    A band shows the smallest and largest mean among the seeds. For ``pattern_entropy`` the ceiling log₂ n is drawn, and
    points where the sample is too small to tell (``saturated`` in any seed) are hollow. Brackets, if
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
    """Pooled against class-conditional neuron entropy; the shaded gap is what a neuron's state tells of the class."""
    ax = ax or new_axes()
    one = of_network(profile, network).mean("seed")
    share = profile.n / profile.n.sum()
    x = np.arange(1, profile.sizes["layer"] + 1)
    pooled = one.neuron_entropy_pooled.values
    conditional = (one.neuron_entropy.fillna(0) * share).sum("class").values
    ax.fill_between(x, conditional, pooled, color="#2a9d5c", alpha=0.25, lw=0, label="information I(A;Y)")
    ax.plot(x, pooled, color="#444444", marker="o", ms=4, lw=1.6, label="pooled H(A)")
    ax.plot(x, conditional, color="#2a9d5c", marker="o", ms=4, lw=1.6, label="class-conditional H(A|Y)")
    ax.annotate(
        f"{pooled[-1] - conditional[-1]:.2f}", (x[-1], (pooled[-1] + conditional[-1]) / 2),
        xytext=(6, 0), textcoords="offset points", va="center", fontsize=8, color="#1c6b3f",
    )  # fmt: skip
    ax.set_ylim(0, 1.02)
    ax.set_ylabel("entropy per neuron (bits)")
    return depth_axis(ax, profile)


def firing_rates(recordings: Mapping[str, Recording], ax: Axes | None = None, *, layer: str) -> Axes:
    """Histogram of a layer's firing rates (share of a class's inputs for which a neuron is on), over classes."""
    ax = ax or new_axes()
    for name, recording in recordings.items():
        states = recording.states(layer)
        rates = np.concatenate([states[recording.labels == c].mean(0) for c in np.unique(recording.labels)])
        heights, edges = np.histogram(rates, bins=20, range=(0, 1))
        ax.stairs(heights / len(rates), edges, color=network_color(name), lw=1.5, label=name)
    ax.set_xlim(0, 1)
    ax.set_xlabel("firing rate within a class")
    ax.set_ylabel("share of neurons")
    return ax


def rank_frequency(recording: Recording, ax: Axes | None = None) -> Axes:
    """How often a class's commonest pattern is seen, its second commonest …, by layer: mean over classes, log–log."""
    ax = ax or new_axes()
    colors = plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(recording.layers)))
    classes = np.unique(recording.labels)
    for layer, words, color in zip(recording.layers, recording.words, colors, strict=True):
        ranked = [_ranked_counts(words[recording.labels == c]) for c in classes]
        ranks = min(map(len, ranked))  # beyond that, some class has no pattern to average
        mean = np.mean([counts[:ranks] for counts in ranked], axis=0)
        marker = "o" if ranks == 1 else ""
        ax.loglog(np.arange(1, ranks + 1), mean, color=color, lw=1.6, marker=marker, label=layer)
    ax.set_ylim(bottom=0.8)
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("rank of the pattern within its class")
    ax.set_ylabel("inputs that show it")
    return ax


def patterns(recording: Recording, ax: Axes | None = None, *, layer: str, label: int, most: int = 150) -> Axes:
    """The activation patterns of one class in one layer as a picture: a row an input, a column a neuron, black is on.

    Neurons are sorted by firing rate; at most ``most`` inputs are drawn.
    """
    ax = ax or new_axes()
    states = recording.take(recording.labels == label).states(layer)
    order = np.argsort(-states.mean(0), kind="stable")
    ax.imshow(
        states[:most, order], cmap=ListedColormap(["#f4f4f0", "#1b1b1b"]), vmin=0, vmax=1,
        aspect="auto", interpolation="nearest",
    )  # fmt: skip
    ax.set_title(layer)
    ax.set_xlabel("neuron, by firing rate")
    ax.set_ylabel(f"input of class {recording.class_names[label]}")
    return ax


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
    """Write a figure (PNG, SVG, … by the path's ending): the same figure gives the same bytes."""
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
        handles = [Line2D([], [], color="#888888", lw=0.8, label="a class")]
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
    figure.suptitle("What a neuron's state tells of the class")
    return figure


@styled
def total_correlation_figure(profile: xr.Dataset) -> Figure:
    """Brackets of the total correlation by layer, the networks side by side."""
    figure, ax = plt.subplots(figsize=(max(0.9 * profile.sizes["layer"], 4) + 1.5, 3.2))
    total_correlation_by_depth(profile, ax)
    handles = ax.get_legend_handles_labels()[0]
    handles.append(Line2D([], [], color="#888888", lw=1, label="lowest to highest\nof the classes"))
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
            ax = patterns(recording, axes[i, k], layer=layer, label=label)
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


def _ranked_counts(words: np.ndarray) -> np.ndarray:
    """How often each different row occurs, commonest first."""
    return np.sort(np.bincount(identify(words)))[::-1]
