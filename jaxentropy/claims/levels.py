"""What is said of layers where no step from one to the next is judged: levels, information, one layer's patterns."""

import xarray as xr

from jaxentropy.claims.evidence import has_brackets
from jaxentropy.claims.twins import twins_of
from jaxentropy.claims.words import number_of
from jaxentropy.estimators import ESTIMATOR_NAMES


def level(profile: xr.Dataset, table: xr.Dataset, networks: list[str]) -> str:
    """The neuron entropy of each layer, beside the twin's, and why no step is judged."""
    layers = [str(layer) for layer in profile.layer.values]
    if len(layers) == 1:
        why = "There is one layer, and so no step to judge."
    else:
        why = (
            "Falls from layer to layer are undecided: there are no bits in one place to resample (a tally holds none), "
            "so neuron entropies have no error bars. Record the bits of fewer inputs to judge them."
        )
    parts = [f"**How much entropy has a neuron?** {why}"]
    for name in networks:
        entropy = profile.neuron_entropy.sel(network=name).mean("seed")
        levels = (
            f"{_number(own.mean(), 3)} at {layer} ({_number(own.min(), 3)} to {_number(own.max(), 3)})"
            for layer, own in ((layer, entropy.sel(layer=layer)) for layer in layers)
        )
        never = profile.never_on.sel(network=name).mean("seed")
        silent = [f"{float(never.sel(layer=layer)):.0%} at {layer}".replace("%", " %") for layer in layers]
        parts.append(
            f"The {name} network: in bits a neuron, mean over classes (lowest to highest), {', '.join(levels)}; of its "
            f"neurons never fire {', '.join(silent)}."
        )
    if "twin" in table:
        twins = twins_of(profile)
        counts = (
            f"lower than {twins.of_baseline} for {number_of(words, 'lower')} of {words.size} classes, higher for "
            f"{number_of(words, 'higher')}, undecided for {number_of(words, 'undecided')} at {layer}"
            for layer, words in ((layer, table.twin.sel(layer=layer)) for layer in layers)
        )
        parts.append(f"The {twins.judged} network's is {'; '.join(counts)}.")
    return " ".join(parts)


def information(profile: xr.Dataset) -> str:
    """What a neuron's state says about the class, at the first and the last layer of every network."""
    values = profile.neuron_information.mean("seed")
    ends = dict.fromkeys(str(profile.layer.values[i]) for i in (0, -1))
    sentences = "; ".join(
        " and ".join(f"{three_digits(values.sel(network=name, layer=layer))} at {layer}" for layer in ends)
        + (" with shuffled labels" if name == "shuffled" else f" {name}")
        for name in map(str, profile.network.values)
    )
    return f"**What does a neuron's state tell of the class?** In bits: {sentences}."


def three_digits(value: xr.DataArray) -> str:
    """Bits; what rounds to zero has no sign."""
    return f"{round(float(value), 3) + 0.0:.3f}"


def one_pattern(profile: xr.Dataset, networks: list[str], estimator: str) -> str:
    """The pattern entropy of a single layer."""
    parts = ["**How much entropy has the layer's pattern?**"]
    for name in networks:
        one = profile.sel(network=name).isel(layer=0)
        unreliable = int(one.saturated.any("seed").sum())
        estimate = _number(one.pattern_entropy.sel(estimator=estimator).mean(), 2)
        text = f"The {name} network, in bits, mean over classes: {estimate} by {ESTIMATOR_NAMES[estimator]}"
        text += f" (saturated for {unreliable} of {one.sizes['class']} classes: it says the size of the sample)"
        if has_brackets(profile):
            text += f"; bracket {_number(one.pattern_lower.mean(), 1)} to {_number(one.pattern_upper.mean(), 1)}"
        parts.append(f"{text}.")
    return " ".join(parts)


def _number(value: xr.DataArray, digits: int) -> str:
    return "undefined" if value.isnull() else f"{float(value):.{digits}f}"
