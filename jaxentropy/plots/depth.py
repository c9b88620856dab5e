"""Advice on depth: what it costs by rule, and where it lies on the accuracy of networks of every depth."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxentropy.plots.style import CEILING, MEAN, OTHER, SMALL, TEXT, network_look, new_axes, styled

_OURS = "summed"


def regret_by_rule(
    table: xr.Dataset, ax: Axes | None = None, *, of: str = "all", quantity: str = "regret", margin: int | float = 0.5
) -> Axes:
    """What advice on depth costs, a row a rule, the cheapest on top: means over families, their intervals, and
    how many layers each saves.

    >>> import xarray as xr
    >>> values = {name: (("rule", "of"), [[0.2], [1.0]]) for name in ("regret", "regret_low", "regret_high")}
    >>> table = xr.Dataset(values, {"rule": ["summed", "two"], "of": ["all"]})
    >>> [label.get_text() for label in je.plots.regret_by_rule(table).get_yticklabels()]
    ['summed (ours)', 'two']

    Args:
        table: ``DepthValidation.table``.
        ax: where to draw; by default new axes.
        of: which data set, or ``all``.
        quantity: ``regret``, ``regret_split`` or ``probe_loss``.
        margin: the target in points, a dashed line.
    """
    ax = ax or new_axes()
    one = table.sel(of=of)
    one = one.isel(rule=np.flatnonzero(one[quantity].notnull().values))
    one = one.isel(rule=np.argsort(one[quantity].values, kind="stable"))
    ours, names = network_look("trained")[0], []
    for row, rule in enumerate(one.rule.values):
        mean, low, high = (float(one[quantity + end][row]) for end in ("", "_low", "_high"))
        color = ours if rule == _OURS else OTHER
        ax.plot([low, high], [row, row], color=color, lw=1.4, solid_capstyle="butt", zorder=2)
        ax.plot(mean, row, "o", color=color, ms=5, zorder=3)
        name = f"{rule} (ours)" if rule == _OURS else str(rule).replace("_", " ")
        saved = float(one.layers_saved[row]) if "layers_saved" in one else np.nan
        names.append(f"{name}, saves {saved:.1f}" if np.isfinite(saved) else name)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.axvline(margin, color=CEILING, lw=0.9, ls="--", zorder=1)
    ax.axvline(0, color=TEXT, lw=0.6, zorder=1)
    what = {"regret": "regret", "regret_split": "regret, halved seeds", "probe_loss": "loss by probe"}
    ax.set_xlabel(f"{what.get(quantity, quantity)} (points of test accuracy; dashed: {margin:g})")
    return ax


def accuracy_by_depth(
    families: xr.Dataset, ax: Axes | None = None, *, dataset: str | None = None, rule: str = _OURS
) -> Axes:
    """Test accuracy against the number of FC layers, a line a family, and the depth that a rule advises.

    >>> import xarray as xr
    >>> families = xr.Dataset(
    ...     {"accuracy": (("family", "depth"), [[0.9, 0.95]]), "accuracy_se": (("family", "depth"), [[0.01, 0.01]]),
    ...      "advice": (("family", "rule"), [[2.0]])},
    ...     {"family": ["toy"], "depth": [1, 2], "rule": ["information"], "dataset": ("family", ["toy"])},
    ... )
    >>> je.plots.accuracy_by_depth(families).get_xlabel()
    'FC layers'

    Bars are standard errors over seeds. The mark is the mean advice of a family's deepest networks, on its line.

    Args:
        families: ``DepthValidation.families``.
        ax: where to draw; by default new axes.
        dataset: which families; by default all.
        rule: whose advice is marked.
    """
    ax = ax or new_axes()
    if dataset is not None:
        families = families.isel(family=np.flatnonzero(families.dataset.values == dataset))
    color, marker = network_look("trained")
    for k in range(families.sizes["family"]):
        one = families.isel(family=k)
        known = np.flatnonzero(one.accuracy.notnull().values)
        depth, accuracy, error = (one[name].values[known] for name in ("depth", "accuracy", "accuracy_se"))
        ax.errorbar(depth, 100 * accuracy, 100 * np.nan_to_num(error), color=OTHER, lw=1, elinewidth=0.7, zorder=2)
        advice = float(one.advice.sel(rule=rule)) if rule in one.rule.values else np.nan
        if np.isfinite(advice):
            height = float(np.interp(advice, depth, 100 * accuracy))
            ax.plot(advice, height, marker, color=color, ms=5, zorder=4)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("FC layers")
    ax.set_ylabel("test accuracy (%)")
    return ax


@styled
def depth_figure(table: xr.Dataset, families: xr.Dataset, *, margin: int | float = 0.5, rule: str = _OURS) -> Figure:
    """Regret by rule, and the accuracy by depth of each data set's families with the advised depths.

    >>> import xarray as xr
    >>> from jaxentropy.claims.depth_validation import validate_depth
    >>> gathered = xr.Dataset(
    ...     {"test_accuracy": ("member", [0.90, 0.95, 0.95])},
    ...     {"dataset": ("member", ["toy"] * 3), "depth": ("member", [1, 2, 3]), "seed": ("member", [0, 0, 0]),
    ...      "key": ("member", ["a", "b", "c"])},
    ... )
    >>> found = validate_depth(gathered, rules=("two", "deepest"))
    >>> [ax.get_title("left") for ax in je.plots.depth_figure(found.table, found.families, rule="two").axes]
    ['What advice on depth costs, and the layers that it saves', 'toy']

    Args:
        table, families: of a ``DepthValidation``.
        margin: the target in points.
        rule: whose advice is marked.
    """
    datasets = list(dict.fromkeys(map(str, families.dataset.values)))
    columns = min(len(datasets), 4)
    rows = -(-len(datasets) // columns)
    figure = plt.figure(figsize=(max(2.4 * columns, 6.5), 2.8 + 2.2 * rows))
    settings: dict[str, Any] = {"height_ratios": [1.1, *[1] * rows]}
    grid = figure.add_gridspec(1 + rows, columns, **settings)
    top = regret_by_rule(table, figure.add_subplot(grid[0, :]), margin=margin)
    top.set_title("What advice on depth costs, and the layers that it saves", loc="left")
    for k, dataset in enumerate(datasets):
        ax = figure.add_subplot(grid[1 + k // columns, k % columns])
        accuracy_by_depth(families, ax, dataset=dataset, rule=rule)
        ax.set_title(dataset, loc="left", fontsize=SMALL + 1, color=MEAN)
    name = rule.replace("_", " ")
    figure.supxlabel(f"lines: families; dots: how many layers {name} advises", fontsize=SMALL + 1, color=TEXT)
    return figure
