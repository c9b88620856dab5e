"""What is said of the layers that low entropy would have removed."""

import xarray as xr

from jaxentropy.claims.resampling import FEW_CLUSTERS, Estimate


def removable_text(
    correlation: xr.Dataset,
    partial: Estimate,
    picked: xr.Dataset,
    each: xr.Dataset,
    confidence: float,
    retrained: tuple[xr.Dataset, Estimate, xr.Dataset] | None,
) -> str:
    """Does low entropy find removable layers, or does it echo what is there without training?

    ``retrained`` is the correlation, the partial one and the picks with the damage that is left after retraining.
    """
    configurations = len(set(each.configuration.values.tolist()))
    entropy = _of(correlation, "criterion", "entropy")
    parts = [
        f"{each.sizes['member']} networks of three layers or more that were linearised, of {configurations} "
        f"configuration{'s' * (configurations != 1)}; intervals are {100 * confidence:g} %, over configurations.",
        f"**Does low activation entropy find removable layers?** {_answer(correlation, partial, entropy)}",
        _echo(correlation, partial),
        _picks(picked),
    ]
    if configurations == 1:
        parts.append("Of one configuration no interval can be given, and nothing is known of others.")
    elif configurations < FEW_CLUSTERS:
        parts.append(f"{configurations} configurations are few, and intervals over them are too narrow.")
    chance = _of(correlation, "criterion", "random")
    if chance.low > 0 or chance.high < 0:
        parts.append(f"The random control itself is off zero, {chance}: intervals are too narrow here.")
    if retrained is None:
        parts.append(
            "Layers were made linear and nothing was retrained: what retraining would mend is not known (a sweep with "
            "`retrain_epochs` tells)."
        )
    else:
        parts.append(_after_retraining(*retrained))
    return "\n\n".join(parts)


def _after_retraining(correlation: xr.Dataset, partial: Estimate, picked: xr.Dataset) -> str:
    """The same, of the damage that retraining leaves."""
    entropy, order = (_of(correlation, "criterion", name) for name in ("entropy", "order"))
    costs = ", ".join(
        f"*{name}* {_of(picked, 'pick', name)}"
        for name in ("lowest entropy", "last", "first", "random", "best possible")
    )
    behind = {name: _of(picked, "pick", name, "behind") for name in ("last", "random")}
    against = " ".join(
        f"Lowest entropy is {'clearly' if one.low * one.high > 0 else 'not clearly'} "
        f"{'cheaper' if one.mean > 0 else 'dearer'} than {name}."
        for name, one in behind.items()
        if one.low == one.low
    )
    return (
        f"**After retraining,** as long as a control that kept all nonlinearities, the damage is: {costs}. {against} "
        f"Rank correlation with it: entropy {entropy}, the mere order {order}, partial {partial}."
    ).replace("  ", " ")


def _answer(correlation: xr.Dataset, partial: Estimate, entropy: Estimate) -> str:
    """The answer in a sentence."""
    if entropy.low != entropy.low:
        return f"Nobody can tell from this: its rank correlation with the damage is {entropy}."
    if entropy.high < 0:
        return f"No, on the contrary: layers of low entropy do *more* damage (rank correlation {entropy})."
    if entropy.low <= 0:
        held = " With the untrained profile and the order of layers held,"
        said = f"{held} it tells something: {partial}." if partial.low > 0 else ""
        if partial.high < 0:
            said = f"{held} layers of low entropy do *more* damage: {partial}."
        return f"Not clearly: its rank correlation with the damage is {entropy}.{said}"
    better = [_of(correlation, "criterion", name, "behind") for name in ("untrained entropy", "order")]
    if partial.low > 0 and all(one.low > 0 for one in better):
        return (
            f"Yes: it orders layers by damage (rank correlation {entropy}), better than the untrained twin's entropy "
            f"and the order of layers do, and beyond both (partial {partial})."
        )
    if partial.low > 0:
        return (
            f"In part: it orders layers by damage (rank correlation {entropy}), and tells something beyond the "
            f"untrained profile and the order of layers (partial {partial}), but it is not clearly better than both."
        )
    echoes = (
        f"It orders layers by damage (rank correlation {entropy}), but as far as can be told it **echoes** the "
        f"untrained profile and the order of layers: at equal place and untrained entropy, {partial} is left"
    )
    if partial.high < 0:
        return f"{echoes}, so that of equal place and untrained entropy, layers of low entropy do *more* damage."
    return f"{echoes}."


def _echo(correlation: xr.Dataset, partial: Estimate) -> str:
    """Beside what needs no training."""
    said = []
    for name, title in (
        ("untrained entropy", "the untrained twin's entropy"),
        ("order", "the mere order (last first)"),
    ):
        own, behind = _of(correlation, "criterion", name), _of(correlation, "criterion", name, "behind")
        if own.mean != own.mean:
            said.append(f"{title} not known")
            continue
        word = "clearly worse" if behind.low > 0 else "clearly better" if behind.high < 0 else "not clearly different"
        said.append(f"{title} {own}, {word}")
    return f"**Does it need training?** Rank correlation with the damage: {'; '.join(said)}. Partial: {partial}."


def _picks(picked: xr.Dataset) -> str:
    """What one layer costs, by who chose it."""
    said = [f"*{name}* {_of(picked, 'pick', str(name))}" for name in picked.pick.values]
    behind = {str(name): _of(picked, "pick", str(name), "behind") for name in picked.pick.values}
    others = [name for name in behind if name not in ("lowest entropy", "best possible")]
    cheaper = [name for name in others if behind[name].high < 0]
    dearer = [name for name in others if behind[name].low > 0]
    text = f"**If one layer is made linear,** so many points of test accuracy are lost: {', '.join(said)}."
    if cheaper:
        text += f" Clearly cheaper than lowest entropy: {', '.join(cheaper)}."
    if dearer:
        text += f" Clearly dearer: {', '.join(dearer)}."
    return text if cheaper or dearer else f"{text} None is clearly cheaper or dearer than lowest entropy."


def _of(table: xr.Dataset, dim: str, label: str, what: str = "value") -> Estimate:
    one = table.sel({dim: label})
    ends = ("low", "high") if what == "value" else (f"{what}_low", f"{what}_high")
    return Estimate(float(one[what]), *(float(one[end]) for end in ends))
