"""Where memorisation sits: what layers tell of true and of trained labels, where noise changed them."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.markdown import markdown_table
from jaxentropy.claims.resampling import FEW_CLUSTERS, Estimate, cluster_draws, clustered

_NEEDED = ("information_true_label", "information_trained_label", "train_accuracy", "test_accuracy")
_LEAST = 0.01
"""Bits a neuron: less is no clear information."""
_LEARNT = 0.9
"""Accuracy on the trained labels from which they count as learnt by heart."""


@dataclass(frozen=True)
class Memorisation:
    """What ``je.memorisation`` returns.

    >>> import xarray as xr
    >>> je.Memorisation(xr.Dataset(), "Nothing was memorised.", 0).text
    'Nothing was memorised.'

    Attributes:
        table: by ``group`` (data set and share of noise) and ``layer``: what a neuron of the trained networks tells of
            the true label and of the trained one, in bits, each with ``_low`` and ``_high``, means over networks; and
            by ``group`` the accuracies.
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
            "train accuracy",
            "test accuracy",
            "label",
            *(f"layer {n}" for n in self.table.layer.values),
        ]
        rows = []
        for group in self.table.group.values:
            one = self.table.sel(group=group)
            accuracies = [f"{float(one[name]):.3f}" for name in ("train_accuracy", "test_accuracy")]
            for name, cells in (("true", accuracies), ("trained", ["", ""])):
                values = one[f"information_{name}_label"].values
                rows.append([str(group) if name == "true" else "", *cells, name, *(f"{v:.3f}" for v in values)])
        return f"{self.text}\n\n{markdown_table(head, rows)}\n"

    def __str__(self) -> str:
        return self.to_markdown()

    _repr_markdown_ = to_markdown


def memorisation(
    gathered: xr.Dataset, *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Memorisation:
    """Where networks keep labels that they learnt by heart: by layer, on the training inputs whose label was changed.

    >>> import xarray as xr
    >>> seen = {"true": [[[0.1, 0.1], [0.1, 0.0]]] * 2, "trained": [[[0.0, 0.0], [0.0, 0.2]]] * 2}
    >>> gathered = xr.Dataset(
    ...     {f"information_{name}_label": (("member", "state", "layer"), own) for name, own in seen.items()}
    ...     | {"train_accuracy": ("member", [1.0, 1.0]), "test_accuracy": ("member", [0.8, 0.8])},
    ...     {"state": ["untrained", "trained"], "layer": [1, 2], "dataset": ("member", ["digits"] * 2),
    ...      "label_noise": ("member", [0.2] * 2), "depth": ("member", [2] * 2),
    ...      "configuration": ("member", ["a"] * 2)},
    ... )
    >>> print(je.memorisation(gathered).text.split(". ")[0])
    **Where does memorisation sit?** In 1 of 1 groups the trained labels were learnt by heart (accuracy 0.9 or more)

    A neuron's state tells of the *true* label what the image shows, and of the *trained* one, which noise chose,
    nothing, unless it was learnt. What shuffled labels seem to tell is subtracted. All networks need one depth.

    Args:
        gathered: a sweep over ``label_noise``.
        confidence: of the intervals, which resample networks within a group.
        resamples: how many.
        seed: of the resampling.

    Raises:
        InputError: a quantity that is missing, no network with noisy labels, or networks of several depths.
    """
    missing = [name for name in _NEEDED if name not in gathered]
    if missing:
        raise InputError(f"memorisation: the gathered sweep lacks {', '.join(missing)}")
    noisy = gathered.isel(member=(gathered.label_noise.values > 0))
    known = np.isfinite(noisy.information_trained_label.values).any((1, 2)) if noisy.sizes["member"] else []
    noisy = noisy.isel(member=np.flatnonzero(known))
    if not noisy.sizes["member"]:
        raise InputError("no network was trained with label noise; sweep over label_noise, for example [0.2, 0.5]")
    depths = np.unique(noisy.depth)
    if len(depths) > 1:
        raise InputError(f"networks have {', '.join(map(str, depths))} layers; give those of one depth")
    noisy = noisy.isel(layer=slice(0, int(depths[0])))
    groups = [f"{name}, {share:g}" for name, share in zip(noisy.dataset.values, noisy.label_noise.values, strict=True)]
    names = sorted(set(groups))
    table = xr.concat(
        [_group(noisy.isel(member=[g == name for g in groups]), confidence, resamples, seed) for name in names],
        xr.Variable("group", np.array(names)),
    )
    return Memorisation(table, _text(table, noisy), len(np.unique(noisy.configuration)))


def _group(members: xr.Dataset, confidence: float, resamples: int, seed: int) -> xr.Dataset:
    """Means over the networks of one data set and share of noise, with intervals over networks."""
    n = members.sizes["member"]
    draws, each = cluster_draws(n, resamples, seed), np.arange(n)
    found: dict[str, tuple] = {}
    for name in ("information_true_label", "information_trained_label"):
        values = members[name].sel(state="trained").transpose("member", "layer").values
        cells: list[Estimate] = [clustered(column, each, draws, confidence) for column in values.T]
        for suffix, part in (("", "mean"), ("_low", "low"), ("_high", "high")):
            found[name + suffix] = ("layer", np.array([getattr(cell, part) for cell in cells]))
        untrained = members[name].sel(state="untrained").mean("member")
        found[f"{name}_untrained"] = ("layer", untrained.values)
    for name in ("train_accuracy", "test_accuracy"):
        found[name] = ((), float(members[name].mean()))
    return xr.Dataset(found, {"layer": members.layer.values})


def _text(table: xr.Dataset, members: xr.Dataset) -> str:
    layers = table.layer.values
    learnt = table.isel(group=table.train_accuracy.values >= _LEARNT)
    said = [
        f"**Where does memorisation sit?** In {learnt.sizes['group']} of {table.sizes['group']} groups the trained "
        f"labels were learnt by heart (accuracy {_LEARNT:g} or more)."
    ]
    if not learnt.sizes["group"]:
        return f"{said[0]} So nothing can be said of where; train longer, or wider networks."
    trained, true = learnt.information_trained_label.values, learnt.information_true_label.values
    most = trained.max(1)
    halves = [
        int(layers[np.argmax(row >= row.max() / 2)]) for row, top in zip(trained, most, strict=True) if top > _LEAST
    ]
    if halves:
        said.append(
            f"There, what a neuron tells of the trained label rises from {trained[:, 0].mean():.3f} bits at layer "
            f"{layers[0]} to {trained[:, -1].mean():.3f} at layer {layers[-1]}, and reaches half of its most at layer "
            f"{_range(halves)}."
        )
    else:
        said.append(
            "There, no layer's neurons tell 0.01 bits of the trained label: what was learnt is not seen in them."
        )
    said.append(
        f"What it tells of the true label goes from {true[:, 0].mean():.3f} to {true[:, -1].mean():.3f} bits "
        f"(untrained: {learnt.information_true_label_untrained.values[:, -1].mean():.3f} at the last layer)."
    )
    over = [
        int(layers[np.argmax(low > high)])
        for low, high in zip(
            learnt.information_trained_label_low.values, learnt.information_true_label_high.values, strict=True
        )
        if (low > high).any()
    ]
    if over:
        said.append(
            f"In {len(over)} of {learnt.sizes['group']} groups a layer tells clearly more of the trained label than of "
            f"the true one, for the first time layer {_range(over)}."
        )
    networks = members.sizes["member"] / table.sizes["group"]
    few = (
        f" Intervals are over about {networks:.0f} networks a group, which are few." if networks < FEW_CLUSTERS else ""
    )
    return (
        " ".join(said) + " These are means over single neurons: a layer may know more jointly. Other data, widths or "
        f"training lengths may differ.{few}"
    )


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
