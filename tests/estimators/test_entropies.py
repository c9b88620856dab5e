import json
import math
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma, exp1

import jaxentropy as je
from jaxentropy.base.arrays import on_host
from jaxentropy.estimators import (
    ESTIMATOR_NAMES,
    LEAST_PAIRS,
    binary_entropy,
    estimate,
    estimator,
    standard_error,
)
from tests import oracles

OTHERS = json.loads((Path(__file__).parents[1] / "data" / "entropy_by_other_libraries.json").read_text())
METHODS = list(je.ESTIMATORS)
BAYESIAN = ("nsb", "pitman_yor")
CLOSED = [m for m in METHODS if m not in BAYESIAN]
CWJ = je.ESTIMATORS["chao_wang_jost"]
SLOTS = max(len(case["j"]) for case in OTHERS.values())
# rows that each method has of other libraries: a lost data file must not pass
ROWS = {
    "plugin": 120, "miller_madow": 63, "jackknife": 21, "grassberger": 21, "chao_shen": 42, "chao_wang_jost": 42,
    "james_stein": 59, "nsb": 19, "pitman_yor": 19, "collision": 19, "unseen": 21,
}  # fmt: skip
SMALL = [[4, 12, 4, 5, 3, 1, 5, 1, 2, 2, 2, 2, 11, 3, 4, 12, 12, 1, 2], [1, 2, 3, 2, 1], [3, 1], [2, 1, 1, 2]]
SMALL += [[9, 5, 5, 2, 2, 1, 1, 1], [2] + [1] * 12]
LARGE = [([1, 2, 10**8], [10, 3, 10]), ([1, 2, 3000], [10**6, 40, 333_000])]
LARGE += [([1, 2, 3, 1000], [10**5, 10**5, 10**4, 997]), ([2, 3, 5], [10**8] * 3)]
ALL_UNIQUE = [2, 10, 1000, 10**6, 10**9]


def padded(values, length: int = 40) -> np.ndarray:
    """With zeros behind, which change nothing: one compiled program for all lengths."""
    return np.pad(np.asarray(values, int), (0, length - len(values)))


@cache
def table(method: str) -> dict[str, tuple[float, float]]:
    """(bits, standard error) of all samples that are named here, in one compiled call."""
    named = {name: (case["j"], case["f"]) for name, case in OTHERS.items()}
    named |= {str(c): (c, [1] * len(c)) for c in [*SMALL, [50], [1], []]}
    named |= {"plain": ([1, 2, 5], [7, 4, 3]), "split": ([5, 0, 1, 2, 1, 9, 5], [1, 8, 3, 4, 4, 0, 2])}
    if method in je.ESTIMATORS:
        named |= {f"large {i}": pair for i, pair in enumerate(LARGE)} | {f"unique {n}": ([1], [n]) for n in ALL_UNIQUE}
    j, f = (np.array([padded(pair[i], SLOTS) for pair in named.values()]) for i in (0, 1))
    return dict(zip(named, zip(*on_host(estimate, j, f, method=method), strict=True), strict=True))


count_vectors = st.lists(st.integers(0, 40), min_size=1, max_size=30).filter(lambda c: sum(c) >= 2)


@pytest.mark.parametrize("method", ESTIMATOR_NAMES)
def test_agrees_with_other_libraries(method):
    """infomeasure, dit, scipy, pyitlib, ndd and plain float64 code on 21 samples of 200 to 100,000."""
    compared = 0
    for name, case in OTHERS.items():
        for library, bits in case["bits"].get(method, {}).items():
            assert table(method)[name][0] == pytest.approx(bits, abs=2e-5), (name, library)
            compared += 1
    assert compared == ROWS[method]


@pytest.mark.parametrize(("method", "supports", "rows"), [("james_stein", 5, 27), ("nsb", 1, 12)])
def test_agrees_with_other_libraries_given_the_support(method, supports, rows):
    compared = 0
    for support in (18, 64, 256, 9.965784284662, 13.287712379549)[:supports]:
        cases = {name: case for name, case in OTHERS.items() if case["log2_support"] == support}
        j, f = (np.array([padded(case[key], SLOTS) for case in cases.values()]) for key in ("j", "f"))

        @jax.jit
        @jax.vmap
        def bits(j, f, support=support):
            return je.ESTIMATORS[method](j, f, log2_support=support)

        for case, ours in zip(cases.values(), on_host(bits, j, f), strict=True):
            for library, theirs in case["bits"].get(f"{method}, support", {}).items():
                # ndd's integration is the coarser one
                assert ours == pytest.approx(theirs, abs=5e-4 if library == "ndd" else 2e-5), (support, library)
                compared += 1
    assert compared == rows


def test_published_golden_values():
    """Counts [1, 2, 3, 2, 1] in nats."""
    goldens = {"plugin": 1.522955, "miller_madow": 1.745177, "chao_shen": 1.876548, "chao_wang_jost": 1.847870}
    for method, nats in goldens.items():
        assert float(je.entropy(jnp.array([1, 2, 3, 2, 1]), method)) * np.log(2) == pytest.approx(nats, abs=2e-6)
    assert float(je.entropy(np.array([1, 2, 3, 2, 1]), "unseen")) * np.log(2) == pytest.approx(1.6017, abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(count_vectors, st.sampled_from(CLOSED))
def test_agrees_with_the_textbook(counts, method):
    ours = float(je.entropy(padded(counts), method))
    assert ours == pytest.approx(oracles.ENTROPY[method](counts), abs=2e-5, nan_ok=True)


@pytest.mark.parametrize("method", METHODS)
def test_small_samples_and_their_errors_agree_with_the_textbook(method):
    """The Bayesian ones against sums over dense grids, the errors against deleting the samples one by one."""
    for counts in SMALL:
        bits, error = table(method)[str(counts)]
        assert bits == pytest.approx(oracles.ENTROPY[method](counts), abs=3e-5, nan_ok=True), counts
        if counts != SMALL[0]:  # the dense grids take their time
            expected = oracles.jackknife_error(counts, method)
            assert error == pytest.approx(expected, abs=1e-9 if method in CLOSED else 2e-4, nan_ok=True), counts
    assert np.isfinite(table(method)[str(SMALL[1])]).all()


@pytest.mark.parametrize("method", ["james_stein", "nsb"])
def test_a_support_agrees_with_the_textbook(method):
    counts = np.array([padded(c) for c in SMALL])
    ours = je.entropy(counts, method, log2_support=math.log2(100))
    for bits, c in zip(ours, SMALL, strict=True):
        assert float(bits) == pytest.approx(getattr(oracles, method)(c, 100), abs=1e-4)
    if method == "nsb":  # the first sample is of ndd's own tests
        assert float(ours[0]) * np.log(2) == pytest.approx(2.80609, abs=1e-5)


@settings(deadline=None, max_examples=20)
@given(count_vectors)
def test_properties(counts):
    counts = padded(counts)
    n = counts.sum()
    plugin = float(je.entropy(counts, "plugin"))
    assert -1e-6 <= plugin <= np.log2(n) + 1e-5
    assert plugin <= np.log2(max((counts > 0).sum(), 1)) + 1e-5
    for method in CLOSED:
        bits = float(je.entropy(counts, method))
        if method in ("miller_madow", "jackknife", "chao_wang_jost", "james_stein"):
            assert bits >= plugin - 1e-5
        assert float(je.entropy(counts[::-1], method)) == pytest.approx(bits, abs=1e-5, nan_ok=True)
    if np.isfinite(collision := float(je.entropy(counts, "collision"))):
        assert collision >= 0


@pytest.mark.parametrize("method", ESTIMATOR_NAMES)
def test_slots_may_repeat_be_empty_and_come_in_any_order(method):
    (plain, plain_error), (split, split_error) = (table(method)[name] for name in ("plain", "split"))
    assert plain == pytest.approx(split, abs=1e-9)
    if method == "unseen":
        assert np.isfinite(plain)
    else:
        assert plain_error == pytest.approx(split_error, abs=1e-6)
        assert plain == pytest.approx(oracles.ENTROPY[method]([5] * 3 + [2] * 4 + [1] * 7), abs=3e-5)


@pytest.mark.parametrize("method", ESTIMATOR_NAMES)
def test_edge_contract(method):
    """No sample: NaN. One: 0 for the plug-in, NaN otherwise. A constant: 0, but a little for the Bayesian ones."""
    none, one, constant = (table(method)[name][0] for name in ("[]", "[1]", "[50]"))
    assert np.isnan(none)
    assert one == 0 if method == "plugin" else np.isnan(one)
    if method in BAYESIAN:
        assert 0 < constant < 0.05
        assert constant == pytest.approx(oracles.ENTROPY[method]([50]), abs=3e-5)
    else:
        assert constant == pytest.approx(0, abs=1e-9)
    if method in ("plugin", "chao_shen", "collision", "unseen"):
        assert not np.signbit(constant)


def test_entropy_of_no_counts_and_of_no_rows():
    assert np.isnan(je.entropy(np.array([], int)))
    assert np.isnan(je.entropy(np.array([0, 0])))
    assert je.entropy(np.zeros((0, 3), int)).shape == (0,)
    assert je.entropy(np.zeros((2, 0, 3), int), "unseen").shape == (2, 0)


@pytest.mark.parametrize("n", ALL_UNIQUE)
def test_all_unique_is_a_function_of_n_alone(n):
    """Without a repetition an estimate says nothing of the truth, or there is none."""
    size = np.log2(n)
    expected = {
        "plugin": size,
        "miller_madow": size + (n - 1) / (2 * n * np.log(2)),
        "jackknife": size - (n - 1) * np.log1p(-1 / n) / np.log(2),
        "grassberger": size + 1 + np.euler_gamma / np.log(2),
        "chao_shen": 2 * size / -(n * np.expm1(n * np.log1p(-1 / n / n))),
        "james_stein": size,
        "collision": np.nan,
        "nsb": np.nan,
        "pitman_yor": np.nan,
    }
    for method, bits in expected.items():
        assert table(method)[f"unique {n}"][0] == pytest.approx(bits, rel=1e-9, nan_ok=True), method
    assert table("chao_wang_jost")[f"unique {n}"][0] == pytest.approx(2 * size - 1, abs=max(2e-5, 5 * size / n))
    if 10 < n < 10**9:
        unseen = je.HOST_ESTIMATORS["unseen"](np.array([1]), np.array([n]))
        assert unseen == pytest.approx(2 * size - 1, abs=0.1)


@pytest.mark.parametrize(("method", "bits"), [("james_stein", 4096), ("nsb", (2 * np.log2(1000) + 4096) / 2)])
def test_all_unique_of_a_vast_support_is_the_prior(method, bits):
    assert float(je.entropy(np.ones(1000, int), method, log2_support=4096)) == pytest.approx(bits, rel=1e-3)


@pytest.mark.parametrize(
    ("f1", "f2", "heavy", "times"), [(10, 3, 10**8, 10), (10**6, 40, 3000, 9), (2, 1, 5, 2 * 10**8)]
)
def test_large_samples_against_the_exponential_integral(f1, f2, heavy, times):
    """For large n the unseen part tends to e^x E₁(x), x = n·A; the textbook prefactor overflows there."""
    n = f1 + 2 * f2 + heavy * times
    x = n * 2 * f2 / ((n - 1) * f1 + 2 * f2)
    seen = sum(f * j / n * (digamma(n) - digamma(j)) for j, f in ((1, f1), (2, f2), (heavy, times)))
    expected = (seen + f1 / n * np.exp(x) * exp1(x)) / np.log(2)
    ours = jax.jit(je.ESTIMATORS["chao_wang_jost"])(
        np.array([1, 2, heavy], np.int32), np.array([f1, f2, times], np.int32)
    )
    assert float(ours) == pytest.approx(expected, abs=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("nsb", [3.321928554505553, 18.359401386907937, 13.074518639089629, 28.4170210111226]),
        ("pitman_yor", [3.3219285563872814, 18.36083569815329, 13.157773095886434, 28.417021013884]),
    ],
)
def test_bayesian_estimators_of_samples_up_to_a_billion(method, expected):
    """Against sums over fine grids with 40 digits. Posteriors are as narrow as 10⁻⁴ in ln α, and naive differences of
    ln Γ would be off by thousands."""
    ours = [table(method)[f"large {i}"][0] for i in range(len(LARGE))]
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.thorough
def test_float32_keeps_five_digits_up_to_a_billion():
    closed = jax.jit(lambda j, f: {m: je.ESTIMATORS[m](j, f) for m in CLOSED})
    for i, (j, f) in enumerate(LARGE):
        for method, bits in closed(padded(j), padded(f)).items():
            assert bits.dtype == jnp.float32
            assert float(bits) == pytest.approx(table(method)[f"large {i}"][0], abs=1e-4, rel=1e-5)


def test_jackknife_error_is_of_the_size_of_the_spread(rng):
    """Four hundred samples of one distribution: the mean standard error and the true one are alike.

    That of Chao–Wang–Jost is known to be too large rather than too small, up to twice.
    """
    draws = rng.multinomial(300, rng.dirichlet(np.ones(50)), size=400)
    for method, low, high in (("plugin", 0.85, 1.15), ("chao_wang_jost", 0.9, 2.0)):
        estimates, errors = estimate(draws, np.ones_like(draws), method)
        assert low < np.mean(errors) / np.std(estimates) < high


def test_error_of_a_constant_is_what_one_other_pattern_would_bring():
    for method in METHODS:
        assert table(method)["[50]"][1] == pytest.approx(oracles.binary_entropy(1 / 51), abs=1e-9), method
        assert np.isnan(table(method)["[1]"][1])


def test_float32_use_leaves_no_trace_in_float64():
    """JAX keeps an array captured under jit in the type that it first had; a float32 call must not spoil later ones."""
    j, f = padded([1, 2]), padded([76, 2])
    for method, expected in (("chao_wang_jost", oracles.chao_wang_jost), ("nsb", oracles.nsb)):
        jax.jit(je.ESTIMATORS[method])(j, f)
        with jax.enable_x64(True):
            bits = float(jax.jit(je.ESTIMATORS[method])(j, f))
        assert bits == pytest.approx(expected([1] * 76 + [2] * 2), abs=1e-10)


def test_estimate_many_cells_equals_one_by_one(rng):
    j = np.tile(np.arange(1, 7), (5, 1))
    f = rng.integers(0, 9, (5, 6))
    values, errors = estimate(j, f, "chao_wang_jost")
    value, error = (jax.jit(lambda j, f, g=g: g(j, f)) for g in (CWJ, lambda j, f: standard_error(CWJ, j, f)))
    for i in range(5):
        assert float(values[i]) == pytest.approx(float(value(j[i], f[i])), abs=1e-5)
        assert float(errors[i]) == pytest.approx(float(error(j[i], f[i])), abs=1e-4)
    values, errors = estimate(j, f, "unseen")
    assert values[2] == je.HOST_ESTIMATORS["unseen"](j[2], f[2])
    assert np.isnan(errors).all()


@pytest.mark.thorough
def test_entropy_under_jit_and_vmap(rng):
    counts = rng.integers(0, 9, (4, 3, 12))
    expected = [[oracles.chao_wang_jost(c.tolist()) for c in row] for row in counts]
    np.testing.assert_allclose(je.entropy(counts), expected, atol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.vmap(je.entropy))(counts), expected, atol=1e-5)
    np.testing.assert_allclose(
        jax.jit(lambda c: je.entropy(c, "nsb"))(counts[0]), je.entropy(counts[0], "nsb"), atol=1e-3
    )


def test_a_profile_takes_any_estimator():
    """Unseen by its linear program, without standard errors; the others by the compiled call."""
    labels = np.repeat([0, 1], 40)
    states = np.random.default_rng(3).integers(0, 2, (80, 4)).astype(bool)
    profile = je.profile(
        je.Recording.from_activations({"fc1": states}, labels),
        bootstrap=0,
        bounds=False,
        estimators=("unseen", "grassberger"),
    )
    for i in (0, 1):
        _, counts = np.unique(states[labels == i], axis=0, return_counts=True)
        cell = profile.pattern_entropy.isel({"class": i, "layer": 0}).squeeze()
        assert float(cell.sel(estimator="grassberger")) == pytest.approx(oracles.grassberger(counts.tolist()), abs=1e-9)
        assert float(cell.sel(estimator="unseen")) == pytest.approx(float(je.entropy(counts, "unseen")), abs=1e-5)
    assert np.isnan(profile.pattern_entropy_se.sel(estimator="unseen")).all()
    assert (profile.pattern_entropy_se.sel(estimator="grassberger") > 0).all()


def test_coverage():
    assert float(je.coverage(np.array([1, 1, 2, 0]))) == pytest.approx(0.5)
    assert float(je.coverage(np.array([1, 1, 1]))) == 0.0
    assert np.isnan(je.coverage(np.array([0, 0])))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 1, 1, 2, 2, 5], 1 - 3 / 12 * (11 * 3) / (11 * 3 + 4)),
        ([1, 1, 3], 1 - 2 / 5 * 4 / (4 + 2)),
        ([1] * 10, 1 - 81 / 83),
        ([1, 4], 1.0),
        ([3], 1.0),
        ([1], 0.0),
        ([0], np.nan),
    ],
)
def test_coverage_of_chao_and_jost(counts, expected):
    assert float(je.coverage(np.array(counts), "chao_jost")) == pytest.approx(expected, abs=1e-6, nan_ok=True)
    ours = jax.jit(lambda c: je.coverage(c, "chao_jost"))(np.array([counts]))
    assert float(ours[0]) == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_coverage_is_near_the_truth(rng):
    """Against the true share of what was seen, over 300 samples of a distribution with a tail."""
    p = rng.dirichlet(np.full(400, 0.3))
    draws = rng.multinomial(200, p, size=300)
    truth = (p * (draws > 0)).sum(-1)
    assert truth.mean() < 0.8
    for method in ("good_turing", "chao_jost"):
        assert np.mean(je.coverage(draws, method)) == pytest.approx(truth.mean(), abs=0.01)


def test_labels():
    values = np.array([1.0, 0.99, 0.9899, 0.95, 0.9499, 0.8, 0.7999, 0.5, 0.4999, 0.05, 0.0499, 0.0, np.nan])
    best_to_worst = ("reliable", "good", "usable", "weak", "indicative", "bounds only")
    assert best_to_worst == je.LABELS
    ranks = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5]
    assert je.label(values, 100).tolist() == [best_to_worst[r] for r in ranks]
    assert je.label(0.9, LEAST_PAIRS) == "usable"
    assert je.label(np.array([[0.999], [0.6]]), np.array([9, 10, np.nan])).tolist() == [
        ["bounds only", "reliable", "bounds only"],
        ["bounds only", "weak", "bounds only"],
    ]


def test_binary_entropy():
    p = np.array([0.0, 1e-7, 0.25, 0.5, 1.0, np.nan])
    with jax.enable_x64(True):
        ours = np.asarray(binary_entropy(p))
    np.testing.assert_allclose(ours[:5], [oracles.binary_entropy(x) for x in p[:5]], atol=1e-12)
    assert np.isnan(ours[5])


@pytest.mark.parametrize(
    ("counts", "method", "options", "message"),
    [
        (np.array([1, 2]), "magic", {}, "unknown estimator 'magic'; choose from plugin"),
        (np.array([1.5]), "plugin", {}, "expected integers"),
        (np.array([3, -1]), "plugin", {}, "a count is -1"),
        (np.array(3), "plugin", {}, "expected integers"),
        (np.array([3, 1]), "plugin", {"log2_support": 3.0}, "'plugin' knows no log2_support"),
        (np.array([3, 1]), "nsb", {"log2_support": -1.0}, "log2_support is -1.0"),
        (np.array([3, 1, 1]), "james_stein", {"log2_support": 1.0}, r"3 patterns were seen, more than 2\*\*1"),
    ],
)
def test_refuses(counts, method, options, message):
    with pytest.raises(je.InputError, match=message):
        je.entropy(counts, method, **options)


@pytest.mark.parametrize("function", [je.entropy, je.coverage])
@pytest.mark.parametrize("kind", [bool, int, np.uint8])
def test_states_are_not_taken_for_counts(function, kind, rng):
    """A matrix of states was once read as counts: 9.83 bits of a layer of twenty neurons, whatever they did."""
    states = (rng.random((50, 20)) < 0.5).astype(kind)
    with pytest.raises(je.InputError, match=r"looks like states of neurons.* bracket\(states\), or count_patterns"):
        function(states)


def test_refuses_an_unknown_coverage_and_a_compiled_linear_program():
    with pytest.raises(je.InputError, match="unknown coverage 'best'; choose from good_turing, chao_jost"):
        je.coverage(np.array([1]), "best")
    counts = np.array([3, 1])
    for call in (
        lambda c: je.entropy(c, "unseen"),
        lambda c: je.HOST_ESTIMATORS["unseen"](c, c),
        lambda c: estimate(c[None], c[None], "unseen")[0],
    ):
        with pytest.raises(je.InputError, match="outside jit"):
            jax.jit(call)(counts)


def test_each_estimator_has_a_name_and_is_found():
    assert set(ESTIMATOR_NAMES) == set(je.ESTIMATORS) | set(je.HOST_ESTIMATORS)
    for method in ESTIMATOR_NAMES:
        assert estimator(method).__name__ == method
    assert set(oracles.ENTROPY) == set(je.ESTIMATORS)


def test_planted_bug_nats_for_bits_is_caught():
    """A control: Miller–Madow with its correction in nats added to bits, as a published code had it, is seen."""
    counts = [5, 3, 1, 1]
    wrong = oracles.plugin(counts) + (len(counts) - 1) / (2 * sum(counts))
    assert abs(float(je.entropy(np.array(counts), "miller_madow")) - wrong) > 0.05


@pytest.mark.thorough
def test_planted_bug_prior_without_its_jacobian_is_caught(monkeypatch):
    """A control: with ψ₁(α+1)·ψ₁(1−δ) left out of Pitman–Yor's prior, the two integrations no longer agree."""
    monkeypatch.setattr(oracles, "polygamma", lambda order, x: np.ones_like(x))
    wrong = oracles._pitman_yor.__wrapped__((1, 1, 2, 2))
    assert abs(wrong - table("pitman_yor")[str([2, 1, 1, 2])][0]) > 0.1
