"""What a survey says in sentences: what was found, also where the paper is wrong, and what would change the answer."""

import numpy as np
import pandas as pd
import xarray as xr

from jaxentropy.claims.metric import BASELINES, POOLED, QUANTITIES, TARGETS
from jaxentropy.claims.monotone import FACTORS
from jaxentropy.claims.ranks import FEW, FEWEST

PAPERS = "neuron_entropy_last"
"""The quantity that decides on the claim, chosen before any number was seen."""
_MEANT = QUANTITIES | BASELINES


def survey_text(
    gathered: xr.Dataset,
    configurations: int,
    shares: dict[str, pd.DataFrame],
    training: pd.DataFrame,
    correlations: pd.DataFrame,
    confidence: int | float,
    exact_rises: int,
) -> str:
    """The whole text: the sweep, the claim that entropy falls, the claim that it is a metric.

    ``exact_rises`` are the trained networks with a rise whose inputs are all listed, so that chance has no part in it.
    """
    sets = sorted({str(name) for name in gathered.dataset.values})
    failed = int(gathered.attrs.get("failed", 0))
    opening = (
        f"{_many(gathered.sizes['member'], 'network')} of {_many(configurations, 'configuration')} on "
        f"{_many(len(sets), 'data set')} ({', '.join(sets)})"
        + (f"; {failed} failed and {'is' if failed == 1 else 'are'} not among them" if failed else "")
        + f". Intervals are of {confidence:.0%} confidence, over configurations, and of untrained networks and what "
        f"training does over kinds of networks that begin alike"
        + (f"; a data set of fewer than {FEWEST} has none" if _few(correlations, FEWEST) else "")
        + (f"; those of fewer than {FEW} are too narrow." if _few(correlations, FEW) else ".")
    )
    return "\n\n".join(
        [
            opening,
            _listed(
                "Does entropy fall with every layer?", _monotone(gathered, shares, training, confidence, exact_rises)
            ),
            _listed("Is entropy a metric of performance?", _metric(correlations, confidence, _noisy(gathered))),
        ]
    )


def _listed(question: str, said: list[str]) -> str:
    """The question with its answer, and a list of the grounds."""
    grounds = "\n".join(f"- {one}" for one in said[1:])
    return f"**{question}** {said[0]}" + (f"\n\n{grounds}" if grounds else "")


def _noisy(gathered: xr.Dataset) -> bool:
    return "label_noise" in gathered.coords and bool((gathered.label_noise.values > 0).any())


def _few(correlations: pd.DataFrame, number: int) -> bool:
    """Whether a data set has fewer configurations than this."""
    each = correlations.loc[(correlations.among == "configurations") & (correlations.quantity == "train_loss")]
    return bool((each.configurations < number).any())


def _monotone(
    gathered: xr.Dataset,
    shares: dict[str, pd.DataFrame],
    training: pd.DataFrame,
    confidence: int | float,
    exact_rises: int,
) -> list[str]:
    total = shares["total"].set_index(["state", "neurons"])
    own, twin, active = (total.loc[at] for at in (("trained", "all"), ("untrained", "all"), ("trained", "active")))
    if not own.cells:
        return ["Nothing can be said: no network has a step from one layer to another. Deeper networks would tell."]
    sentences = [
        _monotone_answer(gathered, own, confidence, exact_rises),
        f"Of the {own.cells} steps of {_many(int(own.networks), 'trained network')}, class by class, "
        f"{_share(own, 'falls')} fall clearly, {_share(own, 'rises')} rise clearly and {own.unclear:.0%} are unclear; "
        f"every step of every class falls in {_share(own, 'every_step_falls')} of the networks, and none rises, each "
        f"judged by itself, in {_share(own, 'never_rises')}. All steps weigh alike, so that data of many classes and "
        "deep networks count most.",
        _of_twins(twin, training),
    ]
    if active.cells:
        allowed = "neuron_fall_active_bias" in gathered or bool(gathered.exact.values.astype(bool).all())
        unallowed = "" if allowed else ", by their standard errors alone, as the bound of their bias was not gathered"
        sentences.append(
            f"Without neurons that are constant over all inputs, {active.falls:.0%} of the trained networks' steps "
            f"fall and {active.rises:.0%} rise clearly{unallowed}."
        )
    sentences += [said for factor in FACTORS if (said := _by_factor(shares[factor], factor))]
    return [*sentences, _would_change_steps(gathered, own, active, confidence)]


def _monotone_answer(gathered: xr.Dataset, own: pd.Series, confidence: int | float, exact_rises: int) -> str:
    chance = 1 - confidence
    listed = bool(gathered.exact.values.astype(bool).all())
    interval = bool(np.isfinite(own.some_rise_corrected_low))
    if own.every_step_falls == 1:
        return "Yes, in every network of this sweep that has two layers or more, at every step and in every class."
    risen = round(own.some_rise_corrected * own.networks)
    often = f"it clearly rises somewhere in {_of_networks(risen, int(own.networks))}, all steps judged together"
    if exact_rises or (interval and own.some_rise_corrected_low > chance):
        how = f", more than the {chance:.0%} that chance explains" if interval and not listed else ""
        if exact_rises and not listed:
            how = f"; {exact_rises} of them without sampling error, since all inputs are listed"
        return f"No, not as a law: {often}{how}; {_mostly(own)}."
    if listed:
        return "Not strictly: no step rises, but some leave the entropy as it is."
    if not interval and own.some_rise_corrected > chance:
        return f"Undecided, of configurations too few for an interval: {often}; {_mostly(own)}."
    return "Not contradicted, and not shown: no more steps rise than chance explains, but not all fall clearly."


def _mostly(own: pd.Series) -> str:
    if own.falls > 0.5:
        return "it falls at most steps, but not at all of them"
    if own.falls + own.unclear < 0.5:
        return "it does not even fall at most steps"
    return f"whether it falls at most steps is open, since {own.unclear:.0%} of them are unclear"


def _of_networks(some: int, networks: int) -> str:
    """A share in percent, or a number where it would be rounded to none."""
    return (
        f"{some / networks:.0%} of the trained networks"
        if some >= 0.01 * networks
        else f"{some} of {networks} networks"
    )


def _of_twins(twin: pd.Series, training: pd.DataFrame) -> str:
    training = training.loc[training.neurons == "all"]
    power = _power(training.loc[(training.factor == "total") & (training.share == "unclear")].iloc[0])
    training = training.loc[training.share == "falls"]
    more = training.loc[training.factor == "total"].iloc[0]
    said = (
        f"In their untrained twins {_share(twin, 'falls')} of the steps fall and {_share(twin, 'rises')} rise clearly: "
    )
    if not np.isfinite(more.low):
        return said + (
            f"with training the share of clear falls changes by {_points(more)}, of too few kinds of networks that "
            "begin differently to tell."
        )
    rest = "".join(_opposite(training.loc[training.factor == factor], factor) for factor in FACTORS) + power
    if more.low <= 0 <= more.high:
        return said + f"that training makes clear falls more frequent is not shown ({_points(more)}).{rest}"
    way = "more" if more.difference > 0 else "less"
    return said + f"training makes clear falls {way} frequent, by {_points(more)}.{rest}"


def _power(unclear: pd.Series) -> str:
    """Where what is unclear changes with training, so that some of the clear falls may be ones that were unclear."""
    if abs(unclear.difference) < 0.05:
        return ""
    fewer = "fewer" if unclear.difference < 0 else "more"
    return (
        f" Of trained networks {fewer} steps are unclear ({_points(unclear)}), so that a part of it may be that steps "
        "are seen more clearly, and not that more of them fall."
        if fewer == "fewer"
        else f" Of trained networks {fewer} steps are unclear ({_points(unclear)}), so that falls may be missed there."
    )


def _opposite(rows: pd.DataFrame, factor: str) -> str:
    """Where training clearly makes falls more frequent for some and less for others, which the whole hides."""
    more, less = (
        ", ".join(f"{row['value']} ({_points(row)})" for _, row in rows.loc[which].iterrows())
        for which in (rows.low > 0, rows.high < 0)
    )
    if not (more and less):
        return _without_intervals(rows, factor)
    return f" But by {_named(factor)}, it makes them clearly more frequent for {more}, and clearly less for {less}."


def _without_intervals(rows: pd.DataFrame, factor: str) -> str:
    """Values too few for intervals, of which some have more and some less."""
    if len(rows) < 2 or np.isfinite(rows.low).any() or not rows.difference.min() < 0 < rows.difference.max():
        return ""
    least, most = rows.loc[rows.difference.idxmin()], rows.loc[rows.difference.idxmax()]
    return (
        f" By {_named(factor)} it goes from {_points(least)} ({least['value']}) to {_points(most)} ({most['value']}), "
        "of too few for intervals."
    )


def _points(row: pd.Series) -> str:
    value, low, high = (100 * float(row.loc[name]) for name in ("difference", "low", "high"))
    return f"{value:+.0f} percentage points{_interval(low, high, '+.0f')}"


def _named(factor: str) -> str:
    return "data set" if factor == "dataset" else factor


def _by_factor(table: pd.DataFrame, factor: str) -> str:
    rows = table.loc[(table.state == "trained") & (table.neurons == "all") & (table.cells > 0)]
    if len(rows) < 2:
        return ""
    most, least = rows.loc[rows.falls.idxmax()], rows.loc[rows.falls.idxmin()]
    if not most.falls_low > least.falls_high:
        return ""
    return (
        f"By {_named(factor)}, clear falls are most frequent for {most[factor]} ({_share(most, 'falls')}; "
        f"{most.unclear:.0%} unclear) and least for {least[factor]} ({_share(least, 'falls')}; {least.unclear:.0%})."
    )


def _would_change_steps(gathered: xr.Dataset, own: pd.Series, active: pd.Series, confidence: int | float) -> str:
    said = []
    if own.unclear > 0.05:
        said.append(f"more recorded inputs, which the {own.unclear:.0%} of steps that are unclear need")
    if active.cells and abs(active.falls - own.falls) > 0.1:
        said.append("how neurons are counted that never change")
    said.append("networks unlike these, for which no interval speaks")
    ends = "What would change the answer: " + "; ".join(said) + "."
    if bool(gathered.exact.values.astype(bool).all()):
        return ends
    return (
        f"Where nothing changes from layer to layer, {(1 - confidence) / 2:.1%} of the steps would seem to fall "
        f"and as many to rise (more where inputs are few, or neurons rarely on). {ends}"
    )


def _metric(correlations: pd.DataFrame, confidence: int | float, noisy: bool) -> list[str]:
    pooled = correlations.loc[correlations.dataset == POOLED]
    papers = pooled.loc[(pooled.quantity == PAPERS) & (pooled.target == "test_accuracy")]
    between = papers.loc[papers.among == "configurations"].set_index("given")
    raw, size, trained = (between.loc[given] for given in ("nothing", "size", "training accuracy"))
    if not np.isfinite(raw.correlation):
        return [
            "Nothing can be said: too few configurations differ in entropy and in test accuracy. "
            "More of them would tell."
        ]
    among = correlations.loc[(correlations.dataset != POOLED) & (correlations.among == "configurations")]
    among = among.loc[(among.target == "test_accuracy") & (among.quantity == PAPERS)]
    each = among.loc[among.given == "nothing"]
    sentences = [
        _metric_answer(raw, size, trained),
        f"Among configurations, the last layer's neuron entropy has a rank correlation of {_rank(raw)} with test "
        f"accuracy (by data set: {', '.join(f'{row.dataset} {_rank(row)}' for _, row in each.iterrows())}); given "
        f"width, depth and number of parameters {_rank(size)}, given training accuracy {_rank(trained)}. What is "
        "given is held by a linear fit of ranks; what goes with it otherwise, and the activation, are not.",
        *_contradictions(among),
    ]
    for target, name in TARGETS.items():
        sentences.append(_beside_baselines(pooled.loc[pooled.target == target], name, confidence))
    if noisy:
        sentences.append(
            "Some labels were noisy: the generalisation gap is that from the accuracy on noisy training labels to the "
            "one on clean test labels, and negative where noise was not learnt."
        )
    seeds = papers.loc[(papers.among == "seeds") & (papers.given == "nothing")].iloc[0]
    sentences.append(
        f"Between seeds of one configuration its correlation with test accuracy is {_rank(seeds)}."
        if np.isfinite(seeds.correlation)
        else "Between seeds of one configuration nothing can be said: they are too few, or do not differ."
    )
    return [*sentences, _would_change_metric(raw, size, trained, each)]


def _contradictions(among: pd.DataFrame) -> list[str]:
    """Data sets whose correlations clearly differ in sign, which their mean hides."""
    said = []
    for given, rows in among.groupby("given", sort=False):
        clear = {
            way: [f"{row.dataset} ({_rank(row)})" for _, row in rows.iterrows() if (row.low > 0, row.high < 0)[k]]
            for k, way in enumerate(("positive", "negative"))
        }
        if all(clear.values()):
            what = "Alone" if given == "nothing" else f"Given {given}"
            both = " and ".join(f"clearly {way} for {', '.join(names)}" for way, names in clear.items())
            said.append(f"{what}, it is {both}, which the mean over data sets hides.")
    return said


def _metric_answer(raw: pd.Series, size: pd.Series, trained: pd.Series) -> str:
    if not np.isfinite(raw.low):
        return "Undecided: too few configurations for an interval."
    if not _excludes_zero(raw):
        held = [
            f"with {name} held the {'higher' if row.correlation > 0 else 'lower'} entropy has the better accuracy"
            for name, row in (("size", size), ("training accuracy", trained))
            if _excludes_zero(row)
        ]
        but = f" But {', and '.join(held)}." if held else ""
        return f"Not shown: the last layer's entropy does not clearly go with test accuracy.{but}"
    way = "higher" if raw.correlation > 0 else "lower"
    said = f"the {way} the last layer's entropy, the better the test accuracy of a configuration"
    held = {"size": size, "training accuracy": trained}
    turned = [name for name, row in held.items() if _excludes_zero(row) and row.correlation * raw.correlation < 0]
    if turned:
        return f"Not by itself: {said}, but with {' and with '.join(turned)} held it is clearly the other way round."
    lost = [name for name, row in held.items() if not _excludes_zero(row)]
    if not lost:
        return f"It goes with it: {said}, also with size held, and with training accuracy held."
    return f"Only as other numbers do: {said}, but that it tells more than {' and '.join(lost)} is not shown."


def _beside_baselines(rows: pd.DataFrame, target: str, confidence: int | float) -> str:
    rows = rows.loc[(rows.among == "configurations") & (rows.given == "nothing")].set_index("quantity")
    finite = rows.loc[np.isfinite(rows.correlation)]
    ours, others = finite.loc[finite.kind == "quantity"], finite.loc[finite.kind == "baseline"]
    if not len(ours) or not len(others):
        return f"Of {target} and the baselines nothing can be said."
    best, other = _strongest(ours), others.iloc[int(np.abs(others.correlation.to_numpy()).argmax())]
    clear, known = sum(_excludes_zero(row) for _, row in ours.iterrows()), int(np.isfinite(ours.low).sum())
    if not known:
        return f"No quantity has an interval with {target}: too few configurations."
    ahead = abs(best.correlation) - abs(other.correlation)
    ends = "level with" if abs(ahead) < 0.005 else "ahead of" if ahead > 0 else "behind"
    have = "1 has" if clear == 1 else f"{clear or 'none'} have"
    return (
        f"Of {known} quantities with an interval, {have} one with {target} that excludes 0 (chance alone would give "
        f"about {(1 - confidence) * known:.1g}); the strongest, chosen afterwards and therefore flattered, is "
        f"{_MEANT[str(best.name)]} ({_rank(best)}), {ends} the strongest baseline, {_MEANT[str(other.name)]} "
        f"({_rank(other)})."
    )


def _would_change_metric(raw: pd.Series, size: pd.Series, trained: pd.Series, each: pd.DataFrame) -> str:
    said = []
    if not np.isfinite(raw.low) or (each.configurations < FEWEST).any():
        said.append(f"at least {FEWEST} configurations of each data set")
    if np.isfinite(raw.low) and raw.high - raw.low > 0.5:
        said.append("more configurations, since the interval is wide")
    if not (np.isfinite(size.low) and np.isfinite(trained.low)):
        said.append("more configurations of equal size or of different training accuracy")
    if len(each) > 1 and np.nanmin(each.correlation) * np.nanmax(each.correlation) < 0:
        said.append("which data sets are chosen, since the sign differs between them")
    said.append("another range of settings: a rank correlation is one of the configurations that were run")
    return "What would change the answer: " + "; ".join(said) + "."


def _strongest(rows: pd.DataFrame) -> pd.Series:
    """The largest correlation, of those with an interval if there are any."""
    rows = rows.loc[np.isfinite(rows.low)] if np.isfinite(rows.low).any() else rows
    return rows.iloc[int(np.abs(rows.correlation.to_numpy()).argmax())]


def _excludes_zero(row: pd.Series) -> bool:
    return bool(row.low > 0 or row.high < 0)


def _share(row: pd.Series, name: str) -> str:
    value, low, high = (float(row.loc[f"{name}{end}"]) for end in ("", "_low", "_high"))
    if low == high:
        return f"{value:.0%}"  # all or none of what was drawn: no resample tells how many others there may be
    return f"{value:.0%}{_interval(low, high, '.0%')}"


def _rank(row: pd.Series) -> str:
    if not np.isfinite(row.correlation):
        return "unknown"
    reach = "" if row.low == row.high else _interval(row.low, row.high, ".2f")  # of no width, since all ranks agree
    return f"{row.correlation:.2f}{reach}"


def _interval(low: float, high: float, form: str) -> str:
    return f" [{low:{form}}, {high:{form}}]" if np.isfinite(low) else ""


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
