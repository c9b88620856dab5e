import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import binom

import jaxentropy as je
from jaxentropy.bounds.brackets import both_brackets, brackets
from jaxentropy.bounds.code_length import MODELS, best_shares, cross_fit, mix, read_codes
from jaxentropy.bounds.coincidences import _designs, _grassberger, _penalty, entropy_lower_bound
from jaxentropy.bounds.conditional import conditional_limits
from tests.conftest import random_recording
from tests.problems import zoo

# one width and one number of inputs for most tests: their programs are compiled once
N, D = 240, 16


def uniform(rng: np.random.Generator, patterns: int, n: int = N) -> np.ndarray:
    """Drawn evenly from so many different patterns: H = log2 of their number."""
    codes = rng.choice(2**D, patterns, replace=False)[rng.integers(0, patterns, n)]
    return (codes[:, None] >> np.arange(D) & 1).astype(bool)


# ---- lower bound


@pytest.mark.parametrize("n", [2, 30, 700, 5000])
def test_every_weight_satisfies_the_inequality_that_certifies_it(n):
    """E u(N) ≤ exp(s·p·(ln(1/p) − m)) at probabilities of our own, by SciPy's binomial."""
    mu, s, intercept, log_share = _designs(n, 0.04)
    assert np.exp(log_share).sum() == pytest.approx(1)
    count = np.arange(n + 1)
    p = np.exp(np.random.default_rng(n).uniform(-2 * np.log(n) - 5, 0, 60))
    mass = binom.pmf(count, n, p[:, None])
    for k in range(0, len(mu), 3):
        expected = mass @ np.exp(-_penalty(count, _grassberger(count), mu[k], s[k]) / n)
        assert (expected <= np.exp(p * (s[k] * np.log(1 / p) - intercept[k])) * (1 + 1e-9) + 1e-300).all()


def test_the_inequality_holds_at_the_size_of_streams():
    """There counts are not summed one by one; here they are, wherever they have any weight."""
    n = 500_000
    mu, s, intercept, _ = _designs(n, 0.04)
    for p in np.exp(np.random.default_rng(n).uniform(-2 * np.log(n) - 5, 0, 30)):
        weighed = 1.3 * s.max() * p * (1 - p) * (mu.max() + np.log(n * p + 1) + 1)
        reach = 40 * np.sqrt(n * p * (1 - p)) + 100
        count = np.arange(max(int(n * p - weighed - reach), 0), min(int(n * p + reach), n) + 1.0)
        log_mass = binom.logpmf(count, n, p)
        for k in range(0, len(mu), 5):
            log_weight = -_penalty(count, _grassberger(count), mu[k], s[k]) / n
            missing = -(np.exp(log_mass) * np.expm1(log_weight)).sum()  # accurate where it is small
            log_expected = np.log1p(-missing) if missing < 0.5 else logsumexp(log_mass + log_weight)
            assert log_expected / p <= s[k] * np.log(1 / p) - intercept[k]


def test_the_inequality_is_tight_and_a_larger_intercept_breaks_it():
    """A control: with m a tenth of a bit larger, some p violates it for every design."""
    n = 500
    mu, s, intercept, _ = _designs(n, 0.04)
    p = np.exp(np.linspace(-2 * np.log(n) - 5, 0, 4000))[:-1]
    count = np.arange(n + 1)
    mass = binom.pmf(count, n, p[:, None])
    for k in range(len(mu)):
        expected = mass @ np.exp(-_penalty(count, _grassberger(count), mu[k], s[k]) / n)
        promised = np.exp(p * (s[k] * (np.log(1 / p) - 0.1 * np.log(2)) - intercept[k]))
        assert (expected > promised).any()


def test_no_coincidence_gives_the_birthday_bound_less_the_price_of_choosing():
    """The best possible is 2·log2 n − log2(2·ln(1/ε)); the average of many e-values costs less than a bit."""
    for n in (50, 1000, 10**5, 10**8):
        best = 2 * np.log2(n) - np.log2(2 * np.log(1 / 0.04))
        assert best - 1 < entropy_lower_bound(np.array([1]), np.array([n]), 0.04) < best


def test_what_is_seen_often_is_bounded_near_the_plugin():
    j, f = np.full(64, 400), np.ones(64, int)
    assert 5.8 < entropy_lower_bound(j, f, 0.04) < 6


def test_lower_bound_edges():
    assert entropy_lower_bound(np.array([], int), np.array([], int), 0.04) == 0
    assert entropy_lower_bound(np.array([1]), np.array([1]), 0.04) == 0
    assert entropy_lower_bound(np.array([900]), np.array([1]), 0.04) == 0
    split = entropy_lower_bound(np.array([1, 1, 3, 0, 7]), np.array([5, 6, 2, 9, 0]), 0.04)
    assert split == entropy_lower_bound(np.array([3, 1]), np.array([2, 11]), 0.04)


@pytest.mark.thorough
def test_lower_bound_fails_no_more_often_than_it_says():
    """Samples of distributions that are hard for it: uniform, and one heavy pattern above many light ones."""
    rng = np.random.default_rng(1)
    for p in (np.full(3000, 1 / 3000), np.r_[0.3, np.full(2000, 0.7 / 2000)], np.full(40, 1 / 40)):
        truth = -(p * np.log2(p)).sum()
        for error in (0.04, 0.5):
            counts = rng.multinomial(100, p, size=100)
            bounds = [entropy_lower_bound(*np.unique(c[c > 0], return_counts=True), error) for c in counts]
            assert np.mean(np.array(bounds) > truth) <= error


# ---- upper bound


def test_splits_read_every_input_once_and_never_what_they_fitted():
    n = np.array([41, 0, 12, 400])
    read = [[] for _ in n]
    for split in cross_fit(n, 4, seed=1):
        for c in range(len(n)):
            parts = [part[c] for part in split]
            assert len(np.unique(np.concatenate(parts))) == sum(map(len, parts)) == n[c]
            read[c].append(parts[2])
    for c, size in enumerate(n):
        np.testing.assert_array_equal(np.sort(np.concatenate(read[c])), np.arange(size))


def enumerated(width: int) -> np.ndarray:
    return (np.arange(2**width)[:, None] >> np.arange(width) & 1).astype(bool)


def test_every_model_is_a_distribution(rng):
    """Σ 2^−bits over all 256 patterns is at most 1, for each model by itself and for the mixture of them."""
    width = 8
    everything = enumerated(width)
    sample = (rng.random((64, width)) < rng.random(width)).astype(np.uint8)
    states = np.stack(
        [np.concatenate([sample, everything.astype(np.uint8)]), rng.integers(0, 2, (320, width), np.uint8)]
    )
    identity = [np.unique(s, axis=0, return_inverse=True)[1].ravel() for s in states]
    from jaxentropy.bounds.code_length import Split

    split = Split([np.arange(54)] * 2, [np.arange(54, 64)] * 2, [np.arange(64, 320)] * 2)
    codes = read_codes(states, identity, split, seed=0)
    assert np.exp2(-codes.mixed[0]).sum() == pytest.approx(1, abs=0.05)
    assert np.exp2(-codes.mixed[0]).sum() <= 1 + 1e-4
    assert codes.shares.shape == (2, len(MODELS))
    np.testing.assert_allclose(codes.shares.sum(1), 1)


def test_the_mixture_prefers_what_codes_best():
    bits = np.stack([np.full(50, 3.0), np.full(50, 9.0), np.full(50, 20.0)], axis=-1)
    shares = best_shares(bits)
    assert shares[0] > 0.95
    assert (mix(bits, shares) < 3.1).all()
    infinite = np.array([[np.inf, 5.0, 8.0]])
    assert np.isfinite(mix(infinite, best_shares(infinite))).all()


# ---- bracket


def test_bracket_of_known_entropies(rng):
    for patterns in (4, 256, 40_000):
        found = je.bracket(uniform(rng, patterns), seed=1)
        assert found.lower <= np.log2(patterns) <= found.upper
        assert found.confidence == 0.95
    narrow = je.bracket(uniform(rng, 4))
    assert narrow.upper - narrow.lower < 2


def test_dependence_is_found():
    """Sixteen neurons that copy four: 4 bits, not 16."""
    rng = np.random.default_rng(5)
    four = rng.integers(0, 2, (N, 4)).astype(bool)
    found = je.bracket(np.tile(four, 4))
    assert found.lower <= 4 <= found.upper < 6
    assert found.upper_method in MODELS


def test_packed_words_and_integers_are_the_same_patterns(rng):
    states = uniform(rng, 50)
    expected = je.bracket(states)
    assert je.bracket(states.astype(int)) == expected
    packed = je.bracket(np.asarray(je.pack(states)))
    assert packed.lower == expected.lower
    assert packed.upper == pytest.approx(expected.upper, abs=0.6)


def test_uint32_states_are_not_taken_for_packed_words(rng):
    """8 × 20 states of 0 and 1 were once read as words of 32 neurons each: 640 bits."""
    states = (rng.random((8, 20)) < 0.5).astype(np.uint32)
    with pytest.raises(je.InputError, match=r"uint32 patterns that are all 0 or 1.*astype\(bool\), 20 neurons"):
        je.bracket(states)
    assert je.bracket(states.astype(bool)).upper == 20


def test_packed_words_of_a_given_width(rng):
    states = rng.random((40, 20)) < 0.5
    words = np.asarray(je.pack(states))
    assert je.bracket(words, width=20) == je.bracket(states)
    narrow = (rng.random((40, 1)) < 0.5).astype(np.uint32)  # one neuron a pattern, packed
    assert je.bracket(narrow, width=1) == je.bracket(narrow.astype(bool))


def test_order_of_classes_of_other_sizes_and_empty_ones(rng):
    a, b = uniform(rng, 8), uniform(rng, 500)
    found = brackets([a, np.zeros((0, D), bool), b, a[:5], a[:1]], seed=3)
    assert np.isnan(found.lower[1])
    assert np.isnan(found.upper[1])
    assert found.upper[3] == found.upper[4] == D
    assert found.upper_method[3] == "one bit a neuron"
    assert found.lower[4] == 0
    assert found.lower[0] < 3 < found.upper[0]
    assert found.lower[2] < np.log2(500) < found.upper[2]


def test_total_correlation_of_copies_and_of_independent_neurons():
    """Sixteen copies of one fair bit: 15 bits. Independent neurons: 0."""
    rng = np.random.default_rng(6)
    copies = np.repeat(rng.random((N, 1)) < 0.5, D, axis=1)
    found = brackets([copies, rng.random((N, D)) < 0.5])
    assert found.total_correlation_lower[0] <= 15 <= found.total_correlation_upper[0]
    assert found.total_correlation_lower[0] > 12
    assert found.total_correlation_lower[1] == 0 <= found.total_correlation_upper[1]


def test_the_normal_limit_is_an_option_and_narrower(rng):
    states = uniform(rng, 256)
    default, large = je.bracket(states), je.bracket(states, finite_sample=False)
    assert default == je.bracket(states, finite_sample=True)
    assert default.lower == large.lower
    assert default.lower <= 8 < large.upper < default.upper
    both = both_brackets([states], 0.95, seed=0)
    assert [float(b.upper[0]) for b in both] == [default.upper, large.upper]


def test_same_seed_same_bracket_and_more_confidence_is_wider(rng):
    states = uniform(rng, 100)
    assert je.bracket(states, seed=2) == je.bracket(states, seed=2)
    sure, less = je.bracket(states, 0.999), je.bracket(states, 0.6)
    assert sure.lower < less.lower
    assert sure.upper > less.upper


@pytest.mark.thorough
def test_in_sample_code_lengths_are_caught():
    """A control: reading what was fitted (repeats of the very inputs) claims log2 n bits for any distribution."""
    rng = np.random.default_rng(7)
    states = (rng.random((N, 64)) < 0.5).astype(np.uint8)
    rows = np.arange(N)
    from jaxentropy.bounds.code_length import Split

    honest = next(cross_fit(np.array([N]), 4, 0))
    cheating = Split([rows], [rows[::10]], [rows])
    lengths = [read_codes(states[None], [rows], split, 0).mixed[0].mean() for split in (honest, cheating)]
    assert lengths[0] > 63
    assert lengths[1] < 12


@pytest.mark.parametrize(
    ("patterns", "settings", "message"),
    [
        (np.zeros(5, bool), {}, r"shape \[5\]; expected \[n, d\]"),
        (np.zeros((5, 0), bool), {}, "expected"),
        (np.zeros((5, 3)), {}, "patterns are float64; expected bool"),
        (np.full((5, 3), 2), {}, "expected bool, 0 and 1"),
        (np.zeros((5, 3), bool), {"width": 4}, "width is 4, but these are states of 3 neurons"),
        (np.full((5, 2), 7, np.uint32), {"width": 65}, "width is 65, which takes 3 words, but there are 2"),
        (np.full((5, 1), 7, np.uint32), {"width": 2}, "bits beyond the 2 neurons are set"),
        (np.zeros((5, 3), bool), {"confidence": 1.0}, "confidence is 1.0; expected a probability"),
        (np.zeros((5, 3), bool), {"confidence": 95.0}, "confidence is 95"),
    ],
)
def test_refuses(patterns, settings, message):
    with pytest.raises(je.InputError, match=message):
        je.bracket(patterns, **settings)


def test_profile_carries_brackets():
    recording = random_recording(3, n=N, widths=(D, D))
    dataset = je.profile({"trained": recording}, bootstrap=0, seed=4)
    assert dataset.attrs["bounds_confidence"] == 0.95
    one = dataset.sel(network="trained")
    for layer in recording.layers:
        states = recording.states(layer)
        expected = brackets([states[recording.labels == c] for c in range(3)], seed=4)
        np.testing.assert_array_equal(one.pattern_lower.sel(layer=layer), expected.lower)
        np.testing.assert_array_equal(one.pattern_upper.sel(layer=layer), expected.upper)
        np.testing.assert_array_equal(one.total_correlation_lower.sel(layer=layer), expected.total_correlation_lower)
    this, following = ([recording.states(k)[recording.labels == c] for c in range(3)] for k in recording.layers)
    np.testing.assert_array_equal(one.pattern_conditional_upper[0], conditional_limits(this, following, seed=4))
    assert (one.pattern_lower <= one.pattern_upper).all()
    assert dataset.sel(network="shuffled").pattern_lower.isnull().all()
    assert set(np.unique(dataset.reliability)) <= set(je.LABELS)
    with pytest.raises(je.InputError, match=r"confidence is 2.0; expected"):
        je.profile(recording, confidence=2.0)


def test_profile_with_brackets_is_saved_and_loaded(tmp_path):
    recording = random_recording(3, n=N, widths=(D,))
    dataset = je.profile(recording, bootstrap=0, seed=4)
    je.save_profile(dataset, tmp_path / "p.nc")
    xr.testing.assert_identical(je.load_profile(tmp_path / "p.nc"), dataset)


@pytest.mark.thorough
def test_brackets_hold_on_a_few_of_the_synthetic_problems():
    """The quick shadow of `pytest -m calibration`: one call, problems of one size as classes."""
    problems = [p for p in zoo(seed=1, thin=2) if p.n == 200 and p.d <= 64][:16]
    assert len(problems) >= 8
    drawn = []
    for i, problem in enumerate(problems):
        states = problem.sample(np.random.default_rng(i))
        drawn.append(np.pad(states, ((0, 0), (0, 64 - states.shape[1]))))
    found = brackets(drawn)
    truth = np.array([p.entropy_bits for p in problems])
    held = (found.lower <= truth + 1e-9) & (truth <= found.upper + 1e-9)
    assert held.mean() >= 0.9
