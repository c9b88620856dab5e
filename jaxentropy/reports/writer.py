"""A results folder → its ``summary.md`` and figures, drawn from the folder alone, as often as you like."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import atomic_path, write_text
from jaxentropy.claims.judge import Verdict
from jaxentropy.profiling.storage import load_profile
from jaxentropy.recording.recording import Recording
from jaxentropy.reports.folder import FIGURES, PROFILE, RECORDINGS, STREAMED, SUMMARY, read_config
from jaxentropy.reports.part import Part
from jaxentropy.reports.summary import summary, verdict_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write(folder: str | os.PathLike) -> list[Part]:
    """Draw the figures of a results folder anew, write its ``summary.md``, and return what is told of each network.

    A folder of several networks has a folder for each; all are drawn, side by side too, and the summaries joined.

    Raises:
        InputError: not a results folder, or one with a missing or damaged file.
    """
    folder = Path(folder)
    config = read_config(folder)
    parts = list(config.get("parts", []))
    if not parts:
        return [_write_one(folder)]
    written = {name: _write_one(folder / name) for name in parts}
    together = _draw_together(folder, written, bool(config.get("full", False)))
    joined = (part.text + _figure_section(f"{name}/{FIGURES}", part.titles) for name, part in written.items())
    write_text(folder / SUMMARY, "\n".join([*joined, "\n## All networks\n", _pictures(FIGURES, together)]))
    return list(written.values())


def _write_one(folder: Path) -> Part:
    """What ``write`` does for the folder of one network."""
    full = bool(read_config(folder).get("full", False))
    from jaxentropy import plots  # matplotlib: only where something is drawn

    profile = load_profile(folder / PROFILE)
    streamed = load_profile(folder / STREAMED) if (folder / STREAMED).exists() else None
    recordings = {}
    for path in sorted((folder / RECORDINGS).glob("[!.]*.npz")):  # not what a killed run left half-written
        recording = Recording.load(path)
        recordings.setdefault(str(recording.meta.get("network", "recorded")), recording)
    if not recordings:
        raise InputError(f"no recordings in {folder / RECORDINGS}; run the command that made the folder again")
    found = verdict_of(profile, streamed)
    titles = _save(folder, plots.figures(profile, recordings, streamed, full, _finding(found)), full)
    text = summary(profile, streamed, found)
    write_text(folder / SUMMARY, text + _figure_section(FIGURES, titles))
    return Part(profile, streamed, found, text, titles)


def _finding(found: Verdict | None) -> str | None:
    """The first thing that the verdict calls clear: unlike a figure's own title, it has error bars behind it."""
    if found is None:
        return None
    text = found.headline.splitlines()[0].removeprefix("Clear: ").partition(". ")[0].removesuffix(".")
    return f"{text[0].upper()}{text[1:]}"


def _draw_together(folder: Path, parts: Mapping[str, Part], full: bool) -> dict[str, str]:
    """The figure of all networks side by side; returns its title by its file's name."""
    from jaxentropy import plots

    named = {name.upper(): part for name, part in parts.items()}  # parts are models: mlp, cnn
    streamed = {name: part.streamed for name, part in named.items() if part.streamed is not None}
    headings = {name: finding.partition(":")[0] for name, part in named.items() if (finding := _finding(part.found))}
    figure = plots.hero_figure({name: part.profile for name, part in named.items()}, streamed, headings=headings)
    return _save(folder, {"entropy-by-depth": figure}, full)


def _save(folder: Path, drawn: Mapping[str, "Figure"], full: bool) -> dict[str, str]:
    """Write each figure as PNG, and if in full as SVG, and let go of it; returns their titles."""
    from jaxentropy import plots

    titles = {}
    for name, figure in drawn.items():
        titles[name] = " ".join(figure.get_suptitle().split()) or name
        for suffix in ("png", "svg") if full else ("png",):
            with atomic_path(folder / FIGURES / f"{name}.{suffix}") as temporary:
                plots.save(figure, temporary)
        plots.close(figure)
    return titles


def _figure_section(folder: str, titles: dict[str, str]) -> str:
    return f"\n## Figures\n\n{_pictures(folder, titles)}"


def _pictures(folder: str, titles: dict[str, str]) -> str:
    return "\n".join(f"![{title}]({folder}/{name}.png)\n" for name, title in titles.items())
