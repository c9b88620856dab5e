"""Where memorisation sits: what layers tell of true and of trained labels, where noise changed them."""

import math
import re
import textwrap
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from jaxentropy.plots.style import LETTER, OTHER, SMALL, TEXT, End, name_ends, new_axes, placed_figure, styled

_HUES = {"true": "#0b4f8a", "trained": "#c96f00"}
_LIGHTEST = 0.45
"""How much of its hue the smallest share of noise has."""
_FAINT = 0.55
_PLOT, _LEFT, _RIGHT, _BELOW, _ABOVE, _LINE = (2.3, 2.1), 0.68, 0.95, 0.46, 0.3, 0.15
"""Inches: the axes, and what is around them."""


def memorisation_by_layer(table: xr.Dataset, ax: Axes | None = None, *, dataset: str | None = None) -> Axes:
    """What a neuron tells of the true and of the trained label, by layer: two hues, darker with the share of noise.

    >>> import xarray as xr
    >>> bits = {"true": [[0.2, 0.1]], "trained": [[0.0, 0.3]]}
    >>> table = xr.Dataset(
    ...     {f"information_{name}_label": (("group", "layer"), own) for name, own in bits.items()}
    ...     | {"train_accuracy": ("group", [1.0])},
    ...     {"group": ["digits, 0.3"], "layer": [1, 2]},
    ... )
    >>> [text.get_text() for text in je.plots.memorisation_by_layer(table).texts]
    ['true, 0.3', 'trained, 0.3']

    Bands reach from the smallest network to the largest. The dotted line is what the untrained twins tell of the true
    label. Groups whose trained labels were not learnt by heart (less than half of the changed ones; where that is not
    known, less than 0.9 of all) are faint and dashed.

    Args:
        table: ``je.memorisation(…).table``.
        ax: where to draw; by default new axes.
        dataset: whose groups; by default all. Where networks differ by other settings, with these: ``digits, width 8``.
    """
    ax = ax or new_axes()
    names = [_parts(str(group)) for group in table.group.values]
    own = [k for k, (name, _) in enumerate(names) if dataset in (None, name)]
    own.sort(key=lambda k: names[k][1])
    ends: list[End] = []
    for label, hue in _HUES.items():
        for rank, k in enumerate(own):
            one, learnt = table.isel(group=k), bool(_learnt(table)[k])
            color = _tint(hue, 1 if len(own) == 1 else _LIGHTEST + (1 - _LIGHTEST) * rank / (len(own) - 1))
            _draw(ax, one, f"information_{label}_label", color, learnt)
            last = float(one[f"information_{label}_label"].values[-1])
            ends.append((last, f"{label}, {names[k][1]:g}", color if learnt else _tint(color, _FAINT)))
    if "information_true_label_untrained" in table and own:
        untrained = table.information_true_label_untrained.isel(group=own).mean("group")
        ax.plot(table.layer, untrained, color=OTHER, lw=1, ls=":", zorder=2)
        ends.append((float(untrained[-1]), "true, untrained", OTHER))
    ax.set_xticks(table.layer.values)
    ax.set_xlim(table.layer.values[0] - 0.2, table.layer.values[-1] + 0.2)
    # information is corrected for chance, so that it may lie below 0
    ax.set_ylim(min(0, ax.get_ylim()[0]) if ax.dataLim.y0 < -0.002 else 0, None)
    ax.set_xlabel("layer")
    ax.set_ylabel("bits a neuron")
    name_ends(ax, sorted(ends, key=lambda end: -end[0]))
    return ax


def _draw(ax: Axes, one: xr.Dataset, name: str, color: str, learnt: bool) -> None:
    look: dict[str, Any] = {"lw": 1.4} if learnt else {"lw": 1, "ls": "--", "alpha": _FAINT}
    ax.plot(one.layer, one[name], color=color, marker="o", ms=3, zorder=3, clip_on=False, **look)
    if _has_bands(one) and learnt:
        ax.fill_between(one.layer, one[f"{name}_low"], one[f"{name}_high"], color=color, alpha=0.15, lw=0, zorder=1)


def _has_bands(table: xr.Dataset) -> bool:
    return "information_true_label_low" in table and bool(table.information_true_label_low.notnull().any())


def _parts(group: str) -> tuple[str, float]:
    """Panel and share of noise: ``mnist5k, 0.3`` is of mnist5k, ``mnist5k, 0.3, width 16`` of mnist5k, width 16."""
    found = re.fullmatch(r"(.*?), ([\d.]+(?:e-?\d+)?)((?:, .*)?)", group)
    if found is None:
        return group, math.nan
    return found[1] + found[3], float(found[2])


def _learnt(table: xr.Dataset) -> np.ndarray:
    """Of which groups the trained labels were learnt by heart."""
    if "learnt" in table:
        return table.learnt.values.astype(bool)
    by_all = table.train_accuracy.values >= 0.9
    if "changed_accuracy" not in table:
        return by_all
    changed = table.changed_accuracy.values
    return np.where(np.isfinite(changed), changed >= 0.5, by_all)


def _tint(hue: str, part: int | float) -> str:
    """So much of the hue, and the rest white."""
    red, green, blue = (1 - part * (1 - one) for one in to_rgb(hue))
    return to_hex((red, green, blue))


@styled
def memorisation_figure(table: xr.Dataset) -> Figure:
    """Where memorisation sits, a panel a data set (and further setting, where networks differ by one).

    >>> import xarray as xr
    >>> bits = {"true": [[0.2, 0.1]] * 2, "trained": [[0.0, 0.3]] * 2}
    >>> table = xr.Dataset(
    ...     {f"information_{name}_label": (("group", "layer"), own) for name, own in bits.items()}
    ...     | {"train_accuracy": ("group", [1.0, 1.0])},
    ...     {"group": ["digits, 0.3", "fashion, 0.3"], "layer": [1, 2]},
    ... )
    >>> [ax.get_title("left") for ax in je.plots.memorisation_figure(table).axes]
    ['digits', 'fashion']

    Args:
        table: ``je.memorisation(…).table``.
    """
    datasets = list(dict.fromkeys(_parts(str(group))[0] for group in table.group.values))
    columns = min(len(datasets), 2)
    rows = -(-len(datasets) // columns)
    wide, tall = _LEFT + _PLOT[0] + _RIGHT, _ABOVE + _PLOT[1] + _BELOW
    words = textwrap.fill(_caption(table), int(wide * columns / LETTER))
    size = (wide * columns, tall * rows + _LINE * (words.count("\n") + 2))
    figure = placed_figure(*size)
    for k, dataset in enumerate(datasets):
        x, y = (k % columns) * wide + _LEFT, size[1] - (k // columns) * tall - _ABOVE - _PLOT[1]
        ax = figure.add_axes((x / size[0], y / size[1], _PLOT[0] / size[0], _PLOT[1] / size[1]))
        memorisation_by_layer(table, ax, dataset=dataset)
        ax.set_title(dataset, loc="left")
        if k % columns:
            ax.set_ylabel("")
    figure.text(0.5, 0.06 / size[1], words, fontsize=SMALL + 0.5, color=TEXT, ha="center", va="bottom")
    return figure


def _caption(table: xr.Dataset) -> str:
    """What is drawn, of which inputs."""
    said = [
        "Of training inputs whose label was changed: what a neuron tells of the true label (blue) and of the trained "
        "one (orange). At the ends of lines: the share of labels that were changed."
    ]
    if _has_bands(table):
        said.append("Bands: smallest to largest network.")
    if not _learnt(table).all():
        said.append("Faint, dashed: the changed labels were not learnt by heart.")
    return " ".join(said)
