"""A results folder → its ``summary.md`` and figures, drawn from the folder alone, as often as you like."""

import os
from pathlib import Path

import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import atomic_path, write_text
from jaxentropy.profiling.storage import load_profile
from jaxentropy.recording.recording import Recording
from jaxentropy.reports.folder import FIGURES, PROFILE, RECORDINGS, SUMMARY, read_config
from jaxentropy.reports.summary import summary


def write(folder: str | os.PathLike) -> list[xr.Dataset]:
    """Draw the figures of a results folder anew, write its ``summary.md``, and return the profile of each network.

    A folder of several networks has a folder for each; all are drawn, and the summaries joined.

    Raises:
        InputError: not a results folder, or one with a missing or damaged file.
    """
    folder = Path(folder)
    parts = list(read_config(folder).get("parts", []))
    if not parts:
        return [_write_one(folder)[0]]
    written = {name: _write_one(folder / name) for name in parts}
    joined = (text + _figure_section(f"{name}/{FIGURES}", drawn) for name, (_, text, drawn) in written.items())
    write_text(folder / SUMMARY, "\n".join(joined))
    return [profile for profile, _, _ in written.values()]


def _write_one(folder: Path) -> tuple[xr.Dataset, str, dict[str, str]]:
    """What ``write`` does for the folder of one network; returns profile, text, and name and title of each figure."""
    read_config(folder)
    from jaxentropy import plots  # matplotlib: only where something is drawn

    profile = load_profile(folder / PROFILE)
    recordings = {}
    for path in sorted((folder / RECORDINGS).glob("[!.]*.npz")):  # not what a killed run left half-written
        recording = Recording.load(path)
        recordings.setdefault(str(recording.meta.get("network", "recorded")), recording)
    if not recordings:
        raise InputError(f"no recordings in {folder / RECORDINGS}; run the command that made the folder again")
    drawn = plots.figures(profile, recordings)
    titles = {}
    for name, figure in drawn.items():
        titles[name] = figure.get_suptitle() or name
        for suffix in ("png", "svg"):
            with atomic_path(folder / FIGURES / f"{name}.{suffix}") as temporary:
                plots.save(figure, temporary)
        plots.close(figure)
    text = summary(profile)
    write_text(folder / SUMMARY, text + _figure_section(FIGURES, titles))
    return profile, text, titles


def _figure_section(folder: str, titles: dict[str, str]) -> str:
    pictures = "\n".join(f"![{title}]({folder}/{name}.png)\n" for name, title in titles.items())
    return f"\n## Figures\n\n{pictures}"
