import numpy as np
import pytest

from jaxentropy.profiling.bootstrap import layer_entropies
from tests import oracles
from tests.conftest import random_recording


def replicates(recording, seed=0, number=300):
    return np.asarray(
        layer_entropies(
            recording.words, recording.labels, seed, widths=recording.widths, num_classes=recording.num_classes,
            replicates=number,
        )
    )  # fmt: skip


def test_centre_and_spread_agree_with_a_resampling_loop(rng):
    recording = random_recording(1, n=900)
    ours = replicates(recording)
    assert ours.shape == (3, 3, 300)
    for i, layer in enumerate(recording.layers):
        for c in range(3):
            states = recording.states(layer)[recording.labels == c]
            loop = [oracles.neuron_entropy(states[rng.integers(0, len(states), len(states))]) for _ in range(300)]
            assert ours[i, c].mean() == pytest.approx(np.mean(loop), abs=4 * np.std(loop) / np.sqrt(300) * 1.5)
            assert ours[i, c].std() == pytest.approx(np.std(loop), rel=0.25)


def test_layers_and_networks_share_the_resampled_inputs():
    """The same layer recorded twice falls by exactly nothing in every replicate."""
    recording = random_recording(2)
    doubled = type(recording)(
        ("a", "b"), (40, 40), (recording.words[1],) * 2, recording.labels, recording.class_names
    )  # fmt: skip
    ours = replicates(doubled, number=50)
    np.testing.assert_array_equal(ours[0], ours[1])
    np.testing.assert_array_equal(ours, replicates(doubled, number=50))
    assert not np.array_equal(ours, replicates(doubled, seed=1, number=50))


def test_more_inputs_than_a_chunk_and_classes_in_any_order(rng):
    labels = rng.integers(0, 2, 1700)
    recording = random_recording(3, labels=labels)
    ours = replicates(recording, number=100)
    for c in range(2):
        expected = oracles.neuron_entropy(recording.states("fc2")[labels == c])
        assert ours[1, c].mean() == pytest.approx(expected, abs=0.01)


def test_edge_contract_empty_and_tiny_classes():
    recording = random_recording(4, labels=np.array([0] * 30 + [2]))
    ours = replicates(recording, number=200)
    assert np.isfinite(ours[:, 0]).all()
    assert np.isnan(ours[:, 1]).all()
    assert np.nanmax(ours[:, 2]) == 0
    assert np.isnan(ours[0, 2]).mean() == pytest.approx(np.exp(-1), abs=0.15)
