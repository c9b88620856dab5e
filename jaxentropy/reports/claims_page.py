"""The page of a sweep: the paper's claims put to the test, with figures."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import atomic_path, write_text
from jaxentropy.claims.depth import advise_depth
from jaxentropy.claims.depth_validation import validate_depth
from jaxentropy.claims.memorisation import memorisation
from jaxentropy.claims.removable import removable
from jaxentropy.claims.survey import survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, TABLES = "claims.md", "survey-tables.md"


def write_claims(gathered: xr.Dataset, folder: Path, say: Callable[[str], None] = lambda text: None) -> Path:
    """Write the page and its figures; a part that the sweep does not allow says why.

    Args:
        gathered: the networks, as ``Results.to_dataset`` gives them.
        folder: where to.
        say: receives a line before each part.

    Returns:
        The page's path.
    """
    sections = [_about(gathered)]
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
            text, figures = f"This sweep does not tell: {error}.", {}
        sections.append(f"## {title}\n\n{text}\n{_saved(folder, figures)}")
    write_text(folder / PAGE, "\n".join(sections))
    return folder / PAGE


def _about(gathered: xr.Dataset) -> str:
    """What networks these are."""
    varied, fixed = [], []
    for name in ("dataset", "depth", "width", "activation", "norm", "dropout", "epochs", "batch_size", "learning_rate",
                 "weight_decay", "init_scale", "label_noise", "train_size", "recorded", "retrain_epochs"):  # fmt: skip
        values = list(dict.fromkeys(gathered[name].values.tolist()))
        (varied if len(values) > 1 else fixed).append(f"{name} {', '.join(map(str, values))}")
    accuracy = gathered.test_accuracy.groupby("dataset").mean()
    reached = ", ".join(f"{name} {float(own):.3f}" for name, own in zip(accuracy.dataset.values, accuracy, strict=True))
    failed = int(gathered.attrs.get("failed", 0))
    return (
        "# The paper's claims, put to the test\n\n"
        f"{gathered.sizes['member']} networks of {len(np.unique(gathered.configuration))} configurations, each beside "
        f"its untrained twin{f'; {failed} more failed' if failed else ''}. Varied: {'; '.join(varied)}; "
        f"{len(np.unique(gathered.seed))} seeds. All: {'; '.join(fixed)}. Mean test accuracy: {reached}.\n"
    )


def _survey(folder: Path, gathered: xr.Dataset) -> tuple[str, dict[str, "Figure"]]:
    from jaxentropy import plots

    found = survey(gathered)
    write_text(folder / TABLES, f"# Tables of the survey\n\n{found.to_markdown()}\n")
    figures = {"steps": plots.step_figure(found.shares), "correlations": plots.correlation_figure(found.correlations)}
    return f"{found.text}\n\nAll numbers: [{TABLES}]({TABLES}).\n", figures


def _depth(gathered: xr.Dataset) -> tuple[str, dict[str, "Figure"]]:
    from jaxentropy import plots

    found = validate_depth(gathered)
    deepest = gathered.isel(member=gathered.depth.values == gathered.depth.values.max())
    first = deepest.isel(member=deepest.configuration.values == deepest.configuration.values[0])
    example = f"For example, of {_named(first)}: {advise_depth(first).text.split('**')[-1].strip()}"
    return f"{found.to_markdown()}\n{example}\n", {"depth": plots.depth_figure(found.table, found.families)}


def _removable(gathered: xr.Dataset) -> tuple[str, dict[str, "Figure"]]:
    return removable(gathered).to_markdown(), {}


def _memorisation(gathered: xr.Dataset) -> tuple[str, dict[str, "Figure"]]:
    return memorisation(gathered).to_markdown(), {}


def _named(members: xr.Dataset) -> str:
    one = members.isel(member=0)
    return f"{one.dataset.item()}, {one.activation.item()}, {one.depth.item()} layers of {one.width.item()} neurons"


def _saved(folder: Path, figures: dict[str, "Figure"]) -> str:
    """The figures as pictures, in Markdown."""
    return "\n".join(f"\n![{name}]({_picture(folder, name, figure)})" for name, figure in figures.items())


def _picture(folder: Path, name: str, figure: "Figure") -> str:
    with atomic_path(folder / f"{name}.png") as path:
        figure.savefig(path, dpi=200)
    return f"{name}.png"
