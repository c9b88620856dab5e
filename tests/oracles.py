"""The same quantities by the plainest code: loops, dictionaries and float64. Nothing here comes from jaxentropy."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.special import digamma


def pack(states: np.ndarray) -> np.ndarray:
    """Bit j of word w is neuron 32 w + j."""
    n, d = states.shape
    words = np.zeros((n, -(-d // 32)), np.uint64)
    for i in range(d):
        words[:, i // 32] |= states[:, i].astype(np.uint64) << np.uint64(i % 32)
    return words.astype(np.uint32)


def multiplicities(rows: np.ndarray) -> dict[int, int]:
    """{j: how many different rows occur j times}."""
    return dict(Counter(Counter(row.tobytes() for row in np.ascontiguousarray(rows)).values()))


def plugin(counts: Sequence[int]) -> float:
    n = sum(counts)
    return -sum(c / n * math.log2(c / n) for c in counts if c) + 0.0


def miller_madow(counts: Sequence[int]) -> float:
    return plugin(counts) + (sum(c > 0 for c in counts) - 1) / (2 * sum(counts)) / math.log(2)


def chao_wang_jost(counts: Sequence[int]) -> float:
    """Equation 7 of the paper, with the unseen part as the series Σ_k (1 − A)^(k+1) / (n + k), which it sums."""
    n = sum(counts)
    f1, f2 = (sum(c == k for c in counts) for k in (1, 2))
    seen = sum(c / n * (digamma(n) - digamma(c)) for c in counts if c)
    if f1 == 0:
        return seen / math.log(2)
    a = 2 * f2 / ((n - 1) * f1 + 2 * f2) if f2 else 2 / ((n - 1) * (f1 - 1) + 2)
    if a == 1:
        return seen / math.log(2)
    terms = int(60 / a) + 10
    k = np.arange(terms)
    tail = np.sum(np.exp((k + 1) * math.log1p(-a)) / (n + k))
    return (seen + f1 / n * tail) / math.log(2)


ENTROPY = {"plugin": plugin, "miller_madow": miller_madow, "chao_wang_jost": chao_wang_jost}


def jackknife_error(counts: Sequence[int], method: str) -> float:
    """Delete each sample in turn, one by one."""
    counts = [c for c in counts if c]
    n = sum(counts)
    deleted = [
        ENTROPY[method]([c - (i == k) for i, c in enumerate(counts)]) for k, count in enumerate(counts)
        for _ in range(count)
    ]  # fmt: skip
    return math.sqrt((n - 1) / n * np.sum((np.array(deleted) - np.mean(deleted)) ** 2))


def binary_entropy(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def neuron_entropy(states: np.ndarray) -> float:
    """Mean over neurons of the entropy of a neuron's state."""
    return float(np.mean([binary_entropy(column.mean()) for column in states.T]))
