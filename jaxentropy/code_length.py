"""Models of a pattern distribution, and the code lengths that they give to patterns they have not seen.

A model q assigns −log₂ q(x) bits to a pattern x; on fresh patterns the mean is the entropy plus the divergence of q
from the truth, so it bounds the entropy from above, whatever the model. Several models are fitted to one part of the
sample, mixed with weights that a second part chooses, and read on a third:

- *independent* neurons;
- a *Chow–Liu tree*: each neuron given one other (Chow & Liu 1968);
- a *Bernoulli mixture*, fitted by expectation–maximisation;
- the logistic *autoregressive* model of ``autoregressive.py``;
- *repeats*: the patterns of the first part themselves, by how often they were seen;
- *uniform*: d bits, so that no pattern costs more than that and a few bits.

All classes are fitted at once.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

from jaxentropy import autoregressive
from jaxentropy.base.padding import rounded

MODELS = ("independent", "Chow-Liu tree", "Bernoulli mixture", "autoregressive", "repeats", "uniform")
WIDEST_TREE = 1024
"""Pairs of neurons are not counted in layers wider than this: the tree is left out."""
UNIFORM_BITS = 10
"""−log₂ of the share that the uniform model always has: no code is longer than the width and this."""
_UNIFORM_SHARE = 2.0**-UNIFORM_BITS
_COMPONENTS, _ROUNDS = 16, 12
_LN2 = math.log(2.0)


class Split(NamedTuple):
    """Three disjoint parts of each class's inputs, as row numbers: fit, choose the mixture on, and read."""

    fit: list[np.ndarray]
    choose: list[np.ndarray]
    read: list[np.ndarray]


class Codes(NamedTuple):
    """Held-out code lengths of one split.

    Attributes:
        rows: for each class, ``int[read]``.
        mixed: for each class, ``float64[read]`` bits under the mixture of all models.
        shares: ``float[class, model]``, how much of the chooser's part each model explains.
    """

    rows: list[np.ndarray]
    mixed: list[np.ndarray]
    shares: np.ndarray


def cross_fit(n: np.ndarray, folds: int, seed: int) -> Iterator[Split]:
    """Splits in which each input is read once, by models that were fitted to the other folds."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(int(size)) for size in n]
    for fold in range(folds):
        rest = [order[np.arange(len(order)) % folds != fold] for order in orders]
        read = [order[fold::folds] for order in orders]
        yield _split(rest, read)


def _split(rest: list[np.ndarray], read: list[np.ndarray]) -> Split:
    """A tenth of what is not read chooses; none if there are fewer than two inputs."""
    choose = [np.arange(len(rows)) % 10 == 1 for rows in rest]
    return Split(
        [r[~c] for r, c in zip(rest, choose, strict=True)], [r[c] for r, c in zip(rest, choose, strict=True)], read
    )


def read_codes(states: np.ndarray, identity: list[np.ndarray], split: Split, seed: int) -> Codes:
    """Fit every model to ``split.fit``, mix them on ``split.choose``, and read ``split.read``.

    Args:
        states: ``uint8[class, n, d]``; rows beyond a class's size are never looked at.
        identity: for each class, ``int[n]``: equal numbers are equal patterns.
        split: from ``cross_fit``.
        seed: of the models' random starts.
    """
    num_classes, _, width = states.shape
    sizes = [np.array([len(rows) for rows in part], np.int32) for part in split]
    fitted, chooser = (_gather(states, rows) for rows in split[:2])
    # what chooses and what is read go through one program, one behind the other
    held_rows = [np.concatenate(rows) for rows in zip(split.choose, split.read, strict=True)]
    held = _gather(states, held_rows)
    plan = autoregressive.sizes(num_classes, int(sizes[0].sum()), width)
    moments = _moments(fitted, sizes[0], pairs=plan.per_class or width <= WIDEST_TREE)
    model = autoregressive.fit(fitted, sizes[0], chooser, sizes[1], moments.rate, moments.covariance, seed, plan)
    codes = [
        _independent(moments.rate, held),
        _tree_code(*_tree(moments, sizes[0]), held) if width <= WIDEST_TREE else np.full(held.shape[:2], np.inf),
        _mixture_code(*_fit_mixture(fitted, sizes[0], _starts(fitted, sizes[0], seed)), held),
        autoregressive.code_length(model, held),
        _repeats(identity, split.fit, held_rows, held.shape[:2]),
        np.full(held.shape[:2], float(width)),
    ]
    bits = np.stack([np.asarray(code, float) for code in codes], axis=-1)

    mixed, shares = [], np.empty((num_classes, len(codes)))
    for c, (choosing, reading) in enumerate(zip(*sizes[1:], strict=True)):
        shares[c] = _shares(bits[c, :choosing])
        mixed.append(_mix(bits[c, choosing : choosing + reading], shares[c]))
    return Codes(split.read, mixed, shares)


def _gather(states: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    """These rows of each class, padded with rows of zeros to one length: a round one, so that few programs compile."""
    longest = rounded(max(max(map(len, rows)), 1))
    part = np.zeros((len(rows), longest, states.shape[-1]), np.uint8)
    for c, chosen in enumerate(rows):
        part[c, : len(chosen)] = states[c, chosen]
    return part


def _mix(bits: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Code lengths under Σ_m share_m·q_m, from each model's ``bits[input, model]``."""
    least = bits.min(-1, keepdims=True)
    return least[:, 0] - np.log2(np.sum(shares * np.exp2(least - bits), axis=-1))


def _shares(bits: np.ndarray) -> np.ndarray:
    """Weights that code ``bits[input, model]`` best (expectation–maximisation), beside a fixed share of the uniform."""
    models = bits.shape[-1]
    start = np.append(np.full(models - 1, (1 - _UNIFORM_SHARE) / (models - 1)), _UNIFORM_SHARE)
    likelihood = np.exp2(bits.min(-1, keepdims=True) - bits)
    shares = start
    for _ in range(50):
        weighted = shares * likelihood
        explained = (weighted / weighted.sum(-1, keepdims=True)).sum(0)
        # one input's worth of doubt keeps every model in the mixture
        shares = (1 - _UNIFORM_SHARE) * (explained + start) / (len(bits) + 1)
        shares[-1] += _UNIFORM_SHARE
    return shares


class _Moments(NamedTuple):
    rate: np.ndarray
    together: np.ndarray | None
    covariance: np.ndarray | None


def _moments(fitted: np.ndarray, sizes: np.ndarray, *, pairs: bool) -> _Moments:
    """Smoothed rates of neurons, and how often pairs of them are on together."""
    on, together = jax.tree.map(np.asarray, _counted(fitted, pairs=pairs))
    n = np.maximum(sizes, 1)[:, None].astype(np.float32)
    rate = (on + 0.5) / (sizes[:, None] + np.float32(1))
    if together is None:
        return _Moments(rate, None, None)
    share = on / n
    return _Moments(rate, together, together / n[..., None] - share[:, :, None] * share[:, None, :])


@partial(jax.jit, static_argnames="pairs")
def _counted(fitted, *, pairs: bool):
    x = fitted.astype(jnp.float32)
    # exact: sums of ones below 2^24
    return x.sum(1), jnp.einsum("cnd,cne->cde", x, x, precision=jax.lax.Precision.HIGHEST) if pairs else None


@jax.jit
def _independent(rate, states):
    x = states.astype(jnp.float32)
    on, off = (-jnp.log2(p)[:, None] for p in (rate, 1 - rate))
    return jnp.sum(jnp.where(x > 0, on, off), axis=-1)


def _tree(moments: _Moments, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
def _tree_code(parent, off, on, states):
    above = jnp.take_along_axis(states, parent[:, None], axis=-1)
    log_odds = jnp.where(above > 0, on[:, None], off[:, None])
    return jnp.sum(jax.nn.softplus(log_odds) - states * log_odds, axis=-1) / _LN2


@jax.jit
def _fit_mixture(fitted, sizes, start):
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


def _starts(fitted: np.ndarray, sizes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Components that lean towards inputs drawn at random, with equal shares."""
    drawn = np.random.default_rng(seed).integers(0, np.maximum(sizes, 1)[:, None], (len(sizes), _COMPONENTS))
    lean = np.float32(math.log(9)) * (2 * fitted[np.arange(len(sizes))[:, None], drawn].astype(np.float32) - 1)
    return lean, np.full(drawn.shape, -math.log(_COMPONENTS), np.float32)


@jax.jit
def _mixture_code(log_odds, log_share, states):
    return -jax.nn.logsumexp(_joint(log_odds, log_share, states.astype(jnp.float32)), axis=-1) / _LN2


def _joint(log_odds, log_share, x):
    # exact products on accelerators too: the other term is what makes it a distribution, and has no products
    odds = jnp.einsum("cnd,ckd->cnk", x, log_odds, precision=jax.lax.Precision.HIGHEST)
    return odds + (log_share - jax.nn.softplus(log_odds).sum(-1))[:, None]


def _repeats(identity: list[np.ndarray], fit: list[np.ndarray], rows: list[np.ndarray], shape) -> np.ndarray:
    """−log₂ of a pattern's share of the fitted inputs, half an input less; infinite for a new pattern."""
    bits = np.full(shape, np.inf)
    for c, (known, told) in enumerate(zip(fit, rows, strict=True)):
        if len(known) and len(told):
            times = np.bincount(identity[c][known], minlength=identity[c].max() + 1)[identity[c][told]]
            with np.errstate(divide="ignore"):
                bits[c, : len(told)] = -np.log2(np.maximum(times - 0.5, 0) / len(known))
    return bits
