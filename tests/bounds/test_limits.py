"""The upper limit of the entropy: its inequality by brute force, its coverage where patterns are rare and expensive."""

import numpy as np
import pytest

from jaxentropy.bounds.limits import _least_gain, _stakes, any_size_limit, normal_limit
from tests import oracles
from tests.problems import spike_entropy

FOLDS, ERROR = 4, 0.01


def factors(bits, y, m, stake, share, folds):
    """ln of one input's factor in the e-value, for code length ``bits`` and true code length ``y``, written plainly."""
    eta_over_theta = stake / (share * np.log(2))
    theta = 1 / (1 + folds * eta_over_theta)
    ratio = (1 - share) + share * 2.0 ** (y - bits)
    with np.errstate(divide="ignore"):
        return theta * (eta_over_theta * np.log(ratio) + np.log(1 + stake * (m - y)))


def test_the_least_gain_is_the_least_over_every_true_code_length():
    """Against 20,001 values of y, at settings of every size."""
    rng = np.random.default_rng(1)
    for _ in range(60):
        width, n = 2 ** rng.uniform(0, 9), 2 ** rng.uniform(3.6, 14)
        ceiling = width + np.log2(n)
        m, halvings = rng.uniform(0.01, ceiling), rng.integers(0, 6)
        stake, share = 0.9 * 2.0**-halvings / ceiling, 1 / 2 if halvings else 1 / 3
        y = np.linspace(0, ceiling, 20_001)
        for bits in (*rng.uniform(0, ceiling + 12, 8), m, 0.0, ceiling):
            least = factors(bits, y, m, stake, share, FOLDS).min()
            found = _least_gain(np.array([bits]), m, stake, ceiling, FOLDS)
            assert found <= least + 1e-9
            assert found >= least - 1e-4 * (1 + abs(least))


def test_the_exact_expectation_of_the_e_value_is_at_most_one():
    """All 3^4 samples of four inputs in two folds from three patterns, with the models that the folds fit: E e(H) ≤ 1.

    Each input's factor is the least over the true code lengths, as in the limit. The control lets m lie above H.
    """
    p = np.array([0.90, 0.07, 0.03])
    entropy, n, width = oracles.plugin([90, 7, 3]), 4, 2
    ceiling = width + np.log2(n)
    samples = np.array(np.meshgrid(*[range(3)] * n)).reshape(n, -1).T

    def expected(m, stake):
        total = 0.0
        for sample in samples:
            bits = np.empty(n)
            for fold in (0, 1):
                rest = sample[2 * (1 - fold) : 2 * (1 - fold) + 2]
                seen = np.bincount(rest, minlength=3) + 0.02  # bold: what it has not seen is dear
                bits[2 * fold : 2 * fold + 2] = -np.log2(seen / seen.sum())[sample[2 * fold : 2 * fold + 2]]
            total += np.exp(_least_gain(bits - np.log2(1 - 1 / n), m, stake, ceiling, 2)) * p[sample].prod()
        return total

    for halvings in range(3):
        assert expected(entropy, 0.9 * 2.0**-halvings / ceiling) <= 1
    assert expected(4 * entropy, 0.9 / ceiling) > 1


SPIKES = [(64, 100, 0.5), (512, 400, 0.5), (4096, 50, 0.3), (8, 50, 0.7), (16, 12, 1.0), (64, 2000, 2.0)]


def spiked(width, n, inputs, replicates=40):
    """Code lengths of constants with random bits in so many of n inputs, by the best models; and the entropy."""
    rng = np.random.default_rng(width)
    fold = np.arange(n) % FOLDS
    for _ in range(replicates):
        spike = rng.random(n) < inputs / n
        bits = np.empty(n)
        for k in range(FOLDS):
            rate = (spike[fold != k].sum() + 0.02) / ((fold != k).sum() + 0.04)
            bits[fold == k] = np.where(spike[fold == k], width - np.log2(rate), -np.log2(1 - rate))
        yield [bits[fold == k] for k in range(FOLDS)], spike_entropy(inputs / n, width)


@pytest.mark.parametrize(("width", "n", "inputs"), SPIKES)
def test_rare_expensive_patterns_never_pass_the_limit_but_do_pass_the_normal_one(width, n, inputs):
    """The second line is the control: what the default was before it held for any sample size."""
    drawn = list(spiked(width, n, inputs))
    assert not any(min(any_size_limit(np.concatenate(bits), width, FOLDS, ERROR), width) < h for bits, h in drawn)
    assert np.mean([normal_limit(bits, ERROR) < h for bits, h in drawn]) > 5 * ERROR


def test_it_costs_little_where_there_are_many_inputs():
    rng = np.random.default_rng(0)
    for n, most in ((6000, 1.7), (60_000, 1.7), (400, 3.0)):
        bits = rng.normal(45, 8, n)
        normal = normal_limit([bits], ERROR) - bits.mean()
        assert 0 < any_size_limit(bits, 128, FOLDS, ERROR) - bits.mean() < most * normal


def test_nothing_below_the_price_of_what_may_have_been_missed():
    """A constant: a second kind of pattern that ln(1/ε)/n of the inputs have may hide (d bits each)."""
    for width, n in ((64, 100), (512, 400), (128, 6000)):
        limit = any_size_limit(np.full(n, 0.01), width, FOLDS, ERROR)
        missed = np.log(1 / ERROR) / n
        assert spike_entropy(missed, width) < limit < 2.5 * spike_entropy(missed, width)


def test_more_error_is_narrower_and_nothing_passes_the_ceiling():
    rng = np.random.default_rng(3)
    bits = rng.gamma(4, 2, 300)
    limits = [any_size_limit(bits, 40, FOLDS, error) for error in (0.5, 0.1, 0.01, 1e-6)]
    assert limits == sorted(limits)
    assert bits.mean() < limits[0]
    assert any_size_limit(np.full(12, 30.0), 20, FOLDS, ERROR) == pytest.approx(20 + np.log2(12))
    assert (_stakes(50, ERROR) <= 1).all()


def test_the_normal_limit_is_a_quantile_of_the_mean():
    rng = np.random.default_rng(4)
    folds = [rng.normal(10, 2, 500) + k for k in range(FOLDS)]
    spread = np.sqrt(np.mean([b.var(ddof=1) for b in folds]) / 2000)
    assert normal_limit(folds, 0.025) == pytest.approx(np.mean(folds) + 1.96 * spread, abs=1e-3)
