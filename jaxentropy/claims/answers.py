"""A profile's verdict in a few sentences."""

from itertools import combinations

import numpy as np
import xarray as xr

from jaxentropy.base.markdown import extent, markdown_table
from jaxentropy.claims.evidence import CONFIDENCE, has_brackets, is_unreliable, judged_networks
from jaxentropy.claims.levels import information, level, one_pattern
from jaxentropy.claims.sentences import constant_neurons, layer_adds, monotone_counts, pair_name, widths_sentence
from jaxentropy.claims.twins import twins_of
from jaxentropy.claims.words import PATTERN_WORDS, counted, number_of, pattern_words
from jaxentropy.estimators import ESTIMATOR_NAMES
from jaxentropy.estimators.trust import MIN_INPUTS

MANY_LAYERS = 8
"""With more layers than this, pairs of layers in which no class is decided are counted but not listed."""


def answer_text(profile: xr.Dataset, table: xr.Dataset, estimator: str, smallest: float) -> str:
    """A few questions and their answers."""
    networks = judged_networks(profile)
    if profile.neuron_fall_se.isnull().all():
        parts = [level(profile, table, networks)]
    else:
        parts = _neuron_text(profile, table, networks, smallest)
    parts.append(information(profile))
    if profile.sizes["layer"] > 1:
        parts += _pattern_text(profile, table, networks, estimator)
        parts += layer_adds(profile, networks[0])
    else:
        parts.append(one_pattern(profile, networks, estimator))
    return "\n\n".join(parts + _notes(profile))


def _neuron_text(profile: xr.Dataset, table: xr.Dataset, networks: list[str], smallest: float) -> list[str]:
    """The answers on neuron entropy."""
    seeds, twins = profile.sizes["seed"], twins_of(profile)
    cells = table.neuron.isel(network=0).size
    in_all = f" in all {seeds} seeds" if seeds > 1 else ""

    def answer(name: str) -> str:
        one = table.sel(network=name)
        cell = {word: number_of(one.neuron, word) for word in ("falls", "rises", "undecided")}
        claim, mean = monotone_counts(one, "neuron", in_all)
        return (
            f"the {name} network: {claim}. Of its {cells} cells (a class and a step to the next layer): "
            f"{cell['falls']} falls, {cell['rises']} rises, {cell['undecided']} undecided; {mean}."
        )

    parts = [
        f"**Does neuron entropy fall with depth?** In {answer(networks[0])} A change counts where it is beyond its "
        f"normal 95 % interval and the bias that may be left, and not below {smallest:g} bits a neuron. Such intervals "
        "are for large samples: kinds of input that the sample missed are not in them."
    ]
    parts += constant_neurons(profile, table, networks, in_all)
    training = [f"In {answer(name)}" for name in networks[1:]]
    if "excess" in table:
        training.append(
            f"{twins.larger_fall} in {number_of(table.excess, 'more')} cells, smaller in "
            f"{number_of(table.excess, 'less')}, undecided in {number_of(table.excess, 'undecided')}"
            + (f" (95 % interval of the mean over {seeds} seeds)." if seeds > 1 else " (one seed: others may differ).")
        )
    if training:
        parts.append(" ".join([f"**{twins.question}**", *training]))
    return parts


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


def _certainty(profile: xr.Dataset) -> str:
    """What *for certain* means, and what it takes for granted."""
    seeds = profile.sizes["seed"]
    confidence = 100 * profile.attrs.get("bounds_confidence", CONFIDENCE)
    return (
        f"*For certain*: the {confidence:g} % brackets of the two layers do not overlap"
        + (f" in any of the {seeds} seeds. " if seeds > 1 else ". ")
        + f"Such an answer is wrong with a probability of at most {100 - confidence:g} % for one pair and class, since "
        "it rests on one layer's upper limit and the other's lower limit alone, and each fails with at most its share "
        f"of the {100 - confidence:g} %; this is not corrected for the number of pairs. {_holds_for(profile)}"
    )


def _holds_for(profile: xr.Dataset) -> str:
    """Of which population brackets speak."""
    if profile.attrs.get("population") == "stream":
        text = profile.attrs.get("population_text", "a stream")
        return f"It holds of one population, from which inputs were drawn independently: {text}."
    return (
        "It holds for any number of inputs drawn independently of each other and of the network, so not strictly for "
        "the inputs that it has learnt from."
    )


def _pattern_text(profile: xr.Dataset, table: xr.Dataset, networks: list[str], estimator: str) -> list[str]:
    """The answer on pattern entropy for the first of the networks, and the pairs of layers of all of them."""
    one = table.sel(network=networks[0])
    bracketed, layers = has_brackets(profile), [str(layer) for layer in profile.layer.values]
    widths = dict(zip(layers, profile.width.values.tolist(), strict=True))
    narrowing = any(b < a for a, b in combinations(widths.values(), 2))
    counts = [
        f"{number_of(one.pattern, word)} {word}"
        for word in PATTERN_WORDS
        if (bracketed or "certain" not in word) and (narrowing or "width" not in word)
    ]
    answer = [
        f"**Does pattern entropy fall with depth?** The {networks[0]} network, each layer against each deeper one. "
        f"Of {one.pattern.size} cells (a class and a pair of layers): {', '.join(counts)}."
    ]
    if bracketed:
        answer.append(_certainty(profile))
    known_by = ("by its lower limit, or " if bracketed else "") + "by its estimate less 1.96 standard errors"
    answer += widths_sentence(widths, narrowing, known_by)
    unreliable = is_unreliable(profile).sel(network=networks[0]).any("seed")
    lost = [layer for layer in layers if bool(unreliable.sel(layer=layer).all())]
    answer.append(
        f"*Likely*: by the {ESTIMATOR_NAMES[estimator]} estimates and their standard errors, where both can be "
        "trusted; neither allows for rare patterns that the sample missed. "
        f"{number_of(pattern_words(one), 'unreliable')} of the undecided cells are *unreliable*: they cannot be judged "
        f"from {extent(profile.n.values)} inputs a class, too few for a layer's patterns; there the estimate tells "
        "the size of the sample" + (f" (so for every class at {', '.join(lost)})." if lost else ".")
    )
    return [" ".join(answer), *_pairs(table, networks, widths, bracketed)]


def _pairs(table: xr.Dataset, networks: list[str], widths: dict[str, int], bracketed: bool) -> list[str]:
    """Every pair of layers, or of many layers those in which a class is decided, as a Markdown table."""
    columns = {f"pattern, {name}": pattern_words(table.sel(network=name)) for name in networks}
    shown = (table.pattern.sel(network=networks) != "undecided").values.any((0, 1))
    if len(widths) <= MANY_LAYERS and (bracketed or shown.any()):
        shown = np.ones_like(shown)

    def named(words: xr.DataArray) -> str:
        """The counts, which say so where there are brackets and no class falls for certain."""
        none = bracketed and not words.isin(["falls for certain", "falls by width"]).any()
        return ("0 falls for certain, " if none else "") + counted(words)

    labels = dict(zip(table.pair.values, (pair_name(*pair, widths) for pair in combinations(widths, 2)), strict=True))
    rows = [
        [labels[pair], *(named(words.sel(pair=pair)) for words in columns.values())]
        for pair in table.pair.values[shown]
    ]
    parts = [markdown_table(["pair of layers (classes that …)", *columns], rows)] if rows else []
    rest = int((~shown).sum())
    if rest:
        parts.append(f"Pairs of layers in which no class is decided{', left out above' if rows else ''}: {rest}.")
    return parts
