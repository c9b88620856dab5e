"""A zoo of distributions over patterns of d bits whose entropy is known exactly, to calibrate brackets and estimators.

No entropy here is itself an estimate: it is a closed form, a sum over all ranks of a code, or one over all patterns of
an enumerated block. Blocks that are drawn independently of each other add their entropies, and neither a permutation of
the columns nor an injective code changes any. Everything is float64 and depends on the seed alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import entr, expit, softmax

Rng = np.random.Generator
# a distribution that is not yet told how many samples to give: its name, d, bits and draw(rng, n), bool [n, d]
Source = tuple[str, int, float, Callable[[Rng, int], np.ndarray]]

# odd widths stand beside the powers of two because patterns are packed into words of 32 bits
WIDTHS = (8, 10, 12, 16, 23, 32, 33, 48, 64, 65, 100, 128, 200, 256, 384, 512)
# the common numbers of samples come several times, the expensive ones seldom
SIZES = (50, 100, 200, 500, 1000, 2000, 100, 500, 5000, 200, 1000, 2000, 50, 500, 200, 1000, 100, 2000, 20000)
MOST_BITS = 4_000_000  # n d of the largest problem, so that every one is drawn in a moment


@dataclass(frozen=True)
class Problem:
    """n patterns of d bits each, drawn independently by `sample` from a distribution of `entropy_bits`."""

    family: str
    name: str
    d: int
    n: int
    entropy_bits: float
    sample: Callable[[Rng], np.ndarray]


def entropy(probabilities: np.ndarray) -> float:
    """Bits of a distribution, given all of its probabilities."""
    return float(entr(probabilities).sum() / math.log(2))


def binary_entropy(p: np.ndarray) -> np.ndarray:
    """Bits of coins, one for each probability."""
    return (entr(p) + entr(1 - p)) / math.log(2)


def pick(probabilities: np.ndarray, rng: Rng, n: int) -> np.ndarray:
    """n indices, drawn by inverting the cumulative distribution."""
    cumulative = np.cumsum(probabilities)
    found = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
    return np.minimum(found, len(cumulative) - 1)  # the product above may round up to the very end


def digits_of(ranks: np.ndarray, digits: int) -> np.ndarray:
    """The lowest binary digits of every rank, lowest first."""
    return (ranks[:, None] >> np.arange(digits)) & 1


def cube(d: int) -> np.ndarray:
    """All 2^d patterns, bool [2^d, d]."""
    return digits_of(np.arange(2**d), d).astype(bool)


def any_width(rng: Rng, n: int, least: int = 8) -> int:
    return int(rng.choice([d for d in WIDTHS if least <= d and n * d <= MOST_BITS]))


def hashed_code(rng: Rng, d: int) -> Callable[[np.ndarray], np.ndarray]:
    """Ranks as patterns that look random, no two alike for ranks below 2^min(d, 64).

    An odd multiplier, an offset and x ^ (x >> s) can each be undone modulo 2^b, so the first b = min(d, 64) columns are
    a bijection of the rank. Any further columns are functions of the rank.
    """
    b, words = min(d, 64), -(-d // 64)
    mask, shift = np.uint64(2**b - 1), np.uint64(b // 2)
    multipliers, offsets = rng.integers(0, 2**64, (2, 4, words), dtype=np.uint64)
    multipliers |= np.uint64(1)

    def code(ranks: np.ndarray) -> np.ndarray:
        x = np.repeat(ranks.astype(np.uint64)[:, None], words, axis=1)
        for multiplier, offset in zip(multipliers, offsets, strict=True):
            x = (x * multiplier + offset) & mask
            x ^= x >> shift
        return np.unpackbits(x.astype("<u8").view(np.uint8), axis=1, bitorder="little")[:, :d].astype(bool)

    return code


def linear_code(rng: Rng, d: int, digits: int) -> Callable[[np.ndarray], np.ndarray]:
    """An affine map over GF(2); the rank's own digits are among its columns, up to the offset, so it is injective."""
    generator = rng.random((digits, d)) < rng.choice([0.1, 0.3, 0.5])
    generator[:, rng.permutation(d)[:digits]] = np.eye(digits, dtype=bool)
    offset = rng.random(d) < 0.5

    def code(ranks: np.ndarray) -> np.ndarray:
        # sums of at most 64 ones are exact, and BLAS has no integers
        sums = digits_of(ranks, digits).astype(np.float32) @ generator.astype(np.float32)
        return (sums.astype(np.uint8) & 1).astype(bool) ^ offset

    return code


def coded(name: str, d: int, number: int, bits: float, ranks: Callable[[Rng, int], np.ndarray], rng: Rng) -> Source:
    """Ranks below `number` as patterns, by either code. Both are injective, so the bits are those of the ranks."""
    hashed = rng.random() < 0.5
    code = hashed_code(rng, d) if hashed else linear_code(rng, d, digits=max(1, (number - 1).bit_length()))
    name = f"{name}-{'hashed' if hashed else 'linear'}"
    return name, d, bits, lambda rng, n: code(ranks(rng, n))


def uniform(rng: Rng, n: int) -> Source:
    """K equally likely patterns: log2 K bits, from a single pattern to far more than n² of them, or the whole cube."""
    whole = rng.random() < 0.2
    d = int(rng.integers(8, 17)) if whole else any_width(rng, n)
    number = 2**d if whole else int(2 ** rng.uniform(0, min(d, 2 * math.log2(n) + 4)))
    code = hashed_code(rng, d)
    return f"K{number}", d, math.log2(number), lambda rng, n: code(rng.integers(0, number, n))


def zipf_probabilities(a: float, number: int) -> np.ndarray:
    weights = np.arange(1, number + 1, dtype=float) ** -a
    return weights / weights.sum()


def zipf(rng: Rng, n: int) -> Source:
    """p_k ∝ k^-a for k = 1 … K: the sum over all K ranks."""
    a, number = 0.6 + 1.4 * rng.random() ** 1.5, round(10 ** (1 + 5 * math.sqrt(rng.random())))
    d = any_width(rng, n, least=(number - 1).bit_length())
    bits = entropy(zipf_probabilities(a, number))
    # up to a million probabilities are made anew for every sample rather than kept for every problem
    return coded(f"a{a:.2f}-K{number}", d, number, bits, lambda *args: pick(zipf_probabilities(a, number), *args), rng)


def geometric_entropy(mean: float, number: int) -> float:
    """Closed form: p_k = c q^k for k < K, so the entropy is -log2 c - E[k] log2 q. `mean` is that of K = ∞."""
    rate = math.log1p(1 / mean)  # -ln q
    tail = math.exp(-rate * number)  # q^K
    expected = mean - number * tail / -math.expm1(-rate * number)
    return (rate * expected - math.log(math.expm1(-rate) / math.expm1(-rate * number))) / math.log(2)


def geometric_ranks(mean: float, number: int, rng: Rng, n: int) -> np.ndarray:
    """The truncated cumulative distribution, inverted."""
    rate = math.log1p(1 / mean)
    ranks = np.log1p(rng.random(n) * math.expm1(-rate * number)) / -rate
    return np.minimum(ranks.astype(np.int64), number - 1)


def geometric(rng: Rng, n: int) -> Source:
    """p_k ∝ q^k for k < K: closed form. K is either a few means or as many patterns as there are."""
    d = any_width(rng, n)
    mean = float(2 ** rng.uniform(-2, min(d, 2 * math.log2(n) + 2)))
    most = 2 ** min(d, 48)
    number = most if rng.random() < 0.5 else min(most, math.ceil(mean * rng.uniform(0.5, 4)) + 1)
    bits = geometric_entropy(mean, number)
    return coded(f"mean{mean:.3g}-K{number}", d, number, bits, partial(geometric_ranks, mean, number), rng)


def bernoulli(rng: Rng, n: int) -> Source:
    """Independent neurons, some always on or always off: the sum of their binary entropies."""
    d = any_width(rng, n)
    sharp, constant = 2 ** rng.uniform(-2, 9), rng.choice([0, 0.2, 0.7])
    p = expit(sharp * (rng.normal(size=d) + rng.uniform(-1.5, 0.5)))
    p = np.where(rng.random(d) < constant, rng.integers(0, 2, d), p)
    bits = float(binary_entropy(p).sum())
    return f"sharp{sharp:.3g}-constant{constant}", d, bits, lambda rng, n: rng.random((n, d)) < p


def tree_entropy(parents: np.ndarray, given: np.ndarray) -> float:
    """Chain rule: every bit adds its binary entropy given its parent, averaged over the parent's exact marginal.

    Bit i is on with probability given[i, value of bit parents[i] < i]. Bit 0 has no parent and uses given[0, 0].
    """
    on = np.zeros(len(parents))
    for i, parent in enumerate(parents):
        q = on[parent] if i else 0.0
        on[i] = (1 - q) * given[i, 0] + q * given[i, 1]
    q = np.where(np.arange(len(parents)) > 0, on[parents], 0)
    return float(np.sum([1 - q, q] * binary_entropy(given.T)))


def tree_draw(parents: np.ndarray, given: np.ndarray, order: np.ndarray, rng: Rng, n: int) -> np.ndarray:
    bits = np.empty((len(parents), n), bool)
    for i, (parent, (off, on)) in enumerate(zip(parents, given, strict=True)):
        bits[i] = rng.random(n) < (np.where(bits[parent], on, off) if i else off)
    return np.ascontiguousarray(bits[order].T)


def grown(name: str, parents: np.ndarray, given: np.ndarray, rng: Rng) -> Source:
    """A tree with its columns permuted."""
    d = len(parents)
    return name, d, tree_entropy(parents, given), partial(tree_draw, parents, given, rng.permutation(d))


def markov(rng: Rng, n: int) -> Source:
    """Bits along a chain, the same transitions everywhere or others at every step: chain rule."""
    d, noise, homogeneous = any_width(rng, n), 2 ** rng.uniform(-11, 0), rng.random() < 0.5
    flips = noise * rng.random((1 if homogeneous else d, 2))
    given = np.repeat([0, 1] + [1, -1] * flips, d if homogeneous else 1, axis=0)
    given[0] = rng.random()
    return grown(f"noise{noise:.2g}-{'' if homogeneous else 'in'}homogeneous", np.arange(d) - 1, given, rng)


def tree(rng: Rng, n: int) -> Source:
    """Noisy or exact copies or opposites of the parent; a power from 0 up makes a chain into a star: chain rule."""
    d, noise, power = any_width(rng, n), 2 ** rng.uniform(-11, 0), 2 ** rng.uniform(-4, 3)
    i = np.arange(d)
    parents = np.minimum((i * rng.random(d) ** power).astype(int), i - 1)
    flips = noise * rng.random((d, 2)) * (rng.random((d, 1)) < 0.9)
    given = [0, 1] + [1, -1] * flips
    given = np.where(rng.random((d, 1)) < 0.3, 1 - given, given)
    given[0] = rng.random()
    return grown(f"noise{noise:.2g}-power{power:.2g}", parents, given, rng)


class Table(NamedTuple):
    """Every pattern that can occur, as packed bits, with its probability."""

    packed: np.ndarray
    probabilities: np.ndarray
    d: int

    def draw(self, rng: Rng, n: int) -> np.ndarray:
        chosen = self.packed[pick(self.probabilities, rng, n)]
        return np.unpackbits(chosen, axis=1, count=self.d).astype(bool)


def tabulate(states: np.ndarray, weights: np.ndarray) -> Table:
    """Equal patterns become one, with the sum of their weights. The weights need not sum to 1."""
    packed = np.packbits(states, axis=1)
    rows = packed.view(f"V{packed.shape[1]}").ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    sums = np.bincount(inverse, weights)
    return Table(packed[first], sums / sums.sum(), states.shape[1])


def product(name: str, blocks: Sequence[Table], rng: Rng) -> Source:
    """Independent blocks side by side, columns permuted: the entropies of the tables add up."""
    order = rng.permutation(sum(block.d for block in blocks))
    bits = sum(entropy(block.probabilities) for block in blocks)
    return name, len(order), bits, lambda rng, n: np.hstack([b.draw(rng, n) for b in blocks])[:, order]


def mixture_table(weights: np.ndarray, templates: np.ndarray) -> Table:
    """A mixture of independent bits, enumerated: template t has weight weights[t] and rates templates[t]."""
    d = templates.shape[1]
    joint = weights[:, None]
    for p in templates.T[:, :, None]:  # a later bit is a higher digit, as in the cube
        joint = np.hstack([joint * (1 - p), joint * p])
    return Table(np.packbits(cube(d), axis=1), joint.sum(0), d)


def labelled_mixture_entropy(weights: np.ndarray, templates: np.ndarray) -> float:
    """The pattern tells the template, so the entropy is that of the weights and, on average, that of the templates."""
    return entropy(weights) + float(weights @ binary_entropy(templates).sum(1))


def mixture(rng: Rng, n: int) -> Source:
    """Mixtures of templates: enumerated blocks of 8 to 12 bits, or any width where some columns spell the template."""
    number, sharp = int(rng.integers(2, 17)), 2 ** rng.uniform(0, 7)
    if rng.random() < 0.5:
        b = int(rng.integers(8, 13))
        copies = max(1, any_width(rng, n) // b)
        templates = expit(sharp * rng.normal(size=(copies, number, b)))
        blocks = [mixture_table(rng.dirichlet(np.ones(number)), block) for block in templates]
        return product(f"blocks{copies}-templates{number}-sharp{sharp:.2g}", blocks, rng)
    d, digits = any_width(rng, n), (number - 1).bit_length()
    order, weights = rng.permutation(d), rng.dirichlet(np.ones(number))
    templates = expit(sharp * rng.normal(size=(number, d - digits)))
    # the label's columns are neurons that are certain given the template
    rates = np.hstack([digits_of(np.arange(number), digits), templates])[:, order]
    bits, name = labelled_mixture_entropy(weights, templates), f"labelled-templates{number}-sharp{sharp:.2g}"
    return name, d, bits, lambda rng, n: rng.random((n, d)) < rates[pick(weights, rng, n)]


def ising_table(couplings: np.ndarray, fields: np.ndarray) -> Table:
    """p(s) ∝ exp(s·J·s / 2 + h·s) over all spins s = ±1, enumerated."""
    states = cube(len(fields))
    spins = 2.0 * states - 1
    energies = ((spins @ couplings) * spins).sum(1) / 2 + spins @ fields
    return Table(np.packbits(states, axis=1), softmax(energies), len(fields))


def ising(rng: Rng, n: int) -> Source:
    """Random couplings at some temperature: enumerated up to 16 bits, or independent copies of one model of 12."""
    copies = max(1, any_width(rng, n) // 12) if rng.random() < 0.5 else 1
    d, temperature = 12 if copies > 1 else int(rng.integers(8, 17)), 2 ** rng.uniform(-3, 2)
    upper = np.triu(rng.normal(size=(d, d)), 1) / math.sqrt(d)
    couplings = (upper + upper.T + rng.choice([0, 1 / d])) / temperature
    table = ising_table(couplings, rng.normal(rng.choice([0, -0.5]), 0.3, d) / temperature)
    return product(f"copies{copies}-temperature{temperature:.2g}", [table] * copies, rng)


def relu_states(inputs: np.ndarray, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Which neurons of the last layer are active, for every input."""
    *hidden, (weights, bias) = layers
    # products this small are not worth BLAS's threads, which wait for each other where the cores are shared
    rows = 2**18 // max(w.size for w, _ in layers)
    states = []
    for x in np.split(inputs, range(rows, len(inputs), rows)):
        for w, b in hidden:
            x = np.maximum(x @ w + b, 0)
        states.append(x @ weights + bias > 0)
    return np.vstack(states)


def relu(rng: Rng, n: int) -> Source:
    """A random network's last hidden layer on a grid of inputs: the patterns of all points, counted.

    Points are equally likely, or fall off like a Gaussian. Several branches are networks that each see inputs of their
    own. The patterns themselves are the table, so that no sample meets other rounding than the count did.
    """
    branches = int(rng.choice([1, 1, 1, 2, 3, 4]))
    width = int(rng.choice([w for w in WIDTHS if branches * w <= min(512, MOST_BITS // n)]))
    depth, inner = int(rng.integers(1, 6)), int(rng.choice([min(width, 128), 12, 32, 64]))
    dimension = int(rng.choice([2, 3, 4, 0]))  # 0: bits
    offset, spread = rng.choice([0, 0, -0.3, -0.6, 0.3]), rng.choice([0, 0.1, 0.5])
    fall = rng.choice([math.inf, math.inf, 0.5])
    # one wide network costs as much as many narrow ones, so it gets a smaller grid
    roomy = 25 - math.log2(branches * width * inner * depth)
    exponent = int(rng.integers(12, min(max(12, int(roomy)), 16) + 1))
    dimension, side, low = (dimension, round(2 ** (exponent / dimension)), -1) if dimension else (exponent, 2, 0)
    inputs = low + (1 - low) / (side - 1) * np.indices((side,) * dimension).reshape(dimension, -1).T
    weights = np.exp(-(inputs**2).sum(1) / (2 * fall**2))
    sizes = pairwise([dimension, *[inner] * (depth - 1), width])
    scales = [(math.sqrt(2 / fan_in), (fan_in, fan_out)) for fan_in, fan_out in sizes]
    networks = [[(rng.normal(0, s, w), rng.normal(offset, spread, w[1])) for s, w in scales] for _ in range(branches)]
    blocks = [tabulate(relu_states(inputs, layers), weights) for layers in networks]
    name = f"branches{branches}-depth{depth}-inner{inner}-inputs{dimension}-fall{fall}-bias{offset}±{spread}"
    return product(name, blocks, rng)


FAMILIES = (uniform, zipf, geometric, bernoulli, markov, tree, mixture, ising, relu)


# ---- rare patterns that are expensive: what a sample may well miss, and what then costs a bit a neuron

RARE_SHAPES = (
    (12, 16), (12, 64), (20, 48), (50, 64), (50, 4096), (100, 64), (100, 512), (200, 16), (400, 64), (400, 512),
    (1000, 128), (2000, 64), (5000, 128), (20000, 32),
)  # fmt: skip
"""Inputs and neurons: few pairs, so that few programs are compiled."""


def spike_entropy(rate: float, d: int) -> float:
    """d bits that are all off but for an input in 1/rate, where they are random: 1 + (2^d − 1) different patterns."""
    often, seldom = 1 - rate + rate * 2.0**-d, rate * (1 - 2.0**-d)
    return float(entr(often)) / math.log(2) + seldom * (d - math.log2(rate))


def spikes(rng: Rng, n: int, d: int) -> Source:
    """Constant but for random bits in 0.3 to 5 of n inputs; alone, or beside independent neurons."""
    expected = float(rng.choice([0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5]))
    beside = int(rng.choice([0, 0, 1, 3, d // 4, d // 2]))
    rates, rate, order = rng.random(beside), min(expected / n, 1), rng.permutation(d)
    bits = spike_entropy(rate, d - beside) + float(binary_entropy(rates).sum())

    def draw(rng: Rng, n: int) -> np.ndarray:
        random = (rng.random((n, d - beside)) < 0.5) & (rng.random((n, 1)) < rate)
        return np.hstack([random, rng.random((n, beside)) < rates])[:, order]

    return f"{expected}/n-beside{beside}", d, bits, draw


def two_scales(rng: Rng, n: int, d: int) -> Source:
    """One neuron says which: a share of the inputs has random bits, the others one of few patterns."""
    share, number = float(rng.choice([0.02, 0.05, 0.1, 0.2])), int(rng.choice([1, 2, 8, 64]))
    code, order = hashed_code(rng, d - 1), rng.permutation(d)
    bits = float(binary_entropy(np.array(share))) + share * (d - 1) + (1 - share) * math.log2(number)

    def draw(rng: Rng, n: int) -> np.ndarray:
        rich = rng.random((n, 1)) < share
        states = np.where(rich, rng.random((n, d - 1)) < 0.5, code(rng.integers(0, number, n)))
        return np.hstack([rich, states])[:, order]

    return f"share{share}-patterns{number}", d, bits, draw


def rare_neurons(rng: Rng, n: int, d: int) -> Source:
    """Independent neurons, most of them on for 0.1 to 5 of n inputs: the sum of their entropies."""
    expected = float(rng.choice([0.1, 0.3, 1, 3, 5]))
    rates = np.where(rng.random(d) < rng.choice([0, 0, 0.05, 0.3]), rng.random(d), min(expected / n, 0.5))
    bits = float(binary_entropy(rates).sum())
    return f"{expected}/n", d, bits, lambda rng, n: rng.random((n, d)) < rates


def heavy_tails(rng: Rng, n: int, d: int) -> Source:
    """Level k, in unary, has probability ∝ 2^(−k·s) and 2^k random bits: with s = 1, each adds as much entropy."""
    levels, slope = int(math.log2(d)) - 1, float(rng.choice([0.7, 1, 1, 1.3]))
    p = 2.0 ** (-slope * np.arange(levels + 1))
    p, order = p / p.sum(), rng.permutation(d)
    width = np.minimum(2 ** np.arange(levels + 1), d - levels)
    bits = entropy(p) + float(p @ width)

    def draw(rng: Rng, n: int) -> np.ndarray:
        level = pick(p, rng, n)
        unary = np.arange(levels) < level[:, None]
        random = (rng.random((n, d - levels)) < 0.5) & (np.arange(d - levels) < width[level][:, None])
        return np.hstack([unary, random])[:, order]

    return f"slope{slope}", d, bits, draw


RARE_FAMILIES = (spikes, two_scales, rare_neurons, heavy_tails)


def zoo(seed: int = 0, thin: int = 1) -> list[Problem]:
    """Every thin-th problem of each family. Each has a generator of its own, so that none depends on the others."""
    problems = []
    for f, make in enumerate(FAMILIES):
        for i in range(0, 140 if make is relu else 60, thin):  # the family that looks most like real networks
            n = SIZES[i % len(SIZES)]
            problems.append(problem(make.__name__, i, n, make(np.random.default_rng((seed, f, i)), n)))
    return problems


def rare_zoo(seed: int = 0, thin: int = 1) -> list[Problem]:
    """The same of the families of rare patterns; 70 each, five of every shape."""
    problems = []
    for f, make in enumerate(RARE_FAMILIES):
        for i in range(0, 5 * len(RARE_SHAPES), thin):
            n, d = RARE_SHAPES[i % len(RARE_SHAPES)]
            source = make(np.random.default_rng((seed, len(FAMILIES) + f, i)), n, d)
            problems.append(problem(make.__name__, i, n, source))
    return problems


def problem(family: str, i: int, n: int, source: Source) -> Problem:
    """The i-th of a family, which now is told how many samples to give."""
    name, d, bits, draw = source
    return Problem(family, f"{family}-{i:03d}-{name}-d{d}-n{n}", d, n, bits, lambda rng: draw(rng, n))
