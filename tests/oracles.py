"""The same quantities by the plainest code: loops, dictionaries and float64. Nothing here comes from jaxentropy."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np
from scipy.special import digamma, gammaln, polygamma


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


def jackknife(counts: Sequence[int]) -> float:
    n = sum(counts)
    deleted = sum(c * plugin([d - (i == k) for k, d in enumerate(counts)]) for i, c in enumerate(counts) if c)
    return n * plugin(counts) - (n - 1) * deleted / n


def grassberger(counts: Sequence[int]) -> float:
    """With the paper's recursion: G_1 = −γ − ln 2, G_2 = 2 − γ − ln 2, G_2k+1 = G_2k, G_2k+2 = G_2k + 2/(2k+1)."""
    counts = [c for c in counts if c]
    if len(counts) == 1:
        return 0.0
    n = sum(counts)
    g = [0.0, -np.euler_gamma - math.log(2), 2 - np.euler_gamma - math.log(2)]
    while len(g) <= max(counts):
        g.append(g[-1] if len(g) % 2 else g[-1] + 2 / (len(g) - 1))
    return (math.log(n) - sum(c * g[c] for c in counts) / n) / math.log(2)


def chao_shen(counts: Sequence[int]) -> float:
    counts = [c for c in counts if c]
    n, f1 = sum(counts), counts.count(1)
    covered = 1 - (n - 1 if f1 == n else f1) / n
    probabilities = [covered * c / n for c in counts]
    return -sum(p * math.log2(p) / (1 - (1 - p) ** n) for p in probabilities) + 0.0


def james_stein(counts: Sequence[int], support: int | None = None) -> float:
    """All cells of the support written out."""
    counts = [c for c in counts if c]
    cells = np.array(counts + [0] * ((support or len(counts)) - len(counts)), float)
    n, even = cells.sum(), 1 / len(cells)
    spread = (n - 1) * np.sum((even - cells / n) ** 2)
    shrink = 1.0 if spread < 1e-15 else min(1.0, (1 - np.sum((cells / n) ** 2)) / spread)
    q = shrink * even + (1 - shrink) * cells / n
    return -sum(x * math.log2(x) for x in q if x) + 0.0


def collision(counts: Sequence[int]) -> float:
    """By comparing each sample with each other."""
    samples = [k for k, c in enumerate(counts) for _ in range(c)]
    pairs = [a == b for a, b in combinations(samples, 2)]
    return -math.log2(np.mean(pairs)) + 0.0 if any(pairs) else math.nan


def nsb(counts: Sequence[int], support: float | None = None) -> float:
    """The integral over ln κ as a sum over 20,000 points; no support is the limit of a large one."""
    j = np.array([c for c in counts if c], float)
    n, seen = j.sum(), len(j)
    if n == seen and support is None:
        return math.nan
    log_kappa = np.linspace(-40, 60, 20_000)
    kappa = np.exp(log_kappa)
    risen = gammaln(n + kappa) - gammaln(kappa)
    # beyond 10⁶ the difference of logarithms of Γ loses its digits: (κ)_n = κⁿ·exp(n(n−1)/2κ − …)
    risen = np.where(kappa > 1e6, n * log_kappa + n * (n - 1) / 2 / kappa, risen)
    if support is None:
        weight = seen * log_kappa - risen + np.log(kappa * polygamma(1, kappa + 1))
        mean = digamma(n + kappa + 1) - (np.sum(j * digamma(j + 1)) + kappa * digamma(1)) / (n + kappa)
    else:
        beta = kappa / support
        each = np.stack([sum(np.log(beta + i) for i in range(int(c))) for c in j]).sum(0)
        prior = polygamma(1, kappa + 1) - polygamma(1, beta + 1) / support
        # far out it is (K − 1)/2κ², a small difference of large numbers
        prior = np.where(beta > 1e4, (support - 1) / (2 * kappa**2), prior)
        weight = each - risen + np.log(kappa * prior)
        told = sum((c + beta) * digamma(c + beta + 1) for c in j) + (support - seen) * beta * digamma(beta + 1)
        mean = digamma(n + kappa + 1) - told / (n + kappa)
    weight = np.exp(weight - weight.max())
    return float(np.sum(weight * mean) / np.sum(weight) / math.log(2))


@cache
def _pitman_yor(counts: tuple[int, ...]) -> float:
    """The double integral as a sum over 1000 × 600 points in ln α and ln δ/(1−δ)."""
    n, seen = sum(counts), len(counts)
    if n == seen:
        return math.nan
    log_alpha, log_odds = np.linspace(-45, 80, 1000)[:, None], np.linspace(-45, 12, 600)
    alpha, delta = np.exp(log_alpha), 1 / (1 + np.exp(-log_odds))
    log_weight = sum(np.log(alpha + i * delta) for i in range(1, seen)) - sum(np.log(alpha + i) for i in range(1, n))
    log_weight = log_weight + sum(np.log(i - delta) for c in counts for i in range(1, c))
    a = np.where(alpha < 1e-6, alpha * math.pi**2 / 6, digamma(alpha + 1) - digamma(1))
    b = np.where(delta < 1e-6, delta * math.pi**2 / 6, digamma(1) - digamma(1 - delta))
    # γ = b/(a+b), so 1/(1−γ) = 1 + b/a
    log_weight += -10 * (1 + b / a) + np.log(polygamma(1, alpha + 1) * polygamma(1, 1 - delta) / (a + b))
    weight = np.exp(log_weight - log_weight.max()) * alpha * delta * (1 - delta)
    weight /= weight.max()
    told = sum((c - delta) * digamma(c - delta + 1) for c in counts)
    mean = digamma(alpha + n + 1) - ((alpha + seen * delta) * digamma(1 - delta) + told) / (alpha + n)
    return float(np.sum(weight * mean) / np.sum(weight) / math.log(2))


def pitman_yor(counts: Sequence[int]) -> float:
    return _pitman_yor(tuple(sorted(c for c in counts if c)))


ENTROPY = {
    "plugin": plugin,
    "miller_madow": miller_madow,
    "jackknife": jackknife,
    "grassberger": grassberger,
    "chao_shen": chao_shen,
    "chao_wang_jost": chao_wang_jost,
    "james_stein": james_stein,
    "nsb": nsb,
    "pitman_yor": pitman_yor,
    "collision": collision,
}


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


def zhang(on: int, n: int) -> float:
    """Zhang's estimate of a neuron's entropy, as sums of 1/j: (k/n)·(1/k + … + 1/(n−1)) nats and the same for n − k."""
    return sum(k / n * math.fsum(1 / j for j in range(k, n)) for k in (on, n - on) if k) / math.log(2)


def binomial_mean(values: Sequence[float], p: float) -> float:
    """Σ_k values[k]·C(n, k)·p^k·(1 − p)^(n − k)."""
    n = len(values) - 1
    return math.fsum(v * math.comb(n, k) * p**k * (1 - p) ** (n - k) for k, v in enumerate(values))
