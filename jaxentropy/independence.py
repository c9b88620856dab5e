"""Do these inputs look like independent draws, or like copies and near-copies of each other?

Call two inputs *near* if their patterns differ in at most t neurons, and let x be an input, with μ the probability that
a further draw is near it. Among N others that were drawn independently, exactly k are near with probability

    P_k = E[C(N, k)·μ^k·(1 − μ)^(N−k)],   so that   P_k² ≤ (k+1)/k · (N−k+1)/(N−k) · P_(k−1) · P_(k+1),

by Cauchy and Schwarz, whatever the distribution. Inputs that were each taken twice break this at k = 1: all have one
near other, and hardly any has none or two. t = 0 finds exact copies, a larger t those that were shifted or disturbed.
A few copies among many inputs cannot be told from patterns that recur.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv

from jaxentropy.patterns import identify

Array = np.ndarray
MOST_PARTNERS = 15
"""Inputs that were taken more often than this and once are not looked for."""
_AT_ONCE, _ROWS, _WORK = 6000, 500, 5 * 10**9  # inputs compared with each other, at a time, and products of it all
_DOUBT = 1e-3  # probability that each of the three numbers may lie beyond its limit by chance
_LEAST_SHARE = 0.02  # of the inputs: fewer copies than this are not worth a word


class DependenceWarning(UserWarning):
    """Inputs are not independent draws, which brackets and error bars take for granted."""


class Copies(NamedTuple):
    """What speaks against independence; its text says so to the user.

    Attributes:
        share: of the inputs that have exactly ``partners`` others near them.
        possible: the largest share that independent draws could have.
        partners: how many others.
        distance: in how many neurons near inputs differ at most …
        width: … of so many.
    """

    share: float
    possible: float
    partners: int
    distance: int
    width: int

    def __str__(self) -> str:
        alike = f"differs in at most {self.distance} of {self.width} neurons" if self.distance else "has its pattern"
        others = "one other input that" if self.partners == 1 else f"{self.partners} other inputs each of which"
        return (
            f"{self.share:.0%} of the inputs have exactly {others} {alike}; among independent draws it would be "
            f"{self.possible:.0%} at most. Inputs seem to be copies or near-copies of each other, and bounds and error "
            "bars hold for independent draws only: take one of each, or draw new ones"
        )


def find_copies(packed: Array, width: int, seed: int = 0) -> Copies | None:
    """The strongest sign that inputs are copies or near-copies of each other, or None.

    Args:
        packed: ``uint8[n, byte]`` or ``uint32[n, word]``, packed states with zeros behind the last one, in any order of
            bits; of several layers side by side, copies stand out more clearly.
        width: neurons that they stand for.
        seed: of the inputs that are compared, where there are too many to compare them all.

    Edge contract: None for fewer than 12 inputs, and for copies too few to be told from patterns that recur: a tenth of
    some thousand inputs, a third of some hundred.
    """
    n = len(packed)
    if n < 12:
        return None
    packed = np.ascontiguousarray(packed).view(np.uint8)
    identity = identify(packed)
    found = [_excess(np.bincount(identity)[identity] - 1, n - 1, 0, width)]
    rng = np.random.default_rng(seed)
    if n > _AT_ONCE:
        packed = packed[np.sort(rng.choice(n, _AT_ONCE, replace=False))]
        n = _AT_ONCE
    queries = np.arange(n)
    if (most := max(_WORK // (n * width), 500)) < n:
        queries = np.sort(rng.choice(n, most, replace=False))
    x = np.unpackbits(packed, axis=1).astype(np.float32)
    on = x.sum(1)
    distances = [width >> k for k in range(8, 2, -1) if width >> k]
    near = np.zeros((len(distances), len(queries)), np.int64)
    for start in range(0, len(queries), _ROWS):
        rows = queries[start : start + _ROWS]
        apart = on[rows, None] + on - 2 * (x[rows] @ x.T)
        for own, distance in zip(near, distances, strict=True):
            own[start : start + len(rows)] = np.count_nonzero(apart <= distance + 0.5, axis=1) - 1
    found += [_excess(own, n - 1, distance, width) for own, distance in zip(near, distances, strict=True)]
    return max((c for c in found if c), key=lambda c: c.share - c.possible, default=None)


def _excess(near: Array, others: int, distance: int, width: int) -> Copies | None:
    """Where the inequality is broken by more than chance, most of all; ``near`` tells how many are near each input."""
    k = np.arange(min(MOST_PARTNERS, others - 1) + 2)
    # k inputs near each other and one more come together: so many groups were seen by chance, not so many inputs
    size, n = k + 1, len(near)
    groups = np.bincount(near, minlength=len(k))[: len(k)] / size
    high = np.minimum(gammaincinv(groups + 1, 1 - _DOUBT) * size / n, 1)
    low = np.where(groups > 0, gammaincinv(np.maximum(groups, 1e-9), _DOUBT), 0) * size / n
    inner = k[1:-1]
    ratio = (inner + 1) / inner * (others - inner + 1) / (others - inner)
    possible = np.sqrt(ratio * high[:-2] * high[2:])
    worst = int((low[1:-1] - possible).argmax())
    if low[worst + 1] - possible[worst] < _LEAST_SHARE:
        return None
    share = float(groups[worst + 1] * size[worst + 1] / n)
    return Copies(share, float(possible[worst]), int(inner[worst]), distance, width)
