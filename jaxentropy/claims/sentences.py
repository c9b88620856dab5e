"""Words of a verdict → sentences on the neurons that are constant, and on the layers' widths."""

from collections.abc import Mapping

import xarray as xr

WORTH_A_WORD = 0.01
"""Of a layer in which a larger share of the neurons never fires, the text says so."""


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
