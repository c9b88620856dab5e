"""A sweep's entropies beside its networks' accuracy: rank correlations, and what other facts leave of them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from jaxentropy.claims.ranks import FEWEST, correlations, estimate, pooled, rank_covariances

MEASURES = {
    "neuron_entropy_last": "neuron entropy, last layer",
    "neuron_entropy_mean": "neuron entropy, mean over layers",
    "neuron_entropy_fall": "fall of neuron entropy, first to last layer",
    "neuron_information_last": "information of a neuron, last layer",
    "pattern_information_last": "information of the pattern, last layer",
}
TWIN = "_minus_untrained"
QUANTITIES = MEASURES | {f"{name}{TWIN}": f"{text}, minus untrained" for name, text in MEASURES.items()}
BASELINES = {
    "train_loss": "training loss", "train_accuracy": "training accuracy", "width": "width",
    "parameters": "number of parameters", "depth": "depth",
}  # fmt: skip
TARGETS = {"test_accuracy": "test accuracy", "generalisation_gap": "generalisation gap"}
GIVEN = {"nothing": (), "size": ("width", "depth", "parameters"), "training accuracy": ("train_accuracy",)}
POOLED = "pooled"
_FACTS = (*TARGETS, "width", "depth", "parameters", "train_accuracy")
_Key = tuple[str, str, str, str]
"""Among what, given what, quantity, target."""


def member_quantities(gathered: xr.Dataset) -> pd.DataFrame:
    """A row for each network: the quantities, the baselines and the targets; NaN where a network has none.

    The fall is from the first layer to the last; a network of one layer has none.
    """
    exists = gathered.layer <= gathered.depth
    last = gathered.layer == gathered.depth
    entropy = gathered.neuron_entropy.mean("class").where(exists)
    ends = entropy.where(last).mean("layer")
    by_state = {
        "neuron_entropy_last": ends,
        "neuron_entropy_mean": entropy.mean("layer"),
        "neuron_entropy_fall": (entropy.isel(layer=0, drop=True) - ends).where(gathered.depth > 1),
        "neuron_information_last": gathered.neuron_information.where(last).mean("layer"),
        "pattern_information_last": gathered.pattern_information.where(last).mean("layer"),
    }
    table = {name: values.sel(state="trained").values for name, values in by_state.items()}
    table |= {
        f"{name}{TWIN}": (values.sel(state="trained") - values.sel(state="untrained")).values
        for name, values in by_state.items()
    }
    table |= {name: gathered[name].values.astype(float) for name in BASELINES}
    table["test_accuracy"] = gathered.test_accuracy.values
    table["generalisation_gap"] = (gathered.train_accuracy - gathered.test_accuracy).values
    return pd.DataFrame(table)


def correlation_table(
    quantities: pd.DataFrame, dataset: np.ndarray, cluster: np.ndarray, weights: np.ndarray, confidence: int | float
) -> pd.DataFrame:
    """A row for each quantity, target and data set, among configurations and among seeds, given other facts or not.

    Args:
        quantities: as ``member_quantities`` gives them.
        dataset, cluster: of each member, the name of its data set and its configuration as a number.
        weights: as ``cluster_weights`` gives them.
        confidence: of the intervals.
    """
    found: dict[_Key, dict[str, tuple[np.ndarray, int, int]]] = {}
    for name in np.unique(dataset):
        here = dataset == name
        for key, values, configurations, networks in _of_dataset(quantities.loc[here], cluster[here], weights):
            found.setdefault(key, {})[str(name)] = (values, configurations, networks)
    rows = []
    for (among, given, quantity, target), each in found.items():
        kind = "quantity" if quantity in QUANTITIES else "baseline"
        for name, (values, configurations, networks) in (each | {POOLED: _pooled(each)}).items():
            value, low, high = estimate(values, configurations, confidence)
            row = (quantity, kind, target, name, among, given, value, low, high, configurations, networks)
            rows.append(row)
    columns = [
        "quantity", "kind", "target", "dataset", "among", "given", "correlation", "low", "high", "configurations",
        "networks",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _pooled(each: dict[str, tuple[np.ndarray, int, int]]) -> tuple[np.ndarray, int, int]:
    """The data sets as one; those of few configurations only if there are no others."""
    finite = [one for one in each.values() if np.isfinite(one[0][0])]
    enough = [one for one in finite if one[1] >= FEWEST] or finite
    if not enough:
        return np.full_like(next(iter(each.values()))[0], np.nan), 0, 0
    configurations, networks = sum(one[1] for one in enough), sum(one[2] for one in enough)
    values = pooled([one[0] for one in enough])
    if max(one[1] for one in enough) < FEWEST:
        values[1:] = np.nan  # several data sets of few configurations make no interval either
    return values, configurations, networks


def _of_dataset(
    table: pd.DataFrame, cluster: np.ndarray, weights: np.ndarray
) -> Iterator[tuple[_Key, np.ndarray, int, int]]:
    """The correlations of one data set, in each resample; quantities of the same networks are ranked together."""
    names = [*QUANTITIES, *BASELINES]
    known = np.isfinite(table[list(_FACTS)].to_numpy()).all(1)
    masks: dict[bytes, list[str]] = {}
    for name in names:
        masks.setdefault((known & np.isfinite(table[name].to_numpy())).tobytes(), []).append(name)
    for mask, group in masks.items():
        here = np.frombuffer(mask, bool)
        variables = list(dict.fromkeys([*group, *_FACTS]))
        own = table.loc[here, variables].round(12)
        for among, of in (("configurations", _among_configurations), ("seeds", _among_seeds)):
            if here.any():
                covariances, freedom, configurations, networks = of(own, cluster[here], weights)
            else:
                covariances, freedom = np.zeros((len(weights), *[len(variables)] * 2)), np.zeros(len(weights))
                configurations = networks = 0
            for given, facts in GIVEN.items():
                if among == "seeds" and given == "size":
                    continue  # seeds of a configuration have one size
                for target in TARGETS:
                    at = [variables.index(fact) for fact in facts]
                    places = [variables.index(name) for name in group]
                    found = correlations(covariances, places, variables.index(target), at, freedom)
                    for i, name in enumerate(group):
                        yield (among, given, name, target), found[:, i], configurations, networks


_Ranked = tuple[np.ndarray, np.ndarray, int, int]
"""Covariances of ranks and degrees of freedom in each resample; numbers of configurations and of networks."""


def _among_configurations(own: pd.DataFrame, cluster: np.ndarray, weights: np.ndarray) -> _Ranked:
    """Means over the seeds of each configuration."""
    present, place = np.unique(cluster, return_inverse=True)
    means = np.round(np.asarray(own.groupby(place).mean()), 12)
    drawn = weights[:, present]
    drawn = np.where(drawn.sum(1, keepdims=True) > 0, drawn, 1e-300)  # none of them: no degrees of freedom
    freedom = (weights[:, present] > 0).sum(1) - 1
    return rank_covariances(means, drawn), freedom, len(present), len(own)


def _among_seeds(own: pd.DataFrame, cluster: np.ndarray, weights: np.ndarray) -> _Ranked:
    """Ranks within each configuration, pooled: what configurations have in common has no part in it."""
    present, place, seeds = np.unique(cluster, return_inverse=True, return_counts=True)
    ranks = own.groupby(place).rank()
    deviations = (ranks - ranks.groupby(place).transform("mean")).to_numpy()
    products = np.zeros((len(present), own.shape[1], own.shape[1]))
    np.add.at(products, place, deviations[:, :, None] * deviations[:, None, :])
    covariances = np.tensordot(weights[:, present], products, 1)
    freedom = (weights[:, present] > 0) @ (seeds - 1)
    several = seeds > 1
    return covariances, freedom, int(several.sum()), int(seeds[several].sum())
