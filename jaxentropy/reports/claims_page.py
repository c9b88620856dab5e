"""The page of a sweep: the paper's claims put to the test, with figures."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import atomic_path, write_text
from jaxentropy.base.markdown import folded, markdown_table
from jaxentropy.claims.depth import advise_depth
from jaxentropy.claims.depth_families import Family, families_of
from jaxentropy.claims.depth_reading import LEARNT
from jaxentropy.claims.depth_rules import RULES, TOLERANCES
from jaxentropy.claims.depth_validation import validate_depth
from jaxentropy.claims.gathered import settings_of
from jaxentropy.claims.memorisation import memorisation
from jaxentropy.claims.removable import removable
from jaxentropy.claims.survey import survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, TABLES = "claims.md", "survey-tables.md"
_SETTINGS = (
    "dataset", "depth", "width", "activation", "norm", "dropout", "epochs", "batch_size", "learning_rate",
    "weight_decay", "init_scale", "label_noise", "train_size", "recorded", "retrain_epochs",
)  # fmt: skip
_FIGURES = {"steps", "correlations", "depth", "memorisation"}
_STEPS = "How often entropy falls from a layer to the next"
_HEADINGS = {
    "total": f"{_STEPS}: all networks",
    "activation": f"{_STEPS}, by activation",
    "width": f"{_STEPS}, by width",
    "depth": f"{_STEPS}, by depth",
    "dataset": f"{_STEPS}, by data set",
    "factor": "What training changes of that",
    "quantity": "What goes with test accuracy and with the generalisation gap",
}
"""Of the survey's tables, by the name of their first column."""


def write_claims(
    gathered: xr.Dataset, folder: Path, say: Callable[[str], None] = lambda text: None, *, unfinished: int = 0
) -> Path:
    """Write the page and its figures; a part that the sweep does not allow says why.

    Args:
        gathered: the networks, as ``Results.to_dataset`` gives them.
        folder: where to.
        say: receives a line before each part.
        unfinished: networks of the sweep's grid that are not there yet.

    Returns:
        The page's path.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder for the page and its figures")
    sections, drawn = [_about(gathered, unfinished)], set()
    for title, part in (
        ("Does entropy fall with depth, and is it a metric?", partial(_survey, folder)),
        ("How many layers are enough?", _depth),
        ("Does low entropy find layers that can go?", _removable),
        ("Where does memorisation sit?", _memorisation),
    ):
        say(title)
        try:
            text, figures = part(gathered)
        except InputError as error:
            # errors begin with the name of the function, which says nothing to whoever reads a page
            text, figures = f"This sweep does not tell: {re.sub('^[a-z_]+: ', '', str(error))}.", {}
        pictures = [f"![{name}]({_picture(folder, name, figure)})" for name, figure in figures.items()]
        drawn |= set(figures)
        sections.append("\n\n".join([f"## {title}", text.strip(), *pictures]))
    for name in _FIGURES - drawn:  # of an earlier page
        (folder / f"{name}.png").unlink(missing_ok=True)
    write_text(folder / PAGE, "\n\n".join(sections) + "\n")
    return folder / PAGE


def _about(gathered: xr.Dataset, unfinished: int) -> str:
    """What networks these are."""
    varied, fixed = [], []
    for name in _SETTINGS:
        values = list(dict.fromkeys(gathered[name].values.tolist()))
        (varied if len(values) > 1 else fixed).append(f"{name} {', '.join(map(str, values))}")
    accuracy = gathered.test_accuracy.groupby("dataset").mean()
    reached = ", ".join(f"{name} {float(own):.3f}" for name, own in zip(accuracy.dataset.values, accuracy, strict=True))
    failed, there = int(gathered.attrs.get("failed", 0)), gathered.sizes["member"]
    parts = ["# The paper's claims, put to the test"]
    if unfinished:
        parts.append(
            f"**This sweep is unfinished:** {_many(unfinished, 'network')} of its grid "
            f"{'is' if unfinished == 1 else 'are'} not there yet. What follows is of the {there} that "
            f"{'is' if there == 1 else 'are'}, and may change."
        )
    twins = "beside its untrained twin" if there == 1 else "each beside its untrained twin"
    parts.append(
        f"{_many(there, 'network')} of {_many(len(np.unique(gathered.configuration)), 'configuration')}, {twins}"
        f"{f'; {failed} more failed' if failed else ''}. Varied: {'; '.join(varied) or 'nothing'}; "
        f"{_many(len(np.unique(gathered.seed)), 'seed')}. All: {'; '.join(fixed)}. Mean test accuracy: {reached}."
    )
    return "\n\n".join(parts)


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _survey(folder: Path, gathered: xr.Dataset) -> tuple[str, dict[str, "Figure"]]:
    from jaxentropy import plots

    found = survey(gathered)
    write_text(folder / TABLES, f"# Tables of the survey\n\n{folded(_headed(found.to_markdown()))}\n")
    figures = {"steps": plots.step_figure(found.shares)}
    table = found.correlations
    drawn = table.loc[(table.dataset == "pooled") & (table.among == "configurations") & (table.kind == "quantity")]
    if np.isfinite(drawn.correlation).any():
        figures["correlations"] = plots.correlation_figure(table)
    return f"{found.text}\n\nAll numbers: [{TABLES}]({TABLES}).", figures


def _headed(markdown: str) -> str:
    """The same, with a heading above each table that has none."""
    blocks, last = [], ""
    for block in markdown.split("\n\n"):
        column = block.strip("| \n").split(" ", 1)[0] if block.startswith("|") else ""
        if column in _HEADINGS and not last.startswith("#"):
            blocks.append(f"## {_HEADINGS[column]}")
        blocks.append(block)
        last = block
    return "\n\n".join(blocks)


def _depth(gathered: xr.Dataset) -> tuple[str, dict[str, "Figure"]]:
    from jaxentropy import plots

    found = validate_depth(gathered)
    families = families_of(gathered, LEARNT)
    tables = found.to_markdown().removeprefix(found.text).strip()
    parts = [found.text, _meant_by_rules(), tables, _example(gathered, families)]
    return "\n\n".join(part for part in parts if part), {"depth": plots.depth_figure(found.table, found.families)}


def _meant_by_rules() -> str:
    """What each rule takes, folded."""
    rows = []
    for name, rule in RULES.items():
        first = (rule.__doc__ or "").strip().splitlines()[0].replace("``", "`")
        rows.append([name, first, f"{TOLERANCES[name]:g}" if name in TOLERANCES else "—"])
    return (
        "<details><summary>What are the rules?</summary>\n\nA rule reads one trained network, layer by layer, and says "
        "how many of its layers would have been enough. I is the information that a neuron's state gives about the "
        f"class, in bits.\n\n{markdown_table(['rule', 'what it takes', 'tolerance'], rows)}\n\n</details>"
    )


def _example(gathered: xr.Dataset, families: list[Family]) -> str:
    """Advice for one family: one whose deepest networks learnt, if there is any."""
    family = next((one for one in families if _deepest_learnt(one)), families[0])
    one = family.deep[0]
    own = np.all([gathered[name].values.astype(str) == str(one[name].item()) for name in settings_of(gathered)], 0)
    try:
        advice = advise_depth(gathered.isel(member=np.flatnonzero(own)))
    except InputError:
        return ""  # our rule lacks something that others do without
    depths = ", ".join(map(str, family.depths))
    return (
        f"**For example,** {one.dataset.item()}, {one.activation.item()}, {one.width.item()} neurons a layer, networks "
        f"of {depths} layers:\n\n{advice.text}"
    )


def _deepest_learnt(family: Family) -> bool:
    return all("train_accuracy" not in one or float(one.train_accuracy) >= LEARNT for one in family.deepest)


def _removable(gathered: xr.Dataset) -> tuple[str, dict[str, "Figure"]]:
    return removable(gathered).to_markdown(), {}


def _memorisation(gathered: xr.Dataset) -> tuple[str, dict[str, "Figure"]]:
    from jaxentropy import plots

    found = memorisation(gathered)
    return found.to_markdown(), {"memorisation": plots.memorisation_figure(found.table)}


def _picture(folder: Path, name: str, figure: "Figure") -> str:
    with atomic_path(folder / f"{name}.png") as path:
        figure.savefig(path, dpi=200)
    return f"{name}.png"
