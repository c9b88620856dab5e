"""How many FC layers are enough: a range, read off deep networks that have learnt their task."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.markdown import markdown_table
from jaxentropy.claims.depth_reading import LEARNT, all_learnt, by_halves, deepest_that_learnt, learning_is_known
from jaxentropy.claims.depth_rules import (
    LEAST_INFORMATION,
    OURS,
    RULES,
    TOLERANCES,
    curve,
    depth_of,
    rule_named,
    summed_bits,
)  # fmt: skip
from jaxentropy.claims.gathered import Gathers, gathered_from, one_by_one, settings_of

__all__ = ["RULES", "DepthAdvice", "advise_depth"]
_BY_NEURONS = ("information", "gain", "summed")
_FEW_SEEDS = 5
_STATES = ("trained", "untrained")
_MEASURED = {
    "information, trained": ("neuron_information", "trained"),
    "information, untrained": ("neuron_information", "untrained"),
    "entropy, trained": ("neuron_entropy", "trained"),
    "probe's accuracy": ("probe_accuracy", "trained"),
    "centre's accuracy": ("centre_accuracy", "trained"),
}


@dataclass(frozen=True)
class DepthAdvice:
    """How many FC layers are enough: what ``je.advise_depth`` returns.

    >>> import xarray as xr
    >>> from jaxentropy import DepthAdvice
    >>> DepthAdvice(2, 2, 3, 6, "information", (2, 2, 3), "…", "…", xr.Dataset())
    DepthAdvice(2 of 6 FC layers are enough; range 2 to 3, by information)

    Attributes:
        low, best, high: numbers of FC layers; the range is wide where the answer is uncertain.
        depth: how many layers the networks have that were looked at.
        rule: by which rule.
        by_seed: the answer of each network.
        grounds: why, in sentences.
        uncertainty: what the range holds, and what it does not.
        table: an ``xarray.Dataset`` by ``layer``: the mean over seeds of what was looked at.
        learnt: whether the networks had learnt their task, as far as that is known; if not, they show nothing.
    """

    low: int
    best: int
    high: int
    depth: int
    rule: str
    by_seed: tuple[int, ...]
    grounds: str
    uncertainty: str
    table: xr.Dataset
    learnt: bool = True

    @property
    def text(self) -> str:
        """The advice, its grounds and its uncertainty, in sentences."""
        reach = f"{self.low} to {self.high}" if self.low < self.high else "no wider"
        layers = "layer is" if self.best == 1 else "layers are"
        said = f"{self.best} {layers} enough of {self.depth} (range: {reach}), by the rule *{self.rule}*."
        if not self.learnt:
            said = (
                "Not known: it cannot be read off these networks, which have not learnt what they were trained on. "
                f"(The rule *{self.rule}* would say {self.best} of {self.depth}.)"
            )
        return f"**How many FC layers are enough?** {said}\n\n{self.grounds}\n\n{self.uncertainty}"

    def to_markdown(self) -> str:
        """The text, and a table by layer."""
        head = ["layer", *map(str, self.table.data_vars)]
        rows = [
            [str(layer), *(f"{float(self.table[name].sel(layer=layer)):.3f}" for name in self.table.data_vars)]
            for layer in self.table.layer.values
        ]
        return f"{self.text}\n\n{markdown_table(head, rows)}\n"

    def __repr__(self) -> str:
        layers = "layer is" if self.best == 1 else "layers are"
        return (
            f"DepthAdvice({self.best} of {self.depth} FC {layers} enough; range {self.low} to {self.high}, "
            f"by {self.rule})"
        )

    def __str__(self) -> str:
        return self.to_markdown()

    _repr_markdown_ = to_markdown


def advise_depth(
    gathered: xr.Dataset | Gathers,
    rule: str = OURS,
    *,
    tolerance: int | float | None = None,
    learnt: int | float = LEARNT,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> DepthAdvice:
    """Read off deep networks that differ by their seeds how many of their FC layers would be enough.

    >>> import xarray as xr
    >>> from jaxentropy import advise_depth
    >>> seen = [[[0.1, 0.1, 0.1, 0.1], [0.2, 0.4, 0.4, 0.4]]] * 3  # member, state, layer: bits a neuron
    >>> gathered = xr.Dataset(
    ...     {"neuron_information": (("member", "state", "layer"), seen)},
    ...     {"state": ["untrained", "trained"], "layer": [1, 2, 3, 4], "depth": ("member", [4] * 3),
    ...      "key": ("member", ["a", "b", "c"]), "seed": ("member", [0, 1, 2])},
    ... )
    >>> advise_depth(gathered, "information")
    DepthAdvice(2 of 4 FC layers are enough; range 2 to 2, by information)

    Each network (seed) gives an answer of its own by the rule; ``best`` is their median (of two in the middle, the
    greater). The range holds the median's percentile interval over resampled seeds, at the rule's tolerance, at half of
    it and at twice of it; what either half of the inputs says, if it was measured; and, for the rules that look at one
    neuron at a time, the answer of the linear probe, which looks at all of them together. It is advice: whether a
    network of so many layers does as well, only training one can tell (``validate_depth``).

    Networks that have not learnt their task do not show how many layers it needs. Give networks of several depths, and
    those are read that learnt, of the greatest depth where half or more did.

    Args:
        gathered: networks that differ by seed, or by depth and seed, as a sweep gathers them, with ``depth`` and
            ``seed`` along ``member``.
        rule: one of ``RULES``; ``gain`` is ours.
        tolerance: what the rule takes for nothing, in its own units; by default ``TOLERANCES`` says.
        learnt: training accuracy from which on a network has learnt its task; of labels with noise, on which it is
            measured, less may be meant.
        confidence: of the interval over seeds.
        resamples: of the seeds.
        seed: of the resampling.

    Raises:
        InputError: an unknown rule, networks that differ by other settings, or a quantity that is missing.
    """
    gathered = gathered_from(gathered, "advise_depth")
    gathered = _one_family(gathered)
    rule_named(rule)
    read = deepest_that_learnt(gathered, learnt)
    members = one_by_one(read)
    scales = _tolerances(rule, tolerance)
    answers = np.array([[_answer(rule, one, scale) for one in members] for scale in scales])
    by_seed = answers[len(scales) // 2]
    best = _median(by_seed)
    draws = np.random.default_rng(seed).integers(len(members), size=(resamples, len(members)))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    ends = [int(end) for each in answers for end in np.quantile(_median(each[draws]), tails, method="nearest")]
    probe, grounds = _probe(members) if rule in _BY_NEURONS else None, _grounds(rule, members, scales[len(scales) // 2])
    if probe is not None:
        ends.append(probe)
        agrees = "agrees" if probe == best else f"says {probe}, and the range reaches to it"
        grounds += f" A linear probe of all neurons together, within 0.5 points of the best layer's, {agrees}."
    halves = _of_halves(rule, members, scales[len(scales) // 2])
    ends += halves
    low, high = min(*ends, int(best)), max(*ends, int(best))
    said = tuple(int(one) for one in by_seed)
    grounds += _exact_patterns(members)
    uncertainty = _uncertainty(by_seed, len(scales) > 1, confidence) + _said_of_halves(halves)
    uncertainty += _unlearnt(gathered, read, learnt)
    known = all_learnt(read, learnt)
    return DepthAdvice(
        low, int(best), high, depth_of(members[0]), rule, said, grounds, uncertainty, _table(members), known
    )


def _one_family(gathered: xr.Dataset) -> xr.Dataset:
    """The networks, if they differ by nothing but depth and seed."""
    if "depth" not in gathered.coords:
        raise InputError("advise_depth: the gathered sweep lacks the coordinate depth")
    gathered = gathered if "member" in gathered.dims else gathered.expand_dims("member")
    if not gathered.sizes["member"]:
        raise InputError("advise_depth: there is no network; does the selection fit the sweep?")
    settings = settings_of(gathered)
    if len(np.unique(gathered.depth.values)) == 1 and "configuration" in gathered.coords:
        settings.append("configuration")
    for name in settings:
        values = np.unique(gathered[name].values)
        if len(values) > 1:
            raise InputError(
                f"advise_depth: expected networks that differ by depth and seed alone; got {len(values)} values of "
                f"{name}, among them {values[0]} and {values[-1]}: select one with gathered.query or isel"
            )
    return gathered


def _of_halves(rule: str, members: Sequence[xr.Dataset], tolerance: int | float | None) -> list[int]:
    """What either half of the inputs says: the median over networks; empty where halves were not measured."""
    halves = [by_halves(one) for one in members]
    if not all(halves):
        return []
    return [int(_median(np.array([_answer(rule, own[h], tolerance) for own in halves]))) for h in (0, 1)]


def _said_of_halves(halves: list[int]) -> str:
    if not halves:
        return ""
    return f" Read off either half of the inputs alone, the advice is {halves[0]} and {halves[1]}."


def _tolerances(rule: str, tolerance: int | float | None) -> list[int | float | None]:
    """Half, once and twice the tolerance, if the rule has one."""
    if "tolerance" not in inspect.signature(RULES[rule]).parameters:
        if tolerance is not None:
            raise InputError(f"advise_depth: the rule {rule} has no tolerance")
        return [None]
    middle = TOLERANCES[rule] if tolerance is None else tolerance
    return [middle / 2, middle, middle * 2]


def _answer(rule: str, member: xr.Dataset, tolerance: int | float | None) -> int:
    return RULES[rule](member) if tolerance is None else RULES[rule](member, tolerance)


def _median(answers: np.ndarray) -> np.ndarray:
    """Of the last axis; of two in the middle, the greater."""
    return np.asarray(np.quantile(answers, 0.5, axis=-1, method="higher"))


def _probe(members: Sequence[xr.Dataset]) -> int | None:
    """The linear probe's answer, if it was measured in every network."""
    try:
        return int(_median(np.array([RULES["probe"](one) for one in members])))
    except InputError:
        return None


def _grounds(rule: str, members: Sequence[xr.Dataset], tolerance: int | float | None) -> str:
    if rule == "summed":
        return _summed_grounds(members)
    if rule == "gain":
        return _gain_grounds(members, tolerance)
    if rule != "information":
        return f"{(RULES[rule].__doc__ or '').splitlines()[0]}"
    trained, untrained = (
        np.mean([curve(one, "neuron_information", state) for one in members], 0) for state in ("trained", "untrained")
    )
    top = int(trained.argmax())
    said = (
        f"A neuron tells most of the class at layer {top + 1}: {trained[top]:.3f} bits, beside {untrained[top]:.3f} in "
        f"the untrained twin; at layer 1 {trained[0]:.3f} beside {untrained[0]:.3f}, at the last {trained[-1]:.3f} "
        f"beside {untrained[-1]:.3f}. After the advised layer none adds {tolerance:.0%} of the most, or 0.01 bits, to "
        "what is there and to what the twin adds."
    ).replace("%", " %")
    if (trained - untrained).max() < 0.01:
        said += " Training adds no clear information at any layer, so that the rule has little to go by."
    return said


def _gain_grounds(members: Sequence[xr.Dataset], share: int | float | None) -> str:
    trained, untrained = (
        np.array([curve(one, "neuron_information", state) for one in members]) for state in ("trained", "untrained")
    )
    added = (trained - untrained).mean(0)
    said = (
        f"Training adds {', '.join(f'{value:.3f}' for value in added)} bits about the class to what a neuron tells, "
        f"from the first layer to the last; the advised layer is the first that has {share:.0%} of the most."
    ).replace("%", " %")
    short = int(((trained - untrained).max(1) < LEAST_INFORMATION).sum())
    if short:
        said += (
            f" In {short} of {len(members)} networks **training adds no clear information at any layer**: they have "
            "not learnt the task, or their neurons do not show it, and all layers are advised. Train them better first."
        )
    return said


def _summed_grounds(members: Sequence[xr.Dataset]) -> str:
    bits, needed = (np.array(part) for part in zip(*(summed_bits(one) for one in members), strict=True))
    mean, most = bits.mean(0), bits.max(1)
    by_layer = ", ".join(f"{value:.1f}" for value in mean)
    said = (
        f"All neurons of a layer added up, training adds {by_layer} bits about the class from the first layer to the "
        f"last; {needed[0]:.1f} bits tell all classes apart, if neurons do not repeat each other (they do)."
    )
    short = int((most < needed).sum())
    if short:
        said += (
            f" In {short} of {len(members)} networks **no layer gets there**: they have not learnt the task, or their "
            "neurons do not show it, and the advice, the layer of the most, is worth little. Train them better first."
        )
    return said


def _exact_patterns(members: Sequence[xr.Dataset]) -> str:
    """Where all inputs are listed, what whole layers tell is known too."""
    if not all("exact" in one and bool(one.exact) for one in members):
        return ""
    try:
        bits = [np.mean([curve(one, "pattern_information", state) for one in members], 0) for state in _STATES]
    except InputError:
        return ""
    trained, untrained = (", ".join(f"{value:.2f}" for value in own) for own in bits)
    return (
        f" All inputs are listed, so that what a layer's whole pattern tells of the class is exact: {trained} bits, "
        f"and untrained {untrained}."
    )


def _uncertainty(by_seed: np.ndarray, tolerances: bool, confidence: float) -> str:
    scales = ", at half, once and twice the tolerance" if tolerances else ""
    if len(by_seed) == 1:
        reach = f" The range is only that of the rule{scales}." if scales else ""
        return f"There is one seed: nothing is known of other seeds, and no interval can be given.{reach}"
    few = f" (of only {len(by_seed)}, it holds the median less often than that)" if len(by_seed) < _FEW_SEEDS else ""
    return (
        f"The {len(by_seed)} seeds say {', '.join(map(str, by_seed))}. The range holds the {100 * confidence:g} % "
        f"interval of their median over resampled seeds{few}{scales}; other data and settings are not in it, nor "
        "whether a network of so many layers trains as well."
    )


def _unlearnt(gathered: xr.Dataset, read: xr.Dataset, learnt: int | float) -> str:
    """A warning where networks did not even learn what they were trained on, if that was measured."""
    if not learning_is_known(gathered):
        return ""
    deepest = gathered.isel(member=gathered.depth.values == gathered.depth.values.max())
    short = deepest.train_accuracy.values[~(deepest.train_accuracy.values >= learnt)]
    if not len(short):
        return ""
    said = (
        f" **{len(short)} of {deepest.sizes['member']} networks of {depth_of(deepest.isel(member=0))} layers did not "
        f"learn what they were trained on** (training accuracy {short.min():.2f})"
    )
    if all_learnt(read, learnt):
        return f"{said}; the advice is read off {read.sizes['member']} of {depth_of(read.isel(member=0))} that did."
    return f"{said}: what fewer layers would do cannot be read off them. Train shallower ones, and give those too."


def _table(members: Sequence[xr.Dataset]) -> xr.Dataset:
    """What was measured, by layer: the mean over seeds."""
    columns = {}
    for title, (name, state) in _MEASURED.items():
        try:
            columns[title] = ("layer", np.mean([curve(one, name, state) for one in members], 0))
        except InputError:
            continue
    return xr.Dataset(columns, {"layer": np.arange(1, depth_of(members[0]) + 1)})
