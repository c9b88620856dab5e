"""Counting on eight virtual devices, and on two processes, is bit for bit that on one device."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.counting import sharded
from tests import two_processes
from tests.conftest import random_recording
from tests.counting.test_counts import check_counts, few_patterns
from tests.recording.test_recorder import batches, linear


def mesh_of(*shape: int) -> jax.sharding.Mesh:
    return jax.make_mesh(shape, tuple("xyz"[: len(shape)]), (jax.sharding.AxisType.Auto,) * len(shape))


@pytest.fixture(scope="module", autouse=True)
def _eight():
    assert len(jax.devices()) == 8, "tests/conftest.py asks for eight virtual devices"


@pytest.mark.parametrize(("shape", "n", "classes"), [((8,), 203, 3), ((2, 4), 5, 2), ((3,), 64, 40), ((1,), 50, 1)])
def test_counts_are_those_of_one_device(shape, n, classes, rng):
    """Shares of unequal size, empty ones, and labels that are no class."""
    states, labels = few_patterns(rng, n, 40, 30), rng.integers(-1, classes + 1, n)
    counts = je.count_sharded(states, labels, classes, mesh_of(*shape))
    check_counts(counts, states, labels, classes)
    for ours, one in zip(counts, je.count_patterns(states, labels, classes), strict=True):
        np.testing.assert_array_equal(ours, one)


@pytest.mark.thorough
def test_a_key_range_that_overflows_is_made_room_for(rng, monkeypatch):
    """One pattern in as many classes as there are inputs: all entries belong to one device."""
    tries = []
    exchange = sharded._exchange
    monkeypatch.setattr(sharded, "_exchange", lambda *a: tries.append(a[4]) or exchange(*a))
    states, labels = np.ones((400, 33), bool), rng.permutation(400)
    check_counts(je.count_sharded(states, labels, 400, mesh_of(8)), states, labels, 400)
    assert len(tries) == 2
    assert tries[0] < tries[1] == 50


def test_planted_bug_entries_that_find_no_room_are_caught(rng, monkeypatch):
    exchange = sharded._exchange
    monkeypatch.setattr(sharded, "_exchange", lambda *a: (exchange(*a)[0], 0))
    states, labels = np.ones((400, 33), bool), rng.permutation(400)
    with pytest.raises(AssertionError):
        check_counts(je.count_sharded(states, labels, 400, mesh_of(8)), states, labels, 400)


@pytest.mark.thorough
def test_a_recording_and_a_tally_on_a_mesh_are_those_of_one_device(rng):
    inputs = rng.normal(size=(30, 6)).astype(np.float32)[rng.integers(0, 30, 130)]
    labels, weights = rng.integers(0, 3, 130), {"a": rng.normal(size=(6, 37)).astype(np.float32)}
    for size in (52, 30):  # 30 is no multiple of 8: batches are filled up
        one = je.record(linear, weights, batches(inputs, labels, size))
        explicit = jax.make_mesh((8,), ("d",), (jax.sharding.AxisType.Explicit,))
        many = je.record(linear, weights, batches(inputs, labels, size), mesh=explicit)
        for a, b in zip((*one.words, one.labels), (*many.words, many.labels), strict=True):
            np.testing.assert_array_equal(a, b)
    tally = je.tally(linear, weights, batches(inputs, labels, 52), class_names="abc", mesh=mesh_of(2, 4))
    for a, b in zip((*tally.on, *tally.prints), (*je.Tally.of(one).on, *je.Tally.of(one).prints), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_on_a_mesh_that_is_not_finite_is_refused():
    inputs = np.ones((20, 6), np.float32)
    inputs[17, 2] = np.inf
    with pytest.raises(je.InputError, match="layer 'late': 4 of 80 activations for inputs 0 to 19 are NaN or infinite"):
        je.record(linear, {"a": np.ones((6, 4), np.float32)}, [(inputs, np.zeros(20, int))], mesh=mesh_of(8))


@pytest.mark.thorough
def test_the_profile_is_that_of_one_device():
    recordings = {"trained": random_recording(0), "untrained": random_recording(1)}
    assert je.profile(recordings, bounds=False, mesh=mesh_of(8)).equals(je.profile(recordings, bounds=False))
    tallies = {name: je.Tally.of(r) for name, r in recordings.items()}
    assert je.profile(tallies, mesh=mesh_of(8)).equals(je.profile(tallies))


@pytest.mark.parametrize(
    ("activations", "labels", "message"),
    [
        (np.ones((3, 2, 2)), np.zeros(3, int), r"activations \[3, 2, 2\]"),
        (np.ones((3, 2)), np.zeros(4, int), r"labels \[4\]"),
        (np.ones((3, 0)), np.zeros(3, int), "d ≥ 1"),
    ],
)
def test_refuses(activations, labels, message):
    with pytest.raises(je.InputError, match=message):
        je.count_sharded(activations, labels, 2, mesh_of(8))


@pytest.mark.programs
def test_two_real_processes_get_the_counts_and_the_profile_of_the_whole(tmp_path):
    """They speak to each other on loopback, with two devices and a share of the inputs each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.two_processes", str(rank), port, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in running:
        _, output = process.communicate(timeout=120)
        assert process.returncode == 0, output[-3000:]

    layers, labels = two_processes.whole()
    recording = je.Recording.from_activations(layers, labels)
    expected = je.profile(recording, bootstrap=0, bounds=False)
    for rank in range(2):
        found = np.load(tmp_path / f"{rank}.npz")
        assert found["devices"] == 4
        counts = je.PatternCounts(*(found[name] for name in je.PatternCounts._fields))
        check_counts(counts, layers["fc2"] > 0, labels, two_processes.CLASSES)
        for kind in ("recording", "tally"):
            names = [name.removeprefix(f"{kind}/") for name in found.files if name.startswith(f"{kind}/")]
            assert {"n", "neuron_information", "pattern_entropy", "coverage"} <= set(names)
            for name in names:
                # counts are the same; NumPy's sums over neurons round by where their arrays lie in memory
                np.testing.assert_allclose(found[f"{kind}/{name}"], expected[name], rtol=1e-13)
        assert "layers of different widths: [2, 3] words" in (tmp_path / f"{rank}.txt").read_text()
