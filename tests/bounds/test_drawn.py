"""Upper bounds of streams: no draw serves twice, and what is said holds where the entropy is known."""

import numpy as np
import pytest

import jaxentropy as je
from benchmarks.verdicts import spikes, uniform
from jaxentropy.bounds.code_length import halves
from jaxentropy.bounds.drawn import Known, drawn_limits, known_of
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.ranges import keys_of, tables
from jaxentropy.recording.packing import pack_on_host
from tests.problems import spike_entropy

WIDTH = 16


def prints_of(states):
    return np.asarray(fingerprint(pack_on_host(states, je.Sign())))


def known_by(states, counted):
    """What these counted fingerprints say of these patterns, of one class."""
    return known_of([keys_of(prints_of(states))], tables(counted, np.zeros(len(counted), np.int32), 1))[0]


def limit(states, counted, error=0.01):
    return drawn_limits([states], [known_by(states, prints_of(counted))], error, 0)[0]


def test_what_other_draws_say_is_a_distribution():
    """Over all 64 patterns of six neurons: the probabilities and what is left for the models sum to one."""
    rng = np.random.default_rng(0)
    states = (np.arange(64)[:, None] >> np.arange(6) & 1).astype(bool)
    prints = prints_of(states)
    for draws in (0, 1, 5, 60, 4000):
        known = known_by(states, prints[rng.choice(64, draws, p=rng.dirichlet(np.full(64, 0.3)))])
        assert known.rest > 0
        assert (known.probability >= 0).all()
        assert known.probability.sum() + known.rest == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("rate", [0.3 / 60, 3 / 60])
def test_rare_expensive_patterns_that_few_draws_show(rate):
    """A constant with random bits for few of the inputs: 60 recorded draws and 200 counted: 0 of 20 limits fail."""
    draw, entropy = spikes(rate, WIDTH), spike_entropy(rate, WIDTH)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert limit(draw(rng, 60), draw(rng, 200)) >= entropy


def test_counted_draws_make_it_narrow():
    """64 patterns, each with 6 bits: seen often they are known, whatever the models make of them."""
    draw = uniform(64, WIDTH)
    rng = np.random.default_rng(1)
    states = draw(rng, 20_000)
    found = [limit(states[:4000], states[4000 : 4000 + counted]) for counted in (0, 100, 16_000)]
    assert found[1] < found[0] + 0.1  # too few to tell: the models are hardly asked less
    assert 6 <= found[2] < min(found[:2]) - 0.02


def test_recorded_draws_among_the_counted_ones_would_break_the_bound():
    """The control: told its own inputs, the code is too short, and the limit falls below the entropy."""
    states = np.random.default_rng(0).random((3000, 20)) < 0.5
    assert limit(states, np.concatenate([states, states])) < 15
    assert drawn_limits([states], [Known(np.zeros(3000), 1.0)], 0.01, 0)[0] >= 20 - 1e-3


def test_what_is_read_is_not_what_was_fitted():
    split = halves(np.array([41, 12]), 0)
    for parts in zip(*split, strict=True):
        every = np.concatenate(parts)
        assert len(np.unique(every)) == len(every)
        assert abs(len(parts[2]) - len(every) / 2) <= 0.5


def test_few_draws_have_a_bit_a_neuron():
    states = [np.zeros((n, 5), bool) for n in (0, 11, 40)]
    found = drawn_limits(states, [Known(np.zeros(len(own)), 1.0) for own in states], 0.01, 0)
    assert found[:2].tolist() == [5, 5]
    assert found[2] < 5
