"""A sweep of networks: how often entropy falls from layer to layer, what goes with accuracy; a survey's tables."""

import re
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from jaxentropy.plots.style import LETTER, MEAN, OTHER, SMALL, STEPS, TEXT, captioned, network_look, new_axes, styled

_STATES = ("trained", "untrained")
_GIVEN = {"nothing": (MEAN, "o"), "size": ("#6a4fb3", "D"), "training accuracy": ("#c96f00", "s")}
_FACTORS = ("activation", "width", "depth", "dataset")
_MEASURES = {
    "neuron_entropy_last": "neuron entropy, last layer",
    "neuron_entropy_mean": "neuron entropy, mean over layers",
    "neuron_entropy_fall": "fall of neuron entropy, first to last layer",
    "neuron_information_last": "information of a neuron, last layer",
    "pattern_information_last": "information of the pattern, last layer",
}
NAMES = (
    _MEASURES
    | {f"{name}_minus_untrained": f"{text}, minus untrained" for name, text in _MEASURES.items()}
    | {"train_loss": "training loss", "train_accuracy": "training accuracy", "parameters": "number of parameters"}
)
"""What the rows of a survey's correlations are called, as its sentences and tables call them."""
_TARGETS = ("test_accuracy", "generalisation_gap")


def step_shares(table: pd.DataFrame, ax: Axes | None = None, *, neurons: str = "all") -> Axes:
    """Stacked bars of the shares of steps in which entropy falls, is unclear and rises; trained beside untrained.

    Under each pair of bars, in brackets, is how many networks it is of.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"width": [8], "state": "trained", "neurons": "all", "cells": 4, "falls": 0.5,
    ...                       "unclear": 0.25, "rises": 0.25})
    >>> from jaxentropy.plots.survey import step_shares
    >>> [float(bar.get_height()) for bar in step_shares(table).patches]  # %
    [50.0, 25.0, 25.0]

    Args:
        table: one of ``Survey.shares``: its first column is the factor.
        ax: axes to draw on; else new ones.
        neurons: all, or active (without those that are constant over all inputs).
    """
    ax = ax or new_axes()
    factor = str(table.columns[0])
    rows = table.loc[(table.neurons == neurons) & (table.cells > 0)]
    values = list(dict.fromkeys(rows[factor]))
    for place, state in enumerate(_STATES):
        own = rows.loc[rows.state == state]
        x = np.array([values.index(value) for value in own[factor]]) + (place - 0.5) * 0.4
        foot = np.zeros(len(own))
        for word, color in STEPS.items():
            share = 100 * np.asarray(own[word])
            edge = network_look(state)[0]
            ax.bar(x, share, 0.34, bottom=foot, color=color, edgecolor=edge, linewidth=0.8)
            foot = foot + share
        for at in x:
            ax.annotate(
                state[0].upper(), (at, 100), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=SMALL,
                color=network_look(state)[0],
            )  # fmt: skip
    _name_bars(ax, [str(value) for value in values], _networks(rows, factor))
    ax.set_xlim(-0.6, max(len(values), 1) - 0.4)
    ax.set_ylim(0, 100)
    unit = {"width": ", neurons", "depth": ", hidden layers"}.get(factor, "")
    ax.set_xlabel({"dataset": "data set", "total": "networks"}.get(factor, factor) + unit)
    ax.set_ylabel("steps × classes (%)")
    return ax


def _networks(rows: pd.DataFrame, factor: str) -> list[str]:
    """Of each value, how many networks there are, if the table tells."""
    if "networks" not in rows:
        return []
    return [f"({int(own.networks.iloc[0])})" for _, own in rows.groupby(factor, sort=False)]


def _name_bars(ax: Axes, values: list[str], networks: list[str]) -> None:
    """Tick labels: what bars are of, in lines of their room; aslant where even parts of names are too long for it."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # axes without a figure are none to draw on
    room = int(ax.get_position().width * figure.get_figwidth() / max(len(values), 1) / LETTER / 1.1)
    lines = [_wrapped(value, room) for value in values]
    tilted = max((len(line) for own in lines for line in own), default=0) > room
    names = values if tilted else ["\n".join(own) for own in lines]
    if networks:
        names = [f"{name}{' ' if tilted else chr(10)}{number}" for name, number in zip(names, networks, strict=True)]
    ax.set_xticks(range(len(values)), names)
    if max(map(len, lines), default=1) > 1:
        ax.tick_params("x", labelsize=SMALL + 1)
    if tilted:
        ax.tick_params("x", rotation=30)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def _wrapped(name: str, room: int) -> list[str]:
    """A name in lines, broken after the marks that part it: data sets are called ``task:sparse-parity:5-of-12``."""
    lines = [""]
    for part in re.findall(r"[^:/_ -]*[:/_ -]*", name):
        if lines[-1] and len(lines[-1] + part) > room:
            lines.append("")
        lines[-1] += part
    return lines


@styled
def step_figure(shares: Mapping[str, pd.DataFrame], *, neurons: str = "all") -> Figure:
    """How often entropy falls: of all networks, and by what differs among activation, width, depth and data set.

    ::

        found = survey(je.load_sweep("sweep").to_dataset())
        step_figure(found.shares)
    """
    bars = {name: _bars(table, neurons) for name, table in shares.items() if name in ("total", *_FACTORS)}
    # all networks together are one pair of bars; a setting that does not vary would only repeat it
    panels = [name for name in ("total", *_FACTORS) if bars.get(name, 0) > (name != "total")] or list(bars)[:1]
    rows = [list(row) for row in np.array_split(panels, -(-len(panels) // 3))]
    most = max(sum(bars[name] + 1 for name in row) for row in rows)
    figure = plt.figure(figsize=(min(max(0.75 * most, 5.6), 7.5), 0.8 + 2.4 * len(rows)))
    grid = figure.add_gridspec(len(rows), 1)
    for at, row in enumerate(rows):
        part = grid[at].subgridspec(1, len(row), width_ratios=[bars[name] + 1 for name in row])
        for k, name in enumerate(row):
            ax = step_shares(shares[name], figure.add_subplot(part[k]), neurons=neurons)
            if k:
                ax.set_ylabel("")
                ax.tick_params("y", labelleft=False)
    named = [Patch(facecolor=color, edgecolor=TEXT, linewidth=0.5, label=word) for word, color in STEPS.items()]
    named += [
        Patch(facecolor="white", edgecolor=network_look(state)[0], label=f"{state[0].upper()}: {state}")
        for state in _STATES
    ]
    captioned(figure, "In brackets: how many networks.", named)
    without = " (without constant neurons)" if neurons == "active" else ""
    figure.suptitle(f"Neuron entropy from a layer to the next{without}", fontsize=11)
    return figure


def _bars(table: pd.DataFrame, neurons: str) -> int:
    """How many values of its setting have a pair of bars."""
    rows = table.loc[(table.neurons == neurons) & (table.cells > 0)]
    return int(rows[str(table.columns[0])].nunique())


def correlation_forest(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    target: str = "test_accuracy",
    dataset: str = "pooled",
    among: str = "configurations",
    given: Sequence[str] = ("nothing", "size", "training accuracy"),
) -> Axes:
    """Rank correlations with their intervals: the quantities, and below them, on grey, the baselines.

    Those of which nothing is known, with no target and whatever is given, have no row.

    ::

        correlation_forest(found.correlations, target="generalisation_gap", given=["nothing"])

    Args:
        table: ``Survey.correlations``.
        ax: axes to draw on; else new ones.
        target: test_accuracy or generalisation_gap.
        dataset: the name of one, or pooled.
        among: configurations or seeds.
        given: what the correlations are given, as the table has it: a colour each.
    """
    ax = ax or new_axes()
    known = _known(table, dataset, among, given)
    rows = known.loc[known.target == target]
    names = _row_names(known)
    given = [what for what in given if (known.given == what).any()]
    quantities = int(known.loc[known.kind == "quantity"].quantity.nunique())
    if quantities < len(names):
        ax.axhspan(quantities - 0.5, len(names) - 0.5, color=OTHER, alpha=0.12, linewidth=0)
    ax.axvline(0, color=OTHER, linewidth=0.8)
    for k, what in enumerate(given):
        own = rows.loc[rows.given == what]
        y = np.array([names.index(name) for name in own.quantity]) + (k - (len(given) - 1) / 2) * 0.22
        color, marker = _GIVEN[what]
        label = "alone" if what == "nothing" else f"given {what}"
        ax.plot(own.correlation, y, linestyle="none", marker=marker, color=color, markersize=3.5, label=label)
        ax.hlines(y, own.low, own.high, color=color, linewidth=1)
    ax.set_yticks(range(len(names)), [textwrap.fill(_called(name), 40) for name in names], fontsize=SMALL)
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    ax.set_xlim(-1.06, 1.06)  # room for a mark at either end
    ax.set_xlabel(f"rank correlation with {target.replace('_', ' ')}")
    return ax


def _known(table: pd.DataFrame, dataset: str, among: str, given: Sequence[str]) -> pd.DataFrame:
    """The rows of which something is known."""
    here = (table.dataset == dataset) & (table.among == among) & table.given.isin(list(given))
    return table.loc[here & np.isfinite(table.correlation)]


def _row_names(rows: pd.DataFrame) -> list[str]:
    """The quantities, and then the baselines."""
    return [*dict.fromkeys(name for kind in ("quantity", "baseline") for name in rows.quantity[rows.kind == kind])]


def _called(name: str) -> str:
    return NAMES.get(name, name.replace("_", " "))


@styled
def correlation_figure(table: pd.DataFrame, *, dataset: str = "pooled", among: str = "configurations") -> Figure:
    """What goes with test accuracy and with the generalisation gap, beside the baselines.

    What has no row, since nothing is known of it (it does not vary, or in too few networks), is named below.

    ::

        correlation_figure(found.correlations)
    """
    known = _known(table, dataset, among, tuple(_GIVEN))
    names = _row_names(known)
    figure, axes = plt.subplots(1, 2, figsize=(8.5, max(1.6 + 0.28 * len(names), 2.4)), sharey=True)
    for ax, target in zip(axes, _TARGETS, strict=True):
        correlation_forest(table, ax, target=target, dataset=dataset, among=among)
    handles = {line.get_label(): line for ax in axes for line in ax.get_legend_handles_labels()[0]}
    left_out = [_called(name) for name in dict.fromkeys(table.quantity) if name not in names]
    words = (
        f"Nothing is known (it does not vary, or in too few networks) of: {'; '.join(left_out)}." if left_out else ""
    )
    if (np.isfinite(known.correlation) & ~np.isfinite(known.low)).any():
        words = f"Marks without a bar: too few configurations for an interval. {words}".strip()
    words = words if names else "Nothing can be said: too few configurations differ."
    captioned(figure, words, [*handles.values()])
    where = "data sets pooled" if dataset == "pooled" else dataset
    figure.suptitle(f"Spearman's rank correlations among {among}, {where}; baselines on grey", fontsize=11)
    return figure
