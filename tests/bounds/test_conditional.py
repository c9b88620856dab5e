"""The upper bound on what a layer adds, against entropies that are known in closed form."""

from typing import Any

import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.bounds.brackets import FOLDS, LOWER_SHARE, brackets
from jaxentropy.bounds.code_length import Split, cross_fit
from jaxentropy.bounds.conditional import (
    DISCOUNTS,
    _cross_fitted,
    _given_codes,
    conditional_codes,
    conditional_limits,
    read_conditional,
    repeats_given,
)
from jaxentropy.bounds.limits import any_size_limit, normal_limit
from jaxentropy.profiling import brackets as profiling_brackets
from tests import oracles
from tests.problems import binary_entropy, spike_entropy

# one number of inputs, neurons and classes for most tests: their programs are compiled once
N, D, DRAWS = 60, 8, 40


def coins(rng: np.random.Generator, n: int = N, width: int = D, rate: float = 0.5) -> np.ndarray:
    return rng.random((n, width)) < rate


def cube(width: int) -> np.ndarray:
    return (np.arange(2**width)[:, None] >> np.arange(width) & 1).astype(bool)


def limits_of(pairs, **settings) -> np.ndarray:
    """The bounds of draws, each of which is a class."""
    this, following = zip(*pairs, strict=True)
    return conditional_limits(list(this), list(following), **settings)


# ---- what the bound is of known entropies


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["a table of eight patterns", "linear thresholds"])
def test_a_function_of_this_layer_is_bounded_near_nothing_and_never_at_nothing(rng, kind):
    """0 bits. The table gives neighbours unlike patterns; of the thresholds' inputs hardly any comes twice."""
    table, told = coins(rng, 8), coins(rng, 8)
    drawn = [rng.integers(0, 8, N) for _ in range(DRAWS)]
    pairs = [(table[i], told[i]) for i in drawn]
    if kind == "linear thresholds":
        pairs = [(this, ~this[:, ::-1]) for this in (coins(rng) for _ in drawn)]
    found = limits_of(pairs)
    assert (found > 0).all()
    price = any_size_limit(np.zeros(N), D, FOLDS, 0.05)  # what is left of codes of no length
    assert np.median(found) < price + 1
    without = brackets([following for _, following in pairs]).upper
    assert np.median(without) > np.median(found) + 1


@pytest.mark.thorough
def test_what_is_independent_of_this_layer_is_bounded_as_without_it(rng):
    rates = np.array([0.5, 0.5, 0.3, 0.2, 0.1, 0.05, 0.4, 0.0])
    pairs = [(coins(rng), rng.random((N, D)) < rates) for _ in range(DRAWS)]
    found = limits_of(pairs)
    confidence = 1 - 0.05 / (1 - LOWER_SHARE)  # then the bracket's upper limit has as much error
    without = brackets([following for _, following in pairs], confidence).upper
    assert (found >= binary_entropy(rates).sum()).mean() >= 0.95
    assert np.median(found) < D
    assert np.median(found - without) == pytest.approx(0, abs=0.25)


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


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("draw", "setting", "truth"),
    [
        (noisy, 0.1, D * float(binary_entropy(np.array(0.1)))),
        *((spiked, expected, spike_entropy(expected / N, D)) for expected in (0.5, 3)),
        *((switched, expected, D * expected / N) for expected in (0.5, 2)),
    ],
)
def test_it_holds_as_often_as_it_says(draw, setting, truth):
    """In 95 % of 40 draws at least, each a class; and it says more than one bit a neuron."""
    rng = np.random.default_rng(3)
    pairs = [draw(rng, setting) for _ in range(DRAWS)]
    found = limits_of(pairs)
    assert (found >= truth).mean() >= 0.95
    assert np.median(found) < D


@pytest.mark.thorough
def test_it_holds_for_layers_of_networks_of_which_every_input_is_known():
    """H(next | this) = H(this, next) − H(this) over all 4,096 inputs; 40 draws from each of two random networks."""
    inputs = 2.0 * cube(12) - 1
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        first, second = rng.normal(size=(12, D)), rng.normal(size=(D, D))
        hidden = inputs @ first
        this, following = hidden > 0, np.maximum(hidden, 0) @ second + 0.5 > 0
        counts = [np.unique(states, axis=0, return_counts=True)[1] for states in (np.hstack([this, following]), this)]
        truth = oracles.plugin(counts[0].tolist()) - oracles.plugin(counts[1].tolist())
        drawn = [rng.integers(0, len(inputs), N) for _ in range(DRAWS)]
        found = limits_of([(this[i], following[i]) for i in drawn])
        assert truth > 0.2
        assert (found >= truth).mean() >= 0.95
        assert np.median(found) < D - 1


@pytest.mark.thorough
def test_a_normal_limit_of_the_same_codes_misses_what_is_rare():
    """A control: the rare kind of input adds all its bits where the sample happens to have none of it."""
    rng = np.random.default_rng(3)
    pairs = [switched(rng, 0.5) for _ in range(DRAWS)]
    folds = _cross_fitted([this for this, _ in pairs], [following for _, following in pairs], 0)
    limits = np.array([normal_limit(list(bits), 0.05) for bits in zip(*folds, strict=True)])
    assert (limits < D * 0.5 / N).mean() > 0.2


@pytest.mark.thorough
def test_reading_what_was_fitted_is_caught():
    """A control: without cross-fitting, what followed each pattern is known, and the limit lies below the truth."""
    rng = np.random.default_rng(4)
    this, following = ([coins(rng) for _ in range(DRAWS)] for _ in range(2))
    folds = []
    for split in cross_fit(np.full(DRAWS, N), FOLDS, seed=0):
        seen = [[fit[: len(rows)] for fit, rows in zip(split.fit, part, strict=True)] for part in split[1:]]
        folds.append(read_conditional(this, following, Split(split.fit, *seen), 0))
    cheated = [any_size_limit(np.concatenate(bits), D, FOLDS, 0.05) for bits in zip(*folds, strict=True)]
    assert np.mean(np.array(cheated) < D - 1) > 0.9
    assert (conditional_limits(this, following) >= D - 0.1).mean() >= 0.95


# ---- the models


@pytest.mark.thorough
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
    sizes = (0, 1, 11, *[N] * DRAWS)
    this = [coins(rng, n) for n in sizes]
    found = conditional_limits(this, [np.zeros((n, D), bool) for n in sizes])
    assert np.isnan(found[0])
    assert found[1:3].tolist() == [D, D]
    assert (found[3:] > 0).all()
    assert (found[3:] < D).all()
    assert conditional_limits([coins(rng, 3)], [coins(rng, 3)]).tolist() == [D]


@pytest.mark.thorough
def test_more_confidence_gives_more(rng):
    pairs = [noisy(rng, 0.01) for _ in range(DRAWS)]
    sure, less = (limits_of(pairs, confidence=confidence, seed=5) for confidence in (0.9, 0.5))
    assert (less < sure).all()


def test_what_cannot_be_bounded_is_refused(rng):
    with pytest.raises(je.InputError, match=r"confidence is 1\.5; expected a probability"):
        conditional_limits([coins(rng)], [coins(rng)], 1.5)
    with pytest.raises(je.InputError, match=r"\[60\] inputs by class in this layer, \[59\] in the following"):
        conditional_limits([coins(rng)], [coins(rng, 59)])


# ---- profile and verdict


def layered(seed: int, n: int = 240) -> je.Recording:
    """Two classes, and one without inputs: fc2 is fc1 negated, and fc3 is independent of it."""
    rng = np.random.default_rng(seed)
    first = coins(rng, n)
    layers = {"fc1": first, "fc2": ~first, "fc3": coins(rng, n)}
    return je.Recording.from_activations(layers, np.arange(n) % 2, class_names="abc", meta={"seed": seed})


def stand_in(this, following, confidence, seed):
    """Instead of the bound, for tests of where it goes: 0.3 bits for a negated copy, more for anything else."""
    shares = [(a == b).mean() if len(a) else np.nan for a, b in zip(this, following, strict=True)]
    return 0.3 + 7 * np.array(shares) + confidence - 0.95 + seed - 4


@pytest.fixture
def standing_in(monkeypatch):
    monkeypatch.setattr(profiling_brackets, "conditional_limits", stand_in)
    monkeypatch.setattr(profiling_brackets, "brackets", lambda states, *_: np.zeros((4, len(states))))


@pytest.fixture
def profile(standing_in):
    recordings = {"trained": [layered(seed) for seed in (0, 1)]}
    return je.profile(recordings, estimators=("plugin",), bootstrap=5, seed=4)


def test_a_profile_has_it_by_step(profile):
    assert profile.pattern_conditional_upper.dims == ("network", "seed", "step", "class")
    assert profile.sel(network="shuffled").pattern_conditional_upper.isnull().all()
    one = profile.pattern_conditional_upper.sel(network="trained", seed=1)
    recording = layered(1)
    for step, (a, b) in {"fc1→fc2": ("fc1", "fc2"), "fc2→fc3": ("fc2", "fc3")}.items():
        this, following = ([recording.states(k)[recording.labels == c] for c in range(3)] for k in (a, b))
        np.testing.assert_array_equal(one.sel(step=step), stand_in(this, following, 0.95, 4))


def test_the_verdict_names_the_layer_that_adds_next_to_nothing(profile):
    text = je.verdict(profile, "plugin").text
    adds = next(part for part in text.split("\n\n") if part.startswith("**What does a layer add?**"))
    mean = profile.pattern_conditional_upper.sel(network="trained").mean(["seed", "class"])
    assert f"mean over classes and 2 seeds: at most {float(mean[0]):.2f} at fc1→fc2, {float(mean[1]):.2f} at" in adds
    assert "with a probability of at most 5 %," in adds
    assert "Below 1 bit in every class of all 2 seeds: fc1→fc2. The pattern of fc2 is then almost a function" in adds
    assert "a candidate for removal, which only retraining can confirm" in adds


def test_a_step_counts_only_if_every_class_can_be_judged_and_is_below(profile):
    one = profile.copy(deep=True)
    one.pattern_conditional_upper.loc[{"network": "trained", "seed": 0, "step": "fc1→fc2", "class": "b"}] = 1.5
    assert "No step is below 1 bit in every class of all 2 seeds" in je.verdict(one, "plugin").text
    one = profile.copy(deep=True)
    one["copies"] = one.copies | (one["class"] == "a")
    text = je.verdict(one, "plugin").text
    assert "No step is below 1 bit" in text
    mean = profile.pattern_conditional_upper.sel(network="trained", step="fc1→fc2")[:, 1].mean()
    assert f"at most {float(mean):.2f} at fc1→fc2" in text


def test_without_bounds_nothing_is_said(profile):
    assert "What does a layer add" not in je.verdict(profile.drop_vars("pattern_conditional_upper"), "plugin").text
    assert "pattern_conditional_upper" not in je.profile(layered(0), bounds=False, bootstrap=0)


def test_finished_bounds_are_read_from_the_checkpoints(tmp_path, standing_in, monkeypatch):
    settings: Any = {"estimators": ("plugin",), "bootstrap": 0, "checkpoints": tmp_path}
    first = je.profile(layered(0), **settings)
    assert first.step.values.tolist() == ["fc1→fc2", "fc2→fc3"]
    monkeypatch.setattr(profiling_brackets, "conditional_limits", None)
    again = je.profile(layered(0), **settings)
    np.testing.assert_array_equal(first.pattern_conditional_upper, again.pattern_conditional_upper)
    for other in ({"seed": 1}, {"confidence": 0.9}):
        with pytest.raises(TypeError):
            je.profile(layered(0), **(settings | other))
