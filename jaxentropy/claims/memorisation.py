"""Where memorisation sits: what layers tell of true and of trained labels, where noise changed them."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.markdown import markdown_table
from jaxentropy.claims.gathered import Gathers, gathered_from, one_by_one, settings_of

_NEEDED = (
    "information_true_label", "information_trained_label", "changed_accuracy", "train_accuracy", "test_accuracy",
)  # fmt: skip
_LEAST = 0.01
"""Bits a neuron: less is no clear information."""
_LEARNT = 0.5
"""Labels count as learnt by heart where this share of what guessing one wrong class for all would miss is right."""


@dataclass(frozen=True)
class Memorisation:
    """What ``je.memorisation`` returns.

    >>> import xarray as xr
    >>> je.Memorisation(xr.Dataset(), "Nothing was memorised.", 0).text
    'Nothing was memorised.'

    Attributes:
        table: by ``group`` (data set, share of noise, and other settings that vary) and ``layer``: what a neuron of the
            trained networks tells of the true label and of the trained one, each at equal value of the other, in bits,
            means over networks, with the smallest (``_low``) and largest (``_high``) of a network; and by ``group`` the
            accuracies, ``changed_accuracy`` being the share of the changed labels that were learnt.
        text: what was found, in sentences.
        configurations: how many there were.
    """

    table: xr.Dataset
    text: str
    configurations: int

    def to_markdown(self) -> str:
        """The text, and a table."""
        if not self.table:
            return self.text
        head = [
            "data, noise",
            "changed labels learnt",
            "test accuracy",
            "label",
            *(f"layer {n}" for n in self.table.layer.values),
        ]
        rows = []
        for group in self.table.group.values:
            one = self.table.sel(group=group)
            accuracies = [f"{float(one[name]):.3f}" for name in ("changed_accuracy", "test_accuracy")]
            for name, cells in (("true", accuracies), ("trained", ["", ""])):
                values = one[f"information_{name}_label"].values
                rows.append([str(group) if name == "true" else "", *cells, name, *(f"{v:.3f}" for v in values)])
        return f"{self.text}\n\n{markdown_table(head, rows)}\n"

    def __str__(self) -> str:
        return self.to_markdown()

    _repr_markdown_ = to_markdown


def memorisation(gathered: xr.Dataset | Gathers) -> Memorisation:
    """Where networks keep labels that they learnt by heart: by layer, on the training inputs whose label was changed.

    >>> import xarray as xr
    >>> seen = {"true": [[[0.1, 0.1], [0.1, 0.0]]] * 2, "trained": [[[0.0, 0.0], [0.0, 0.2]]] * 2}
    >>> gathered = xr.Dataset(
    ...     {f"information_{name}_label": (("member", "state", "layer"), own) for name, own in seen.items()}
    ...     | {"train_accuracy": ("member", [1.0, 1.0]), "test_accuracy": ("member", [0.8, 0.8]),
    ...        "changed_accuracy": (("member", "state"), [[0.1, 1.0]] * 2)},
    ...     {"state": ["untrained", "trained"], "layer": [1, 2], "dataset": ("member", ["digits"] * 2),
    ...      "label_noise": ("member", [0.2] * 2), "depth": ("member", [2] * 2),
    ...      "configuration": ("member", ["a"] * 2)},
    ... )
    >>> print(je.memorisation(gathered).text.split(" (")[0])
    **Where does memorisation sit?** In 1 of 1 groups the changed labels were learnt by heart

    A neuron's state tells of the *true* label what the image shows, and of the *trained* one, which noise chose among
    the other classes, nothing at equal true label, unless it was learnt: I(state; trained | true). The true label is
    measured at equal trained label, likewise. All networks need one depth. Of two classes, noise leaves no choice: the
    trained label is the other one, and nothing tells a memory from a view; such networks are left out.

    Args:
        gathered: a sweep over ``label_noise``.

    Raises:
        InputError: a quantity that is missing, no network with noisy labels of three classes or more, or networks of
            several depths.
    """
    gathered = gathered_from(gathered, "memorisation")
    missing = [name for name in _NEEDED if name not in gathered]
    if missing:
        raise InputError(f"memorisation: the gathered sweep lacks {', '.join(missing)}")
    noisy = gathered.isel(member=(gathered.label_noise.values > 0))
    known = np.isfinite(noisy.information_trained_label.values).any((1, 2)) if noisy.sizes["member"] else []
    noisy = noisy.isel(member=np.flatnonzero(known))
    if not noisy.sizes["member"]:
        raise InputError("no network was trained with label noise; sweep over label_noise, for example [0.2, 0.5]")
    noisy = noisy.isel(member=np.flatnonzero(_classes(noisy) > 2))
    if not noisy.sizes["member"]:
        raise InputError(
            "of two classes, a changed label is always the other one, so that a memory of it cannot be told from a "
            "view of the true one; take data of three classes or more"
        )
    depths = np.unique(noisy.depth)
    if len(depths) > 1:
        raise InputError(f"networks have {', '.join(map(str, depths))} layers; give those of one depth")
    noisy = noisy.isel(layer=slice(0, int(depths[0])))
    groups = _groups(noisy)
    names = sorted(set(groups))
    table = xr.concat(
        [_group(noisy.isel(member=[g == name for g in groups])) for name in names],
        xr.Variable("group", np.array(names)),
    )
    return Memorisation(table, _text(table, noisy), len(np.unique(noisy.configuration)))


def _classes(members: xr.Dataset) -> np.ndarray:
    """How many classes each network's data have; of those that were gathered without, as many as are enough."""
    if "neuron_entropy" not in members:
        return np.full(members.sizes["member"], 3)
    first = members.neuron_entropy.sel(state="trained").isel(layer=0, drop=True)
    return first.notnull().sum("class").values


def _groups(members: xr.Dataset) -> list[str]:
    """Each network's data set, share of noise, and other settings in which the networks differ."""
    apart = [name for name in settings_of(members) if name not in ("dataset", "label_noise")]
    varying = [name for name in apart if len(np.unique(members[name])) > 1]
    return [
        ", ".join(
            [f"{one.dataset.item()}, {one.label_noise.item():g}", *(f"{name} {one[name].item()}" for name in varying)]
        )
        for one in one_by_one(members)
    ]


def _group(members: xr.Dataset) -> xr.Dataset:
    """Means over the networks of a group, with the smallest and the largest; and in which layers all agree."""
    found: dict[str, tuple] = {}
    trained = members.sel(state="trained")
    for name in ("information_true_label", "information_trained_label"):
        values = trained[name].transpose("member", "layer").values
        for suffix, of in (("", values.mean(0)), ("_low", values.min(0)), ("_high", values.max(0))):
            found[name + suffix] = ("layer", of)
        found[f"{name}_untrained"] = ("layer", members[name].sel(state="untrained").mean("member").values)
    more = (trained.information_trained_label > trained.information_true_label + _LEAST).all("member")
    found["more_of_trained"] = ("layer", more.values)
    for name, own in (("train_accuracy", members), ("test_accuracy", members), ("changed_accuracy", trained)):
        found[name] = ((), float(own[name].mean()))
    guessed = float((1 / (_classes(members) - 1)).mean())
    found["learnt"] = ((), found["changed_accuracy"][1] >= guessed + _LEARNT * (1 - guessed))
    return xr.Dataset(found, {"layer": members.layer.values})


def _text(table: xr.Dataset, members: xr.Dataset) -> str:
    layers = table.layer.values
    learnt = table.isel(group=np.flatnonzero(table.learnt.values))
    said = [
        f"**Where does memorisation sit?** In {learnt.sizes['group']} of {table.sizes['group']} groups the changed "
        "labels were learnt by heart (at least half of those that guessing would miss)."
    ]
    if not learnt.sizes["group"]:
        return f"{said[0]} So nothing can be said of where; train longer, or wider networks."
    trained, true = learnt.information_trained_label.values, learnt.information_true_label.values
    halves = [int(layers[np.argmax(row >= row.max() / 2)]) for row in trained if row.max() > _LEAST]
    if halves:
        said.append(
            f"There, what a neuron tells of the trained label at equal true label goes from {_bits(trained[:, 0])} at "
            f"layer {layers[0]} to {_bits(trained[:, -1])} at layer {layers[-1]}, and reaches half of its most at "
            f"layer {_range(halves)}."
        )
    else:
        said.append(
            "There, no layer's neurons tell 0.01 bits of the trained label: what was learnt is not seen in them."
        )
    said.append(
        f"What it tells of the true label goes from {_bits(true[:, 0])} to {_bits(true[:, -1])} "
        f"(untrained: {learnt.information_true_label_untrained.values[:, -1].mean():.3f} at the last layer)."
    )
    over = [int(layers[np.argmax(row)]) for row in learnt.more_of_trained.values if row.any()]
    counts = np.unique(_groups(members), return_counts=True)[1]
    networks = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    if over:
        said.append(
            f"In {len(over)} of {learnt.sizes['group']} groups there is a layer that clearly tells more of the trained "
            f"label than of the true one in each of its {networks} networks, for the first time layer "
            f"{_range(over)}."
        )
    return (
        " ".join(said) + " These are means over single neurons: a layer may know more jointly. Other data, widths or "
        "training lengths may differ; no intervals are given, since a group has few networks. Where few labels were "
        "changed, all of it is measured too low, so that shares of noise are not to be compared."
    )


def _bits(values: np.ndarray) -> str:
    return f"{values.mean():.3f} bits"


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
