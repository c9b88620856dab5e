"""Advice on depth: what it costs by rule, and where it lies on the accuracy of networks of every depth."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from jaxentropy.plots.style import (
    CEILING,
    MEAN,
    OTHER,
    SETTINGS,
    SMALL,
    TEXT,
    captioned,
    layer_colors,
    network_look,
    new_axes,
    styled,
)

_OURS = "gain"
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
_DOT = 6.5
"""Points across: the mark of advice that all networks of a family give."""
_READ = {"marker": "|", "ms": 9, "mew": 1.2, "alpha": 0.55}
"""Where advice was read off, if that is not the deepest."""


def regret_by_rule(
    table: xr.Dataset, ax: Axes | None = None, *, of: str = "all", quantity: str = "regret", margin: int | float = 0.5
) -> Axes:
    """What advice on depth costs, a row a rule, the cheapest on top: means over families, their intervals, and
    how many layers each saves. A mean without an interval, as of few families, has no bar.

    >>> import xarray as xr
    >>> values = {name: (("rule", "of"), [[0.2], [1.0]]) for name in ("regret", "regret_low", "regret_high")}
    >>> table = xr.Dataset(values, {"rule": ["gain", "two"], "of": ["all"]})
    >>> [label.get_text() for label in je.plots.regret_by_rule(table).get_yticklabels()]
    ['gain (ours)', 'two']

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
        if np.isfinite([low, high]).all():
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

    Bars are standard errors over seeds. Families of a data set differ in colour and dashes by their settings.

    A mark is a depth by which advice was judged (rounded up to one that was trained), its area the share of a family's
    networks that advise it: ``families.judged``, by family, rule and depth. Where that is not known, it is their mean
    advice, rounded up, and hollow where they differ. A stroke across the line is where advice was read off, if the
    deepest networks did not learn.

    Args:
        families: ``DepthValidation.families``.
        ax: where to draw; by default new axes.
        dataset: which families; by default all.
        rule: whose advice is marked.
    """
    ax = ax or new_axes()
    looks, _ = _looks(families)
    if dataset is not None:
        families = families.isel(family=np.flatnonzero(families.dataset.values == dataset))
    early = _read_early(families)
    for k in range(families.sizes["family"]):
        one = families.isel(family=k)
        color, dash = looks[str(one.family.item())]
        known = np.flatnonzero(one.accuracy.notnull().values)
        depth, accuracy, error = (one[name].values[known] for name in ("depth", "accuracy", "accuracy_se"))
        accuracy, error = 100 * accuracy, 100 * np.nan_to_num(error)
        bars = ax.errorbar(depth, accuracy, error, color=color, ls=dash, lw=1, elinewidth=0.7, zorder=2, alpha=0.85)
        bars[0].set_gid(str(one.family.item()))
        if early[k]:
            ax.plot(int(one.read), accuracy[depth == int(one.read)], color=color, zorder=3, **_READ)
        if rule in one.rule.values:
            at, share, same = _judged(one.sel(rule=rule), depth)
            for place, part in zip(at, share, strict=True):
                ax.plot(
                    depth[place], accuracy[place], "o", color=color if same else "white", ms=_DOT * part**0.5,
                    mec=MEAN if same else color, mew=0.7 if same else 1.1, zorder=4, clip_on=False,
                )  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("FC layers")
    ax.set_ylabel("test accuracy (%)")
    return ax


def _judged(one: xr.Dataset, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Places among the trained depths by which a family's advice was judged, their shares, whether these are exact."""
    if "judged" in one:
        share = one.judged.sel(depth=depth).values
        return np.flatnonzero(share > 0), share[share > 0], True
    advice = float(one.advice)
    if not np.isfinite(advice):
        return np.array([], int), np.array([]), True
    place = min(int(np.searchsorted(depth, advice - 1e-9)), len(depth) - 1)
    return np.array([place]), np.ones(1), not ("spread" in one and float(one.spread) > 0)


_Look = tuple[Any, Any]
"""Colour and dashes of a line."""


def _looks(families: xr.Dataset) -> tuple[dict[str, _Look], list[Line2D]]:
    """Of each family the colour (by activation, if it varies) and the dashes (by all else); and the legend to them."""
    each = {
        str(name): _settings(str(name), str(dataset))
        for name, dataset in zip(families.family.values, families.dataset.values, strict=True)
    }
    names = dict.fromkeys(name for one in each.values() for name in one)
    varied = [name for name in names if len({one.get(name) for one in each.values()}) > 1]
    varied.sort(key=lambda name: name != "activation")
    first, others = varied[:1], varied[1:]
    tints, dashes = _distinct(each, first), _distinct(each, others)
    # more of them than there are dashes cannot be told apart: then none are
    dash_of = dict(zip(dashes, _DASHES, strict=False)) if len(dashes) <= len(_DASHES) else {}
    palette = SETTINGS if len(tints) <= len(SETTINGS) else [tuple(color) for color in layer_colors(len(tints))]
    color_of = dict(zip(tints, palette, strict=False)) if first else {}
    looks = {
        name: (color_of.get(_label(one, first), OTHER), dash_of.get(_label(one, others), "-"))
        for name, one in each.items()
    }
    legend = [Line2D([], [], color=color, lw=1.6, label=label) for label, color in color_of.items()]
    legend += [Line2D([], [], color=TEXT, ls=dash, lw=1.1, label=label) for label, dash in dash_of.items() if label]
    return looks, legend


def _settings(family: str, dataset: str) -> dict[str, str]:
    """What tells a family from others, read off its name: ``mnist5k, width 32, activation relu``."""
    parts = family.removeprefix(dataset).split(", ")
    pairs = (part.partition(" ") for part in parts if " " in part)
    return {name: value for name, _, value in pairs}


def _label(settings: dict[str, str], names: list[str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {settings[name]}" for name in names if name in settings)


def _distinct(each: dict[str, dict[str, str]], names: list[str]) -> list[str]:
    """The labels that there are, those of the greatest number first: it gets the solid line."""

    def order(label: str) -> tuple[float, str]:
        last = label.split(" ")[-1]
        return (-float(last) if last.replace(".", "", 1).isdigit() else 0.0), label

    return sorted({_label(one, names) for one in each.values()}, key=order)


@styled
def depth_figure(table: xr.Dataset, families: xr.Dataset, *, margin: int | float = 0.5, rule: str = _OURS) -> Figure:
    """Regret by rule, and the accuracy by depth of each data set's families with the depths that were judged.

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
    figure = plt.figure(figsize=(max(2.4 * columns, 6.5), 3.1 + 2.2 * rows))
    settings: dict[str, Any] = {"height_ratios": [1.1, *[1] * rows]}
    grid = figure.add_gridspec(1 + rows, columns, **settings)
    top = regret_by_rule(table, figure.add_subplot(grid[0, :]), margin=margin)
    top.set_title("What advice on depth costs, and the layers that it saves", loc="left")
    for k, dataset in enumerate(datasets):
        ax = figure.add_subplot(grid[1 + k // columns, k % columns])
        accuracy_by_depth(families, ax, dataset=dataset, rule=rule)
        ax.set_title(dataset, loc="left", fontsize=SMALL + 1, color=MEAN)
        if k % columns:
            ax.set_ylabel("")
    captioned(figure, _caption(table, families, rule), _looks(families)[1])
    return figure


def _caption(table: xr.Dataset, families: xr.Dataset, rule: str) -> str:
    """What the bars and the marks are, as far as they are there."""
    known = np.isfinite(table.regret_low).any()
    said = ["Bars above: intervals over families" if known else "No intervals above: too few families"]
    said[0] += "; below: standard errors over seeds." if families.accuracy_se.notnull().any() else "."
    if rule in families.rule.values:
        own = families.sel(rule=rule)
        if "judged" in own:
            more = ", their area the share of a family's networks"
        else:
            more = "; hollow: by the mean, where networks differ" if "spread" in own and (own.spread > 0).any() else ""
        said.append(f"Dots: depths by which the advice of the rule “{rule.replace('_', ' ')}” is judged{more}.")
    if _read_early(families).any():
        said.append("Strokes: advice is read off networks of this depth, as deeper ones did not learn.")
    return " ".join(said)


def _read_early(families: xr.Dataset) -> np.ndarray:
    """Of which families advice was not read off the deepest networks."""
    if not {"read", "deepest"} <= set(families.coords):
        return np.zeros(families.sizes["family"], bool)
    return (families.read < families.deepest).values
