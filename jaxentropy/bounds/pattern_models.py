"""Simple models of a distribution of patterns, fitted to all classes at once, and the code lengths that they give.

- *independent* neurons;
- a *Chow–Liu tree*: each neuron given one other (Chow & Liu 1968);
- a *Bernoulli mixture*, fitted by expectation–maximisation;
- *repeats*: the patterns of the fitted part themselves, by how often they were seen.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

_COMPONENTS, _ROUNDS = 16, 12
_LN2 = math.log(2.0)


class Moments(NamedTuple):
    """Smoothed rates ``float[class, d]``; inputs that have two neurons on, and covariances, ``float[class, d, d]``."""

    rate: np.ndarray
    together: np.ndarray | None
    covariance: np.ndarray | None


def moments(fitted: np.ndarray, sizes: np.ndarray, *, pairs: bool) -> Moments:
    """Smoothed rates of neurons, and how often pairs of them are on together."""
    on, together = jax.tree.map(np.asarray, _counted(fitted, pairs=pairs))
    n = np.maximum(sizes, 1)[:, None].astype(np.float32)
    rate = (on + 0.5) / (sizes[:, None] + np.float32(1))
    if together is None:
        return Moments(rate, None, None)
    share = on / n
    return Moments(rate, together, together / n[..., None] - share[:, :, None] * share[:, None, :])


@partial(jax.jit, static_argnames="pairs")
def _counted(fitted, *, pairs: bool):
    x = fitted.astype(jnp.float32)
    # exact: sums of ones below 2^24
    return x.sum(1), jnp.einsum("cnd,cne->cde", x, x, precision=jax.lax.Precision.HIGHEST) if pairs else None


@jax.jit
def independent_code(rate, states):
    """−log₂ q in bits, ``float[class, n]``, if neurons were independent with these rates."""
    x = states.astype(jnp.float32)
    on, off = (-jnp.log2(p)[:, None] for p in (rate, 1 - rate))
    return jnp.sum(jnp.where(x > 0, on, off), axis=-1)


def fit_tree(moments: Moments, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parent of each neuron, and the log-odds of the neuron where its parent is off and where it is on.

    The spanning tree of largest mutual information, each pair's four counts smoothed by a quarter.
    """
    both = np.asarray(moments.together, float)
    num_classes, width, _ = both.shape
    parent = np.tile(np.arange(width), (num_classes, 1))
    log_odds = np.empty((2, num_classes, width))
    for c in range(num_classes):
        n, on = sizes[c], np.diag(both[c])
        counts = np.stack(
            [n - on[:, None] - on + both[c], on[:, None] - both[c], on[None] - both[c], both[c]]
        )  # [00, 10, 01, 11] of (row, column)
        p = (counts + 0.25) / (n + 1)
        first, second = p[1] + p[3], p[2] + p[3]
        information = sum(
            q * np.log(q / (a * b))
            for q, a, b in zip(
                p, (1 - first, first, 1 - first, first), (1 - second, 1 - second, second, second), strict=True
            )
        )
        # csgraph reads 0 as no edge; all weights below 0 make the minimum the maximum
        edges = minimum_spanning_tree(np.triu(-information - 1e-9, 1)).tocoo()
        neighbours: list[list[int]] = [[] for _ in range(width)]
        for a, b in zip(edges.row, edges.col, strict=True):
            neighbours[a].append(int(b))
            neighbours[b].append(int(a))
        reached, waiting = {0}, [0]
        while waiting:
            node = waiting.pop()
            for other in neighbours[node]:
                if other not in reached:
                    reached.add(other)
                    waiting.append(other)
                    parent[c, other] = node
        up, own = parent[c], np.arange(width)
        log_odds[0, c] = np.log(p[2][up, own] / p[0][up, own])
        log_odds[1, c] = np.log(p[3][up, own] / p[1][up, own])
        alone = np.log((on[0] + 0.5) / (n - on[0] + 0.5))
        log_odds[:, c, 0] = alone
    off, on = log_odds.astype(np.float32)
    return parent.astype(np.int32), off, on


@jax.jit
def tree_code(parent, off, on, states):
    """−log₂ q in bits, ``float[class, n]``, under the trees of ``fit_tree``."""
    above = jnp.take_along_axis(states, parent[:, None], axis=-1)
    log_odds = jnp.where(above > 0, on[:, None], off[:, None])
    return jnp.sum(jax.nn.softplus(log_odds) - states * log_odds, axis=-1) / _LN2


@jax.jit
def fit_mixture(fitted, sizes, start):
    """Bernoulli mixtures of all classes: log-odds and log shares of each component."""
    x = fitted.astype(jnp.float32)
    valid = (jnp.arange(x.shape[1]) < sizes[:, None])[..., None]
    overall = jnp.sum(x, 1, keepdims=True) / jnp.maximum(sizes, 1)[:, None, None]

    def maximise(logits_and_shares, _):
        log_odds, log_share = logits_and_shares
        belongs = jnp.where(valid, jax.nn.softmax(_joint(log_odds, log_share, x), axis=-1), 0.0)
        size = belongs.sum(1)
        # each component starts from one input's worth of the class's mean
        rate = (jnp.einsum("cnk,cnd->ckd", belongs, x) + overall + 0.01) / (size[..., None] + 1.02)
        share = (size + 0.5) / (sizes[:, None] + 0.5 * _COMPONENTS)
        return (jnp.log(rate / (1 - rate)), jnp.log(share)), None

    return jax.lax.scan(maximise, start, None, length=_ROUNDS)[0]


def mixture_starts(fitted: np.ndarray, sizes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Components that lean towards inputs drawn at random, with equal shares."""
    drawn = np.random.default_rng(seed).integers(0, np.maximum(sizes, 1)[:, None], (len(sizes), _COMPONENTS))
    lean = np.float32(math.log(9)) * (2 * fitted[np.arange(len(sizes))[:, None], drawn].astype(np.float32) - 1)
    return lean, np.full(drawn.shape, -math.log(_COMPONENTS), np.float32)


@jax.jit
def mixture_code(log_odds, log_share, states):
    """−log₂ q in bits, ``float[class, n]``, under the mixtures of ``fit_mixture``."""
    return -jax.nn.logsumexp(_joint(log_odds, log_share, states.astype(jnp.float32)), axis=-1) / _LN2


def _joint(log_odds, log_share, x):
    # exact products on accelerators too: the other term is what makes it a distribution, and has no products
    odds = jnp.einsum("cnd,ckd->cnk", x, log_odds, precision=jax.lax.Precision.HIGHEST)
    return odds + (log_share - jax.nn.softplus(log_odds).sum(-1))[:, None]


def repeats_code(identity: list[np.ndarray], fit: list[np.ndarray], rows: list[np.ndarray], shape) -> np.ndarray:
    """−log₂ of a pattern's share of the fitted inputs, half an input less; infinite for a new pattern."""
    bits = np.full(shape, np.inf)
    for c, (known, coded) in enumerate(zip(fit, rows, strict=True)):
        if len(known) and len(coded):
            times = np.bincount(identity[c][known], minlength=identity[c].max() + 1)[identity[c][coded]]
            with np.errstate(divide="ignore"):
                bits[c, : len(coded)] = -np.log2(np.maximum(times - 0.5, 0) / len(known))
    return bits
