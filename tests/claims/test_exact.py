"""Verdicts on enumerations: what is known is said, without an error bar."""

import numpy as np

import jaxentropy as je


def every_input(layers, labels, seed=0):
    return je.Recording.from_activations(layers, labels, exhaustive=True, meta={"seed": seed})


def inputs(bits):
    return (np.arange(2**bits)[:, None] >> np.arange(bits) & 1).astype(bool)


def test_falls_rises_and_equal():
    """Bits themselves, their copy, ANDs of pairs (¾ off: 0.81 bits a neuron), and bits again."""
    x = inputs(4)
    pairs = np.repeat(x[:, :2] & x[:, 2:], 2, axis=1)
    labels = np.zeros(16, int)
    recording = every_input({"fc1": x, "fc2": ~x, "fc3": pairs, "fc4": np.repeat(x[:, :2], 2, axis=1)}, labels)
    found = je.verdict(je.profile(recording))
    assert found.table.neuron.values.ravel().tolist() == ["equal", "falls", "rises"]
    assert found.table.pattern.isel({"class": 0}).values.ravel().tolist() == [
        "equal", "falls exactly", "falls exactly", "falls exactly", "falls exactly", "rises exactly",
    ]  # fmt: skip
    assert found.table.neuron_monotone.values.ravel().tolist() == ["contradicted"]
    assert not found.table.pattern_unreliable.any()
    assert "All 16 inputs were listed" in found.text
    assert "0.000 at fc1→fc2" in found.text


def test_a_narrow_layer_falls_by_width_and_a_level_one_never_rises():
    x = inputs(4)
    found = je.verdict(je.profile(every_input({"fc1": x, "fc2": x[:, :2], "fc3": ~x[:, :2]}, np.zeros(16, int))))
    assert found.table.pattern.values.ravel().tolist() == ["falls by width", "falls by width", "equal"]
    assert found.table.neuron_monotone.values.ravel().tolist() == ["never rises"]
    assert "undecided for 0; level at some step, but never rising, for 1;" in found.text
    assert "holds more bits than the deeper one has neurons" in found.text
    assert "standard error" not in found.text


def test_zero_has_no_sign():
    x = inputs(4)
    weights = np.random.default_rng(3).random(16)  # whose sums are rounded to a little below zero
    layers = {"fc1": x, "fc2": x[:, :2]}
    recording = je.Recording.from_activations(layers, np.zeros(16, int), exhaustive=True, weights=weights)
    assert "-0.000" not in je.verdict(je.profile(recording)).text


def test_seeds_that_differ_are_undecided_and_twins_that_do_not_are_equal():
    x, labels = inputs(4), np.zeros(16, int)
    half = np.repeat(x[:, :2] & x[:, 2:], 2, axis=1)
    group = [every_input({"fc1": x, "fc2": half}, labels, 0), every_input({"fc1": half, "fc2": x}, labels, 1)]
    found = je.verdict(je.profile({"trained": group, "untrained": group}))
    assert found.table.neuron.sel(network="trained").values.ravel().tolist() == ["undecided"]
    assert found.table.excess.values.ravel().tolist() == ["equal"]
    assert "the seeds differ" in found.text
    assert "holds" in repr(je.verdict(je.profile(group[0])))


def test_a_class_that_never_occurs_is_undecided():
    x = inputs(3)
    recording = je.Recording.from_activations({"fc1": x, "fc2": x}, np.zeros(8, int), class_names="ab", exhaustive=True)
    found = je.verdict(je.profile(recording)).table.neuron.squeeze()
    assert found.values.tolist() == ["equal", "undecided"]


def test_small_classes_are_judged_too():
    x = inputs(2)
    found = je.verdict(
        je.profile(every_input({"fc1": x, "fc2": np.repeat(x[:, :1] & x[:, 1:], 2, 1)}, np.zeros(4, int)))
    )
    assert found.table.neuron.values.ravel().tolist() == ["falls"]
