"""Profile → Verdict: does entropy fall with depth, more than without training, and where can nobody tell?"""

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from jaxentropy.errors import InputError
from jaxentropy.estimators import ESTIMATOR_NAMES
from jaxentropy.profile import steps

CONFIDENCE = 0.95
MIN_INPUTS = 10
"""In a class of fewer inputs than this the bootstrap's error says nothing; its neuron entropies are undecided."""
_Z = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Verdict:
    """What a profile says of the claim that entropy falls monotonically with depth.

    Attributes:
        table: a Dataset of words by ``network``, ``class`` and ``step`` (a layer to the next): ``neuron`` and
            ``pattern`` are *falls*, *rises* or *undecided*; ``pattern_saturated`` says where a pattern entropy cannot
            be judged; ``neuron_mean (network, step)`` judges the mean over classes; ``neuron_monotone (network,
            class)`` is *holds* where every step falls, *contradicted* where one rises, else *undecided*; and
            ``excess (class, step)`` says whether the trained network falls *more* or *less* than its untrained twin
            (or *undecided*), if both are there.
        text: the same in a few sentences (Markdown).
    """

    table: xr.Dataset
    text: str

    def markdown(self) -> str:
        """How many classes fall, rise or are undecided at each step, as a Markdown table."""
        columns = {}
        for name in self.table.network.values:
            if name != "shuffled":
                one = self.table.sel(network=name)
                columns[f"neuron, {name}"] = one.neuron
                columns[f"pattern, {name}"] = one.pattern.where(~one.pattern_saturated, "saturated")
        if "excess" in self.table:
            columns["neuron, trained − untrained"] = self.table.excess
        rows = [
            [str(step), *(_tally(words.sel(step=step)) for words in columns.values())]
            for step in self.table.step.values
        ]
        return markdown_table(["step (classes that …)", *columns], rows)

    def __str__(self) -> str:
        return f"{self.text}\n\n{self.markdown()}\n"


def verdict(profile: xr.Dataset, estimator: str = "chao_wang_jost") -> Verdict:
    """Judge each class and each step from a layer to the next.

    *Neuron entropy* falls (rises) where its 95 % interval, the paired bootstrap's standard error over the same inputs
    taken as normal, lies above (below) zero; with several seeds, in every one of them. *Pattern entropy* is judged by
    ``estimator`` with its jackknife error, and only where neither layer is saturated; the two errors are added in
    squares, as if independent, though the same inputs stand behind both. The *excess* over the untrained twin is judged
    by its mean over seeds: Student's interval of the seeds' spread, widened (in squares) by the paired bootstrap's,
    since all seeds see the same inputs. Neuron entropies of classes of fewer than 10 inputs are *undecided*. A class is
    *monotone* where every step falls.

    Args:
        profile: what ``jaxentropy.profile`` returned, with ``bootstrap`` above 0 and at least two layers.
        estimator: which of the profile's pattern entropies to judge.

    Raises:
        InputError: a profile without falls, or without this estimator.
    """
    if "neuron_fall" not in profile:
        raise InputError(
            "verdict: the profile has no falls from layer to layer; make it of two or more layers, with bootstrap > 0"
        )
    if estimator not in profile.estimator.values:
        raise InputError(
            f"verdict: the profile has no estimator '{estimator}', only {', '.join(profile.estimator.values)}"
        )
    full = profile.set_coords("n")
    for dim, alone in (("network", "recorded"), ("seed", 0)):
        if dim not in full.dims:
            full = full.expand_dims(dim if dim in full.coords else {dim: [alone]})
    for name in ("neuron_fall_se", "excess_fall_se", "excess_fall_mean_se"):
        if name in full:
            full[name] = full[name].where(full.n >= MIN_INPUTS)
    neuron = _judge(full.neuron_fall, full.neuron_fall_se)

    entropy = full.pattern_entropy.sel(estimator=estimator, drop=True)
    error = full.pattern_entropy_se.sel(estimator=estimator, drop=True)
    names = steps([str(name) for name in full.layer.values])
    fall = -entropy.diff("layer").rename(layer="step").assign_coords(step=names)
    variance = error**2
    squared = variance.isel(layer=slice(1, None)).values + variance.isel(layer=slice(None, -1)).values
    saturated = full.saturated.transpose(*error.dims)
    unclear = saturated.isel(layer=slice(1, None)).values | saturated.isel(layer=slice(None, -1)).values
    pattern_saturated = fall.copy(data=unclear).any("seed")
    pattern = _judge(fall, fall.copy(data=np.sqrt(squared))).where(~pattern_saturated, "undecided")

    enough = full.neuron_fall_se.notnull()
    mean_fall = full.neuron_fall.where(enough).mean("class")
    mean_error = np.sqrt((full.neuron_fall_se**2).sum("class")) / enough.sum("class")
    monotone = _words((neuron == "falls").all("step"), (neuron == "rises").any("step"), "holds", "contradicted")
    table = xr.Dataset(
        {
            "neuron": neuron,
            "neuron_mean": _judge(mean_fall, mean_error),
            "neuron_monotone": monotone,
            "pattern": pattern,
            "pattern_saturated": pattern_saturated,
        }
    ).drop_vars(["width", "estimator"], errors="ignore")
    if "excess_fall" in full:
        table["excess"] = _judge_excess(full.excess_fall, full.excess_fall_mean_se)
    return Verdict(table, _text(full, table, estimator))


def _judge(fall: xr.DataArray, error: xr.DataArray) -> xr.DataArray:
    """falls, rises or undecided, the same in every seed."""
    falls = (fall - _Z * error > 0).all("seed")
    rises = (fall + _Z * error < 0).all("seed")
    return _words(falls, rises, "falls", "rises")


def _judge_excess(excess: xr.DataArray, input_error: xr.DataArray) -> xr.DataArray:
    """more, less or undecided: the spread over seeds, and the error from the inputs, which the seeds share."""
    seeds = excess.sizes["seed"]
    half = (_Z * input_error) ** 2
    if seeds > 1:
        student = stdtrit(seeds - 1, (1 + CONFIDENCE) / 2)
        half = half + (student * excess.std("seed", ddof=1)) ** 2 / seeds
    mean = excess.mean("seed")
    return _words(mean - np.sqrt(half) > 0, mean + np.sqrt(half) < 0, "more", "less")


def _words(above: xr.DataArray, below: xr.DataArray, high: str, low: str) -> xr.DataArray:
    return xr.where(above, high, xr.where(below, low, "undecided"))


_ORDER = ("falls", "more", "rises", "less", "undecided", "saturated")


def _tally(words: xr.DataArray) -> str:
    return ", ".join(f"{_number(words, word)} {word}" for word in _ORDER if (words == word).any())


def _text(profile: xr.Dataset, table: xr.Dataset, estimator: str) -> str:
    """Four questions and their answers."""
    networks = [str(name) for name in table.network.values if name != "shuffled"]
    main = "trained" if "trained" in networks else networks[0]
    seeds = profile.sizes["seed"]
    cells, classes, steps = (table.neuron.isel(network=0).size, table.sizes["class"], table.sizes["step"])
    in_all = f" in all {seeds} seeds" if seeds > 1 else ""

    def answer(name: str) -> str:
        one = table.sel(network=name)
        claim, cell = (
            {word: _number(words, word) for word in vocabulary}
            for words, vocabulary in (
                (one.neuron_monotone, ("holds", "contradicted", "undecided")),
                (one.neuron, ("falls", "rises", "undecided")),
            )
        )
        return (
            f"the {name} network: at every step{in_all} for {claim['holds']} of {classes} classes; contradicted (a "
            f"step rises) for {claim['contradicted']}; undecided for {claim['undecided']}. Of its {cells} cells (a "
            f"class and a step to the next layer): {cell['falls']} falls, {cell['rises']} rises, {cell['undecided']} "
            f"undecided; the mean over classes falls at {_number(one.neuron_mean, 'falls')} of {steps} steps and rises "
            f"at {_number(one.neuron_mean, 'rises')}."
        )

    parts = [f"**Does neuron entropy fall with depth?** In {answer(main)}"]
    training = [f"In {answer('untrained')}"] if main == "trained" and "untrained" in networks else []
    if "excess" in table:
        training.append(
            f"The trained fall is larger than its twin's in {_number(table.excess, 'more')} cells, smaller in "
            f"{_number(table.excess, 'less')}, undecided in {_number(table.excess, 'undecided')}"
            + (f" (95 % interval of the mean over {seeds} seeds)." if seeds > 1 else " (one seed: others may differ).")
        )
    if training:
        parts.append(" ".join(["**Is the fall due to training?**", *training]))
    first, last = (str(profile.layer.values[i]) for i in (0, -1))
    information = profile.neuron_information.mean("seed")
    told = "; ".join(
        f"{float(information.sel(network=name, layer=first)):.3f} at {first} and "
        f"{float(information.sel(network=name, layer=last)):.3f} at {last} "
        + ("with shuffled labels" if name == "shuffled" else str(name))
        for name in table.network.values
    )
    parts.append(f"**What does a neuron's state tell of the class?** In bits: {told}.")

    one = table.sel(network=main)
    judged = one.pattern.where(~one.pattern_saturated, "")
    saturated = profile.saturated.sel(network=main).any("seed")
    lost = [str(layer) for layer in profile.layer.values if bool(saturated.sel(layer=layer).all())]
    parts.append(
        f"**Does pattern entropy fall with depth?** ({ESTIMATOR_NAMES[estimator]}, {main} network.) "
        f"Of {cells} cells: {_number(judged, 'falls')} falls, {_number(judged, 'rises')} rises, "
        f"{_number(judged, 'undecided')} undecided, and {int(one.pattern_saturated.sum())} cannot be judged from "
        f"{extent(profile.n.values)} inputs a class, too few for a layer's patterns: there the estimate tells the "
        "size of the sample" + (f" (so for every class at {', '.join(lost)})." if lost else ".")
    )
    few = [str(c) for c in profile["class"].values[(profile.n.values > 0) & (profile.n.values < MIN_INPUTS)]]
    if few:
        parts.append(f"**Note.** Fewer than {MIN_INPUTS} inputs of class {', '.join(few)}: counted as undecided.")
    empty = [str(c) for c in profile["class"].values[profile.n.values == 0]]
    if empty:
        parts.append(f"**Note.** No input of class {', '.join(empty)}: NaN there, and counted as undecided.")
    return "\n\n".join(parts)


def _number(words: xr.DataArray, word: str) -> int:
    return int((words == word).sum())


def extent(n: np.ndarray) -> str:
    """The smallest and the largest of these numbers of inputs, or the one they all are."""
    low, high = int(n.min()), int(n.max())
    return f"{low}" if low == high else f"{low} to {high}"


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that reads well as plain text too: columns padded, numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    numeric = [all(re.fullmatch(r"[\d.()—]*", row[i]) for row in rows) for i in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (w + 1) + (":" if right else "-") for w, right in zip(widths, numeric, strict=True))
    return "\n".join([line(head), f"|{rule}|", *(line(row) for row in rows)])
