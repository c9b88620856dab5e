"""What neurons tell of changed labels, against sums over all cells of small tables."""

import numpy as np
import pytest

from jaxentropy.experiments.sweeps import noise
from jaxentropy.experiments.sweeps.noise import information_at


def plug_in(on: np.ndarray, label: np.ndarray, given: np.ndarray) -> float:
    """I(state; label | given) of one neuron, from its definition."""
    total = 0.0
    for g in np.unique(given):
        here = given == g
        for s in (0, 1):
            for y in np.unique(label[here]):
                joint = np.mean(here & (on == s) & (label == y))
                if joint:
                    margins = np.mean(here & (on == s)) * np.mean(here & (label == y))
                    total += joint * np.log2(joint * here.mean() / margins)
    return total


def test_information_at_equal_label_is_its_definition(rng):
    """Without the shuffled labels: what is left of the state's entropy, at equal label and without."""
    n = 400
    given, label = rng.integers(3, size=n), rng.integers(3, size=n)
    on = rng.random((n, 2)) < 0.2 + 0.3 * (label == 1)[:, None] + 0.2 * (given == 2)[:, None]
    order = np.argsort(given, kind="stable")
    found = -noise._remaining(on[order].astype(np.float32), given[order] * 3 + label[order], 9)
    alone = -noise._remaining(on[order].astype(np.float32), given[order], 3)
    expected = np.mean([plug_in(on[:, k], label, given) for k in range(2)])
    assert found - alone == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_what_shows_the_true_label_alone_tells_nothing_of_the_trained_one(classes, rng):
    """Noise chooses among the other classes: the true label tells something of it, and at equal true label nothing."""
    n = 3000
    true = rng.integers(classes, size=n)
    trained = (true + rng.integers(1, classes, n)) % classes
    of_true = (true[:, None] == np.arange(classes)) ^ (rng.random((n, classes)) < 0.05)
    assert abs(information_at(of_true, trained, true, classes)) < 0.004
    if classes > 2:
        of_trained = (trained[:, None] == np.arange(classes)) ^ (rng.random((n, classes)) < 0.05)
        assert information_at(of_trained, trained, true, classes) > 0.1
        assert abs(information_at(of_trained, true, trained, classes)) < 0.004
    else:
        assert information_at(~of_true, trained, true, classes) == pytest.approx(0, abs=1e-9)


def test_of_few_inputs_the_shuffled_labels_take_the_bias_away(rng):
    found = [
        information_at(rng.random((60, 20)) < 0.5, rng.integers(5, size=60), rng.integers(5, size=60), 5)
        for _ in range(20)
    ]
    assert abs(np.mean(found)) < 4 * np.std(found) / 20**0.5
