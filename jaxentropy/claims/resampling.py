"""Means over what belongs together in clusters, and their intervals by resampling whole clusters."""

from typing import NamedTuple

import numpy as np

from jaxentropy.claims.ranks import FEWEST

FEW_CLUSTERS = 20
"""Below so many clusters, percentile intervals are known to be too narrow; and of costs that are mostly small and once
very large, beyond that too."""


class Estimate(NamedTuple):
    """A mean and its interval; NaN where nothing is known."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.mean):
            return "not known"
        reach = "no interval" if np.isnan(self.low) else f"{two_digits(self.low)} to {two_digits(self.high)}"
        return f"{two_digits(self.mean)} ({reach})"


def two_digits(value: float) -> str:
    """What rounds to zero has no sign."""
    return f"{round(value, 2) + 0.0:.2f}"


def cluster_draws(clusters: int, resamples: int, seed: int) -> np.ndarray:
    """How often each cluster is drawn in each resample, ``int[resample, cluster]``."""
    return np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)


def replicated_means(values: np.ndarray, cluster: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The mean over members (the first axis; NaN left out), and then in each resample, ``[1 + resample, ...]``."""
    known = np.isfinite(values)
    sums, counts = (np.zeros((draws.shape[1], *values.shape[1:])) for _ in range(2))
    np.add.at(sums, cluster, np.where(known, values, 0.0))
    np.add.at(counts, cluster, known)
    weights = np.concatenate([np.ones((1, draws.shape[1])), draws])
    total = np.tensordot(weights, counts, 1)
    return np.divide(np.tensordot(weights, sums, 1), total, out=np.full(total.shape, np.nan), where=total > 0)


def estimate(replicates: np.ndarray, confidence: float, clusters: int) -> Estimate:
    """The first as it is, and the quantiles of the others; no interval from fewer than five clusters."""
    mean, others = float(replicates[0]), replicates[1:]
    others = others[np.isfinite(others)]
    if clusters < FEWEST or not len(others) or not np.isfinite(mean):
        return Estimate(mean, np.nan, np.nan)
    low, high = np.quantile(others, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(mean, float(low), float(high))


def clustered(values: np.ndarray, cluster: np.ndarray, draws: np.ndarray, confidence: float) -> Estimate:
    """The mean of these values and its interval by cluster bootstrap."""
    seen = len(np.unique(cluster[np.isfinite(values)]))
    return estimate(replicated_means(values, cluster, draws), confidence, seen)
