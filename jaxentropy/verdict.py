"""Profile → Verdict: does entropy fall with depth, more than without training, and where can nobody tell?"""

import re
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from jaxentropy.base.errors import InputError
from jaxentropy.estimators import ESTIMATOR_NAMES, LABELS
from jaxentropy.sentences import constant_neurons, monotone_counts, pair_name, widths_sentence

CONFIDENCE = 0.95
MIN_INPUTS = 10
"""In a class of fewer inputs than this the bootstrap's error says nothing; its neuron entropies are undecided. With
more, it still knows nothing of a kind of input that the sample missed."""
TRUSTED = LABELS[: LABELS.index("usable") + 1]
"""The labels of reliability with which point estimates of the pattern entropy are judged."""
MANY_LAYERS = 8
"""With more layers than this, pairs of layers in which no class is decided are counted but not listed."""
_Z = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Verdict:
    """What a profile says of the claim that entropy falls monotonically with depth.

    Attributes:
        table: a Dataset of words. ``neuron (network, class, step)`` is *falls*, *rises* or *undecided* from a layer to
            the next; ``neuron_mean (network, step)`` judges the mean over classes; ``neuron_monotone (network,
            class)`` is *holds* where every step falls, *contradicted* where one rises, else *undecided*;
            ``neuron_active``, ``neuron_active_mean`` and ``neuron_active_monotone`` say the same of the means without
            the neurons that are constant over all inputs; and ``excess (class, step)`` says whether the trained network
            falls *more* or *less* than its untrained twin (or *undecided*), if both are there.
            ``pattern (network, class, pair)`` compares any two layers, the deeper to the shallower (``fc1→fc3``; the
            steps are among them): *falls for certain*, *rises for certain*, *likely falls*, *likely rises*,
            *falls by width* (the deeper layer has too few neurons to hold what the shallower one does) or *undecided*.
            The flag ``pattern_unreliable``, of the same dimensions, says where point estimates are not
            trusted, so that only the brackets could decide.
        text: the same in a few sentences, with a table of the pairs of layers (Markdown).
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
                if not one.neuron.equals(one.neuron_active):
                    columns[f"neuron that is not constant, {name}"] = one.neuron_active
                columns[f"pattern, {name}"] = _told(one).sel(pair=one.step.values).rename(pair="step")
        if "excess" in self.table:
            columns["neuron, trained − untrained"] = self.table.excess
        rows = [
            [str(step), *(_tally(words.sel(step=step)) for words in columns.values())]
            for step in self.table.step.values
        ]
        return markdown_table(["step (classes that …)", *columns], rows)

    def __str__(self) -> str:
        return f"{self.text}\n\n{self.markdown()}\n"


def verdict(profile: xr.Dataset, estimator: str = "chao_wang_jost", *, smallest_effect: float = 0.002) -> Verdict:
    """Judge each class and each step from a layer to the next; of the pattern entropy, each pair of layers.

    *Neuron entropy* falls (rises) where its interval lies above (below) zero and it changes by ``smallest_effect`` or
    more; with several seeds, in every one of them. The interval is the normal 95 % one of the paired bootstrap over the
    same inputs, widened by ``neuron_fall_bias``, the most by which the expectation of the fall may be off: an interval
    for large samples, which a kind of input that the sample missed may belie (docs/calibration.md has the rates). The
    *excess* over the untrained twin is judged by its mean over seeds: Student's interval of the seeds' spread, widened
    (in squares) by the paired bootstrap's, since all seeds see the same inputs, and by the bias. Neuron entropies of
    classes of fewer than 10 inputs are *undecided*. A class is *monotone* where every step falls. All this is judged
    twice: over all neurons, and without those that are constant over all inputs. Dead neurons have no entropy, so that
    a layer of many of them has a low mean whatever the others do; where both answers differ, the text states both.

    *Pattern entropy* falls (rises) *for certain* from one layer to a deeper one where the deeper layer's bracket
    (``pattern_lower`` to ``pattern_upper``, if the profile has them) lies wholly below (above) the shallower one's, in
    every seed. Either answer is wrong with a probability of at most 5 % (one minus the brackets' confidence) for one
    pair and class: it rests on the upper limit of one layer and the lower limit of the other alone, and each of the two
    fails with at most its share of the 5 %. More seeds do not raise this, since all must agree; it is not corrected for
    the number of pairs and classes. It holds for any number of inputs, drawn independently of each other and of the
    network: not strictly for the network's own training images, and not where the profile's ``copies`` says that inputs
    look like copies of each other, so that all is *undecided* there.

    A layer of d neurons cannot hold more than d bits. Where the deeper layer has fewer neurons than the shallower one
    has bits, by its lower limit in every seed, the fall is no work of the network: *falls by width* stands there in
    place of *falls for certain*. So it does in place of *likely falls* where the shallower estimate less 1.96 standard
    errors exceeds the deeper layer's width in every seed.

    Where brackets do not decide, it *likely* falls or rises by ``estimator``: the normal 95 % interval of the
    difference, of the two jackknife errors added in squares as if independent (though the same inputs stand behind
    both), excludes zero in every seed, and ``reliability`` is *usable* or better in both layers. The estimator's bias
    is not part of that interval, and neither are rare patterns that the sample missed.

    Args:
        profile: what ``jaxentropy.profile`` returned, with ``bootstrap`` above 0 and at least two layers.
        estimator: which of the profile's pattern entropies to judge where brackets do not decide.
        smallest_effect: bits a neuron; a change of neuron entropy that is smaller is not worth a word: *undecided*.

    Raises:
        InputError: a profile without falls, or without this estimator, or of an earlier version; a negative effect.
    """
    if not smallest_effect >= 0:
        raise InputError(f"verdict: smallest_effect is {smallest_effect}; expected 0 or more, in bits a neuron")
    if "neuron_fall" not in profile:
        raise InputError(
            "verdict: the profile has no falls from layer to layer; make it of two or more layers, with bootstrap > 0"
        )
    missing = [name for name in ("neuron_fall_bias", "neuron_fall_active") if name not in profile]
    if missing:
        raise InputError(
            f"verdict: the profile has no {missing[0]}, as it was made by an earlier version; make it again"
        )
    if estimator not in profile.estimator.values:
        raise InputError(
            f"verdict: the profile has no estimator '{estimator}', only {', '.join(profile.estimator.values)}"
        )
    full = profile.set_coords(["n", "copies"])
    for dim, alone in (("network", "recorded"), ("seed", 0)):
        if dim not in full.dims:
            full = full.expand_dims(dim if dim in full.coords else {dim: [alone]})
    for name in ("neuron_fall_se", "neuron_fall_active_se", "excess_fall_se", "excess_fall_mean_se"):
        if name in full:
            full[name] = full[name].where(full.n >= MIN_INPUTS)
    table = xr.Dataset(
        {
            **_judge_neurons(full, "neuron", "neuron_fall", smallest_effect),
            **_judge_neurons(full, "neuron_active", "neuron_fall_active", smallest_effect),
            **_judge_pairs(full, estimator),
        }
    ).drop_vars("estimator", errors="ignore")
    if "excess_fall" in full:
        table["excess"] = _judge_excess(full, smallest_effect)
    return Verdict(table, _text(full, table, estimator, smallest_effect))


def _judge(
    fall: xr.DataArray, error: xr.DataArray, bias: xr.DataArray | float = 0, smallest: float = 0, how: str = ""
) -> xr.DataArray:
    """falls, rises or undecided, the same in every seed."""
    least = np.maximum(_Z * error + bias, smallest)
    return _words((fall > least).all("seed"), (fall < -least).all("seed"), f"{how}falls", f"{how}rises")


def _judge_neurons(profile: xr.Dataset, name: str, of: str, smallest: float) -> dict[str, xr.DataArray]:
    """Each step in each class, the classes' mean, and whether every step falls: of all neurons, or of some."""
    fall, error, bias = (profile[f"{of}{ending}"] for ending in ("", "_se", "_bias"))
    each = _judge(fall, error, bias, smallest)
    enough = error.notnull()
    mean_fall, mean_bias = (x.where(enough).mean("class") for x in (fall, bias))
    mean_error = (error**2).sum("class") ** 0.5 / enough.sum("class")
    return {
        name: each,
        f"{name}_mean": _judge(mean_fall, mean_error, mean_bias, smallest),
        f"{name}_monotone": _words(
            (each == "falls").all("step"), (each == "rises").any("step"), "holds", "contradicted"
        ),
    }


def _judge_pairs(profile: xr.Dataset, estimator: str) -> dict[str, xr.DataArray]:
    """``pattern`` and ``pattern_unreliable`` of the verdict's table, for every pair of layers."""
    names = [f"{a}→{b}" for a, b in combinations(profile.layer.values, 2)]
    earlier, later = np.triu_indices(profile.sizes["layer"], 1)  # in the order of the names

    def both(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
        """The shallower and the deeper layer of each pair."""
        first, second = (
            values.isel(layer=xr.DataArray(at, dims="pair")).drop_vars(["layer", "width"], errors="ignore")
            for at in (earlier, later)
        )
        return first.assign_coords(pair=names), second.assign_coords(pair=names)

    entropy_a, entropy_b = both(profile.pattern_entropy.sel(estimator=estimator, drop=True))
    error_a, error_b = both(profile.pattern_entropy_se.sel(estimator=estimator, drop=True))
    unreliable_a, unreliable_b = both(_unreliable(profile))
    unreliable = (unreliable_a | unreliable_b).any("seed")
    likely = _judge(entropy_a - entropy_b, (error_a**2 + error_b**2) ** 0.5, how="likely ")
    width = xr.DataArray(profile.width.values[later], dims="pair", coords={"pair": names})
    forced = (likely == "likely falls") & (entropy_a - _Z * error_a > width).all("seed")
    pattern = xr.where(forced, "falls by width", likely).where(~unreliable, "undecided")
    if _bracketed(profile):
        (lower_a, lower_b), (upper_a, upper_b) = both(profile.pattern_lower), both(profile.pattern_upper)
        falls, rises = (upper_b < lower_a).all("seed"), (lower_b > upper_a).all("seed")
        fallen = xr.where((lower_a > width).all("seed"), "falls by width", "falls for certain")
        pattern = xr.where(falls, fallen, xr.where(rises, "rises for certain", pattern))
    table = {"pattern": pattern.where(~profile.copies, "undecided"), "pattern_unreliable": unreliable}
    return {name: words.transpose("network", "class", "pair") for name, words in table.items()}


def _bracketed(profile: xr.Dataset) -> bool:
    return "pattern_lower" in profile


def _unreliable(profile: xr.Dataset) -> xr.DataArray:
    """Where point estimates of the pattern entropy are not judged."""
    return ~profile.reliability.isin(TRUSTED) | profile.copies


def _judge_excess(profile: xr.Dataset, smallest: float) -> xr.DataArray:
    """more, less or undecided: the spread over seeds, and the error from the inputs, which the seeds share."""
    excess, seeds = profile.excess_fall, profile.sizes["seed"]
    half = (_Z * profile.excess_fall_mean_se) ** 2
    if seeds > 1:
        student = stdtrit(seeds - 1, (1 + CONFIDENCE) / 2)
        half = half + (student * excess.std("seed", ddof=1)) ** 2 / seeds
    mean, least = excess.mean("seed"), np.maximum(np.sqrt(half) + profile.excess_fall_bias.mean("seed"), smallest)
    return _words(mean > least, mean < -least, "more", "less")


def _words(above: xr.DataArray, below: xr.DataArray, high: str, low: str) -> xr.DataArray:
    return xr.where(above, high, xr.where(below, low, "undecided"))


_PATTERN_WORDS = (
    "falls for certain",
    "likely falls",
    "falls by width",
    "rises for certain",
    "likely rises",
    "undecided",
)
_ORDER = ("falls", "more", "rises", "less", *_PATTERN_WORDS, "unreliable")


def _told(table: xr.Dataset) -> xr.DataArray:
    """The words on pattern entropy, with undecided cells told apart by whether an estimate could have been judged."""
    return table.pattern.where(~(table.pattern_unreliable & (table.pattern == "undecided")), "unreliable")


def _tally(words: xr.DataArray) -> str:
    return ", ".join(f"{_number(words, word)} {word}" for word in _ORDER if (words == word).any())


def _text(profile: xr.Dataset, table: xr.Dataset, estimator: str, smallest: float) -> str:
    """Four questions and their answers."""
    networks = [str(name) for name in table.network.values if name != "shuffled"]
    main = "trained" if "trained" in networks else networks[0]
    twin = ["untrained"] if main == "trained" and "untrained" in networks else []
    seeds = profile.sizes["seed"]
    cells = table.neuron.isel(network=0).size
    in_all = f" in all {seeds} seeds" if seeds > 1 else ""

    def answer(name: str) -> str:
        one = table.sel(network=name)
        cell = {word: _number(one.neuron, word) for word in ("falls", "rises", "undecided")}
        claim, mean = monotone_counts(one, "neuron", in_all)
        return (
            f"the {name} network: {claim}. Of its {cells} cells (a class and a step to the next layer): "
            f"{cell['falls']} falls, {cell['rises']} rises, {cell['undecided']} undecided; {mean}."
        )

    parts = [
        f"**Does neuron entropy fall with depth?** In {answer(main)} A change counts where it is beyond its normal "
        f"95 % interval and the bias that may be left, and not below {smallest:g} bits a neuron. Such intervals are "
        "for large samples: kinds of input that the sample missed are not in them."
    ]
    parts += constant_neurons(profile, table, [main, *twin], in_all)
    training = [f"In {answer(name)}" for name in twin]
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
    parts += _pattern_text(profile, table, [main, *twin], estimator)
    parts += _notes(profile)
    return "\n\n".join(parts)


def _notes(profile: xr.Dataset) -> list[str]:
    """Which classes cannot be judged, and why."""
    parts = []
    copies = [str(c) for c in profile["class"].values[profile.copies.values]]
    if copies:
        parts.append(
            f"**Note.** Inputs of class {', '.join(copies)} look like copies or near-copies of each other: their "
            "pattern entropies are undecided, and all error bars too small. Take one of each, or draw new ones."
        )
    few = [str(c) for c in profile["class"].values[(profile.n.values > 0) & (profile.n.values < MIN_INPUTS)]]
    if few:
        parts.append(f"**Note.** Fewer than {MIN_INPUTS} inputs of class {', '.join(few)}: counted as undecided.")
    empty = [str(c) for c in profile["class"].values[profile.n.values == 0]]
    if empty:
        parts.append(f"**Note.** No input of class {', '.join(empty)}: NaN there, and counted as undecided.")
    return parts


def _pattern_text(profile: xr.Dataset, table: xr.Dataset, networks: list[str], estimator: str) -> list[str]:
    """The answer on pattern entropy for the first of the networks, and the pairs of layers of all of them."""
    one = table.sel(network=networks[0])
    bracketed, layers = _bracketed(profile), [str(layer) for layer in profile.layer.values]
    widths = dict(zip(layers, profile.width.values.tolist(), strict=True))
    narrowing = any(b < a for a, b in combinations(widths.values(), 2))
    counts = [
        f"{_number(one.pattern, word)} {word}"
        for word in _PATTERN_WORDS
        if (bracketed or "certain" not in word) and (narrowing or "width" not in word)
    ]
    answer = [
        f"**Does pattern entropy fall with depth?** The {networks[0]} network, each layer against each deeper one. "
        f"Of {one.pattern.size} cells (a class and a pair of layers): {', '.join(counts)}."
    ]
    if bracketed:
        seeds = profile.sizes["seed"]
        confidence = 100 * profile.attrs.get("bounds_confidence", CONFIDENCE)
        answer.append(
            f"*For certain*: the {confidence:g} % brackets of the two layers do not overlap"
            + (f" in any of the {seeds} seeds. " if seeds > 1 else ". ")
            + f"Such an answer is wrong with a probability of at most {100 - confidence:g} % for one pair and class, "
            "since it rests on one layer's upper limit and the other's lower limit alone, and each fails with at most "
            f"its share of the {100 - confidence:g} %; this is not corrected for the number of pairs. It holds for any "
            "number of inputs drawn independently of each other and of the network, so not strictly for the images it "
            "was trained on."
        )
    answer += widths_sentence(widths, narrowing, bracketed)
    unreliable = _unreliable(profile).sel(network=networks[0]).any("seed")
    lost = [layer for layer in layers if bool(unreliable.sel(layer=layer).all())]
    answer.append(
        f"*Likely*: by the {ESTIMATOR_NAMES[estimator]} estimates and their standard errors, where both can be "
        "trusted; neither allows for rare patterns that the sample missed. "
        f"{_number(_told(one), 'unreliable')} of the undecided cells are *unreliable*: they cannot be judged "
        f"from {extent(profile.n.values)} inputs a class, too few for a layer's patterns; there the estimate tells "
        "the size of the sample" + (f" (so for every class at {', '.join(lost)})." if lost else ".")
    )
    told = {f"pattern, {name}": _told(table.sel(network=name)) for name in networks}
    shown = (table.pattern.sel(network=networks) != "undecided").values.any((0, 1))
    if len(layers) <= MANY_LAYERS and (bracketed or shown.any()):
        shown = np.ones_like(shown)

    def named(words: xr.DataArray) -> str:
        """The tally, which says so where brackets were asked and no class falls for certain."""
        none = bracketed and not words.isin(["falls for certain", "falls by width"]).any()
        return ("0 falls for certain, " if none else "") + _tally(words)

    labels = dict(zip(table.pair.values, (pair_name(*pair, widths) for pair in combinations(layers, 2)), strict=True))
    rows = [
        [labels[pair], *(named(words.sel(pair=pair)) for words in told.values())] for pair in table.pair.values[shown]
    ]
    parts = [" ".join(answer)]
    if rows:
        parts.append(markdown_table(["pair of layers (classes that …)", *told], rows))
    rest = int((~shown).sum())
    if rest:
        parts.append(f"Pairs of layers in which no class is decided{', left out above' if rows else ''}: {rest}.")
    return parts


def _number(words: xr.DataArray, word: str) -> int:
    return int((words == word).sum())


def extent(n: np.ndarray) -> str:
    """The smallest and the largest of these numbers of inputs, or the one they all are."""
    low, high = int(n.min()), int(n.max())
    return f"{low}" if low == high else f"{low} to {high}"


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that reads well as plain text too: columns padded, numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    numeric = [all(re.fullmatch(r"[\d.()—– ]*", row[i]) for row in rows) for i in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (w + 1) + (":" if right else "-") for w, right in zip(widths, numeric, strict=True))
    return "\n".join([line(head), f"|{rule}|", *(line(row) for row in rows)])
