"""Do these inputs look like independent draws, or like copies and near-copies of each other?

Call two inputs *near* if their patterns differ in at most t neurons, and let x be an input, with μ the probability that
a further draw is near it. Among N others that were drawn independently, exactly k are near with probability

    P_k = E[C(N, k)·μ^k·(1 − μ)^(N−k)],   so that   P_k² ≤ (k+1)/k · (N−k+1)/(N−k) · P_(k−1) · P_(k+1),

by Cauchy and Schwarz, whatever the distribution. Inputs that were each taken twice break this at k = 1: all have one
near other, and hardly any has none or two. t = 0 finds exact copies, a larger t those that were disturbed a little. The
P_k are estimated, with limits for groups of inputs that come together by chance; these limits are measured, not proven.
A few copies among many inputs look the same as patterns that recur, and are not found.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv

from jaxentropy.recording.packing import identify

Array = np.ndarray
MOST_PARTNERS = 50
"""Inputs that were taken more often than this and once are not looked for."""
_AT_ONCE, _ROWS, _WORK = 5000, 500, 5 * 10**9  # inputs compared with each other, at a time, and products of it all
_DOUBT = 1e-3  # probability that each of the three numbers may lie beyond its limit by chance
_LEAST_SHARE = 0.02  # of the inputs: fewer copies than this are not worth a word


class DependenceWarning(UserWarning):
    """Inputs are not independent draws, which brackets and error bars take for granted."""


class Copies(NamedTuple):
    """What speaks against independence; its text says so to the user.

    Attributes:
        share: of the inputs that have exactly ``partners`` others near them.
        possible: the largest share that independent draws would have, but for a small chance.
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

    Edge contract: None for fewer than 12 inputs. Copies are found only if they are enough to stand out from
    recurring patterns: where all inputs are taken twice, from a hundred inputs on; a half of them, from three hundred;
    a third, from a thousand. Inputs of which each resembles the next, as the frames of a film do, are not found.
    """
    n = len(packed)
    if n < 12:
        return None
    packed = np.ascontiguousarray(packed).view(np.uint8)
    identity = identify(packed)
    near = np.bincount(identity)[identity] - 1
    found = [_excess(near, near, 0, width)]
    if (most := min(_AT_ONCE, max(math.isqrt(_WORK // width), 500))) < n:
        packed = packed[np.sort(np.random.default_rng(seed).choice(n, most, replace=False))]
    differences = _distances(np.unpackbits(packed, axis=1))
    for distance in [width >> k for k in range(8, 2, -1) if width >> k]:
        near = np.count_nonzero(differences <= distance, axis=1) - 1
        found.append(_excess(near, np.where(_closed(differences, near, distance), near, 0), distance, width))
    return max((c for c in found if c), key=lambda c: c.share - c.possible, default=None)


def _distances(states: Array) -> Array:
    """In how many neurons any two inputs differ, ``int32[n, n]``."""
    x = states.astype(np.float32)
    on = x.sum(1)
    differences = np.empty((len(x), len(x)), np.int32)
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        differences[rows] = on[rows, None] + on - 2 * (x[rows] @ x.T)
    return differences


def _closed(differences: Array, near: Array, distance: int) -> Array:
    """Whether all inputs near this one have as many near them: copies do, those around one rare pattern do not.

    Without that, the inputs near a pattern that came up once by chance would be taken for as many coincidences.
    """
    closed = np.zeros(len(near), bool)
    rows = np.flatnonzero((near > 0) & (near <= MOST_PARTNERS))
    for start in range(0, len(rows), _ROWS):
        own = rows[start : start + _ROWS]
        closed[own] = ~((differences[own] <= distance) & (near != near[own, None])).any(1)
    return closed


def _excess(near: Array, closed: Array, distance: int, width: int) -> Copies | None:
    """Where the inequality is broken by more than chance, most of all.

    ``near`` says how many are near each input, and ``closed`` the same where that is a group of equals, else 0.
    """
    k = np.arange(min(MOST_PARTNERS, len(near) - 2) + 2)
    # a group of k + 1 comes at once: so many groups were seen by chance, not so many inputs
    size, n = k + 1, len(near)
    groups, sure = (np.bincount(x, minlength=len(k))[: len(k)] / size for x in (near, closed))
    high = np.minimum(gammaincinv(groups + 1, 1 - _DOUBT) * size / n, 1)
    low = np.where(sure > 0, gammaincinv(np.maximum(sure, 1e-9), _DOUBT), 0) * size / n
    inner = k[1:-1]
    ratio = (inner + 1) / inner * (n - inner) / (n - 1 - inner)
    possible = np.sqrt(ratio * high[:-2] * high[2:])
    worst = int((low[1:-1] - possible).argmax())
    if low[worst + 1] - possible[worst] < _LEAST_SHARE:
        return None
    share = float(groups[worst + 1] * size[worst + 1] / n)
    return Copies(share, float(possible[worst]), int(inner[worst]), distance, width)
