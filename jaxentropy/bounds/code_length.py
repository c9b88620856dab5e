"""Held-out code lengths of patterns under a mixture of models: their mean bounds the entropy from above.

A model q assigns −log₂ q(x) bits to a pattern x; on fresh patterns the mean is the entropy plus the divergence of q
from the truth, whatever the model. The models of ``pattern_models.py`` and ``autoregressive.py``, and a uniform one (d
bits, so that no pattern costs more than that and a few bits), are fitted to one part of the sample, mixed with weights
that a second part chooses, and read on a third. All classes are fitted at once.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxentropy.base.padding import rounded
from jaxentropy.bounds import autoregressive
from jaxentropy.bounds.pattern_models import (
    fit_mixture,
    fit_tree,
    independent_code,
    mixture_code,
    mixture_starts,
    moments,
    repeats_code,
    tree_code,
)

MODELS = ("independent", "Chow-Liu tree", "Bernoulli mixture", "autoregressive", "repeats", "uniform")
WIDEST_TREE = 1024
"""Pairs of neurons are not counted in layers wider than this: the tree is left out."""
UNIFORM_BITS = 10
"""−log₂ of the share that the uniform model always has: no code is longer than the width and this."""
_UNIFORM_SHARE = 2.0**-UNIFORM_BITS


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


def halves(n: np.ndarray, seed: int) -> Split:
    """One half is read, by models that were fitted to the other."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(int(size)) for size in n]
    return _split([order[: len(order) // 2] for order in orders], [order[len(order) // 2 :] for order in orders])


def _split(rest: list[np.ndarray], read: list[np.ndarray]) -> Split:
    """A tenth of what is not read chooses; none if there are fewer than two inputs."""
    choose = [np.arange(len(rows)) % 10 == 1 for rows in rest]
    return Split(
        [r[~c] for r, c in zip(rest, choose, strict=True)], [r[c] for r, c in zip(rest, choose, strict=True)], read
    )


def stacked(patterns: list[np.ndarray]) -> np.ndarray:
    """``uint8[class, n, d]`` of all classes' states, padded with zeros to the largest."""
    states = np.zeros((len(patterns), max(map(len, patterns)), patterns[0].shape[1]), np.uint8)
    for c, own in enumerate(patterns):
        states[c, : len(own)] = own
    return states


def read_codes(states: np.ndarray, identity: list[np.ndarray], split: Split, seed: int) -> Codes:
    """Fit every model to ``split.fit``, mix them on ``split.choose``, and read ``split.read``.

    Args:
        states: ``uint8[class, n, d]``; rows beyond a class's size are never looked at.
        identity: for each class, ``int[n]``: equal numbers are equal patterns.
        split: from ``cross_fit``.
        seed: of the models' random starts.
    """
    bits = model_codes(states, identity, split, seed)
    mixed, shares = [], np.empty((len(states), bits.shape[-1]))
    for c, (choose, read) in enumerate(zip(split.choose, split.read, strict=True)):
        choosing = len(choose)
        shares[c] = best_shares(bits[c, :choosing])
        mixed.append(mix(bits[c, choosing : choosing + len(read)], shares[c]))
    return Codes(split.read, mixed, shares)


def model_codes(states: np.ndarray, identity: list[np.ndarray], split: Split, seed: int) -> np.ndarray:
    """Each of ``MODELS``, fitted to ``split.fit``: bits ``[class, row, model]`` of the rows of ``held_rows``."""
    width = states.shape[-1]
    fit_sizes, choose_sizes = (np.array([len(rows) for rows in part], np.int32) for part in split[:2])
    fitted, chooser = (gather(states, rows) for rows in split[:2])
    rows = held_rows(split)
    held = gather(states, rows)
    plan = autoregressive.sizes(len(states), int(fit_sizes.sum()), width)
    found = moments(fitted, fit_sizes, pairs=plan.per_class or width <= WIDEST_TREE)
    model = autoregressive.fit(fitted, fit_sizes, chooser, choose_sizes, found.rate, found.covariance, seed, plan)
    codes = [
        independent_code(found.rate, held),
        tree_code(*fit_tree(found, fit_sizes), held) if width <= WIDEST_TREE else np.full(held.shape[:2], np.inf),
        mixture_code(*fit_mixture(fitted, fit_sizes, mixture_starts(fitted, fit_sizes, seed)), held),
        autoregressive.code_length(model, held),
        repeats_code(identity, split.fit, rows, held.shape[:2]),
        np.full(held.shape[:2], float(width)),
    ]
    return np.stack([np.asarray(code, float) for code in codes], axis=-1)


def held_rows(split: Split) -> list[np.ndarray]:
    """What chooses and, behind it, what is read: both go through one program."""
    return [np.concatenate(rows) for rows in zip(split.choose, split.read, strict=True)]


def gather(states: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    """These rows of each class, padded with rows of zeros to one length: a round one, so that few programs compile."""
    longest = rounded(max(max(map(len, rows)), 1))
    part = np.zeros((len(rows), longest, states.shape[-1]), np.uint8)
    for c, chosen in enumerate(rows):
        part[c, : len(chosen)] = states[c, chosen]
    return part


def mix(bits: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Code lengths under Σ_m share_m·q_m, from each model's ``bits[input, model]``."""
    least = bits.min(-1, keepdims=True)
    return least[:, 0] - np.log2(np.sum(shares * np.exp2(least - bits), axis=-1))


def best_shares(bits: np.ndarray) -> np.ndarray:
    """Weights that code ``bits[input, model]`` best (expectation–maximisation), beside a fixed share of the uniform."""
    models = bits.shape[-1]
    start = np.append(np.full(models - 1, (1 - _UNIFORM_SHARE) / (models - 1)), _UNIFORM_SHARE)
    likelihood = np.exp2(bits.min(-1, keepdims=True) - bits)
    shares = start
    for _ in range(50):
        weighted = shares * likelihood
        explained = (weighted / weighted.sum(-1, keepdims=True)).sum(0)
        # one input's worth of doubt, so that no model drops out of the mixture
        shares = (1 - _UNIFORM_SHARE) * (explained + start) / (len(bits) + 1)
        shares[-1] += _UNIFORM_SHARE
    return shares
