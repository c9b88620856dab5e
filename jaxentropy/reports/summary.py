"""A profile and its verdict as Markdown."""

import numpy as np
import xarray as xr

from jaxentropy.base.markdown import extent, folded, markdown_table
from jaxentropy.claims.judge import Verdict, verdict
from jaxentropy.estimators import LABELS
from jaxentropy.profiling.exact import ESTIMATOR
from jaxentropy.profiling.reading import inputs_of

NO_VERDICT = "No verdict: without bootstrap, neuron entropies have no error bars. Make the profile with bootstrap > 0."


def summary(profile: xr.Dataset, streamed: xr.Dataset | None = None, found: Verdict | None = None) -> str:
    """The profile and its verdict as Markdown: the answer, the numbers, the grounds; then those of a stream."""
    found, inputs = found or verdict_of(profile, streamed), inputs_of(profile)
    lines = [f"# {profile.attrs.get('subject', 'Entropy of activation patterns')}", ""]
    # bold names, and lines apart: Markdown would join them
    lines += (
        [f"**{line.replace(':', ':**', 1)}\n" for line in found.headline.splitlines()] if found else [NO_VERDICT, ""]
    )
    if "test_accuracy" in profile:
        final = profile[["train_accuracy", "test_accuracy"]].isel(epoch=-1) if profile.sizes["epoch"] else None
        if final is not None:
            lines += [
                f"Accuracy after {profile.sizes['epoch']} epochs, mean over seeds ({profile.sizes.get('seed', 1)}): "
                f"{_spread(final.train_accuracy)} train, {_spread(final.test_accuracy)} test.",
                "",
            ]
    lines += _preparation(profile)
    lines += [
        f"{int(inputs.sum())} inputs, {profile.sizes['class']} classes of {extent(inputs.values)}. "
        "Means over classes" + (" and seeds" if profile.sizes.get("seed", 1) > 1 else "") + "; entropies in bits.",
        "",
        layer_table(profile),
        "",
        f"<details><summary>What the columns say</summary>\n\n{_COLUMNS}{_explanation(profile)}\n\n</details>",
        "",
    ]
    if found:
        lines += ["## Verdict", "", folded(found.details)]
    if streamed is not None:
        lines += [
            f"## Over a stream: {streamed.attrs.get('population_text', '')}", "",
            f"{extent(streamed.n.values)} draws of class {', '.join(streamed['class'].values)}, first seed.",
            "", layer_table(streamed), "", folded(verdict(streamed).details),
        ]  # fmt: skip
    return "\n".join(lines)


def _preparation(profile: xr.Dataset) -> list[str]:
    """What was done to the data before training, if the run knew."""
    if "split_source" not in profile.attrs:
        return []
    mean, scale = profile.attrs["pixel_mean"], profile.attrs["pixel_scale"]
    pixels = "as they are" if (mean, scale) == (0, 1) else f"minus {mean:.6g}, divided by {scale:.6g}"
    return [f"Pixels {pixels}; the split: {profile.attrs['split_source']}.", ""]


def verdict_of(profile: xr.Dataset, streamed: xr.Dataset | None = None) -> Verdict | None:
    """The verdict; none of a profile that was made without error bars."""
    if profile.attrs.get("source") == "recording" and not profile.attrs.get("bootstrap"):
        return None
    return verdict(profile, streamed=streamed)


_COLUMNS = (
    "*per neuron*: mean over the layer's neurons of the entropy of a neuron's state (on or off), H(A∣Y) within a "
    "class, H(A) over all classes, I(A;Y) their difference. *pattern*: entropy of the layer's joint pattern within "
    "a class; a layer of d neurons holds at most d bits, and of n inputs the plug-in sees at most log2 n. "
    "*bits/neuron*, *of ceiling*: the last estimate, divided by d, and by the smaller of d and log2 n (above 1: "
    "the estimate allows for patterns not seen). "
    "*unique*: different patterns / inputs. *coverage*: share of the pattern distribution that was seen "
    "(Good–Turing). *never on*: share of the layer's neurons that are off for every input. *saturated*: classes "
    "whose pattern entropy tells the size of the sample, not the network; "
    "with such a class the pattern entropy stands in parentheses. —: undefined, as all patterns of a class differ."
)


def _explanation(profile: xr.Dataset) -> str:
    """What the columns *bracket* and *reliability* say."""
    text = ""
    if "pattern_lower" in profile:
        confidence = 100 * profile.attrs.get("bounds_confidence", 0.95)
        text += (
            " *bracket*: the limits between which the true pattern entropy of a class lies with a probability of at "
            f"least {confidence:g} %, whatever its patterns' distribution, for any number of inputs drawn "
            "independently of each other and of the network (means of the lower and of the upper limits; not given for "
            "shuffled labels)."
        )
    return text + (
        " *reliability*: how far the estimates of the pattern entropy can be trusted, in classes (the worst of its "
        f"seeds), from best to worst: {', '.join(LABELS)}; rare patterns that the sample missed no estimate can see."
    )


_SHOWN = {"exact": "pattern: exact", "plugin": "pattern: plug-in", "chao_wang_jost": "pattern: Chao–Wang–Jost"}


def layer_table(profile: xr.Dataset) -> str:
    """One row a network and layer: the quantities of the profile, averaged over classes and seeds.

    The column *bracket* is there if the profile has brackets.
    """
    mean = profile.mean([d for d in ("seed", "class") if d in profile.dims], skipna=False)
    occupied = profile.isel({"class": np.flatnonzero(profile.n.values)})
    by_class = occupied.mean([d for d in ("seed", "class") if d in occupied.dims], skipna=False)
    saturated = profile.saturated.any("seed") if "seed" in profile.dims else profile.saturated
    estimators = [str(e) for e in profile.estimator.values]
    shown = [e for e in _SHOWN if e in estimators]
    head = ["network", "layer", "neurons", "H(A∣Y) per neuron", "H(A)", "I(A;Y)"]
    head += [_SHOWN[e] for e in shown]
    bracketed = "pattern_lower" in profile
    head += ["bits/neuron", "of ceiling"] * bool(shown) + ["pattern: bracket"] * bracketed
    head += ["unique", "coverage", "never on", "saturated", "reliability"]
    rows = []
    for network in profile.network.values if "network" in profile.dims else [None]:
        for layer in profile.layer.values:
            at = {"layer": layer} | ({"network": network} if network is not None else {})
            one, pooled = by_class.sel(at), mean.sel(at)
            doubt = int(saturated.sel(at).sum())
            conditional = pooled.neuron_entropy_pooled - pooled.neuron_information
            rows.append(
                [
                    "—" if network is None else str(network),
                    str(layer),
                    str(int(one.width)),
                    *(_number(v, 3) for v in (conditional, pooled.neuron_entropy_pooled, pooled.neuron_information)),
                    *(_number(one.pattern_entropy.sel(estimator=e), 2, doubt=bool(doubt)) for e in shown),
                    *(_number(v.sel(estimator=e), 2, doubt=bool(doubt)) for e in shown[-1:] for v in _shares(one)),
                    *([_bracket(one)] if bracketed else []),
                    _number(one.unique_fraction, 3),
                    _number(one.coverage, 3),
                    _number(pooled.never_on, 3),
                    f"{doubt} of {profile.sizes['class']}",
                    _reliability(occupied.reliability.sel(at)),
                ]
            )
    return markdown_table(head, rows)


def _number(value: xr.DataArray, digits: int, *, doubt: bool = False) -> str:
    if np.isnan(value):
        return "—"
    return f"({float(value):.{digits}f})" if doubt else f"{float(value):.{digits}f}"


def _shares(mean: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """What compares the pattern entropies of layers of different widths."""
    return mean.pattern_entropy_per_neuron, mean.pattern_entropy_share


def _bracket(mean: xr.Dataset) -> str:
    if mean.pattern_lower.isnull():
        return "—"
    return f"{float(mean.pattern_lower):.1f} – {float(mean.pattern_upper):.1f}"


def _reliability(labels: xr.DataArray) -> str:
    """How many classes have which label, each by the worst of its seeds: ``3 usable, 7 weak``."""
    order = (ESTIMATOR, *LABELS)
    ranks = xr.apply_ufunc(order.index, labels, vectorize=True)
    worst = (ranks.max("seed") if "seed" in ranks.dims else ranks).values
    counts = np.bincount(worst, minlength=len(order))
    return ", ".join(f"{count} {label}" for count, label in zip(counts, order, strict=True) if count) or "—"


def _spread(values: xr.DataArray) -> str:
    mean, low, high = (float(f(values)) for f in (np.mean, np.min, np.max))
    return f"{mean:.3f}" if values.size == 1 else f"{mean:.3f} ({low:.3f} to {high:.3f})"
