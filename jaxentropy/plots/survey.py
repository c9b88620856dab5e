"""A sweep of networks: how often entropy falls from layer to layer, what goes with accuracy; a survey's tables."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from jaxentropy.plots.style import MEAN, OTHER, SMALL, STEPS, TEXT, network_look, new_axes, styled

_STATES = ("trained", "untrained")
_GIVEN = {"nothing": (MEAN, "o"), "size": ("#6a4fb3", "D"), "training accuracy": ("#c96f00", "s")}
_FACTORS = ("activation", "width", "depth", "dataset")


def step_shares(table: pd.DataFrame, ax: Axes | None = None, *, neurons: str = "all") -> Axes:
    """Stacked bars of the shares of steps in which entropy falls, is unclear and rises; trained beside untrained.

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
    ax.set_xticks(range(len(values)), [str(value) for value in values])
    if max((len(str(value)) for value in values), default=0) * len(values) > 24:
        ax.tick_params("x", rotation=30)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.6, max(len(values), 1) - 0.4)
    ax.set_ylim(0, 100)
    unit = {"width": " (neurons)", "depth": " (hidden layers)"}.get(factor, "")
    ax.set_xlabel({"dataset": "data set"}.get(factor, factor) + unit)
    ax.set_ylabel("steps × classes (%)")
    return ax


@styled
def step_figure(shares: Mapping[str, pd.DataFrame], *, neurons: str = "all") -> Figure:
    """How often entropy falls, by activation, width, depth and data set.

    ::

        found = survey(je.load_sweep("sweep").to_dataset())
        step_figure(found.shares)
    """
    factors = [factor for factor in _FACTORS if factor in shares]
    figure, axes = plt.subplots(2, 2, figsize=(7.5, 5.4), sharey=True)
    for ax, factor in zip(axes.flat, factors, strict=False):
        step_shares(shares[factor], ax, neurons=neurons)
    for ax in axes.flat[len(factors) :]:
        ax.set_axis_off()
    for ax in axes[:, 1]:
        ax.set_ylabel("")
    named = [Patch(facecolor=color, edgecolor=TEXT, linewidth=0.5, label=word) for word, color in STEPS.items()]
    named += [
        Patch(facecolor="white", edgecolor=network_look(state)[0], label=f"{state[0].upper()}: {state}")
        for state in _STATES
    ]
    figure.legend(handles=named, loc="outside lower center", ncols=len(named), frameon=False, fontsize=SMALL + 1)
    without = " (without constant neurons)" if neurons == "active" else ""
    figure.suptitle(f"Neuron entropy from a layer to the next{without}", fontsize=11)
    return figure


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
    rows = table.loc[(table.target == target) & (table.dataset == dataset) & (table.among == among)]
    names = list(
        dict.fromkeys([*rows.loc[rows.kind == "quantity"].quantity, *rows.loc[rows.kind == "baseline"].quantity])
    )
    given = [what for what in given if (rows.given == what).any()]
    quantities = int(rows.loc[rows.kind == "quantity"].quantity.nunique())
    ax.axhspan(quantities - 0.5, len(names) - 0.5, color=OTHER, alpha=0.12, linewidth=0)
    ax.axvline(0, color=OTHER, linewidth=0.8)
    for k, what in enumerate(given):
        own = rows.loc[(rows.given == what) & np.isfinite(rows.correlation)]
        y = np.array([names.index(name) for name in own.quantity]) + (k - (len(given) - 1) / 2) * 0.22
        color, marker = _GIVEN[what]
        label = "alone" if what == "nothing" else f"given {what}"
        ax.plot(own.correlation, y, linestyle="none", marker=marker, color=color, markersize=3.5, label=label)
        ax.hlines(y, own.low, own.high, color=color, linewidth=1)
    ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=SMALL)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-1.02, 1.02)
    ax.set_xlabel(f"rank correlation with {target.replace('_', ' ')}")
    return ax


@styled
def correlation_figure(table: pd.DataFrame, *, dataset: str = "pooled", among: str = "configurations") -> Figure:
    """What goes with test accuracy and with the generalisation gap, beside the baselines.

    ::

        correlation_figure(found.correlations)
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 5.6), sharey=True)
    for ax, target in zip(axes, ("test_accuracy", "generalisation_gap"), strict=True):
        correlation_forest(table, ax, target=target, dataset=dataset, among=among)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=SMALL + 1)
    where = "data sets pooled" if dataset == "pooled" else dataset
    figure.suptitle(f"Spearman's rank correlations among {among}, {where}; baselines on grey", fontsize=11)
    return figure
