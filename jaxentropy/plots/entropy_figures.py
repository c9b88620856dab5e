"""The figures that give the answer: entropies and information against depth, in the columns of a journal."""

import textwrap
from collections.abc import Mapping

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxentropy.base.errors import InputError
from jaxentropy.base.markdown import extent
from jaxentropy.plots.finding import finding
from jaxentropy.plots.neuron_panel import draw_neurons, draw_silent, neuron_ends
from jaxentropy.plots.pattern_panel import draw_pattern, pattern_ends, pattern_heading
from jaxentropy.plots.style import (
    LETTER,
    MEAN,
    SMALL,
    TEXT,
    below_axis,
    longest_line,
    name_ends,
    placed_figure,
    small_text,
    styled,
)

_COLUMN, _LEFT, _EDGE = 3.5, 0.52, 0.05
_NEURONS, _SILENT, _PATTERN = 1.75, 0.3, 1.3
_HEAD, _LINE, _GAP = 0.145, 0.125, 0.14
"""Inches: a column's width, what is left of its axes, the figure's edge; heights of the panels; of lines of text."""


@styled
def entropy_figure(profile: xr.Dataset, streamed: xr.Dataset | None = None, *, title: str | None = None) -> Figure:
    """Neuron entropy against depth, trained and untrained in one panel; below it the joint pattern's brackets.

    >>> hidden = np.random.default_rng(0).normal(size=(40, 4))
    >>> recording = je.Recording.from_activations({"fc1": hidden, "fc2": hidden[:, :2]}, np.arange(40) % 2)
    >>> profile = je.profile({"trained": recording}, bootstrap=0, bounds=False)
    >>> figure = je.plots.entropy_figure(profile, title="Two layers")
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['neuron entropy (bits)', 'never\\non (%)', 'pattern entropy (bits)']

    Upper panel: H(A|Y), a neuron's entropy within a class, and dotted H(A), over all classes; an arrow between them is
    the information I(A;Y) of the neuron's state about the class. Bands: range of the classes; bars: range of the seeds.
    Below it the share of neurons that are off for every input. Lower panel: brackets of the joint pattern's entropy,
    means over classes (each class for itself if there are two), and the ceiling log₂ n of what a sample of n can show.
    Without brackets it shows the plug-in, hollow where saturated.

    Args:
        profile: what ``jaxentropy.profile`` returned.
        streamed: a profile of the same layers from a longer stream of inputs, for the lower panel. Its
            ``attrs["population_text"]``, if there, is named as what the inputs were drawn from.
        title: by default what the plotted means show.

    Raises:
        InputError: ``streamed`` has other layers than ``profile``.
    """
    title = finding(profile) if title is None else title
    return _sheet({"": profile}, {} if streamed is None else {"": streamed}, {"": title}, "")


@styled
def hero_figure(
    profiles: Mapping[str, xr.Dataset],
    streamed: Mapping[str, xr.Dataset] | None = None,
    *,
    title: str = "Entropy of activation patterns against depth",
    headings: Mapping[str, str] | None = None,
) -> Figure:
    """The panels of ``entropy_figure`` for several network architectures side by side, with common vertical axes.

    >>> hidden = np.random.default_rng(0).normal(size=(40, 4))
    >>> recording = je.Recording.from_activations({"fc1": hidden, "fc2": hidden[:, :2]}, np.arange(40) % 2)
    >>> profile = je.profile({"trained": recording}, bootstrap=0, bounds=False)
    >>> len(je.plots.hero_figure({"MLP": profile, "CNN": profile}).axes)
    6

    Args:
        profiles: by the architecture's name.
        streamed: by the same names, as in ``entropy_figure``; some may be missing.
        title: of the whole.
        headings: of each architecture; by default what its plotted means show, error bars aside.

    Raises:
        InputError: no profiles, a name in ``streamed`` that ``profiles`` has not, or other layers under a name.
    """
    if not profiles:
        raise InputError("hero_figure: there are no profiles; expected one or more, by the architecture's name")
    found = {name: finding(profile) for name, profile in profiles.items()} | dict(headings or {})
    return _sheet(profiles, streamed or {}, {name: f"{name}: {text}" for name, text in found.items()}, title)


def _sheet(
    profiles: Mapping[str, xr.Dataset], streamed: Mapping[str, xr.Dataset], headings: Mapping[str, str], title: str
) -> Figure:
    """A column a profile. All lengths are inches, so that text keeps its size in print and nothing is cut off."""
    _check(profiles, streamed)
    patterns = {name: streamed.get(name, profile) for name, profile in profiles.items()}
    right = 0.14 + LETTER * max(
        longest_line(e) for n, p in profiles.items() for e in (*neuron_ends(p), *pattern_ends(patterns[n]))
    )
    wide = _COLUMN - _LEFT - right
    heads = {n: textwrap.wrap(headings[n], 52) for n in profiles}
    notes = {n: [line for part in _note(p) for line in textwrap.wrap(part, 58)] for n, p in profiles.items()}
    names = {n: "\n".join(textwrap.fill(line, 58) for line in pattern_heading(p)) for n, p in patterns.items()}
    top = 0.06 + 0.22 * bool(title)
    above = top + max(_HEAD * len(heads[n]) + _LINE * len(notes[n]) for n in profiles) + 0.1
    between = 0.14 + _LINE * max(name.count("\n") + 1 for name in names.values())
    below = max(below_axis(p, wide) for p in profiles.values())
    feet = (below + _PATTERN + between + _SILENT + _GAP, below + _PATTERN + between, below)
    height = feet[0] + _NEURONS + above
    size = (_COLUMN * len(profiles), height)
    figure = placed_figure(*size)
    columns = []
    for k, name in enumerate(profiles):
        axes = [
            figure.add_axes(((k * _COLUMN + _LEFT) / size[0], foot / height, wide / size[0], tall / height))
            for foot, tall in zip(feet, (_NEURONS, _SILENT, _PATTERN), strict=True)
        ]
        x, y = (k * _COLUMN + _EDGE) / size[0], 1 - top / height
        if title:
            figure.text(x, y, "\n".join(heads[name]), va="top", fontsize=8, weight="bold")
        else:
            figure.suptitle("\n".join(heads[name]), x=x, y=y, ha="left", va="top", fontsize=8, weight="bold")
        y -= _HEAD * len(heads[name]) / height
        figure.text(x, y, "\n".join(notes[name]), va="top", fontsize=SMALL, color=TEXT)
        figure.text(x, (feet[2] + _PATTERN + 0.05) / height, names[name], va="bottom", fontsize=SMALL, color=MEAN)
        drawn = (draw_neurons, profiles[name]), (draw_silent, profiles[name]), (draw_pattern, patterns[name])
        columns.append([(ax, draw(profile, ax)) for ax, (draw, profile) in zip(axes, drawn, strict=True)])
    if title:
        figure.suptitle(title, x=_EDGE / size[0], y=1 - 0.05 / height, ha="left", va="top", fontsize=10, weight="bold")
    _finish(columns)
    return figure


def _check(profiles: Mapping[str, xr.Dataset], streamed: Mapping[str, xr.Dataset]) -> None:
    for name, longer in streamed.items():
        if name not in profiles:
            raise InputError(f"streamed has '{name}', the profiles only {', '.join(profiles)}; name both alike")
        theirs, ours = ([str(layer) for layer in p.layer.values] for p in (longer, profiles[name]))
        if theirs != ours:
            raise InputError(
                f"streamed has the layers {', '.join(theirs)}, the profile {', '.join(ours)}; expected the same ones: "
                "make both from the same network"
            )


def _note(profile: xr.Dataset) -> list[str]:
    """The data, and what the lines of the upper panel are."""
    n = profile.n.values[profile.n.values > 0]
    seeds = profile.sizes.get("seed", 1)
    note = f"{profile.attrs['subject']}; " if "subject" in profile.attrs else ""
    note += f"{len(n)} classes of {extent(n)} inputs" if len(n) > 1 else f"one class of {extent(n)} inputs"
    ranges = ["bands: range of classes"] * (len(n) > 1) + ["bars: range of seeds"] * (seeds > 1)
    lines = "Lines: H(A|Y), within a class; dotted: H(A), over all"
    return [note + (f", {seeds} seeds" if seeds > 1 else ""), "; ".join([lines, *ranges])]


def _finish(columns: list[list[tuple[Axes, list[tuple[float, str, str]]]]]) -> None:
    """Common vertical axes by row, small text, and the names at the ends of lines."""
    for row in zip(*columns, strict=True):
        top = max(ax.get_ylim()[1] for ax, _ in row)
        for k, (ax, ends) in enumerate(row):
            ax.set_ylim(0, top)
            small_text(ax)
            if ax.get_ylabel().startswith("never"):
                ax.set_yticks([0, top])
            if k:
                ax.set_ylabel("")
            name_ends(ax, ends)
