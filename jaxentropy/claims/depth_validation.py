"""Does advice on depth hold? Held against a sweep in which every depth was trained from scratch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.claims.depth_families import COSTS, costs_table, families_of
from jaxentropy.claims.depth_reading import LEARNT
from jaxentropy.claims.depth_rules import OURS, RULES, Rule, rule_named
from jaxentropy.claims.depth_words import estimate_in, validation_markdown, validation_text
from jaxentropy.claims.gathered import Gathers, gathered_from
from jaxentropy.claims.resampling import Estimate, cluster_draws, clustered

MARGIN = 0.5
"""Percentage points of test accuracy that advice may cost: the target."""
ALL = "all"


@dataclass(frozen=True)
class DepthValidation:
    """What rules of depth cost and save: what ``je.validate_depth`` returns.

    >>> import xarray as xr
    >>> from jaxentropy import validate_depth
    >>> gathered = xr.Dataset(
    ...     {"test_accuracy": ("member", [0.90, 0.95, 0.95])},
    ...     {"dataset": ("member", ["toy"] * 3), "depth": ("member", [1, 2, 3]), "seed": ("member", [0, 0, 0]),
    ...      "key": ("member", ["a", "b", "c"])},
    ... )
    >>> found = validate_depth(gathered, rules=("two", "deepest"))
    >>> found.table.layers_saved.sel(of="all").values.tolist()
    [1.0, 0.0]

    Attributes:
        table: an ``xarray.Dataset`` with the dimensions ``rule`` and ``of`` (``all`` and each data set), and of every
            quantity the mean over families, with ``…_low`` and ``…_high``, the ends of its interval: ``regret``,
            ``regret_split`` and ``probe_loss`` (points of test accuracy), ``within`` (% of the networks whose
            advice costs at most the margin), ``layers_saved``, ``parameters_saved`` (%), ``seconds_ratio``, ``spread``
            (largest less smallest advice over seeds), ``advice`` (layers), ``rounded_up`` (%: that depth was not
            trained), ``halves_differ`` (layers between the advice of one half of the inputs and the other),
            ``regret_deepest``, and ``against``: regret less that of ours. ``families`` counts those that the rule
            spoke of.
        families: the same quantities by ``family`` and ``rule``; ``accuracy`` by ``family`` and ``depth``; and
            ``judged``, the share of a family's networks whose advice was judged by a depth, by all three.
        silent: by rule, why it said nothing of a network, and of how many.
        margin: the target, in points.
        confidence: of the intervals.
    """

    table: xr.Dataset
    families: xr.Dataset
    silent: dict[str, tuple[str, int]]
    margin: float
    confidence: float

    def get(self, name: str, rule: str, of: str = ALL) -> Estimate:
        """One quantity of one rule, with its interval: ``found.get("regret", "information")``."""
        return estimate_in(self.table, name, rule, of)

    @property
    def text(self) -> str:
        """Whether the target is reached, and which rules do better, in sentences."""
        return validation_text(self.table, self.families, self.silent, self.margin, self.confidence)

    def to_markdown(self) -> str:
        """The text, and tables of all rules: overall, and regret by data set."""
        return validation_markdown(self.text, self.table)

    def __repr__(self) -> str:
        return f"DepthValidation({self.table.sizes['rule']} rules, {self.families.sizes['family']} families)"

    def __str__(self) -> str:
        return self.to_markdown()

    _repr_markdown_ = to_markdown


def validate_depth(
    gathered: xr.Dataset | Gathers,
    *,
    rules: Sequence[str] | Mapping[str, Rule] | None = None,
    margin: int | float = MARGIN,
    learnt: int | float = LEARNT,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> DepthValidation:
    """Hold advice on depth against networks of every depth that were trained from scratch.

    >>> import xarray as xr
    >>> from jaxentropy import validate_depth
    >>> gathered = xr.Dataset(
    ...     {"test_accuracy": ("member", [0.90, 0.95, 0.96])},
    ...     {"dataset": ("member", ["toy"] * 3), "depth": ("member", [1, 2, 3]), "seed": ("member", [0, 0, 0]),
    ...      "key": ("member", ["a", "b", "c"])},
    ... )
    >>> found = validate_depth(gathered, rules=("two", "deepest"))
    >>> round(found.get("regret", "two").mean, 6)  # points of test accuracy
    1.0

    A *family* is the networks that differ by nothing but depth and seed. Of each, those networks are read that learnt
    their task, of the greatest depth where half or more did; every rule reads the same ones, one at a time, and advises
    a depth. (``regret_deepest`` is what it costs to read the deepest networks whatever they learnt.)

    *Regret* is the best depth's mean test accuracy over seeds less that at the advised depth, in percentage points, and
    never negative. Since the best of many depths is best by luck too, ``regret_split`` chooses the best depth by one
    half of the seeds and judges by the other (four seeds and more; it may be negative). ``probe_loss`` is what is lost
    if the layers of the network above the advised one give way to a linear probe. ``halves_differ`` is how sensitive
    the advice is to the sample of inputs.

    Means are over seeds, then over families; intervals are percentiles over resampled families: none from fewer than
    five, and too narrow from fewer than ten, which the text says. They speak of families like these. A depth that was
    not trained is rounded up to the next that was. *random* is the mean over all depths, not one draw.

    Args:
        gathered: a sweep: ``test_accuracy`` along ``member``, with ``dataset``, ``depth``, ``seed``, ``key``, and what
            the rules read.
        rules: names in ``RULES`` (by default all), or rules of your own by name.
        margin: points of regret that are near enough.
        learnt: training accuracy from which on advice may be read off a network.
        confidence: of the intervals.
        resamples: of the families.
        seed: of the resampling.

    Raises:
        InputError: something is missing, no family has two depths, or no rule has anything to go by.
    """
    gathered = gathered_from(gathered, "validate_depth")
    chosen = _rules(rules)
    families, silent = costs_table(families_of(gathered, learnt), chosen, margin, seed)
    spoke = families.regret.notnull().any("family")
    if not spoke.any():
        raise InputError(f"validate_depth: no rule has anything to go by; {next(iter(silent.values()))[0]}")
    families = families.isel(rule=np.flatnonzero(spoke.values))
    return DepthValidation(_summary(families, confidence, resamples, seed), families, silent, margin, confidence)


def _rules(rules: Sequence[str] | Mapping[str, Rule] | None) -> dict[str, Rule]:
    if rules is None:
        return dict(RULES)
    if isinstance(rules, Mapping):
        return dict(rules)
    names = [rules] if isinstance(rules, str) else rules
    return {name: rule_named(name) for name in names}


def _summary(families: xr.Dataset, confidence: float, resamples: int, seed: int) -> xr.Dataset:
    """Means over families and their intervals, of all and by data set."""
    groups = [ALL, *dict.fromkeys(map(str, families.dataset.values))]
    names = [*COSTS, *(["against"] if OURS in families.rule.values else [])]
    shape = (families.sizes["rule"], len(groups))
    values = {name + end: np.full(shape, np.nan) for name in names for end in ("", "_low", "_high")}
    known = np.zeros(shape, int)
    for g, group in enumerate(groups):
        part = families if group == ALL else families.isel(family=np.flatnonzero(families.dataset.values == group))
        draws = cluster_draws(part.sizes["family"], resamples, seed)
        each = {name: part[name].values for name in COSTS}
        if "against" in names:
            each["against"] = each["regret"] - part.regret.sel(rule=OURS).values[:, None]
        known[:, g] = np.isfinite(each["regret"]).sum(0)
        for name, costs in each.items():
            for r in range(shape[0]):
                found = clustered(costs[:, r], np.arange(len(costs)), draws, confidence)
                for end, value in zip(("", "_low", "_high"), found, strict=True):
                    values[name + end][r, g] = value
    return xr.Dataset(
        {name: (("rule", "of"), one) for name, one in values.items()} | {"families": (("rule", "of"), known)},
        {"rule": families.rule.values, "of": groups},
    )
