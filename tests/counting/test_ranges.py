"""Inputs that are counted range by range are counted as if they were together."""

import numpy as np
import pytest

from jaxentropy.bounds.drawn import known_of
from jaxentropy.counting import ranges
from jaxentropy.counting.multiplicities import multiplicities_on_host
from jaxentropy.counting.ranges import keys_of, tables
from tests.counting.test_multiplicities import agrees, few_prints


@pytest.fixture
def small(monkeypatch):
    """Ranges of 64 inputs, in passes of 16 of them, that are searched for frequent patterns of a fourth of them."""
    monkeypatch.setattr(ranges, "AT_ONCE", 64)
    monkeypatch.setattr(ranges, "_PASSED", 16)
    monkeypatch.setattr(ranges, "_FREQUENT", 4)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("num_classes", [1, 3, 40])
@pytest.mark.parametrize("kinds", [1, 6, 400])
@pytest.mark.parametrize("n", [65, 1000])
def test_multiplicities_are_those_of_all_at_once(rng, num_classes, kinds, n):
    prints, labels = few_prints(rng, n, kinds), rng.integers(0, num_classes + 1, n).astype(np.int32)
    found = multiplicities_on_host(prints, labels, num_classes)
    assert agrees(found, prints, labels, num_classes)
    assert found[0].j.dtype == found[0].f.dtype == np.int32


@pytest.mark.usefixtures("small")
def test_a_range_holds_few_even_where_most_inputs_have_one_pattern(rng, monkeypatch):
    """Without the search for frequent patterns, one range would be as large as all inputs."""
    prints = few_prints(rng, 3000, 300)
    prints[rng.random(3000) < 0.9] = prints[0]
    labels, sizes = np.zeros(3000, np.int32), []
    real = ranges._by_class
    monkeypatch.setattr(ranges, "_by_class", lambda keys, *given: sizes.append(len(keys)) or real(keys, *given))
    assert agrees(multiplicities_on_host(prints, labels, 1), prints, labels, 1)
    assert len(sizes) == 64
    assert max(sizes) < 64
    sizes.clear()
    monkeypatch.setattr(ranges, "_frequent", lambda prints: np.empty(0, np.uint64))
    multiplicities_on_host(prints, labels, 1)
    assert max(sizes) > 2600


def test_what_counted_draws_say_does_not_hang_on_ranges(rng, monkeypatch):
    prints, labels = few_prints(rng, 1000, 60), rng.integers(0, 2, 1000).astype(np.int32)
    own = [keys_of(few_prints(rng, 100, 60)), keys_of(prints[:40])]
    together = known_of(own, tables(prints, labels, 2))
    monkeypatch.setattr(ranges, "AT_ONCE", 64)
    apart = known_of(own, tables(prints, labels, 2))
    assert together[1].probability.max() > 0
    for a, b in zip(together, apart, strict=True):
        np.testing.assert_array_equal(a.probability, b.probability)
        assert a.rest == b.rest
