import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.bounds.independence import DependenceWarning, _distances, find_copies
from tests.conftest import random_recording
from tests.problems import rare_zoo, zoo


def packed(states):
    return np.packbits(states, axis=1)


def found(states, **settings):
    return find_copies(packed(states), states.shape[1], **settings)


@pytest.mark.parametrize("times", [2, 3, 8])
def test_inputs_taken_several_times_are_found(rng, times):
    states = np.repeat(rng.random((120, 40)) < 0.5, times, axis=0)
    copies = found(rng.permutation(states))
    assert copies is not None
    assert (copies.partners, copies.distance, copies.width) == (times - 1, 0, 40)
    assert copies.share == 1
    assert "has its pattern" in str(copies)


def test_disturbed_copies_are_found(rng):
    """One bit in a hundred flipped: 2.6 of 256 neurons differ, where strangers differ in 128."""
    states = rng.random((300, 256)) < 0.5
    again = states ^ (rng.random(states.shape) < 0.01)
    copies = found(np.concatenate([states, again]))
    assert copies is not None
    assert copies.partners == 1
    assert 4 <= copies.distance <= 32
    assert f"at most {copies.distance} of 256 neurons" in str(copies)


def test_a_part_of_copies_is_found_where_there_are_inputs_enough(rng):
    states = rng.random((6000, 64)) < 0.5
    assert found(np.concatenate([states[:5000], states[:600]])) is not None
    assert found(states[:5000]) is None
    few = states[:400]
    assert found(np.concatenate([few, few[:160]])) is not None


@pytest.mark.thorough
def test_patterns_that_recur_are_no_copies():
    """The inequality holds for every distribution: no alarm on any kind of problem, nor on a recording's classes."""
    for problem in [p for p in zoo(seed=2, thin=12) + rare_zoo(seed=2, thin=5) if p.n <= 2000]:
        assert found(problem.sample(np.random.default_rng(0))) is None, problem.name
    recording = random_recording(0, n=900)
    assert not je.profile(recording, bounds=False, bootstrap=0).copies.any()


@pytest.mark.parametrize("inputs", [1, 3, 8])
@pytest.mark.parametrize("n", [100, 1000])
def test_a_rare_pattern_that_many_come_near_is_no_copy(n, inputs):
    """Sparse neurons, and a few inputs with none on: all that are near these are so by one event. Control: copies."""

    def drawn(seed):
        rng = np.random.default_rng(seed)
        states = rng.random((n, 256)) < 0.12
        states[rng.random(n) < inputs / n] = False
        return states

    assert not any(found(drawn(seed)) for seed in range(5))
    assert found(np.concatenate([drawn(0)] * 2)) is not None


def test_the_inequality_is_what_tells():
    """A control: with as many single inputs and triples as chance brings beside pairs, the same pairs are no sign."""
    rng = np.random.default_rng(0)
    codes = rng.random((4000, 64)) < 0.5
    honest = codes[rng.integers(0, 600, 600)]  # f₁, f₂, f₃ of a uniform distribution
    doubled = np.concatenate([codes[:240], codes[240:420], codes[240:420]])  # its f₁ and more pairs, but no triple
    assert found(honest) is None
    assert found(doubled) is not None


def test_too_few_inputs_say_nothing(rng):
    assert found(np.repeat(rng.random((5, 20)) < 0.5, 2, axis=0)) is None
    assert find_copies(np.zeros((0, 3), np.uint8), 20) is None


def test_bracket_warns_and_says_what_to_do(rng):
    states = np.repeat(rng.random((120, 16)) < 0.5, 2, axis=0)
    with pytest.warns(DependenceWarning, match=r"bracket: .* exactly one other input that .*take one of each"):
        je.bracket(states)


@pytest.mark.thorough
def test_nothing_is_certain_of_copies(rng):
    """20 bits, then one neuron: certain; and with every input twice, no more. Other classes keep their word."""
    n = 800
    labels = np.arange(n) % 2
    a, b = rng.random((n, 20)) < 0.5, np.zeros((n, 20), bool)
    b[:, 0] = rng.random(n) < 0.5
    twice = np.where(labels == 0, np.arange(n) // 4 * 4, np.arange(n))
    verdict = je.verdict(je.profile(je.Recording.from_activations({"a": a[twice], "b": b[twice]}, labels)))
    assert verdict.table.pattern.isel(network=0, pair=0).values.tolist() == ["undecided", "falls for certain"]
    assert "Inputs of class 0 look like copies" in verdict.text


def test_more_neurons_than_a_short_integer_counts(rng):
    """Opposites differ in all of 40,000 neurons, and are not near."""
    half = rng.random((10, 40_000)) < 0.5
    assert found(np.concatenate([half, ~half])) is None
    states = rng.random((100, 40_000)) < 0.5
    assert found(np.concatenate([states, states ^ (rng.random(states.shape) < 0.001)])) is not None


def test_distances_are_those_of_a_loop(rng):
    states = (rng.random((12, 40_000)) < 0.5).astype(np.uint8)
    states[1] = 1 - states[0]
    expected = [[int((a != b).sum()) for b in states] for a in states]
    np.testing.assert_array_equal(_distances(states), expected)
