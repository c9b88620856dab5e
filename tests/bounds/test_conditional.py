"""The upper bound on what a layer adds, against entropies that are known in closed form."""

import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.bounds.brackets import FOLDS, LOWER_SHARE, brackets
from jaxentropy.bounds.code_length import Split
from jaxentropy.bounds.conditional import (
    DISCOUNTS,
    _given_codes,
    conditional_codes,
    conditional_limits,
    read_conditional,
    repeats_given,
)
from jaxentropy.bounds.limits import any_size_limit
from tests.problems import binary_entropy, spike_entropy

# one number of inputs, neurons and classes for most tests: their programs are compiled once
N, D, DRAWS = 60, 8, 40


def coins(rng: np.random.Generator, n: int = N, width: int = D, rate: float = 0.5) -> np.ndarray:
    return rng.random((n, width)) < rate


def cube(width: int) -> np.ndarray:
    return (np.arange(2**width)[:, None] >> np.arange(width) & 1).astype(bool)


# ---- what the bound is of known entropies


def test_a_function_of_this_layer_is_bounded_near_nothing_and_never_at_nothing(rng):
    """0 bits: a few patterns that come again, and linear thresholds of patterns of which each comes once."""
    few = coins(rng, 8)[rng.integers(0, 8, 240)]
    told = coins(rng, 8)[few @ (1 << np.arange(D)) % 8]
    wide = coins(rng, 240)
    repeated, linear = conditional_limits([few, wide], [told, wide ^ wide[:1]])
    assert 0 < repeated < 0.8
    assert 0 < linear < 1.5
    assert brackets([told, wide]).lower.min() > 1


def test_what_is_independent_of_this_layer_is_bounded_as_without_it(rng):
    rates = np.array([0.5, 0.5, 0.3, 0.2, 0.1, 0.05, 0.4, 0.0])
    this, following = coins(rng, 240), rng.random((240, D)) < rates
    found = float(conditional_limits([this], [following])[0])
    confidence = 1 - 0.05 / (1 - LOWER_SHARE)  # then the bracket's upper limit has as much error
    assert binary_entropy(rates).sum() <= found
    assert found == pytest.approx(float(brackets([following], confidence).upper[0]), abs=0.25)


def noisy(rng, rate):
    """A copy of which each bit is flipped with this rate."""
    this = coins(rng)
    return this, this ^ coins(rng, rate=rate)


def spiked(rng, expected):
    """A copy, but for so many of n inputs, which have random bits."""
    this = coins(rng)
    return this, this ^ (coins(rng) & (rng.random((N, 1)) < expected / N))


def switched(rng, expected):
    """Random where the first neuron of this layer is on, which is rare; else constant."""
    this = coins(rng)
    this[:, 0] = rng.random(N) < expected / N
    return this, coins(rng) & this[:, :1]


@pytest.mark.parametrize(
    ("draw", "setting", "truth"),
    [
        (noisy, 0.1, D * float(binary_entropy(np.array(0.1)))),
        (noisy, 0.01, D * float(binary_entropy(np.array(0.01)))),
        *((spiked, expected, spike_entropy(expected / N, D)) for expected in (0.5, 1, 3)),
        *((switched, expected, D * expected / N) for expected in (0.5, 2)),
    ],
)
def test_it_holds_as_often_as_it_says(draw, setting, truth):
    """In 95 % of 40 draws at least, each a class; and it says more than one bit a neuron."""
    rng = np.random.default_rng(3)
    pairs = [draw(rng, setting) for _ in range(DRAWS)]
    found = conditional_limits([this for this, _ in pairs], [following for _, following in pairs])
    assert (found >= truth).mean() >= 0.95
    assert np.median(found) < D


def test_reading_what_was_fitted_is_caught():
    """A control: without cross-fitting, what followed each pattern is known, and the limit lies below the truth."""
    rng = np.random.default_rng(4)
    this, following = coins(rng, width=64), coins(rng)
    rows = np.arange(N)
    cheating = Split([rows], [rows[::10]], [rows])
    read = read_conditional([this], [following], cheating, 0)[0]
    assert any_size_limit(read, D, FOLDS, 0.05) < D - 2
    assert conditional_limits([this], [following])[0] == D


# ---- the models


def test_every_model_is_a_distribution_of_what_follows_for_each_pattern_of_this_layer(rng):
    """Σ 2^−bits over all 256 patterns that may follow, after two patterns that were seen and one that was not."""
    seen = coins(rng, 6)
    this = np.concatenate([seen[rng.integers(0, 6, 64)], np.repeat([seen[0], seen[1], ~seen[0]], 2**D, axis=0)])
    following = np.concatenate([this[:64] ^ coins(rng, 64, rate=0.1), np.tile(cube(D), (3, 1))])
    assert not (seen == ~seen[0]).all(1).any()
    split = Split([np.arange(54)], [np.arange(54, 64)], [np.arange(64, len(this))])
    codes = conditional_codes([this], [following], split, seed=0)[0][10:]
    mixed = read_conditional([this], [following], split, seed=0)[0]
    given = _given_codes([this], [following], split, seed=0)[0, 10 : 10 + len(mixed)]
    assert codes.shape == (3 * 2**D, len(DISCOUNTS) + 2)
    assert mixed.max() <= D + 10
    assert len(np.unique(given[: 2**D].round(6))) > 200
    assert abs(given[: 2**D] - given[2**D : 2 * 2**D]).max() > 0.1  # it does look at this layer
    for one in (*codes.T, mixed, given):
        total = np.exp2(-one.reshape(3, 2**D)).sum(1)
        assert (total <= 1 + 1e-4).all()
        assert (total > 0.9).all()
    np.testing.assert_allclose(np.exp2(-given.reshape(3, 2**D)).sum(1), 1, atol=1e-4)


def test_repeats_given_by_hand():
    """After pattern 0 came pair 10 three times and pair 11 once; pattern 1 was not fitted."""
    before, pair = np.array([0, 0, 0, 0, 0, 0, 1]), np.array([10, 10, 10, 11, 10, 12, 20])
    rows, fallback = np.array([4, 3, 5, 6]), np.full(4, 3.0)
    found = repeats_given(before, pair, np.arange(4), rows, fallback)
    for k, discount in enumerate(DISCOUNTS):
        left = 2 * discount / 4 / 8
        expected = [(3 - discount) / 4 + left, (1 - discount) / 4 + left, left, 1 / 8]
        np.testing.assert_allclose(np.exp2(-found[:, k]), expected)


# ---- edges


def test_few_and_no_inputs(rng):
    sizes = (0, 1, 11, N)
    this = [coins(rng, n) for n in sizes]
    found = conditional_limits(this, [np.zeros((n, D), bool) for n in sizes])
    assert np.isnan(found[0])
    assert found[1:3].tolist() == [D, D]
    assert 0 < found[3] < D
    assert conditional_limits([coins(rng, 3)], [coins(rng, 3)]).tolist() == [D]


def test_the_same_seed_gives_the_same_and_more_confidence_more(rng):
    this, following = noisy(rng, 0.05)
    first, again = (conditional_limits([this], [following], 0.9, seed=5) for _ in range(2))
    assert first == again
    assert conditional_limits([this], [following], 0.5, seed=5) < first


def test_what_cannot_be_bounded_is_refused(rng):
    with pytest.raises(je.InputError, match="confidence is 1.5; expected a probability"):
        conditional_limits([coins(rng)], [coins(rng)], 1.5)
    with pytest.raises(je.InputError, match=r"\[60\] inputs by class in this layer, \[59\] in the following"):
        conditional_limits([coins(rng)], [coins(rng, 59)])
