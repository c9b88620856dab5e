"""What the joint pattern's entropy can be, of all networks, against depth: brackets; without them, the plug-in."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from jaxentropy.estimators import ESTIMATOR_NAMES
from jaxentropy.plots.neuron_panel import dodge
from jaxentropy.plots.style import (
    CEILING,
    TEXT,
    End,
    depth_axis,
    draw_points,
    drawn_networks,
    network_look,
    occupied,
    of_network,
)

_FEW = 2
"""Classes that are drawn each for itself."""


def pattern_ends(profile: xr.Dataset) -> list[str]:
    """The names that ``draw_pattern`` gives for the ends of lines."""
    names = [_name(profile, name, own) for name in drawn_networks(profile) for own in _groups(profile)]
    return [*names, f"width {int(profile.width.max())}", _ceiling(profile)[1]]


def pattern_heading(profile: xr.Dataset) -> list[str]:
    """What the panel shows, of which class and how many inputs."""
    kind = _kind(profile)
    confidence = f"{100 * profile.attrs.get('bounds_confidence', 0.95):g}"
    what = {"exact": "exact", "bracket": f"{confidence} % brackets"}
    if kind == "plug-in":
        what[kind] = f"{ESTIMATOR_NAMES[_estimator(profile)]} (hollow: sample too small)"
    lines = [f"Joint pattern: {what[kind]}"]
    drawn = profile.n.values[profile.n.values > 0]
    if "population_text" in profile.attrs or len(drawn) <= _FEW:
        classes = ", ".join(str(c) for c in profile["class"].values[profile.n.values > 0])
        source = f" from {profile.attrs['population_text']}" if "population_text" in profile.attrs else ""
        number = f"{_extent(drawn)} {'draws' if source and kind != 'exact' else 'inputs'}"
        lines.append(f"{'Class' if len(drawn) == 1 else 'Classes'} {classes}: {number}{source}")
    elif kind == "bracket":
        lines[0] += " (means over classes)"
    else:
        lines.append("Means over classes")
    return lines


def draw_pattern(profile: xr.Dataset, ax: Axes) -> list[End]:
    """Brackets of each network as bands, the plug-in's ceiling, and widths of layers where they lie in range.

    Returns the names for the ends of lines, which are written when the axes have their final limits.
    """
    kind = _kind(profile)
    ends, top = [], 0.0
    drawn = list(_limits(profile, kind))
    for place, (name, own, low, high, hollow) in enumerate(drawn):
        color, marker = network_look(name, drawn_networks(profile).index(name))
        x = np.arange(1, len(low) + 1) + dodge(place, len(drawn), min(0.14, 0.5 / len(drawn)))
        if kind == "bracket":
            ax.fill_between(x, low, high, color=color, alpha=0.13, lw=0, zorder=1)
            ax.vlines(x, low, high, color=color, lw=1.3, zorder=3)
            for limit in (low, high):
                ax.plot(x, limit, color=color, lw=0.8, marker="_", ms=4, mew=1.3, zorder=3)
        else:
            ax.plot(x, high, color=color, lw=1.3, zorder=4)
            draw_points(ax, x, high, hollow if kind == "plug-in" else None, color, 4, marker)
        ends.append((float(high[-1]), _name(profile, name, own), color))
        top = max(top, float(np.nanmax(high, initial=0)))
    ceiling, text = _ceiling(profile)
    top = 1.1 * max(top, ceiling, 0.1)
    ax.axhline(ceiling, color=CEILING, lw=0.8, ls="--", zorder=2)
    ends.append((ceiling, text, CEILING))
    ends += _draw_widths(profile, ax, top)
    ax.set_ylim(0, top)
    ax.set_ylabel("pattern entropy (bits)")
    depth_axis(ax, profile)
    return ends


def _kind(profile: xr.Dataset) -> str:
    """``exact``, ``bracket`` or ``plug-in``: what there is to draw."""
    if "pattern_lower" not in profile:
        return "plug-in"
    return "exact" if profile.attrs.get("population") == "enumeration" else "bracket"


def _groups(profile: xr.Dataset) -> list[str | None]:
    """The classes that are drawn each for itself; one without a name for their mean."""
    filled = [str(c) for c in profile["class"].values[profile.n.values > 0]]
    return list(filled) if 1 < len(filled) <= _FEW else [None]


def _name(profile: xr.Dataset, network: str | None, own: str | None) -> str:
    exact = ["exact"] if _kind(profile) == "exact" else []
    return ", ".join(([network] if network else []) + exact + ([f"class {own}"] if own else [])) or "joint pattern"


def _limits(profile: xr.Dataset, kind: str) -> Iterator[tuple]:
    """Network, class, lower and upper limit by layer, and where the sample is too small to tell."""
    for name in drawn_networks(profile):
        one = of_network(profile, name)
        saturated = one.saturated.any("seed")
        if kind == "plug-in":
            low = high = one.pattern_entropy.sel(estimator=_estimator(profile))
        else:
            low, high = one.pattern_lower, one.pattern_upper
        if not high.notnull().any():
            continue
        for own in _groups(profile):
            chosen = [
                (occupied(profile, v).mean("class", skipna=False) if own is None else v.sel({"class": own})).mean(
                    "seed", skipna=False
                )
                for v in (low, high)
            ]
            hollow = saturated.any("class") if own is None else saturated.sel({"class": own})
            yield name, own, chosen[0].values, chosen[1].values, hollow.values


def _estimator(profile: xr.Dataset) -> str:
    return "plugin" if "plugin" in profile.estimator.values else str(profile.estimator.values[0])


def _ceiling(profile: xr.Dataset) -> tuple[float, str]:
    """The highest ceiling of the plug-in, log₂ n of the largest class, and what it is called."""
    n = profile.n.values[profile.n.values > 0]
    high = float(np.log2(n.max()))
    what = "most possible" if _kind(profile) == "exact" else "sample's ceiling"
    return high, f"{what}\nlog₂ n {'=' if n.min() == n.max() else '≤'} {high:.1f}"


def _draw_widths(profile: xr.Dataset, ax: Axes, top: float) -> list[End]:
    """A mark a layer at its width, the most bits that it can hold, where that is in range; and the last one's name."""
    widths = profile.width.values
    shown = np.flatnonzero(widths <= top)
    ax.hlines(widths[shown], shown + 0.6, shown + 1.4, color=TEXT, lw=1, zorder=2)
    return [(float(widths[-1]), f"width {widths[-1]}", TEXT)] if len(widths) - 1 in shown else []


def _extent(n: np.ndarray) -> str:
    texts = [f"{int(k):,}" for k in (n.min(), n.max())]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)
