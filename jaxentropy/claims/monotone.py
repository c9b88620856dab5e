"""A sweep's steps from layer to layer: in how many networks does the neuron entropy fall, rise, or neither clearly?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import norm, t

from jaxentropy.claims.exact import ROUNDING
from jaxentropy.claims.ranks import cluster_weights, estimate

TWIN = ("width", "activation", "norm", "init_scale")
FACTORS = ("activation", "width", "depth", "dataset")
NEURONS = {"all": "neuron_fall", "active": "neuron_fall_active"}
"""Which neurons are meant: all of them, or those that are not constant over all inputs."""
STATES = ("trained", "untrained")
_TAIL = 10
"""Degrees of freedom of the tail by which many steps are judged together. So far out, errors of rare or correlated
neurons are not normal, and at a normal quantile networks of equal layers had rises too often."""
SHARES = {
    "falls": ("falls", "cells"),
    "unclear": ("unclear", "cells"),
    "rises": ("rises", "cells"),
    "every_step_falls": ("every_step_falls", "networks"),
    "never_rises": ("never_rises", "networks"),
    "some_rise": ("some_rise", "networks"),
    "some_rise_corrected": ("some_rise_corrected", "networks"),
}
"""Columns of the tables: what is counted, and among what."""


def step_words(gathered: xr.Dataset, state: str, neurons: str, z: np.ndarray | float) -> np.ndarray:
    """1 where the neuron entropy clearly falls, −1 where it clearly rises, 0 where neither is clear; [member, cells].

    Clear is what is larger than ``z`` standard errors and the bound of the bias; of an enumeration, what is larger than
    rounding. NaN where there is no such step or class.
    """
    name = NEURONS[neurons]
    exists = gathered.step < gathered.depth
    dims = ("member", "step", "class")
    fall, error = (gathered[n].sel(state=state).where(exists).transpose(*dims).values for n in (name, f"{name}_se"))
    bias = 0.0
    if f"{name}_bias" in gathered:
        bias = gathered[f"{name}_bias"].sel(state=state).transpose(*dims).values
    exact = gathered.exact.values.astype(bool)[:, None, None]
    least = np.where(exact, ROUNDING, np.reshape(z, (-1, 1, 1)) * error + bias)
    words = np.where(fall > least, 1.0, np.where(fall < -least, -1.0, 0.0))
    return np.where(np.isfinite(fall), words, np.nan).reshape(len(fall), -1)


def member_counts(gathered: xr.Dataset, confidence: int | float) -> pd.DataFrame:
    """A row for each network, state and kind of neurons: its cells (steps × classes), and what they do."""
    rows = []
    for state in STATES:
        for neurons in NEURONS:
            words = step_words(gathered, state, neurons, norm.ppf((1 + confidence) / 2))
            cells = np.isfinite(words).sum(1)
            stricter = t.ppf(1 - (1 - confidence) / 2 / np.maximum(cells, 1), _TAIL)
            rises_corrected = (step_words(gathered, state, neurons, stricter) == -1).any(1)
            falls, unclear, rises = ((words == word).sum(1) for word in (1, 0, -1))
            some = cells > 0
            rows.append(
                pd.DataFrame(
                    {
                        "member": np.arange(len(words)), "state": state, "neurons": neurons, "cells": cells,
                        "falls": falls, "unclear": unclear, "rises": rises, "networks": some.astype(int),
                        "every_step_falls": (some & (falls == cells)).astype(int),
                        "never_rises": (some & (rises == 0)).astype(int), "some_rise": (rises > 0).astype(int),
                        "some_rise_corrected": rises_corrected.astype(int),
                    }
                )
            )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


class Drawn(NamedTuple):
    """What is resampled together: the cluster of each member, as a number, ``cluster_weights`` of the clusters, and the
    stratum of each cluster (its data set), within which it is drawn."""

    cluster: np.ndarray
    weights: np.ndarray
    stratum: np.ndarray


def drawn_together(gathered: xr.Dataset, settings: Sequence[str], resamples: int, seed: int) -> Drawn:
    """Networks of equal settings are drawn together, within their data set."""
    columns = [gathered[name].values.astype(str) for name in ("dataset", *settings)]
    cluster, distinct = pd.MultiIndex.from_arrays(columns).factorize()
    strata = np.asarray(distinct.get_level_values(0))
    return Drawn(cluster, cluster_weights(strata, resamples, seed), strata)


def without_copies(gathered: xr.Dataset, counts: pd.DataFrame) -> pd.DataFrame:
    """Untrained networks that are one and the same are counted once: those of equal twin settings, depth and seed."""
    columns = [gathered[name].values.astype(str) for name in (*twin_settings(gathered), "dataset", "depth", "seed")]
    measured_on = [name for name in ("recorded", "train_size") if name in gathered.coords]
    columns += [gathered[name].values.astype(str) for name in measured_on]
    copy = pd.MultiIndex.from_arrays(columns).duplicated()
    return counts.loc[~((counts.state == "untrained") & copy[counts.member])]


def twin_settings(gathered: xr.Dataset) -> list[str]:
    """The settings that an untrained network depends on, but for its depth, of which the deeper ones have all layers
    of the shallower ones, and its seed."""
    return [name for name in TWIN if name in gathered.coords]


def share_tables(
    gathered: xr.Dataset, counts: pd.DataFrame, drawn: Mapping[str, Drawn], confidence: int | float
) -> dict[str, pd.DataFrame]:
    """``total``, and a table by each factor; a row for each of its values, states and kinds of neurons.

    Args:
        gathered: the sweep.
        counts: as ``member_counts`` gives them, without copies.
        drawn: by state, what is resampled together.
        confidence: of the intervals.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for factor, value, here in _groups(gathered):
        for state, neurons, part in _parts(counts.loc[here[counts.member]]):
            row = {factor: value, "state": state, "neurons": neurons} | _row(part, drawn[state], confidence)
            rows.setdefault(factor, []).append(row)
    return {factor: pd.DataFrame(own) for factor, own in rows.items()}


def training_table(gathered: xr.Dataset, counts: pd.DataFrame, drawn: Drawn, confidence: int | float) -> pd.DataFrame:
    """Shares of trained networks minus those of their untrained twins; those of equal twins are drawn together.

    Of all networks (``factor`` is total), and of those of each value of each factor, since what training does to one
    activation it need not do to another.
    """
    rows = []
    for factor, value, here in _groups(gathered):
        parts = {(state, neurons): part for state, neurons, part in _parts(counts.loc[here[counts.member]])}
        for neurons in NEURONS:
            trained, untrained = (parts[state, neurons] for state in STATES)
            clusters, strata = _clusters(trained, drawn)
            differences = _shares(trained, drawn) - _shares(untrained, drawn)
            for name, difference in zip(SHARES, differences.T, strict=True):
                found = estimate(difference, clusters, confidence, strata)
                rows.append((factor, value, neurons, name, *found))
    return pd.DataFrame(rows, columns=["factor", "value", "neurons", "share", "difference", "low", "high"])


def _groups(gathered: xr.Dataset) -> Iterator[tuple[str, Any, np.ndarray]]:
    """All networks, and those of each value of each factor: the factor, the value, and which networks these are."""
    for factor in ("total", *FACTORS):
        values = gathered[factor].values if factor in FACTORS else np.full(gathered.sizes["member"], "all")
        for value in np.unique(values):
            yield factor, value, values == value


def _parts(counts: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for state in STATES:
        for neurons in NEURONS:
            yield state, neurons, counts.loc[(counts.state == state) & (counts.neurons == neurons)]


def _clusters(part: pd.DataFrame, drawn: Drawn) -> tuple[int, int]:
    """How many clusters and strata there are among these networks."""
    present = np.unique(drawn.cluster[part.member[part.networks > 0]])
    return len(present), max(1, len(np.unique(drawn.stratum[present])))


def _shares(part: pd.DataFrame, drawn: Drawn) -> np.ndarray:
    """Shares of cells or of networks, [resamples, shares]; NaN where a resample has none."""
    columns = list(dict.fromkeys(name for pair in SHARES.values() for name in pair))
    cluster, weights, _ = drawn
    sums = weights @ np.column_stack([np.bincount(cluster[part.member], part[c], weights.shape[1]) for c in columns])
    counted, among = (sums[:, [columns.index(pair[i]) for pair in SHARES.values()]] for i in (0, 1))
    return np.divide(counted, among, out=np.full_like(counted, np.nan), where=among > 0)


def _row(part: pd.DataFrame, drawn: Drawn, confidence: int | float) -> dict[str, float | int]:
    clusters, strata = _clusters(part, drawn)
    row: dict[str, float | int] = {
        "networks": int(part.networks.sum()), "configurations": clusters, "cells": int(part.cells.sum()),
    }  # fmt: skip
    for name, values in zip(SHARES, _shares(part, drawn).T, strict=True):
        row[name], row[f"{name}_low"], row[f"{name}_high"] = estimate(values, clusters, confidence, strata)
    return row
