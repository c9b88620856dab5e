"""Profiles of recordings with several rows an input: errors, bounds and nulls go by inputs."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.bounds.brackets import brackets
from jaxentropy.counting.counts import PatternCounts
from jaxentropy.profiling.bootstrap import layer_entropies
from jaxentropy.profiling.clusters import Draws, by_input
from jaxentropy.profiling.inputs import with_null
from jaxentropy.profiling.neuron_measures import neuron_limits, neuron_quantities
from jaxentropy.recording.recording import Recording
from tests import oracles

INPUTS, PLACES, CLASSES = 120, 8, 2


def correlated(inputs=INPUTS, places=PLACES, seed=0, classes=CLASSES, common=2.0) -> Recording:
    """Layers whose positions share most of what moves them with the other positions of their input."""
    rng = np.random.default_rng(seed)
    cause = common * rng.normal(size=(inputs, 1, 12)) + rng.normal(size=(inputs, places, 12)) - 0.8
    layers = {"conv1": cause, "conv2": cause[..., :6] + cause[..., 6:] - 1}
    return je.Recording.from_activations(layers, np.arange(inputs) % classes, positions="each")


@pytest.fixture(scope="module")
def recording() -> Recording:
    return correlated()


@pytest.fixture(scope="module")
def profile(recording):
    return je.profile({"trained": recording}, bootstrap=2000, bounds=False)


def entropies_of(times: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Mean binary entropy, of ``[replicate, neuron]``."""
    p = times / total[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        h = -np.nan_to_num(p * np.log2(p)) - np.nan_to_num((1 - p) * np.log2(1 - p))
    return h.mean(1)


def resampled(recording: Recording, layer: str, label: int, whole_inputs: bool) -> np.ndarray:
    """A bootstrap in NumPy, of inputs with their positions or (wrongly) of rows; the same draws for every layer."""
    rng = np.random.default_rng(label)
    states = recording.states(layer)[recording.labels == label].astype(float)
    units = states.reshape(-1, PLACES, states.shape[1]).sum(1) if whole_inputs else states
    weights = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), size=2000)
    return entropies_of(weights @ units, np.full(2000, len(states)))


@pytest.mark.parametrize("label", range(CLASSES))
def test_errors_agree_with_a_bootstrap_of_inputs_and_not_of_rows(recording, profile, label):
    own = profile.sel(network="trained").isel({"class": label})
    by = {w: [resampled(recording, name, label, w) for name in ("conv1", "conv2")] for w in (True, False)}
    for i, inputs in enumerate(by[True]):
        assert own.neuron_entropy_se[i] == pytest.approx(inputs.std(), rel=0.1)
    assert own.neuron_fall_se[0] == pytest.approx((by[True][0] - by[True][1]).std(), rel=0.1)
    wrong = np.mean([rows.std() / inputs.std() for rows, inputs in zip(by[False], by[True], strict=True)])
    assert wrong < 0.6


def test_planted_bug_a_weight_for_each_row_is_seen(recording, profile):
    rows = layer_entropies(
        recording.words, recording.labels, 0, widths=recording.widths, num_classes=CLASSES, replicates=200
    )
    assert (np.asarray(rows).std(-1) < 0.6 * profile.neuron_entropy_se.sel(network="trained").values).all()


def test_inputs_are_counted_beside_positions(recording, profile):
    assert profile.attrs["positions"] == "each"
    assert profile.n.values.tolist() == [480, 480]
    assert profile.inputs.values.tolist() == [60, 60]
    assert "not inputs" in profile.n.attrs["note"]
    assert "one position" in profile.coverage.attrs["note"]
    assert "note" not in profile.neuron_entropy.attrs
    own = profile.sel(network="trained")
    for i, layer in enumerate(recording.layers):
        states = recording.states(layer)
        for c in range(CLASSES):
            rows = states[recording.labels == c]
            assert own.neuron_entropy[i, c] == pytest.approx(oracles.neuron_entropy(rows))
            counts = np.unique(rows, axis=0, return_counts=True)[1]
            assert own.pattern_entropy.sel(estimator="plugin")[i, c] == pytest.approx(oracles.plugin(counts.tolist()))
    assert own.pattern_entropy_se.sel(estimator="plugin").isnull().all()


def test_what_needs_independence_is_of_one_position_of_each_input(recording, profile):
    rows = by_input(recording)
    assert rows is not None
    every = Draws(*with_null({"trained": [recording]}, 1, 0, rows), recording)
    drawn = every.one_position(rows, 0)
    assert isinstance(drawn.first, Recording)
    assert drawn.first.clusters is not None
    assert sorted(drawn.first.clusters.tolist()) == list(range(INPUTS))
    plain = je.Recording.from_activations(
        {name: drawn.first.states(name) for name in recording.layers}, drawn.first.labels
    )
    alone = je.profile(plain, bootstrap=0, bounds=False)
    own = profile.sel(network="trained")
    for name in ("coverage", "coincident_pairs", "saturation", "saturated", "saturated_pooled", "reliability"):
        np.testing.assert_array_equal(own[name].values, alone[name].values)
    for name in ("pattern_entropy", "pattern_entropy_se", "pattern_entropy_pooled", "pattern_information"):
        for estimator in ("miller_madow", "chao_wang_jost"):
            ours, theirs = (p[name].sel(estimator=estimator).values for p in (own, alone))
            np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_labels_are_shuffled_by_input(recording):
    rows = by_input(recording)
    _, labels = with_null({"trained": [recording]}, 3, 0, rows)
    shuffled = labels["shuffled"][0]
    by_cluster = shuffled.reshape(3, INPUTS, PLACES)
    assert (by_cluster == by_cluster[..., :1]).all()
    assert (by_cluster.sum((1, 2)) == recording.labels.sum()).all()
    assert not np.array_equal(shuffled[0], recording.labels)
    assert not np.array_equal(shuffled[0], shuffled[1])


def test_rows_in_any_order_and_in_a_folder_say_the_same(recording, profile, tmp_path, rng):
    mixed = recording.take(rng.permutation(recording.n))
    found = je.profile({"trained": mixed}, bootstrap=2000, bounds=False, shuffles=0).sel(network="trained")
    ours = profile.sel(network="trained")
    for name in ("neuron_entropy", "neuron_entropy_se", "neuron_fall_se", "copies", "inputs"):
        np.testing.assert_allclose(found[name].values, ours[name].values, rtol=1e-5)
    layers = {name: jnp.asarray(recording.states(name).reshape(INPUTS, PLACES, -1)) for name in recording.layers}

    def network(_, numbers):
        return None, {name: own[numbers] for name, own in layers.items()}

    batches = [(np.arange(INPUTS), np.arange(INPUTS) % CLASSES)]
    folder = tmp_path / "bits"
    spilled = je.record(network, None, batches, positions="each", spill=folder, layers=list(layers))
    assert je.profile({"trained": spilled}, bootstrap=2000, bounds=False).equals(profile)


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_the_corrected_neuron_entropy_encloses_the_truth(rho):
    """Many neurons of one rate are as many repetitions. ``rho``: how often a position copies its input's state."""
    rng, p, inputs, places, width = np.random.default_rng(3), 0.15, 12, 6, 40_000
    own = rng.random((inputs, 1, width)) < p
    copies = rng.random((inputs, places, width)) < rho
    states = np.where(copies, own, rng.random((inputs, places, width)) < p)
    drawn = states[np.arange(inputs), rng.integers(0, places, inputs)]

    def counts(rows):
        on, n = rows.sum(0)[None, None, None], np.full((1, 1, 1), len(rows))
        return PatternCounts(n, on, np.zeros((1, 1, 1), int), np.zeros((1, 1, 1, 1), int))

    every = counts(states.reshape(-1, width))
    found = neuron_quantities(every, every, counts(drawn))
    middle, half = (float(found[f"neuron_entropy_{k}"][1].ravel()[0]) for k in ("corrected", "bias"))
    truth = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    assert middle - half < truth < middle + half
    if rho == 1:  # as many rows as if they were inputs: too sure
        assert neuron_limits(every.on, every.n)[1].ravel()[0] < truth


@pytest.mark.thorough
def test_brackets_hold_of_one_position_an_input_and_fail_of_all_rows():
    """Ten fair bits, the same at all positions of an input: 10 bits, of which 40 inputs can show few."""
    rng = np.random.default_rng(0)
    states = np.repeat(rng.random((40, 1, 10)) < 0.5, 8, axis=1)
    recording = je.Recording.from_activations({"conv": states}, np.zeros(40, int), positions="each")
    profile = je.profile(recording, bootstrap=0)
    assert float(profile.pattern_lower[0, 0]) <= 10 <= float(profile.pattern_upper[0, 0])
    assert profile.reliability.values.tolist() == [["bounds only"]]
    assert "one position" in profile.pattern_upper.attrs["note"]
    upper = brackets([states.reshape(-1, 10)], 0.95, 0)[1]
    assert upper < 10  # planted bug: rows taken for inputs


def test_copies_are_of_inputs(recording, profile):
    assert not profile.copies.any()
    taken = np.arange(recording.n).reshape(INPUTS, PLACES)[:100]
    twice = je.concatenate([recording.take(taken.ravel())] * 2)
    assert je.profile(twice, bootstrap=0, bounds=False, estimators=["plugin"]).copies.all()


def test_the_verdict_counts_inputs():
    """90 rows of 9 inputs are too few."""
    few = correlated(inputs=9, places=10, classes=1)
    found = je.verdict(je.profile(few, bounds=False, bootstrap=50))
    assert found.table.neuron.values.ravel().tolist() == ["undecided"]
    assert "class 0: fewer than 10 inputs" in found.headline


def test_what_is_refused(recording):
    with pytest.raises(je.InputError, match="inputs have 7 to 8 positions; expected as many of each"):
        je.profile(recording.take(np.arange(1, recording.n)))
    other = Recording(recording.layers, recording.widths, recording.words, recording.labels, recording.class_names)
    with pytest.raises(je.InputError, match="differ in what became of positions"):
        je.profile({"trained": recording, "untrained": other})
