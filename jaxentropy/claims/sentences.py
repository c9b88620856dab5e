"""Words of a verdict → sentences on constant neurons, on the layers' widths, and on what a layer adds."""

from collections.abc import Mapping

import xarray as xr

from jaxentropy.claims.evidence import CONFIDENCE

WORTH_A_WORD = 0.01
"""Of a layer in which a larger share of the neurons never fires, the text says so."""
ADDS_LITTLE = 1.0
"""Bits; a layer that adds less in every class is named as a candidate for removal."""


def monotone_counts(words: xr.Dataset, name: str, in_all: str = "") -> tuple[str, str]:
    """For how many classes one network's claim holds, and at how many steps its mean over classes falls or rises."""
    monotone, mean = words[f"{name}_monotone"], words[f"{name}_mean"]
    holds, against, open_ = (int((monotone == word).sum()) for word in ("holds", "contradicted", "undecided"))
    falls, rises = (int((mean == word).sum()) for word in ("falls", "rises"))
    return (
        f"at every step{in_all} for {holds} of {monotone.size} classes; contradicted (a step rises) for {against}; "
        f"undecided for {open_}",
        f"the mean over classes falls at {falls} of {mean.size} steps and rises at {rises}",
    )


def constant_neurons(profile: xr.Dataset, table: xr.Dataset, networks: list[str], in_all: str) -> list[str]:
    """How many neurons never fire, and the answer without constant ones where it is another one; nothing if neither."""
    shares = profile[["never_on", "never_off"]].mean("seed").sel(network=networks)
    never = shares.never_on
    dead = [
        f"of {layer}'s {int(never.width.sel(layer=layer))} neurons "
        + _shares([float(never.sel(layer=layer, network=name)) for name in networks], networks)
        for layer in never.layer.values
        if (never.sel(layer=layer) > WORTH_A_WORD).any()
    ]
    parts = []
    if dead:
        whole = "; ".join(dead)
        parts.append(f"{whole[0].upper()}{whole[1:]}.")
    differs = [name for name in networks if _differs(table.sel(network=name))]
    if differs:
        parts.append(
            "A constant neuron has no entropy: it lowers its layer's mean whatever the other neurons do. Both counts "
            "are true, but they disagree."
        )
        for name in differs:
            (claim, mean), (claim_all, mean_all) = (
                monotone_counts(table.sel(network=name), of, in_all) for of in ("neuron_active", "neuron")
            )
            parts.append(
                f"The {name} network *without the neurons that are constant over all inputs*: {claim}; {mean}. *Over "
                f"all neurons*: {claim_all}; {mean_all}."
            )
    elif bool((shares.never_on + shares.never_off > 0).any()):
        parts.append("Without the neurons that are constant over all inputs, the answer is the same.")
    return [" ".join(["**Do constant neurons decide the answer?**", *parts])] if parts else []


def _shares(never: list[float], networks: list[str]) -> str:
    """``46 % never fire (untrained 2 %)``."""
    first, *others = (f"{share:.0%}".replace("%", " %") for share in never)
    twins = ", ".join(f"{name} {share}" for name, share in zip(networks[1:], others, strict=True))
    return f"{first} never fire" + (f" ({twins})" if twins else "")


def _differs(words: xr.Dataset) -> bool:
    """Whether the classes' counts, or the words on their mean, are others without constant neurons."""
    counts = {monotone_counts(words, name)[0] for name in ("neuron", "neuron_active")}
    return len(counts) > 1 or not words.neuron_mean.equals(words.neuron_active_mean)


def pair_name(shallower: str, deeper: str, widths: Mapping[str, int]) -> str:
    """``fc1→fc3``, with the widths if they differ: ``fc1→fc3 (256→10)``."""
    a, b = widths[shallower], widths[deeper]
    return f"{shallower}→{deeper}" + (f" ({a}→{b})" if a != b else "")


def widths_sentence(widths: Mapping[str, int], narrowing: bool, known_by: str = "") -> list[str]:
    """The widths of the layers and what they force; nothing if all are equal. ``known_by``: how, if not exactly."""
    if len(set(widths.values())) < 2:
        return []
    named = ", ".join(f"{layer} {width}" for layer, width in widths.items())
    sentence = f"A layer of d neurons cannot hold more than d bits, and the layers differ in width: {named}."
    if narrowing:
        by = f" ({known_by})" if known_by else ""
        sentence += (
            f" *Falls by width*: the shallower layer holds more bits{by} than the deeper one has neurons. The fall "
            "is true, but the widths alone force it."
        )
    return [sentence]


def layer_adds(profile: xr.Dataset, network: str) -> list[str]:
    """The most that each layer's pattern adds to the one before, of this network; nothing if that was not bounded."""
    if "pattern_conditional_upper" not in profile:
        return []
    most = profile.pattern_conditional_upper.sel(network=network)
    most = most.where(~profile.copies).isel({"class": (profile.n > 0).values})
    if most.isnull().all():
        return []
    mean, seeds = most.mean(["seed", "class"]), profile.sizes["seed"]
    named = ", ".join(f"{float(mean.sel(step=step)):.2f} at {step}" for step in profile.step.values)
    fails = 100 * (1 - profile.attrs.get("bounds_confidence", CONFIDENCE))
    over = "mean over classes" + (f" and {seeds} seeds" if seeds > 1 else "")
    text = (
        "**What does a layer add?** Entropy of the next layer's pattern, given this layer's and the class, in bits, "
        f"{over}: at most {named}. A step's bound for one class{' and seed' if seeds > 1 else ''} is too low with a "
        f"probability of at most {fails:.3g} %, at any number of independent inputs; a high one does not say that a "
        "layer adds much. "
    )
    where = "in every class" + (f" of all {seeds} seeds" if seeds > 1 else "")
    little = (most < ADDS_LITTLE).all(["seed", "class"]).values
    steps = profile.step.values[little]
    if not len(steps):
        return [f"{text}No step is below {ADDS_LITTLE:g} bit {where}."]
    layers = ", ".join(str(layer) for layer in profile.layer.values[1:][little])
    return [
        f"{text}Below {ADDS_LITTLE:g} bit {where}: {', '.join(steps)}. The pattern of {layers} is then almost a "
        f"function of the one before: {'a candidate' if len(steps) == 1 else 'candidates'} for removal, which only "
        "retraining can confirm."
    ]
