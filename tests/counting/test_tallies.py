import json
from typing import Any

import jax
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.bounds.coincidences import entropy_lower_bound
from jaxentropy.recording import forward
from tests.conftest import random_recording
from tests.recording.test_recorder import batches, linear

STREAMED = ("neuron_entropy", "neuron_information", "pattern_entropy", "pattern_information", "coverage", "n")


@pytest.fixture
def data(rng):
    """Few different inputs, so that patterns recur; a last batch that is shorter."""
    inputs = rng.normal(size=(12, 6)).astype(np.float32)[rng.integers(0, 12, 130)]
    return inputs, rng.integers(0, 3, 130), {"a": rng.normal(size=(6, 37)).astype(np.float32)}


def same(a: je.Tally, b: je.Tally) -> bool:
    arrays = [(*t.on, *t.prints, t.labels) for t in (a, b)]
    return a.class_names == b.class_names and all(map(np.array_equal, *arrays))


def test_tally_is_that_of_the_recording(data):
    inputs, labels, weights = data
    tally = je.tally(linear, weights, batches(inputs, labels, 32), class_names="abcd")
    recording = je.record(linear, weights, batches(inputs, labels, 32), class_names="abcd")
    assert same(tally, je.Tally.of(recording))
    for i, layer in enumerate(tally.layers):
        states = recording.states(layer)
        np.testing.assert_array_equal(tally.on[i], [states[labels == c].sum(0) for c in range(4)])
        assert len(np.unique(tally.prints[i], axis=0)) == len(np.unique(states, axis=0))


def test_profile_of_a_tally_is_that_of_the_recording(data):
    inputs, labels, weights = data
    recording = je.record(linear, weights, batches(inputs, labels, 64))
    whole = je.profile(recording, bootstrap=0, bounds=False)
    streamed = je.profile({"trained": je.Tally.of(recording)}).isel(network=0)
    for name in STREAMED:
        np.testing.assert_array_equal(streamed[name], whole[name])
    assert "neuron_fall" not in streamed
    for layer in recording.layers:
        times = [
            np.unique(recording.states(layer)[recording.labels == c], axis=0, return_counts=True)[1] for c in range(3)
        ]
        lower = [entropy_lower_bound(t, np.ones_like(t), 0.04) for t in times]
        np.testing.assert_allclose(streamed.pattern_lower.sel(layer=layer), lower, atol=1e-6)
    assert (streamed.pattern_upper == streamed.width).all()  # nothing is known of the bits
    assert "pattern_lower" not in je.profile(je.Tally.of(recording), bounds=False)


@pytest.mark.parametrize("asked", [{"bootstrap": 10}, {"shuffles": 1}])
def test_profile_refuses_what_needs_bits(asked):
    with pytest.raises(je.InputError, match="a Tally holds none"):
        je.profile(je.Tally.of(random_recording(0)), **asked)


@pytest.mark.thorough
def test_merge_of_splits_is_the_whole():
    recording = random_recording(1)
    parts = [recording.take(np.arange(*cut)) for cut in ((0, 17), (17, 18), (18, 90))]
    first, *others = map(je.Tally.of, parts)
    assert same(first.merge(*others), je.Tally.of(recording))


def test_save_and_load(tmp_path):
    tally = je.Tally.of(random_recording(0))
    tally.save(tmp_path / "t.npz")
    assert same(je.Tally.load(tmp_path / "t.npz"), tally)
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]
    np.savez(tmp_path / "other.npz", header=np.frombuffer(json.dumps({}).encode(), np.uint8))
    for name, message in (("other.npz", "not a tally"), ("none.npz", "no tally at")):
        with pytest.raises(je.InputError, match=message):
            je.Tally.load(tmp_path / name)


def test_refuses(data):
    inputs, labels, weights = data
    with pytest.raises(je.InputError, match="labels run from 0 to 2; expected 0 to 1"):
        je.tally(linear, weights, [(inputs, labels)], class_names="ab")
    with pytest.raises(je.InputError, match="no batch"):
        je.tally(linear, weights, [], class_names="ab")
    one, other = random_recording(0), random_recording(0, classes=2)
    with pytest.raises(je.InputError, match="same layers, widths and classes"):
        je.Tally.of(one).merge(je.Tally.of(other))
    with pytest.raises(je.InputError, match="one seed"):
        je.Tally.of(one).merge(je.Tally.of(one, seed=1))
    tally = je.Tally.of(one)
    with pytest.raises(je.InputError, match=r"expected \[3, 6\]"):
        je.Tally(tally.layers, (6, 40, 33), tally.on, tally.prints, tally.labels, tally.class_names)


def test_memory_does_not_grow_with_width():
    """Eight bytes an input and layer."""
    for width in (33, 1000):
        tally = je.Tally.of(random_recording(0, widths=(width,)))
        assert tally.prints[0].nbytes == 8 * tally.n


def test_fewer_inputs_of_a_batch_compile_nothing(data, compilations):
    """Recorded and tallied, profiled: with a last batch that is shorter, all programs are at hand."""
    inputs, labels, weights = data

    def run(n):
        je.tally(linear, weights, batches(inputs[:n], labels[:n], 32), class_names="abc")
        recording = je.record(linear, weights, batches(inputs[:n], labels[:n], 32), class_names="abc")
        je.profile(recording, bootstrap=0, bounds=False)

    run(130)
    assert compilations
    compilations.clear()
    run(130)
    run(119)
    assert not compilations


def test_parameters_that_were_put_on_a_device_compile_once(data):
    """As those that a checkpoint was read into: after the first batch, the counts lie there too."""
    inputs, labels, weights = data
    weights = jax.device_put(weights, jax.devices()[0])
    programs: Any = forward._step
    before = programs._cache_size()
    je.tally(linear, weights, batches(inputs, labels, 13), class_names="abc")
    assert programs._cache_size() == before + 1
