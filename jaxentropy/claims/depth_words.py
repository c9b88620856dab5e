"""What a validation of advice on depth says, in words and tables."""

import numpy as np
import xarray as xr

from jaxentropy.base.markdown import markdown_table
from jaxentropy.claims.depth_rules import OURS
from jaxentropy.claims.ranks import FEWEST
from jaxentropy.claims.resampling import FEW_CLUSTERS, Estimate, two_digits

CHOSEN_ON = {"mnist5k", "fashion-mnist", "task:sparse-parity:5-of-12", "task:spirals:2"}
"""Data sets that were looked at before the rule ``gain`` became ours."""
_COLUMNS = {
    "regret": "regret (points)",
    "regret_split": "regret, halved seeds",
    "within": "% within the margin",
    "advice": "layers advised",
    "spread": "spread over seeds",
    "halves_differ": "halves of inputs differ by",
    "layers_saved": "layers saved",
    "parameters_saved": "% parameters saved",
    "seconds_ratio": "time, of the deepest's",
    "probe_loss": "loss by probe (points)",
}


def validation_text(
    table: xr.Dataset, families: xr.Dataset, silent: dict[str, tuple[str, int]], margin: float, confidence: float
) -> str:
    """Is the target reached; which rules do better; what is not known."""
    number, networks = families.sizes["family"], int(families.seeds.sum())
    datasets = len(set(families.dataset.values.tolist()))
    parts = [
        f"{number} {_plural(number, 'family', 'families')} of {datasets} {_plural(datasets, 'data set', 'data sets')}, "
        f"advice read off {networks} {_plural(networks, 'network', 'networks')}{_shallower(families)}; intervals are "
        f"{100 * confidence:g} %, over families. The *regret* of advice is the best depth's test accuracy less that of "
        "the advised depth, both trained from scratch, in percentage points."
    ]
    unlearnt = int((~families.learnt).sum())
    if unlearnt:
        parts.append(
            f"**In {unlearnt} of {number} families no depth learnt what it was trained on** (half of the networks or "
            "more): what is read off these networks means nothing, and what follows includes them."
        )
    if OURS in table.rule.values:
        parts += [_target(table, families, margin), _rivals(table)]
    else:
        parts.append(f"The rule *{OURS}* (ours) is not among these, so that nothing is said of it.")
    parts.append(_unknown(table, families, margin))
    for rule, (reason, times) in silent.items():
        parts.append(f"The rule *{rule}* said nothing of {times} {_plural(times, 'network', 'networks')}: {reason}.")
    return "\n\n".join(part for part in parts if part)


def _shallower(families: xr.Dataset) -> str:
    """Of which families shallower networks were read, since the deepest did not learn."""
    at = np.flatnonzero((families.read < families.deepest).values)
    if not len(at):
        return ", the deepest of each family"
    named = "; ".join(
        f"{families.family.values[k]}: {int(families.read[k])} layers, not {int(families.deepest[k])}" for k in at[:3]
    )
    more = f"; and {len(at) - 3} more" if len(at) > 3 else ""
    return (
        f", the deepest of each family, or where fewer than half of these learnt what they were trained on, of the "
        f"greatest depth where more did ({named}{more})"
    )


def _target(table: xr.Dataset, families: xr.Dataset, margin: float) -> str:
    """Whether ours costs no more than the margin."""
    regret, within = (estimate_in(table, name, OURS) for name in ("regret", "within"))
    split, probe = (estimate_in(table, name, OURS) for name in ("regret_split", "probe_loss"))
    if regret.mean > margin:
        why = "" if regret.low > margin else ", though the interval does not exclude it"
        said = f"is **not reached**{', and there is no interval' if regret.low != regret.low else why}"
        if split.mean <= margin:
            said += ", unless the luck of the best of several depths is taken out"
    elif regret.high <= margin:
        said = "is **reached**, with the whole interval"
        if len(set(families.dataset.values.tolist())) < FEWEST:
            said = "is **reached on average**, on these data; the interval, over their families, speaks of no others"
    else:
        why = "there is no interval" if regret.high != regret.high else "not with the whole interval"
        said = f"is **reached on average**, but {why}"
    saved, share = (estimate_in(table, name, OURS).mean for name in ("layers_saved", "parameters_saved"))
    rounded, deepest = (estimate_in(table, name, OURS) for name in ("rounded_up", "regret_deepest"))
    text = (
        f"**Does our advice hold?** The target, a mean regret of at most {margin:g} points, {said}: {regret} points. "
        f"Its advice is within {margin:g} points of the best depth for {within} % of the networks, and saves "
        f"{saved:.1f} layers on average" + (f" ({share:.0f} % of the parameters)." if share == share else ".")
    )
    if rounded.mean > 0:
        text += (
            f" But {rounded.mean:.0f} % of its advice is of a depth that was not trained, and was judged and counted "
            "by the next greater one."
        )
    if deepest.mean - regret.mean > 0.005:
        text += f" Read off the deepest networks whatever they learnt, it would cost {deepest} points."
    if split.mean == split.mean:
        text += f" With the best depth chosen by other seeds than those that judge, regret is {split} points."
    if probe.mean == probe.mean:
        text += f" With a probe in place of the upper layers of the network that was read, {probe} points are lost."
    return text


def _rivals(table: xr.Dataset) -> str:
    """Which rules do better or worse than ours, on the families of which both speak."""
    words: dict[str, list[str]] = {"clearly": [], "on average": [], "worse": [], "level": [], "on average worse": []}
    for rule in map(str, table.rule.values):
        if rule == OURS:
            continue
        against, saved = estimate_in(table, "against", rule), estimate_in(table, "layers_saved", rule).mean
        if against.mean != against.mean:
            continue  # they speak of different families
        said = f"*{rule}* ({against.mean:+.2f} points, {saved:.1f} layers saved)"
        words[_standing(against)].append(said)
    heads = {
        "clearly": "**Clearly better than ours** in regret",
        "on average": "Better on average, not clearly",
        "level": "Just as good",
        "on average worse": "Worse on average, not clearly",
        "worse": "Clearly worse",
    }
    said = [f"{heads[key]}: {', '.join(words[key])}." for key in heads if words[key]]
    if not words["clearly"] and not words["on average"] and said:
        said.insert(0, "No rule costs less than ours.")
    return f"**Which rules do better?** {' '.join(said)}" if said else ""


def _standing(against: Estimate) -> str:
    if abs(against.mean) < 1e-9:
        return "level"
    if against.mean < 0:
        return "clearly" if against.high < 0 else "on average"
    return "worse" if against.low > 0 else "on average worse"


def _unknown(table: xr.Dataset, families: xr.Dataset, margin: float) -> str:
    """What these numbers cannot tell."""
    number = families.sizes["family"]
    few = []
    if number == 1:
        few.append("of one family no interval can be given, and nothing is known of others")
    elif number < FEW_CLUSTERS:
        few.append(
            f"{number} families are few, and those of one data set are alike, so that intervals over them are too "
            "narrow: one that costs much more than these, and was not among them, is not in them"
        )
    if (families.seeds == 1).all():
        few.append("with one seed, nothing is known of how the advice depends on it")
    if table.regret_split.isnull().all():
        few.append("with fewer than four seeds a depth, the best is best by luck too, and regret too high by that")
    rounded = float(table.rounded_up.sel(of="all").max())
    if rounded > 0:
        few.append(f"up to {rounded:.0f} % of a rule's advice was rounded up, as no network of that depth was trained")
    if OURS in table.rule.values:
        each = families.regret.sel(rule=OURS)
        over = int((each > margin + 1e-9).sum())
        if over:
            worst = each.isel(family=int(each.fillna(-1).values.argmax()))
            few.insert(
                0,
                f"ours costs more than {margin:g} points in {over} of {int(each.notnull().sum())} families, most in "
                f"{worst.family.item()} ({float(worst):.2f} points)",
            )
        if OURS == "gain":
            few.append(_chosen(sorted(set(families.dataset.values.tolist()) & CHOSEN_ON)))
    return f"**What is not known?** {'; '.join(few)[0].upper()}{'; '.join(few)[1:]}." if few else ""


def _chosen(known: list[str]) -> str:
    """What the data have to do with the rule."""
    if known:
        return (
            f"the rule, and from which networks it is read, were chosen after a look at {', '.join(known)}, so that on "
            "these it flatters itself"
        )
    return "the data sets had no part in choosing the rule, but were chosen by those who did"


def validation_markdown(text: str, table: xr.Dataset) -> str:
    """The text with a table of all rules, and one of regret by data set."""
    rules = [str(rule) for rule in table.rule.values]
    columns = {name: title for name, title in _COLUMNS.items() if table[name].notnull().any()}
    overall = [[_named(rule), *(_cell(estimate_in(table, name, rule)) for name in columns)] for rule in rules]
    groups = [str(group) for group in table.of.values]
    by_dataset = [[_named(rule), *(_cell(estimate_in(table, "regret", rule, of)) for of in groups)] for rule in rules]
    return "\n\n".join(
        [
            text,
            markdown_table(["rule", *columns.values()], overall),
            "Halved seeds: the best depth is chosen by one half of the seeds and judged by the other: regret may "
            "then be negative. Halves of inputs: layers between the advice that either half of the inputs gives. Time: "
            "of a forward pass of the advised depth, as measured. Loss by probe: if a linear probe takes the place of "
            "all layers above the advised one; negative, if it is better.",
            "Regret in points, by data set:",
            markdown_table(["rule", *groups], by_dataset) + "\n",
        ]
    )


def _named(rule: str) -> str:
    return f"{rule} (ours)" if rule == OURS else rule


def _cell(found: Estimate) -> str:
    if found.mean != found.mean:
        return "—"
    reach = f" ({two_digits(found.low)}–{two_digits(found.high)})" if found.low == found.low else ""
    return two_digits(found.mean) + reach


def estimate_in(table: xr.Dataset, name: str, rule: str, of: str = "all") -> Estimate:
    """One quantity of one rule, with its interval."""
    one = table.sel(rule=rule, of=of)
    return Estimate(*(float(one[name + end]) for end in ("", "_low", "_high")))


def _plural(number: int, one: str, several: str) -> str:
    return one if number == 1 else several
