"""A gathered sweep by families: networks that differ by nothing but depth and seed, and what advice costs there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.claims.depth_reading import all_learnt, by_halves, deepest_that_learnt
from jaxentropy.claims.depth_rules import Rule, depth_of
from jaxentropy.claims.gathered import one_by_one, settings_of

SPLITS = 50
"""Random halves of the seeds, where the best depth is chosen on one half."""
COSTS = (
    "regret", "regret_split", "within", "layers_saved", "parameters_saved", "seconds_ratio", "probe_loss", "spread",
    "advice", "rounded_up", "halves_differ", "regret_deepest",
)  # fmt: skip


@dataclass(frozen=True)
class Family:
    """Networks of one family: what was trained at each depth.

    Attributes:
        name: the settings that tell it from other families.
        dataset: the data set.
        depths: the depths that were trained, in order.
        accuracies: test accuracies at each depth, one a seed.
        parameters, seconds: means at each depth; NaN where not measured.
        deep: the networks that advice is read off, of the greatest depth of which half or more learnt their task.
        deepest: those of the greatest depth, whether they learnt or not.
        learnt: whether those that advice is read off did, as far as that is known.
    """

    name: str
    dataset: str
    depths: np.ndarray
    accuracies: tuple[np.ndarray, ...]
    parameters: np.ndarray
    seconds: np.ndarray
    deep: tuple[xr.Dataset, ...]
    deepest: tuple[xr.Dataset, ...]
    learnt: bool

    @property
    def accuracy(self) -> np.ndarray:
        """Mean test accuracy over seeds at each depth."""
        return np.array([one.mean() for one in self.accuracies])


def families_of(gathered: xr.Dataset, learnt: int | float) -> list[Family]:
    """The families of two depths or more, in the order in which they appear.

    Raises:
        InputError: a coordinate or the test accuracy is missing, or no family has two depths.
    """
    _checked(gathered)
    settings = settings_of(gathered)
    columns = [[str(value) for value in gathered[name].values] for name in settings]
    rows = list(zip(*columns, strict=True))
    varying = [k for k, column in enumerate(columns) if len(set(column)) > 1 or settings[k] == "dataset"]
    found = []
    for row in dict.fromkeys(rows):
        members = gathered.isel(member=[k for k, one in enumerate(rows) if one == row])
        if len(np.unique(members.depth.values)) > 1:
            name = ", ".join(row[k] if settings[k] == "dataset" else f"{settings[k]} {row[k]}" for k in varying)
            found.append(_family(name, members, learnt))
    if not found:
        there = "is 1 family" if len(set(rows)) == 1 else f"are {len(set(rows))} families"
        raise InputError(
            "validate_depth: in no family (networks that differ by nothing but depth and seed) were two depths "
            f"trained; there {there} by {', '.join(settings)}"
        )
    return found


def _checked(gathered: xr.Dataset) -> None:
    lacks = [name for name in ("dataset", "depth", "seed", "key") if name not in gathered.coords]
    lacks += ["test_accuracy"] if "test_accuracy" not in gathered else []
    if "member" not in gathered.dims or lacks:
        raise InputError(
            f"validate_depth: the gathered sweep lacks {', '.join(lacks) or 'the dimension member'}; it has "
            f"{', '.join(map(str, gathered.variables))}"
        )
    unknown = ~np.isfinite(gathered.test_accuracy.values)
    if unknown.any():
        keys = gathered.key.values[unknown]
        raise InputError(f"validate_depth: test_accuracy is not finite for {len(keys)} networks, first {keys[0]}")


def _family(name: str, members: xr.Dataset, learnt: int | float) -> Family:
    depths = np.unique(members.depth.values)
    at = [np.flatnonzero(members.depth.values == depth) for depth in depths]

    def means(quantity: str) -> np.ndarray:
        if quantity not in members:
            return np.full(len(depths), np.nan)
        return np.array([members[quantity].values[one].astype(float).mean() for one in at])

    accuracy, read = members.test_accuracy.values, deepest_that_learnt(members, learnt)
    return Family(
        name, str(members.dataset.values[0]), depths, tuple(accuracy[one] for one in at), means("parameters"),
        means("forward_seconds"), one_by_one(read), one_by_one(members.isel(member=at[-1])), all_learnt(read, learnt),
    )  # fmt: skip


def advice_of(rule: Rule, family: Family, drawn: bool) -> tuple[np.ndarray, dict[str, list[xr.Dataset]]]:
    """What a rule says of each network that is read; and those it can say nothing of, by the reason.

    Returns:
        ``float[seed, layer]``: how much of the advice is each depth, 1 for the one advised (each alike where ``drawn``
        by lot); NaN where nothing is said.
    """
    weights = np.full((len(family.deep), int(family.depths[-1])), np.nan)
    refused: dict[str, list[xr.Dataset]] = {}
    for k, member in enumerate(family.deep):
        if drawn:
            weights[k] = (np.arange(1, weights.shape[1] + 1) <= depth_of(member)) / depth_of(member)
            continue
        try:
            depth = rule(member)
        except InputError as error:
            refused.setdefault(str(error), []).append(member)
            continue
        if not 1 <= depth <= depth_of(member):
            raise InputError(f"validate_depth: a rule advised {depth} layers of a network of {depth_of(member)}")
        weights[k] = np.arange(1, weights.shape[1] + 1) == depth
    return weights, refused


def costs_of(weights: np.ndarray, family: Family, margin: float, seed: int) -> dict[str, float]:
    """What following the advice costs and saves in a family (the mean over its deepest networks), by name as ``COSTS``.

    A depth that was not trained is rounded up to the next one that was.
    """
    layers = np.arange(1, weights.shape[1] + 1)
    built = np.searchsorted(family.depths, layers)  # the smallest depth that was trained and is no less
    accuracy, deep = family.accuracy, int(family.depths[-1])
    regret = 100 * (accuracy.max() - accuracy[built])
    with np.errstate(invalid="ignore", divide="ignore"):
        of_layer = {
            "regret": regret,
            "regret_split": _split_regrets(family, seed)[built],
            "within": 100.0 * (regret <= margin + 1e-9),
            "layers_saved": (deep - family.depths[built]).astype(float),
            "parameters_saved": 100 * (1 - family.parameters[built] / family.parameters[-1]),
            "seconds_ratio": family.seconds[built] / family.seconds[-1],
            "advice": layers.astype(float),
            "rounded_up": 100.0 * (family.depths[built] != layers),
        }
    said = weights[np.isfinite(weights[:, 0])]
    if not len(said):
        return dict.fromkeys(COSTS, np.nan)
    costs = {name: float((said @ values).mean()) for name, values in of_layer.items()}
    answers = said @ layers
    costs["spread"] = float(answers.max() - answers.min()) if len(said) > 1 else np.nan
    costs["probe_loss"] = _probe_loss(weights, family)
    return costs


def _split_regrets(family: Family, seed: int) -> np.ndarray:
    """Points lost at each trained depth to the one that is best by the other half of the seeds; NaN below four seeds.

    The mean over random halves; each half serves once to choose and once to judge. It may be negative.
    """
    if min(map(len, family.accuracies)) < 4:
        return np.full(len(family.depths), np.nan)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(SPLITS):
        shuffled = [rng.permutation(one) for one in family.accuracies]
        halves = [np.array([part[side].mean() for part in _halved(shuffled)]) for side in (0, 1)]
        for chosen, judged in (halves, halves[::-1]):
            found.append(100 * (judged[chosen.argmax()] - judged))
    return np.mean(found, 0)


def _halved(accuracies: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(one[: len(one) // 2], one[len(one) // 2 :]) for one in accuracies]


def _probe_loss(weights: np.ndarray, family: Family) -> float:
    """Points lost if a linear probe takes the place of all that is above the advised layer of the deep network."""
    if "probe_accuracy" not in family.deep[0]:
        return np.nan
    lost = []
    for weight, member in zip(weights, family.deep, strict=True):
        probe, at = member.probe_accuracy.sel(state="trained").values, np.flatnonzero(weight > 0)
        if len(at):
            lost.append(100 * (float(member.test_accuracy) - float(weight[at] @ probe[at])))
    known = np.array(lost)[np.isfinite(lost)]
    return float(known.mean()) if len(known) else np.nan


def _halves_differ(rule: Rule, halves: Sequence[list[xr.Dataset]]) -> float:
    """By how many layers the advice of one half of the inputs differs from that of the other, mean over networks."""
    found = []
    for own in halves:
        try:
            found += [abs(rule(own[0]) - rule(own[1]))] if own else []
        except InputError:
            continue
    return float(np.mean(found)) if found else np.nan


def costs_table(
    families: Sequence[Family], rules: Mapping[str, Rule], margin: float, seed: int
) -> tuple[xr.Dataset, dict[str, tuple[str, int]]]:
    """All costs by family and rule, with the accuracies by depth; and why a rule said nothing, and how often."""
    silent: dict[str, tuple[str, int]] = {}
    values = np.full((len(COSTS), len(families), len(rules)), np.nan)
    depths = np.unique(np.concatenate([family.depths for family in families]))
    judged = np.zeros((len(families), len(rules), len(depths)))
    for f, family in enumerate(families):
        halves = [by_halves(member) for member in family.deep]
        for r, (name, rule) in enumerate(rules.items()):
            drawn = name == "random"
            weights, refused = advice_of(rule, family, drawn)
            for reason, members in refused.items():
                first, before = silent.get(name, (reason, 0))
                silent[name] = (first, before + len(members))
            costs = costs_of(weights, family, margin, seed)
            costs["halves_differ"] = np.nan if drawn else _halves_differ(rule, halves)
            same = len(family.deep) == len(family.deepest) and depth_of(family.deep[0]) == family.depths[-1]
            whatever = replace(family, deep=family.deepest)
            costs["regret_deepest"] = (
                costs if same else costs_of(advice_of(rule, whatever, drawn)[0], whatever, margin, seed)
            )["regret"]
            values[:, f, r] = [costs[cost] for cost in COSTS]
            said = weights[np.isfinite(weights[:, 0])]
            built = family.depths[np.searchsorted(family.depths, np.arange(1, weights.shape[1] + 1))]
            np.add.at(judged[f, r], np.searchsorted(depths, built), said.sum(0) / max(len(said), 1))
    accuracy, error = (np.full((len(families), len(depths)), np.nan) for _ in range(2))
    for f, family in enumerate(families):
        at = np.searchsorted(depths, family.depths)
        accuracy[f, at] = family.accuracy
        error[f, at] = [one.std(ddof=1) / len(one) ** 0.5 if len(one) > 1 else np.nan for one in family.accuracies]
    table = xr.Dataset(
        {name: (("family", "rule"), values[k]) for k, name in enumerate(COSTS)}
        | {"accuracy": (("family", "depth"), accuracy), "accuracy_se": (("family", "depth"), error)}
        | {"judged": (("family", "rule", "depth"), judged)},
        {
            "family": [family.name for family in families], "rule": list(rules), "depth": depths,
            "dataset": ("family", [family.dataset for family in families]),
            "deepest": ("family", [int(family.depths[-1]) for family in families]),
            "seeds": ("family", [len(family.deep) for family in families]),
            "read": ("family", [depth_of(family.deep[0]) for family in families]),
            "learnt": ("family", [family.learnt for family in families]),
        },
    )  # fmt: skip
    return table, silent
