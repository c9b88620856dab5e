"""The figure of a run: kernel against peers, growth with inputs, overhead of recording."""

import math
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.timing import ratio, ratios
from jaxentropy.plots.style import house_style

_COLORS = {"ours": "#1f77b4", "our method in NumPy": "#9ecae1", "library": "#7f7f7f", "entropy only": "#c7c7c7"}


def draw(record: dict[str, Any], path: Path) -> None:
    """Draw what the JSON of a run holds; panels of sections that were not run are left out.

    Raises:
        SystemExit: none of the three sections was run.
    """
    panels = {"kernel": (_kernel, 1.5), "growth": (_growth, 1), "overhead": (_overhead, 1)}
    shown = [(name, *panels[name]) for name in panels if name in record["sections"]]
    if not shown:
        raise SystemExit(f"--figure shows {', '.join(panels)}: none of them was run")
    with house_style():
        width = sum(4 * share for _, _, share in shown) + (2.5 if shown[0][0] == "kernel" else 0)
        figure, axes = plt.subplots(
            1, len(shown), figsize=(width, 4.2), squeeze=False, width_ratios=[share for _, _, share in shown]
        )
        for ax, (name, panel, _) in zip(axes[0], shown, strict=True):
            panel(ax, record["sections"][name])
        hardware = record["hardware"]
        figure.suptitle(
            f"{hardware['cpu']}, {hardware['cores']} cores, JAX on {hardware['device_kind']}"
            + (" · smoke run, not a measurement" if record["quick"] else ""),
            fontsize=9,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        plt.close(figure)


def _kernel(ax: Axes, section: dict[str, Any]) -> None:
    times, kinds, floor, size = (section[key] for key in ("seconds", "kind", "floor", "settings"))
    names = sorted(kinds, key=lambda name: median(times[name]), reverse=True)
    values = [ratio(times[name], times[floor]) for name in names]
    ax.barh(range(len(names)), values, color=[_COLORS[kinds[name]] for name in names], height=0.7)
    for i, value in enumerate(values):
        ax.text(value * 1.1, i, f"{value:.1f}" if value < 100 else f"{value:.0f}", va="center", fontsize=8)
    ax.set_xscale("log")
    ax.set_xlim(0.8, max(values) * 4)
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    for kind, color in _COLORS.items():
        if kind in kinds.values():
            ax.barh([0], [0], color=color, label=kind)
    ax.legend(loc="upper right", frameon=False, fontsize=8)
    ax.set_xlabel("time / time of reading the array once")
    ax.set_title(f"Counting {size['inputs']:,} inputs × {size['neurons']:,} neurons, {size['classes']} classes")


def _growth(ax: Axes, section: dict[str, Any]) -> None:
    groups = [(name, times) for name, times in section["seconds"].items() if name.startswith("inputs")]
    for (name, times), color in zip(groups, ("#1f77b4", "#e07b00"), strict=False):
        n = [int(value) for value in times]
        seconds = [median(values) for values in times.values()]
        ax.plot(n, seconds, "o-", color=color, markersize=4, label=name)
        guide = [seconds[0] * m * math.log(m) / (n[0] * math.log(n[0])) for m in n]
        ax.plot(n, guide, ":", color=color, linewidth=1, label="n log n, from its first point")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("number of inputs n")
    ax.set_ylabel("time of counting (s)")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title("Growth with the number of inputs")


def _overhead(ax: Axes, section: dict[str, Any]) -> None:
    networks = section["seconds"]
    for k, (what, color) in enumerate((("record", "#9ecae1"), ("record and profile", "#1f77b4"))):
        added = [[100 * (r - 1) for r in ratios(t[what], t["forward pass"])] for t in networks.values()]
        middle = [median(values) for values in added]
        errors = [[m - min(v) for m, v in zip(middle, added, strict=True)],
                  [max(v) - m for m, v in zip(middle, added, strict=True)]]  # fmt: skip
        places = [i + 0.38 * (k - 0.5) for i in range(len(networks))]
        ax.bar(places, middle, 0.36, yerr=errors, color=color, error_kw={"linewidth": 0.8}, capsize=2, label=what)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(range(len(networks)), [name.replace(", ", ",\n", 1) for name in networks], fontsize=8)
    ax.set_ylabel("added to the forward pass (%)")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title("Overhead (bars: range over the rounds)")
