"""Enumerations: every number against brute force in fractions."""

import math
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.capture import sown
from jaxentropy.networks.models import MLP
from jaxentropy.networks.training import Recipe, train

CLASSES = 4


def bits(items) -> float:
    """Entropy of (outcome, weight) pairs: probabilities are fractions, and only the logarithm is rounded."""
    weight: dict = defaultdict(Fraction)
    for outcome, own in items:
        weight[outcome] += own
    total = sum(weight.values(), Fraction(0))
    return math.fsum(-float(w / total) * math.log2(w / total) for w in weight.values() if w)


def brute(states, labels, weights, chosen=None):
    """(neuron entropy, pattern entropy) of the chosen inputs: means over neurons, and of the joint pattern."""
    rows = range(len(labels)) if chosen is None else [i for i in range(len(labels)) if labels[i] == chosen]
    if not rows:
        return math.nan, math.nan
    weights = [Fraction(int(weights[i])) for i in rows]
    neurons = [bits(zip((bool(states[i, k]) for i in rows), weights, strict=True)) for k in range(states.shape[1])]
    return math.fsum(neurons) / len(neurons), bits(zip((states[i].tobytes() for i in rows), weights, strict=True))


@pytest.fixture(scope="module")
def problem():
    """Two seeds of three layers over 60 weighted inputs; class 3 never occurs, one neuron is dead, one always on."""
    rng = np.random.default_rng(0)
    labels, weights = rng.integers(0, 3, 60), rng.integers(1, 9, 60)
    group = []
    for seed in (0, 1):
        fc1 = rng.random((60, 9)) < 0.4
        fc1[:, 0], fc1[:, 1] = False, True
        fc2 = np.stack([fc1[:, 2] & fc1[:, 3], fc1[:, 4], fc1[:, 5] | fc1[:, 6]], axis=1)
        fc3 = rng.random((60, 40)) < 0.1
        layers = {"fc1": fc1, "fc2": fc2, "fc3": fc3}
        group.append(
            je.Recording.from_activations(
                layers, labels, class_names=range(CLASSES), meta={"seed": seed}, exhaustive=True, weights=weights
            )
        )
    return group, labels, weights


def test_every_entropy_is_that_of_fractions(problem):
    group, labels, weights = problem
    profile = je.profile({"trained": group, "untrained": group}, shuffles=0)
    assert profile.estimator.values.tolist() == ["exact"]
    assert profile.attrs["population"] == "enumeration"
    share = [Fraction(int(weights[labels == c].sum()), int(weights.sum())) for c in range(CLASSES)]
    for s, recording in enumerate(group):
        for name in recording.layers:
            states = recording.states(name)
            own = profile.sel(network="trained", layer=name).isel(seed=s)
            found = [brute(states, labels, weights, c) for c in range(CLASSES)]
            neuron, pattern = (np.array(x) for x in zip(*found, strict=True))
            np.testing.assert_allclose(own.neuron_entropy, neuron, atol=1e-12)
            for variable in (own.pattern_entropy.sel(estimator="exact"), own.pattern_lower, own.pattern_upper):
                np.testing.assert_allclose(variable, pattern, atol=1e-12)
            pooled = brute(states, labels, weights)
            given = [math.fsum(float(p) * x[k] for p, x in zip(share, found, strict=True) if p) for k in (0, 1)]
            np.testing.assert_allclose(own.neuron_entropy_pooled, pooled[0], atol=1e-12)
            np.testing.assert_allclose(own.pattern_entropy_pooled, pooled[1], atol=1e-12)
            np.testing.assert_allclose(own.neuron_information, pooled[0] - given[0], atol=1e-12)
            np.testing.assert_allclose(own.pattern_information, pooled[1] - given[1], atol=1e-12)
            assert own.never_on == (~states).all(0).mean()
            assert own.never_off == states.all(0).mean()
            active = states.any(0) & ~states.all(0)
            np.testing.assert_allclose(
                own.neuron_entropy_active, [brute(states[:, active], labels, weights, c)[0] for c in range(CLASSES)]
            )
        for a, b in (("fc1", "fc2"), ("fc2", "fc3")):
            both = np.concatenate([recording.states(a), recording.states(b)], axis=1)
            joint = [brute(both, labels, weights, c)[1] for c in range(CLASSES)]
            this = [brute(recording.states(a), labels, weights, c)[1] for c in range(CLASSES)]
            added = profile.pattern_conditional_upper.sel(network="trained", step=f"{a}→{b}").isel(seed=s)
            np.testing.assert_allclose(added, np.subtract(joint, this), atol=1e-12)
    assert (profile.pattern_conditional_upper.sel(step="fc1→fc2").isel({"class": slice(3)}) < 1e-9).all()
    assert profile.neuron_entropy.sel({"class": "3"}).isnull().all()


@pytest.mark.thorough
def test_a_profile_of_a_sample_has_no_variable_that_an_exact_one_lacks():
    states = np.random.default_rng(1).random((30, 4)) < 0.5
    every = je.Recording.from_activations({"fc1": states, "fc2": ~states}, np.zeros(30, int), exhaustive=True)
    exact, sample = (
        je.profile({"trained": [r], "untrained": [r]}, estimators=("plugin",), bootstrap=20)
        for r in (every, every.take(np.arange(30)))
    )
    assert set(sample.data_vars) - set(exact.data_vars) == {"total_correlation_lower", "total_correlation_upper"}
    for name in set(sample.data_vars) & set(exact.data_vars):
        assert exact[name].dims == sample[name].dims, name
        assert exact[name].attrs == sample[name].attrs, name


def test_equal_weights_are_the_plug_in(problem):
    (recording, _), labels, _ = problem
    layers = {name: recording.states(name) for name in recording.layers}
    every = je.Recording.from_activations(layers, labels, exhaustive=True)
    exact, sample = je.profile(every), je.profile(recording.take(np.arange(60)), bounds=False, bootstrap=0)
    own = {"class": slice(3)}
    np.testing.assert_allclose(
        exact.pattern_entropy.isel(own).sel(estimator="exact"),
        sample.pattern_entropy.isel(own).sel(estimator="plugin"),
        atol=1e-12,
    )
    np.testing.assert_allclose(exact.neuron_information, sample.neuron_information, atol=1e-12)


@pytest.mark.thorough
def test_modular_addition_trained_and_untrained():
    """The network that the documentation names, smaller in width and training: 9,409 inputs, 97 classes."""
    data = je.datasets.load("task:modular-addition:97")
    model = MLP((32, 32, 32), 97)
    networks = train(model, data, (0,), Recipe(epochs=2, batch_size=512))
    recordings = {
        name: je.record(sown(model), variables, data.batches("all", 1000), exhaustive=True)
        for name, variables in zip(("untrained", "trained"), networks.of_seed(0), strict=True)
    }
    profile = je.profile(recordings)
    ones = np.ones(97 * 97)
    for name, recording in recordings.items():
        for layer in recording.layers:
            own = profile.sel(network=name, layer=layer)
            for c in (0, 50, 96):
                neuron, pattern = brute(recording.states(layer), recording.labels, ones, c)
                assert abs(own.neuron_entropy.values[c] - neuron) < 1e-9
                assert abs(own.pattern_entropy.values[c, 0] - pattern) < 1e-9


def test_weights_travel(problem, tmp_path):
    (recording, other), *_ = problem
    recording.save(tmp_path / "r.npz")
    np.testing.assert_array_equal(je.Recording.load(tmp_path / "r.npz").weights, recording.weights)
    both = je.concatenate([recording, other])
    assert both.weights is not None
    assert len(both.weights) == 120
    assert "every input" in repr(recording)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": [1.0] * 4}, "say so with exhaustive=True"),
        ({"exhaustive": True, "weights": [1.0] * 3}, r"weights of shape \[3\] for 4 inputs; expected a positive"),
        ({"exhaustive": True, "weights": [1.0, 0.0, 1.0, 1.0]}, "leave out inputs that never occur"),
        ({"exhaustive": True, "weights": [1.0, np.nan, 1.0, 1.0]}, "expected a positive number"),
    ],
)
def test_weights_that_are_none(settings, message):
    with pytest.raises(je.InputError, match=message):
        je.Recording.from_activations({"fc1": np.eye(4)}, [0, 0, 1, 1], **settings)


def test_populations_are_not_mixed(problem):
    (recording, other), *_ = problem
    sample = recording.take(np.arange(60))
    with pytest.raises(je.InputError, match="only over one population"):
        je.profile({"trained": recording, "untrained": sample})
    with pytest.raises(je.InputError, match="some recordings are of every input and some are samples"):
        je.concatenate([sample, other])
    with pytest.raises(je.InputError, match="an enumeration is held in memory"):
        je.record(lambda v, x: (x, {"fc1": x}), 0.0, [(np.eye(2), np.arange(2))], exhaustive=True, spill="folder")
