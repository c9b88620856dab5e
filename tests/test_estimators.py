import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma, exp1

import jaxentropy as je
from jaxentropy.estimators import binary_entropy, estimate, standard_error
from tests import oracles

OTHERS = json.loads((Path(__file__).parent / "data" / "entropy_by_other_libraries.json").read_text())
METHODS = list(je.ESTIMATORS)
SLOTS = max(len(case["j"]) for case in OTHERS.values())


def padded(values, length: int = 40) -> np.ndarray:
    """With zeros behind, which change nothing: one compiled program for all lengths."""
    return np.pad(np.asarray(values, int), (0, length - len(values)))


count_vectors = st.lists(st.integers(0, 40), min_size=1, max_size=30).filter(lambda c: sum(c) >= 2)


@pytest.mark.parametrize("method", METHODS)
def test_agrees_with_other_libraries(method):
    """infomeasure, dit, scipy and ndd on 21 samples of 200 to 100,000, from uniform to Markov."""
    compared, function = 0, jax.jit(je.ESTIMATORS[method])
    for name, case in OTHERS.items():
        ours = float(function(padded(case["j"], SLOTS), padded(case["f"], SLOTS)))
        for library, bits in case["bits"].get(method, {}).items():
            assert ours == pytest.approx(bits, abs=1e-4), (name, library)
            compared += 1
    assert compared >= 21


def test_published_golden_values():
    """Counts [1, 2, 3, 2, 1] in nats."""
    goldens = {"plugin": 1.522955, "miller_madow": 1.745177, "chao_wang_jost": 1.847870}
    for method, nats in goldens.items():
        assert float(je.entropy(jnp.array([1, 2, 3, 2, 1]), method)) * np.log(2) == pytest.approx(nats, abs=2e-6)


@settings(deadline=None, max_examples=60)
@given(count_vectors, st.sampled_from(METHODS))
def test_agrees_with_the_textbook(counts, method):
    assert float(je.entropy(padded(counts), method)) == pytest.approx(oracles.ENTROPY[method](counts), abs=2e-5)


@settings(deadline=None, max_examples=40)
@given(count_vectors)
def test_properties(counts):
    counts = padded(counts)
    n = counts.sum()
    plugin = float(je.entropy(counts, "plugin"))
    assert -1e-6 <= plugin <= np.log2(n) + 1e-5
    assert plugin <= np.log2(max((counts > 0).sum(), 1)) + 1e-5
    for method in METHODS:
        bits = float(je.entropy(counts, method))
        assert bits >= plugin - 1e-5
        assert float(je.entropy(counts[::-1], method)) == pytest.approx(bits, abs=1e-5)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], (np.nan, np.nan, np.nan)),
        ([0, 0], (np.nan, np.nan, np.nan)),
        ([1], (0.0, np.nan, np.nan)),
        ([7, 0], (0.0, 0.0, 0.0)),
        ([1, 1], (1.0, 1 + 1 / (4 * np.log(2)), oracles.chao_wang_jost([1, 1]))),
    ],
)
def test_edge_contract(counts, expected):
    for method, bits in zip(("plugin", "miller_madow", "chao_wang_jost"), expected, strict=True):
        np.testing.assert_allclose(je.entropy(np.array(counts, int), method), bits, atol=1e-6)


@pytest.mark.parametrize("n", [10, 1000, 10**6, 10**9])
def test_all_unique_is_a_function_of_n_alone(n):
    """Without a repetition the estimate approaches 2 log₂ n − 1 bits, whatever the truth."""
    bits = float(je.ESTIMATORS["chao_wang_jost"](np.array([1]), np.array([n], np.int32)))
    assert bits == pytest.approx(2 * np.log2(n) - 1, abs=max(2e-5, 5 * np.log2(n) / n))


@pytest.mark.parametrize(
    ("f1", "f2", "heavy", "times"), [(10, 3, 10**8, 10), (10**6, 40, 3000, 9), (2, 1, 5, 2 * 10**8)]
)
def test_large_samples_against_the_exponential_integral(f1, f2, heavy, times):
    """For large n the unseen part tends to e^x E₁(x), x = n·A; the textbook prefactor overflows there."""
    n = f1 + 2 * f2 + heavy * times
    x = n * 2 * f2 / ((n - 1) * f1 + 2 * f2)
    seen = sum(f * j / n * (digamma(n) - digamma(j)) for j, f in ((1, f1), (2, f2), (heavy, times)))
    expected = (seen + f1 / n * np.exp(x) * exp1(x)) / np.log(2)
    ours = je.ESTIMATORS["chao_wang_jost"](np.array([1, 2, heavy], np.int32), np.array([f1, f2, times], np.int32))
    assert float(ours) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_jackknife_agrees_with_deleting_one_by_one(method, rng):
    counts = np.bincount(rng.geometric(0.15, 120))
    j, f = np.unique(counts[counts > 0], return_counts=True)
    with jax.enable_x64(True):
        ours = standard_error(je.ESTIMATORS[method], j, f)
        by_counts = standard_error(je.ESTIMATORS[method], counts, np.ones_like(counts))
    assert float(ours) == pytest.approx(oracles.jackknife_error(counts.tolist(), method), abs=1e-9)
    assert float(by_counts) == pytest.approx(float(ours), abs=1e-9)


def test_jackknife_error_is_of_the_size_of_the_spread(rng):
    """Four hundred samples of one distribution: the mean standard error and the true one are alike.

    That of Chao–Wang–Jost is known to be too large rather than too small, up to twice.
    """
    draws = rng.multinomial(300, rng.dirichlet(np.ones(50)), size=400)
    for method, low, high in (("plugin", 0.85, 1.15), ("miller_madow", 0.85, 1.15), ("chao_wang_jost", 0.9, 2.0)):
        estimates, errors = estimate(draws, np.ones_like(draws), method)
        assert low < np.mean(errors) / np.std(estimates) < high


def test_float32_use_leaves_no_trace_in_float64():
    """JAX keeps an array captured under jit in the type that it first had; a float32 call must not spoil later ones."""
    j, f = np.array([[1, 2]]), np.array([[76, 2]])
    estimate(j, f, method="chao_wang_jost")
    with jax.enable_x64(True):
        bits = float(estimate(j, f, method="chao_wang_jost")[0][0])
    assert bits == pytest.approx(oracles.chao_wang_jost([1] * 76 + [2] * 2), abs=1e-12)


def test_estimate_many_cells_equals_one_by_one(rng):
    j = np.tile(np.arange(1, 7), (5, 1))
    f = rng.integers(0, 9, (5, 6))
    values, errors = estimate(j, f, "chao_wang_jost")
    for i in range(5):
        assert float(values[i]) == pytest.approx(float(je.ESTIMATORS["chao_wang_jost"](j[i], f[i])), abs=1e-5)
        assert float(errors[i]) == pytest.approx(
            float(standard_error(je.ESTIMATORS["chao_wang_jost"], j[i], f[i])), abs=1e-4
        )


def test_entropy_under_jit_and_vmap(rng):
    counts = rng.integers(0, 9, (4, 3, 12))
    expected = [[oracles.chao_wang_jost(c.tolist()) for c in row] for row in counts]
    np.testing.assert_allclose(je.entropy(counts), expected, atol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.vmap(je.entropy))(counts), expected, atol=1e-5)


def test_coverage():
    assert float(je.coverage(np.array([1, 1, 2, 0]))) == pytest.approx(0.5)
    assert float(je.coverage(np.array([1, 1, 1]))) == 0.0
    assert np.isnan(je.coverage(np.array([0, 0])))


def test_binary_entropy():
    p = np.array([0.0, 1e-7, 0.25, 0.5, 1.0, np.nan])
    with jax.enable_x64(True):
        ours = np.asarray(binary_entropy(p))
    np.testing.assert_allclose(ours[:5], [oracles.binary_entropy(x) for x in p[:5]], atol=1e-12)
    assert np.isnan(ours[5])


@pytest.mark.parametrize(
    ("counts", "method", "told"),
    [
        (np.array([1, 2]), "magic", "unknown estimator 'magic'; choose from plugin"),
        (np.array([1.5]), "plugin", "expected integers"),
        (np.array([3, -1]), "plugin", "a count is -1"),
        (np.array(3), "plugin", "expected integers"),
    ],
)
def test_refuses(counts, method, told):
    with pytest.raises(je.InputError, match=told):
        je.entropy(counts, method)


def test_planted_bug_nats_for_bits_is_caught():
    """A control: Miller–Madow with its correction in nats added to bits, as a published code had it, is seen."""
    counts = [5, 3, 1, 1]
    wrong = oracles.plugin(counts) + (len(counts) - 1) / (2 * sum(counts))
    assert abs(float(je.entropy(np.array(counts), "miller_madow")) - wrong) > 0.05
