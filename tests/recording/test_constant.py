"""Layers of one pattern: found exactly where NumPy says so, and warned of by whatever makes a recording."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.recording import constant
from jaxentropy.recording.constant import one_pattern, one_pattern_counted
from tests.recording.test_recorder import batches

LABELS = np.arange(20) % 3


def softened(_, inputs):
    """A layer of each kind: always on, always off, the same few neurons, and one that depends on the inputs."""
    few = jnp.broadcast_to(jnp.arange(40) % 4 == 0, (len(inputs), 40))
    return inputs, {"soft": jax.nn.sigmoid(inputs), "dead": -jnp.exp(inputs), "few": few, "live": inputs}


def recorded(inputs, tmp_path):
    """By each way there is, the same layers."""
    arrays = {name: np.asarray(layer) for name, layer in softened(None, inputs)[1].items()}
    yield lambda: je.Recording.from_activations(arrays, LABELS[: len(inputs)])
    yield lambda: je.record(softened, None, batches(inputs, LABELS[: len(inputs)], 8))
    yield lambda: je.record(softened, None, batches(inputs, LABELS[: len(inputs)], 8), spill=tmp_path / "bits")
    yield lambda: je.tally(softened, None, batches(inputs, LABELS[: len(inputs)], 8), class_names=range(3))


def test_constant_layers_are_named_with_what_fits(rng, tmp_path):
    inputs = rng.normal(size=(20, 5)).astype(np.float32)
    for make in recorded(inputs, tmp_path):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make()
        assert [w.category for w in caught] == [je.ConstantLayerWarning] * 3
        messages = {str(w.message).split("'")[1]: str(w.message) for w in caught}
        assert "layer 'soft': all neurons are on for all 20 inputs" in messages["soft"]
        assert "je.Threshold(0.5)" in messages["soft"]
        assert "layer 'dead': all neurons are off" in messages["dead"]
        assert "dead layer" in messages["dead"]
        assert "layer 'few': the same 10 of 40 neurons are on" in messages["few"]


def test_one_input_is_not_warned_of(tmp_path):
    for make in recorded(np.ones((1, 5), np.float32), tmp_path):
        assert make().n == 1


def test_the_advice_helps(rng):
    """With the threshold that the warning names, a sigmoid's outputs are recorded as its inputs are."""
    inputs = rng.normal(size=(20, 5)).astype(np.float32)
    options = {"layers": ["soft"], "quantizer": je.Threshold(0.5)}
    recording = je.record(softened, None, batches(inputs, LABELS, 8), **options)
    np.testing.assert_array_equal(recording.states("soft"), inputs > 0)
    counted = je.tally(softened, None, batches(inputs, LABELS, 8), class_names=range(3), **options)
    np.testing.assert_array_equal(counted.on[0].sum(0), (inputs > 0).sum(0))


@pytest.mark.parametrize("width", [1, 32, 45])
@pytest.mark.parametrize("differing", [None, 0, 1, 6, 7, 29])
def test_one_differing_input_anywhere_is_found(differing, width, rng, monkeypatch):
    """Across blocks of some rows and of single ones."""
    states = np.repeat(rng.random((1, width)) < 0.5, 30, axis=0)
    if differing is not None:
        states[differing, -1] ^= True
    words = np.asarray(je.pack(states))
    on = np.stack([states[np.arange(30) % 3 == c].sum(0) for c in range(3)])
    same = len(np.unique(states, axis=0)) == 1
    assert same == (differing is None)
    for at_once in (1, 7 * words.shape[1], 1 << 16):
        monkeypatch.setattr(constant, "_WORDS_AT_ONCE", at_once)
        for found in (one_pattern(words, width), one_pattern_counted(on, 30)):
            assert (found is not None) == same
            if found is not None:
                np.testing.assert_array_equal(found, states[0])
