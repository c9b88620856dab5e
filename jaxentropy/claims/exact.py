"""The verdict on an enumeration: every input was listed, so entropies are compared as they are."""

from itertools import combinations

import numpy as np
import xarray as xr

from jaxentropy.base.markdown import markdown_table
from jaxentropy.claims.evidence import judged_networks
from jaxentropy.claims.levels import information, three_digits
from jaxentropy.claims.sentences import constant_neurons, monotone_counts, pair_name, widths_sentence
from jaxentropy.claims.twins import twins_of
from jaxentropy.claims.words import EXACT_WORDS, counted, number_of

ROUNDING = 1e-9
"""Bits; differences below it are the rounding of sums in float64."""


def exact_words(profile: xr.Dataset) -> dict[str, xr.DataArray]:
    """``neuron``, ``neuron_active`` and ``pattern`` of the verdict's table, with what belongs to them."""
    table: dict[str, xr.DataArray] = {}
    for name in ("neuron", "neuron_active"):
        fall = profile[name.replace("neuron", "neuron_fall")]
        each = _compared(fall)
        table[name] = each
        table[f"{name}_mean"] = _compared(fall.mean("class"))
        falls, rises = (each == "falls").all("step"), (each == "rises").any("step")
        level = each.isin(["falls", "equal"]).all("step")
        some = each.sizes["step"] > 0
        words = xr.where(level & some, "never rises", "undecided")
        table[f"{name}_monotone"] = xr.where(falls & some, "holds", xr.where(rises, "contradicted", words))
    return table | _pairs(profile)


def _pairs(profile: xr.Dataset) -> dict[str, xr.DataArray]:
    """Each layer against each deeper one."""
    names = [f"{a}→{b}" for a, b in combinations(profile.layer.values, 2)]
    earlier, later = (
        xr.DataArray(at, dims="pair", coords={"pair": names}) for at in np.triu_indices(len(profile.layer), 1)
    )
    entropy = profile.pattern_entropy.isel(estimator=0, drop=True)
    first, second = (entropy.isel(layer=at).drop_vars(["layer", "width"]) for at in (earlier, later))
    width = profile.width.isel(layer=later).drop_vars(["layer", "width"])
    words = _compared(first - second, " exactly")
    forced = (words == "falls exactly") & (first > width + ROUNDING).all("seed")
    words = xr.where(forced, "falls by width", words).transpose("network", "class", "pair")
    return {"pattern": words, "pattern_unreliable": xr.zeros_like(words, dtype=bool)}


def _compared(fall: xr.DataArray, how: str = "") -> xr.DataArray:
    """falls, rises or equal, the same in every seed; otherwise undecided."""
    falls, rises, equal = (fall > ROUNDING, fall < -ROUNDING, abs(fall) <= ROUNDING)
    words = xr.where(equal.all("seed"), "equal", "undecided")
    return xr.where(falls.all("seed"), f"falls{how}", xr.where(rises.all("seed"), f"rises{how}", words))


def equal_where_no_difference(words: xr.DataArray, difference: xr.DataArray) -> xr.DataArray:
    """Two networks compared: *equal* where they do not differ in any seed, instead of *undecided*."""
    return words.where((abs(difference) > ROUNDING).any("seed") | difference.isnull().any("seed"), "equal")


def exact_text(profile: xr.Dataset, table: xr.Dataset) -> str:
    """A few questions and their answers."""
    networks = judged_networks(profile)
    seeds, inputs = profile.sizes["seed"], int(profile.n.sum())
    in_all = f" in all {seeds} seeds" if seeds > 1 else ""
    differ = " *Undecided*: the seeds differ, or the class has no input." if seeds > 1 else ""
    if seeds == 1 and (profile.n == 0).any():
        differ = " *Undecided*: the class has no input."
    parts = [
        f"**How sure is this?** All {inputs} inputs were listed, each with its probability: every number below is "
        f"exact to rounding, and holds for these networks and inputs.{differ}"
    ]
    if profile.sizes["layer"] > 1:
        claims = []
        for name in networks:
            claim, mean = monotone_counts(table.sel(network=name), "neuron", in_all)
            level = number_of(table.neuron_monotone.sel(network=name), "never rises")
            claim += f"; level at some step, but never rising, for {level}" if level else ""
            claims.append(f"In the {name} network: {claim}; {mean}.")
        parts.append(" ".join(["**Does neuron entropy fall with depth?**", *claims]))
        if "excess" in table:
            twins = twins_of(profile)
            more, less = (number_of(table.excess, word) for word in ("more", "less"))
            parts.append(f"**{twins.question}** {twins.larger_fall} in {more} cells, smaller in {less}.")
    parts += constant_neurons(profile, table, networks, in_all)
    parts.append(information(profile))
    if profile.sizes["layer"] > 1:
        parts += _pattern_text(profile, table, networks)
    return "\n\n".join(parts)


def _pattern_text(profile: xr.Dataset, table: xr.Dataset, networks: list[str]) -> list[str]:
    """The answer on pattern entropy, every pair of layers, and what the next layer adds."""
    one = table.pattern.sel(network=networks[0])
    counts = ", ".join(f"{number_of(one, word)} {word}" for word in EXACT_WORDS if (one == word).any())
    layers = [str(layer) for layer in profile.layer.values]
    widths = dict(zip(layers, profile.width.values.tolist(), strict=True))
    narrowing = any(b < a for a, b in combinations(widths.values(), 2))
    text = [
        f"**Does pattern entropy fall with depth?** The {networks[0]} network, each layer against each deeper one. Of "
        f"{one.size} cells (a class and a pair of layers): {counts}."
    ]
    text += widths_sentence(widths, narrowing)
    added = profile.pattern_conditional_upper.sel(network=networks[0]).mean(["seed", "class"])
    steps = ", ".join(f"{three_digits(added.sel(step=step))} at {step}" for step in profile.step.values)
    adds = (
        "**What does a layer add?** Entropy of the next layer's pattern, given this layer's, in bits, mean over classes"
        f": {steps}. 0: the next pattern is a function of this one."
    )
    labels = [pair_name(*pair, widths) for pair in combinations(layers, 2)]
    rows = [
        [label, *(counted(table.pattern.sel(network=name, pair=pair)) for name in networks)]
        for label, pair in zip(labels, table.pair.values, strict=True)
    ]
    columns = [f"pattern, {name}" for name in networks]
    return [" ".join(text), adds, markdown_table(["pair of layers (classes that …)", *columns], rows)]
