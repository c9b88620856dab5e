"""Profiles as the commands print them: one screen a network."""

import io
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from jaxentropy.base.markdown import extent, short_names, shortened
from jaxentropy.claims.evidence import has_brackets
from jaxentropy.claims.facts import Facts, constants_decide, steps_said
from jaxentropy.claims.judge import Verdict
from jaxentropy.profiling.reading import inputs_of, with_all_dimensions
from jaxentropy.reports.folder import FIGURES, SUMMARY
from jaxentropy.reports.part import Part
from jaxentropy.reports.summary import NO_VERDICT, verdict_of

WIDTH = 100
"""Columns, where the terminal has as many."""
_LEAST_WIDTH = 72
_COLUMN_NAME = 12
_ASCII = str.maketrans({"→": "->", "▸": ">", "–": "-", "—": "-", "…": "...", "’": "'", "−": "-"})
_BY_NETWORK = {"neuron_entropy": "neuron entropy, bits", "neuron_information": "class information, bits"}
_COLOURS = {"Clear": "bold green", "Unknown": "bold yellow", "Next": "bold cyan"}


def terminal_text(
    profile: xr.Dataset,
    width: int = WIDTH,
    color: bool = False,
    plain: bool = False,
    streamed: xr.Dataset | None = None,
    found: Verdict | None = None,
) -> str:
    """A profile and its verdict on one screen: at most 23 lines of ``width`` columns, if these are 100 or more.

    Args:
        profile: what ``jaxentropy.profile`` returned.
        width: columns.
        color: whether the text has a terminal's codes for colours.
        plain: whether arrows, dashes and dots are spelled in ASCII.
        streamed: a profile of the same layers over a stream, whose brackets are shown instead.
        found: the verdict, if it is there already.
    """
    found = found or verdict_of(profile, streamed)
    facts = Facts(with_all_dimensions(profile), xr.Dataset() if found is None else found.table)
    spell = str.translate if plain else lambda text, _: text
    parts: list[RenderableType] = [
        Text(spell(_title(facts.profile, width - 2 * plain), _ASCII), style="bold"),
        Text(spell(_inputs(facts.profile, width), _ASCII)),
        _course(facts, found, width, plain),
        _table(_rows(facts, streamed), facts, width, plain),
        Text(),
        _answers(found, plain),
    ]
    # neither the machine's settings nor a notebook shall change the text
    console = Console(
        file=io.StringIO(), width=width, color_system="standard" if color else None, force_terminal=color,
        force_jupyter=False, legacy_windows=False, highlight=False, markup=False, emoji=False, no_color=not color,
    )  # fmt: skip
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def show(parts: Sequence[Part], folder: Path) -> None:
    """Print the profiles of a results folder, and where the full text is: in colour on a terminal, else plainly."""
    screen = Console()
    color = screen.is_terminal and not screen.no_color and not screen.legacy_windows
    width = max(min(screen.width, WIDTH), _LEAST_WIDTH) if screen.is_terminal else WIDTH
    where = f"The full text is in {folder / SUMMARY}, the figures in {folder if len(parts) > 1 else folder / FIGURES}"
    if len(where) > width:
        where = where.replace(", the figures", ",\nthe figures")
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = _screens(parts, width, color, plain=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = _screens(parts, width, color, plain=True)
    print(f"{text}\n{where}".encode(encoding, "replace").decode(encoding))


def _screens(parts: Sequence[Part], width: int, color: bool, plain: bool) -> str:
    return "\n\n".join(terminal_text(part.profile, width, color, plain, part.streamed, part.found) for part in parts)


def _title(profile: xr.Dataset, width: int) -> str:
    """Network and data, and how well the one knows the other."""
    accuracy = ""
    if "test_accuracy" in profile and profile.sizes["epoch"]:
        accuracy = f"; test accuracy {float(profile.test_accuracy.isel(epoch=-1).mean()):.3f}"
    subject = str(profile.attrs.get("subject", "Entropy of activation patterns"))
    return shortened(subject, width - len(accuracy)) + accuracy


def _inputs(profile: xr.Dataset, width: int) -> str:
    """How many inputs of what kind, and what the numbers are means of."""
    kind = {"stream": " of a stream", "enumeration": ", all there are"}.get(
        profile.attrs.get("population", "sample"), ""
    )
    seeds, inputs = profile.sizes["seed"], inputs_of(profile)
    several = f" and {seeds} seeds" if seeds > 1 else ""
    counted = f"{int(inputs.sum())} inputs{kind}; {profile.sizes['class']} classes of {extent(inputs.values)}; "
    text = f"{counted}entropies within classes, means over them{several}"
    return text if len(text) <= width else f"{counted}means over classes{several}"


def _rows(facts: Facts, streamed: xr.Dataset | None) -> list[list[str]]:
    """A quantity's name with its units, and its value at each layer."""
    profile, main = facts.profile, facts.networks[0]
    several = sum(str(name) != "shuffled" for name in profile.network.values) > 1
    rows = []

    def add(title: str, cells: Iterable[str], network: str = main) -> None:
        label = f"{title}: {shortened(network, _COLUMN_NAME)}" if several else title
        rows.append([label if network == main else " " * len(f"{title}: ") + network, *cells])

    for quantity, title in _BY_NETWORK.items():
        for network in facts.networks:
            add(title, (_number(value, 3) for value in facts.mean(quantity, network)), network)
    if facts.exact:
        patterns = profile.pattern_entropy.sel(network=main).isel(estimator=0).mean(["seed", "class"]).values
        add("pattern entropy, bits", (_number(value, 2) for value in patterns))
    elif streamed is not None:
        classes = [str(name) for name in streamed["class"].values]
        of = f"class {shortened(classes[0], 4)}" if len(classes) == 1 else "stream"
        stream = with_all_dimensions(streamed).mean(["seed", "class"], skipna=False)
        for network in facts.networks:
            if network in stream.network.values:
                own = stream.sel(network=network)
                cells = (
                    _bracket(*pair) for pair in zip(own.pattern_lower.values, own.pattern_upper.values, strict=True)
                )
                add(f"pattern, {of}, bits", cells, network)
    elif has_brackets(profile):
        limits = (facts.mean(name, main) for name in ("pattern_lower", "pattern_upper"))
        add("pattern bracket, bits", (_bracket(*pair) for pair in zip(*limits, strict=True)))
    add("never fire, % neurons", (_number(100 * share, 0) for share in facts.mean("never_on", main)))
    return rows


def _table(rows: list[list[str]], facts: Facts, width: int, plain: bool) -> Table:
    """One row a quantity and one column a layer; of many layers the first, the last and some between."""
    names = short_names([str(layer) for layer in facts.profile.layer.values], _COLUMN_NAME)
    cells = [["", *names], *rows]
    if plain:
        cells = [[cell.translate(_ASCII) for cell in row] for row in cells]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names) + 1)]
    shown = _that_fit(widths, width)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), collapse_padding=True)
    columns: list[int | None] = [0]
    for before, i in pairwise([0, *shown]):
        columns += [None] * (i > before + 1) + [i]
    for i in columns:
        table.add_column(justify="right" if i != 0 else "left", no_wrap=True, overflow="crop")
    gap = "..." if plain else "…"
    for place, row in enumerate(cells):
        table.add_row(*(gap if i is None else row[i] for i in columns), style="bold" if not place else None)
    return table


def _that_fit(widths: list[int], width: int) -> list[int]:
    """Which of the layers' columns (from 1) fit beside the names, evenly chosen; between them there may be gaps."""
    layers = len(widths) - 1
    for count in range(layers, 2, -1):
        shown = np.unique(np.linspace(1, layers, count).round().astype(int)).tolist()
        gaps = sum(b > a + 1 for a, b in pairwise(shown))
        if widths[0] + sum(widths[i] + 2 for i in shown) + 5 * gaps <= width:
            return shown
    return sorted({1, layers})


def _course(facts: Facts, found: Verdict | None, width: int, plain: bool) -> Text:
    """The finding: ``neuron entropy, from fc1 to fc6: 0.57 ▸ 0.26 bits, falls at 4 of 5 steps``."""
    ends = [facts.ends(network) for network in facts.networks]
    several = len(facts.layers) > 1
    names = short_names([str(layer) for layer in facts.profile.layer.values], _COLUMN_NAME)
    levels = [" ▸ ".join(pair) if several else pair[0] for pair in ends]
    text = f"neuron entropy, {names[0]} to {names[-1]}: " if several else f"neuron entropy of {names[0]}: "
    text += f"{levels[0]} bits"
    style = "bold"
    if several and found is not None:
        judged = facts.judges_steps
        constants = judged and constants_decide(facts.words)
        said = (
            "constant neurons decide"
            if constants
            else steps_said(facts.words.neuron_mean).removesuffix(", rises at none")
        )
        text += f", {said}" if judged else ", steps undecided"
        rises = judged and bool((facts.words.neuron_mean == "rises").any())
        style = "bold yellow" if constants or not judged else "bold red" if rises else "bold green"
    longer = f"{text}; {facts.networks[1]} {levels[1]}" if levels[1:] else text
    text = longer if len(longer) <= width else text
    text = shortened(text, width - 2 * plain)
    return Text(text.translate(_ASCII) if plain else text, style=style)


def _answers(found: Verdict | None, plain: bool) -> Table | Text:
    """The verdict's three lines, wrapped beside their names."""
    if found is None:
        return Text(NO_VERDICT)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in found.headline.splitlines():
        name, _, text = line.partition(": ")
        table.add_row(Text(f"{name}:", style=_COLOURS[name]), Text(text.translate(_ASCII) if plain else text))
    return table


def _number(value: float, digits: int) -> str:
    return "—" if np.isnan(value) else f"{value:.{digits}f}"


def _bracket(lower: float, upper: float) -> str:
    """``10.8–24.1``, or one number where the two are one."""
    low, high = _number(lower, 1), _number(upper, 1)
    return low if low == high else f"{low}–{high}"
