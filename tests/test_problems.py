import math
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests import oracles, problems

FAMILIES = ("uniform", "zipf", "geometric", "bernoulli", "markov", "tree", "mixture", "ising", "relu")


@pytest.fixture(scope="module")
def zoo():
    return problems.zoo()


def bits(probabilities):
    return -math.fsum(p * math.log2(p) for p in probabilities if p > 0)


def standard_errors(problem, most=20_000):
    """By how many of its standard errors an estimate from many samples misses the stated entropy."""
    rng = np.random.default_rng(1)
    rows = (np.packbits(problem.sample(rng), axis=1) for _ in range(math.ceil(most / problem.n)))
    counts = Counter(row.tobytes() for sample in rows for row in sample)
    p = np.array(list(counts.values())) / counts.total()
    spread = math.sqrt(((p * np.log2(p) ** 2).sum() - (p * np.log2(p)).sum() ** 2) / counts.total())
    # a uniform distribution has hardly any spread of the first order; this is that of the second
    spread += math.sqrt(len(p)) / counts.total()
    return abs(oracles.chao_wang_jost(list(counts.values())) - problem.entropy_bits) / spread


def test_counts_and_ranges(zoo):
    assert len(zoo) >= 500
    families = Counter(p.family for p in zoo)
    assert set(families) == set(FAMILIES)
    assert min(families.values()) >= 50
    assert len({p.name for p in zoo}) == len(zoo)
    assert {8, 512} <= {p.d for p in zoo} <= set(range(8, 513))
    assert {50, 20000} <= {p.n for p in zoo} <= set(range(50, 20001))
    assert np.mean([p.n <= 2000 for p in zoo]) > 0.8
    assert all(0 <= p.entropy_bits <= p.d for p in zoo)


def test_the_zoo_depends_on_the_seed_alone(zoo):
    again, other = problems.zoo(thin=20), problems.zoo(1, thin=20)
    named = {p.name: p for p in zoo}
    for p in again:
        q = named[p.name]
        assert replace(p, sample=q.sample) == q
        np.testing.assert_array_equal(p.sample(np.random.default_rng(3)), q.sample(np.random.default_rng(3)))
    assert len(other) == len(again)
    assert not {p.entropy_bits for p in other} & {p.entropy_bits for p in again if p.family == "relu"}


def test_samples_have_their_shape_and_never_too_much_entropy(zoo):
    """The plug-in of any sample lies below the entropy, apart from chance; every regime occurs."""
    regimes = Counter()
    for p in zoo:
        sample = p.sample(np.random.default_rng(0))
        assert sample.shape == (p.n, p.d)
        assert sample.dtype == bool
        counts = Counter(row.tobytes() for row in np.packbits(sample, axis=1)).values()
        share = np.array(list(counts)) / p.n
        plugin, second = -(share * np.log2(share)).sum(), (share * np.log2(share) ** 2).sum()
        assert plugin <= p.entropy_bits + 5 * math.sqrt(max(second - plugin**2, 0) / p.n) + 1e-9, p.name
        full = p.n > 16 * 2**p.entropy_bits
        regimes[p.family, "full" if full else "unique" if len(counts) == p.n else "between"] += 1
    for family in FAMILIES:
        assert min(regimes[family, regime] for regime in ("full", "between", "unique")) >= 3, (family, regimes)


@pytest.mark.thorough
@pytest.mark.parametrize("family", FAMILIES)
def test_large_samples_agree(zoo, family):
    """And would not if bits were nats, or if there were three tenths of a bit too many."""
    chosen = [p for p in zoo if p.family == family and p.n >= 1000 and 1 < p.entropy_bits < 7][:4]
    assert len(chosen) == 4
    for p in chosen:
        assert standard_errors(p) < 5, p.name
    p = chosen[0]
    assert standard_errors(replace(p, entropy_bits=p.entropy_bits * math.log(2))) > 10
    assert standard_errors(replace(p, entropy_bits=p.entropy_bits + 0.3)) > 10


@pytest.mark.parametrize("d", [8, 11, 16, 64, 65, 200])
def test_codes_are_injective(rng, d):
    ranks = np.arange(2 ** min(d, 16))
    far = np.unique(rng.integers(0, 2 ** min(d, 48), 50_000))
    for number, some in ((2 ** min(d, 16), ranks), (2 ** min(d, 48), far)):
        linear = problems.linear_code(rng, d, (number - 1).bit_length())
        for code in (problems.hashed_code(rng, d), linear):
            states = code(some)
            assert states.shape == (len(some), d)
            assert len({row.tobytes() for row in np.packbits(states, axis=1)}) == len(some)
            assert 0.3 < states.mean() < 0.7


def test_ranks():
    weights = [k**-1.3 for k in range(1, 5001)]
    zipf = bits(w / sum(weights) for w in weights)
    assert problems.entropy(problems.zipf_probabilities(1.3, 5000)) == pytest.approx(zipf, abs=1e-10)
    for mean, number in ((0.3, 50), (7.0, 5), (40.0, 3000), (1e4, 300), (0.2, 2)):
        q = mean / (1 + mean)
        weights = [q**k for k in range(number)]
        geometric = bits(w / sum(weights) for w in weights)
        assert problems.geometric_entropy(mean, number) == pytest.approx(geometric, abs=1e-9)
    # without truncation, h(q) / (1 - q)
    q = 100 / 101
    assert problems.geometric_entropy(100.0, 2**48) == pytest.approx(bits([q, 1 - q]) / (1 - q), abs=1e-9)


def test_trees_and_chains(rng):
    d = 9
    for parents in (np.arange(d) - 1, np.array([-1, *(int(rng.integers(0, i)) for i in range(1, d))])):
        given = rng.random((d, 2))
        given[3] = 0, 1  # an exact copy
        joint = [
            math.prod(
                given[i, x[parents[i]] if i else 0] if x[i] else 1 - given[i, x[parents[i]] if i else 0]
                for i in range(d)
            )
            for x in product((0, 1), repeat=d)
        ]
        assert sum(joint) == pytest.approx(1)
        assert problems.tree_entropy(parents, given) == pytest.approx(bits(joint), abs=1e-10)
    # with no dependence left, the coins add up
    p = rng.random(d)
    coins = math.fsum(bits([q, 1 - q]) for q in p)
    assert problems.tree_entropy(np.arange(d) - 1, np.stack([p, p], 1)) == pytest.approx(coins)
    assert problems.binary_entropy(p).sum() == pytest.approx(coins)


def test_mixtures(rng):
    weights, templates = rng.dirichlet(np.ones(3)), rng.random((3, 8))
    templates[:, 2], templates[0, 5] = 0, 1

    def chance(x, t):
        return weights[t] * math.prod(p if on else 1 - p for p, on in zip(templates[t], x, strict=True))

    cube = list(product((0, 1), repeat=8))
    table = problems.mixture_table(weights, templates)
    expected = {x: sum(chance(x, t) for t in range(3)) for x in cube}
    check_table(table, expected)
    assert problems.entropy(table.probabilities) == pytest.approx(bits(expected.values()), abs=1e-10)
    labelled = bits(chance(x, t) for x in cube for t in range(3))
    assert problems.labelled_mixture_entropy(weights, templates) == pytest.approx(labelled, abs=1e-10)


def check_table(table, expected):
    """The same patterns with the same probabilities, no pattern twice."""
    states = [tuple(int(x) for x in row) for row in np.unpackbits(table.packed, axis=1, count=table.d)]
    assert len(set(states)) == len(states)
    assert dict(zip(states, table.probabilities, strict=True)) == pytest.approx(expected, abs=1e-12)


def test_ising(rng):
    d = 8
    upper, fields = np.triu(rng.normal(size=(d, d)), 1), rng.normal(size=d)
    weights = {}
    for x in product((0, 1), repeat=d):
        s = [2 * bit - 1 for bit in x]
        pairs = sum(upper[i, j] * s[i] * s[j] for i in range(d) for j in range(i + 1, d))
        weights[x] = math.exp(pairs + sum(fields[i] * s[i] for i in range(d)))
    total = sum(weights.values())
    check_table(problems.ising_table(upper + upper.T, fields), {x: w / total for x, w in weights.items()})


def test_relu(rng):
    """One point at a time, one neuron at a time; and blocks side by side add up."""
    inputs, weights = rng.uniform(-1, 1, (300, 2)), rng.random(300)
    layers = [(rng.normal(size=size), rng.normal(0, 0.3, size[1])) for size in ((2, 6), (6, 5), (5, 9))]
    expected = Counter()
    for point, weight in zip(inputs, weights, strict=True):
        x = list(point)
        for w, b in layers:
            x = [max(0, sum(x[i] * w[i, j] for i in range(len(x))) + b[j]) for j in range(len(b))]
        expected[tuple(int(value > 0) for value in x)] += weight / weights.sum()
    assert 1 < len(expected) < 300
    table = problems.tabulate(problems.relu_states(inputs, layers), weights)
    check_table(table, dict(expected))
    name, d, entropy, draw = problems.product("two", [table, table], rng)
    pairs = bits(p * q for p in expected.values() for q in expected.values())
    assert (name, d) == ("two", 18)
    assert entropy == pytest.approx(pairs, abs=1e-10)
    assert draw(rng, 10).shape == (10, 18)


# ---- families of rare patterns


def test_rare_families_have_every_shape_and_problem(zoo):
    rare = problems.rare_zoo()
    assert {p.family for p in rare} == {make.__name__ for make in problems.RARE_FAMILIES}
    assert {(p.n, p.d) for p in rare} == set(problems.RARE_SHAPES)
    assert len({p.name for p in rare}) == len(rare) == 5 * len(problems.RARE_SHAPES) * len(problems.RARE_FAMILIES)
    assert {12, 20_000} <= {p.n for p in rare}
    for p in rare[:: len(problems.RARE_SHAPES) + 1]:
        sample = p.sample(np.random.default_rng(0))
        assert (sample.shape, sample.dtype) == ((p.n, p.d), bool)
        np.testing.assert_array_equal(sample, p.sample(np.random.default_rng(0)))
        assert 0 <= p.entropy_bits <= p.d


def test_spikes():
    """All 2^d patterns written out."""
    for rate, d in ((0.3, 3), (0.01, 6), (1, 4), (1e-4, 1)):
        p = [1 - rate + rate / 2**d] + [rate / 2**d] * (2**d - 1)
        assert problems.spike_entropy(rate, d) == pytest.approx(bits(p), abs=1e-12)
    assert problems.spike_entropy(0.005, 4096) == pytest.approx(bits([0.995, 0.005]) + 0.005 * 4096)


@pytest.mark.thorough
@pytest.mark.parametrize("make", problems.RARE_FAMILIES)
def test_large_samples_of_rare_families_agree(make):
    """Of twelve neurons 200,000 inputs show nearly every pattern: but for chance, the same bits."""
    checked = 0
    for i in range(40):
        name, d, entropy_bits, draw = make(np.random.default_rng(i), 40, 12)
        p = problems.Problem(make.__name__, name, d, 5000, entropy_bits, lambda rng, draw=draw: draw(rng, 5000))
        if 0.5 < entropy_bits < 6.5 and checked < 4:
            assert standard_errors(p, most=200_000) < 5, name
            assert standard_errors(replace(p, entropy_bits=entropy_bits + 0.3), most=200_000) > 10
            checked += 1
    assert checked == 4
