import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.verdict import markdown_table


def coins(rates, n=3000, width=64, seed=0, classes=2):
    """Layers of independent neurons that fire with the given rates: the entropy per neuron is known."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return je.Recording.from_activations(
        {f"fc{i}": rng.random((n, width)) < rate for i, rate in enumerate(rates, 1)}, labels, meta={"seed": seed}
    )


def words(verdict, name, network):
    return verdict.table[name].sel(network=network).isel({"class": 0}).values.tolist()


def test_falls_rises_and_undecided_where_they_are_known():
    """0.5 → 0.3 falls by 0.12 bits, 0.3 → 0.45 rises, 0.45 → 0.45 is equal; errors are near 0.001."""
    recording = coins([0.5, 0.3, 0.45, 0.45])
    verdict = je.verdict(je.profile({"recorded": recording}))
    assert words(verdict, "neuron", "recorded") == ["falls", "rises", "undecided"]
    assert verdict.table.neuron_mean.sel(network="recorded").values.tolist() == ["falls", "rises", "undecided"]
    assert words(verdict, "neuron_monotone", "recorded") == "contradicted"
    assert verdict.table.pattern_saturated.all()
    assert "8 rise" not in verdict.text
    assert "cannot be judged from 1500 inputs a class" in verdict.text


def test_monotone_means_that_every_pair_falls():
    assert words(je.verdict(je.profile({"r": coins([0.5, 0.3, 0.1])})), "neuron_monotone", "r") == "holds"
    assert words(je.verdict(je.profile({"r": coins([0.5, 0.5, 0.1])})), "neuron_monotone", "r") == "undecided"


def test_all_seeds_must_agree():
    falling, rising = coins([0.5, 0.3], seed=1), coins([0.3, 0.5], seed=2)
    assert words(je.verdict(je.profile([falling, falling])), "neuron", "recorded") == ["falls"]
    assert words(je.verdict(je.profile([falling, rising])), "neuron", "recorded") == ["undecided"]


def test_chance_decides_in_about_one_of_twenty():
    """Without any fall, 400 cells: the share decided is the 5 % that the interval allows."""
    verdict = je.verdict(je.profile(coins([0.4] * 11, n=4000, width=16, classes=40), bootstrap=300))
    decided = float((verdict.table.neuron != "undecided").mean())
    assert 0.015 < decided < 0.10


def test_pattern_entropy_is_judged_where_it_is_known():
    """4 → 2 fair coins fall by two bits; 40 coins are saturated at 1,500 inputs a class."""
    rng = np.random.default_rng(0)
    labels = np.arange(3000) % 2
    layers = {"a": rng.random((3000, 40)) < 0.5, "b": np.zeros((3000, 40), bool), "c": np.zeros((3000, 40), bool)}
    layers["b"][:, :4] = rng.random((3000, 4)) < 0.5
    layers["c"][:, :2] = rng.random((3000, 2)) < 0.5
    verdict = je.verdict(je.profile({"r": je.Recording.from_activations(layers, labels)}))
    assert words(verdict, "pattern", "r") == ["undecided", "falls"]
    assert words(verdict, "pattern_saturated", "r") == [True, False]
    assert "10 saturated" not in verdict.markdown()
    assert "2 saturated" in verdict.markdown()


@pytest.mark.parametrize("seeds", [1, 3])
def test_excess_over_the_untrained_twin(seeds):
    """Trained falls by 0.28 bits and then by nothing; its twin by 0.03 and then by 0.12."""
    trained = [coins([0.5, 0.2, 0.2], seed=s) for s in range(seeds)]
    untrained = [coins([0.5, 0.4, 0.3], seed=s + 100) for s in range(seeds)]
    verdict = je.verdict(je.profile({"trained": trained, "untrained": untrained}))
    assert verdict.table.excess.isel({"class": 0}).values.tolist() == ["more", "less"]
    assert ("one seed" in verdict.text) == (seeds == 1)
    assert "Is the fall due to training?" in verdict.text


def test_empty_classes_are_noted_and_undecided():
    recording = je.Recording.from_activations(
        {"a": np.random.default_rng(0).random((400, 30)) < 0.5, "b": np.random.default_rng(1).random((400, 30)) < 0.1},
        np.where(np.arange(400) % 2, 2, 0),
    )
    verdict = je.verdict(je.profile({"r": recording}))
    assert verdict.table.neuron.sel(network="r").values.tolist() == [["falls", "undecided", "falls"]]
    assert verdict.table.neuron_mean.sel(network="r").values.tolist() == ["falls"]
    assert "No input of class 1" in verdict.text


def test_verdict_refuses():
    recording = coins([0.5, 0.3], n=200)
    with pytest.raises(je.InputError, match="bootstrap > 0"):
        je.verdict(je.profile(recording, bootstrap=0))
    with pytest.raises(je.InputError, match="bootstrap > 0"):
        je.verdict(je.profile(coins([0.5], n=200)))
    with pytest.raises(je.InputError, match="no estimator 'chao_wang_jost', only plugin"):
        je.verdict(je.profile(recording, estimators=("plugin",)))


def test_tables_are_padded_and_numbers_stand_to_the_right():
    table = markdown_table(["a", "bits"], [["x", "1.0"], ["long", "(10.25)"]])
    assert table.splitlines() == [
        "| a    |    bits |",
        "|------|--------:|",
        "| x    |     1.0 |",
        "| long | (10.25) |",
    ]
