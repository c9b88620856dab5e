"""Configurations drawn again and again within their data sets, and what it says of rank correlations and of shares."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, t

FEWEST = 5
"""Configurations below which no interval is given: so few resamples differ that it would say nothing."""
FEW = 10
"""Configurations below which intervals are too narrow."""
MOST = 0.95
"""Share of the resamples in which a value must be defined for an interval of it. Those that leave anything to correlate
are not like the others: of noise, intervals from less than four fifths of the resamples covered 0 in 55 % of cases."""
_SAME = 1e-9
"""A share of a variance below which nothing is left of a variable."""


def cluster_weights(strata: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """How often each cluster is drawn in each resample, [1 + resamples, clusters]; the first row is the data: ones.

    >>> from jaxentropy.claims.ranks import cluster_weights
    >>> cluster_weights(np.array(["a", "a", "b"]), 2, seed=0).sum(1).tolist()
    [3.0, 3.0, 3.0]

    Args:
        strata: of each cluster, the one within which it is resampled.
    """
    rng = np.random.default_rng(seed)
    weights = np.ones((resamples + 1, len(strata)))
    for stratum in np.unique(strata):
        at = np.flatnonzero(strata == stratum)
        weights[1:, at] = rng.multinomial(len(at), np.full(len(at), 1 / len(at)), size=resamples)
    return weights


def estimate(values: np.ndarray, clusters: int, confidence: float, strata: int = 1) -> tuple[float, float, float]:
    """The data's value, which is the first, and the percentile interval of the others.

    The interval is NaN for fewer than 5 clusters (4 more than there are strata), and where the value is not defined in
    most of the resamples. Of several strata it is widened: drawing from so few clusters in each leaves out a part of
    the spread, and the normal tail is too short.
    """
    low = high = np.nan
    drawn = values[1:][np.isfinite(values[1:])]
    freedom = clusters - strata
    if freedom >= FEWEST - 1 and np.isfinite(values[0]) and len(drawn) >= MOST * (len(values) - 1):
        low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
        if strata > 1:
            tail = (1 + confidence) / 2
            wider = np.sqrt(clusters / freedom) * t.ppf(tail, freedom) / norm.ppf(tail)
            low, high = values[0] - wider * (values[0] - low), values[0] + wider * (high - values[0])
    return float(values[0]), float(low), float(high)


def rank_covariances(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Covariances of the ranks of some variables, in each resample: [resamples, variables, variables].

    A resample's rank of a value is a sum over the values below it of how often they were drawn, so that a product of
    matrices ranks all resamples; equal values share their mean rank.

    Args:
        values: [clusters, variables], finite.
        weights: how often each cluster was drawn, [resamples, clusters].
    """
    ranks = np.empty((len(weights), values.shape[1], len(values)))
    for v, x in enumerate(values.T):
        ranks[:, v] = weights @ ((x[:, None] < x) + 0.5 * (x[:, None] == x))
    total = weights.sum(1)[:, None]
    ranks -= (ranks @ weights[:, :, None]) / total[:, :, None]
    ranks *= np.sqrt(weights / total)[:, None]
    return ranks @ ranks.swapaxes(1, 2)


def correlations(
    covariances: np.ndarray, of: Sequence[int], target: int, given: Sequence[int], freedom: np.ndarray
) -> np.ndarray:
    """Correlations of variables with the target, of what a linear fit of the given ones leaves: [resamples, of].

    NaN where a variable does not vary, or where what is given determines it.

    Args:
        covariances: [resamples, variables, variables].
        of, target, given: places of variables.
        freedom: degrees of freedom of the deviations from the mean, in each resample, of which the fit takes one each;
            the data, which come first, need two more, since of one any correlation would be 1; resamples need one.
    """
    spread = np.sqrt(covariances.diagonal(axis1=1, axis2=2))
    scale = np.where(spread > 0, spread, 1)
    scaled = covariances / (scale[:, :, None] * scale[:, None, :])
    kept = [*of, target]
    left = scaled[:, kept][:, :, kept]
    given = [g for g in given if spread[0, g] > 0]
    if given:
        across = scaled[:, kept][:, :, given]
        inverse = np.linalg.pinv(scaled[:, given][:, :, given], rcond=_SAME, hermitian=True)
        left = left - across @ inverse @ across.swapaxes(1, 2)
    variance = left.diagonal(axis1=1, axis2=2)
    enough = freedom - len(given) >= np.where(np.arange(len(freedom)) == 0, 2, 1)
    variance = np.where((variance > _SAME) & enough[:, None], variance, np.nan)
    return np.clip(left[:, :-1, -1] / np.sqrt(variance[:, :-1] * variance[:, -1:]), -1, 1)


def pooled(each: Sequence[np.ndarray]) -> np.ndarray:
    """Correlations of several data sets as one: the mean of Fisher's z, in which 1 counts as 0.999."""
    return np.tanh(np.mean([np.arctanh(np.clip(r, -0.999, 0.999)) for r in each], axis=0))
