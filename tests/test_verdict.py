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


def judged(recordings, **settings) -> je.Verdict:
    """The verdict with the plug-in alone: for tests of the neuron entropies."""
    return je.verdict(je.profile(recordings, estimators=("plugin",), bounds=False, **settings), "plugin")


def words(verdict, name, network):
    return verdict.table[name].sel(network=network).isel({"class": 0}).values.tolist()


def test_falls_rises_and_undecided_where_they_are_known():
    """0.5 → 0.3 falls by 0.12 bits, 0.3 → 0.45 rises, 0.45 → 0.45 is equal; errors are near 0.001."""
    recording = coins([0.5, 0.3, 0.45, 0.45])
    verdict = judged({"recorded": recording})
    assert words(verdict, "neuron", "recorded") == ["falls", "rises", "undecided"]
    assert verdict.table.neuron_mean.sel(network="recorded").values.tolist() == ["falls", "rises", "undecided"]
    assert words(verdict, "neuron_monotone", "recorded") == "contradicted"
    assert verdict.table.pattern_saturated.all()
    assert "8 rise" not in verdict.text
    assert "cannot be judged from 1500 inputs a class" in verdict.text


def test_monotone_means_that_every_pair_falls():
    assert words(judged({"r": coins([0.5, 0.3, 0.1])}), "neuron_monotone", "r") == "holds"
    assert words(judged({"r": coins([0.5, 0.5, 0.1])}), "neuron_monotone", "r") == "undecided"


def test_all_seeds_must_agree():
    falling, rising = coins([0.5, 0.3], seed=1), coins([0.3, 0.5], seed=2)
    assert words(judged([falling, falling]), "neuron", "recorded") == ["falls"]
    assert words(judged([falling, rising]), "neuron", "recorded") == ["undecided"]


def test_chance_decides_in_about_one_of_twenty():
    """Without any fall, 400 cells: the share decided is the 5 % that the interval allows."""
    verdict = judged(coins([0.4] * 11, n=4000, width=16, classes=40), bootstrap=300)
    decided = float((verdict.table.neuron != "undecided").mean())
    assert 0.015 < decided < 0.10


def test_pattern_entropy_is_judged_where_it_is_known():
    """4 → 2 fair coins fall by two bits; 40 coins are saturated at 1,500 inputs a class."""
    rng = np.random.default_rng(0)
    labels = np.arange(3000) % 2
    layers = {"a": rng.random((3000, 40)) < 0.5, "b": np.zeros((3000, 40), bool), "c": np.zeros((3000, 40), bool)}
    layers["b"][:, :4] = rng.random((3000, 4)) < 0.5
    layers["c"][:, :2] = rng.random((3000, 2)) < 0.5
    verdict = je.verdict(je.profile({"r": je.Recording.from_activations(layers, labels)}, bounds=False))
    assert words(verdict, "pattern", "r") == ["undecided", "falls"]
    assert words(verdict, "pattern_saturated", "r") == [True, False]
    assert "10 saturated" not in verdict.markdown()
    assert "2 saturated" in verdict.markdown()


@pytest.mark.parametrize("seeds", [1, 3])
def test_excess_over_the_untrained_twin(seeds):
    """Trained falls by 0.28 bits and then by nothing; its twin by 0.03 and then by 0.12."""
    trained = [coins([0.5, 0.2, 0.2], seed=s) for s in range(seeds)]
    untrained = [coins([0.5, 0.4, 0.3], seed=s + 100) for s in range(seeds)]
    verdict = judged({"trained": trained, "untrained": untrained})
    assert verdict.table.excess.isel({"class": 0}).values.tolist() == ["more", "less"]
    assert ("one seed" in verdict.text) == (seeds == 1)
    assert "Is the fall due to training?" in verdict.text


def test_seeds_that_share_their_inputs_do_not_decide_by_themselves():
    """Every layer copies one of four coins with noise: no excess at all, and errors that three seeds have in common."""
    rng = np.random.default_rng(5)
    labels = np.arange(1600) % 40
    coins_of = rng.random((1600, 4)) < 0.3

    def network(seed):
        noise = np.random.default_rng(seed)
        return je.Recording.from_activations(
            {f"fc{i}": coins_of[:, [i] * 24] ^ (noise.random((1600, 24)) < 0.1) for i in range(4)}, labels
        )

    reversed_layers = [
        je.Recording.from_activations(
            {
                f"fc{i}": coins_of[:, [3 - i] * 24] ^ (np.random.default_rng(s).random((1600, 24)) < 0.1)
                for i in range(4)
            },
            labels,
        )
        for s in (10, 11, 12)
    ]
    given = {"trained": [network(s) for s in range(3)], "untrained": reversed_layers}
    verdict = judged(given)
    assert float((verdict.table.excess != "undecided").mean()) < 0.15


def test_many_sparse_neurons_are_no_fall():
    """32 fair coins and 288 constants against 320 neurons that fire at 1.3 %: equal mean entropy, unequal bias."""
    rng = np.random.default_rng(0)
    labels = np.arange(8000) % 20
    fair = np.zeros((8000, 320), bool)
    fair[:, :32] = rng.random((8000, 32)) < 0.5
    rate = 0.012997  # its entropy is a tenth of a bit
    layers = {"fair": fair, "sparse": rng.random((8000, 320)) < rate}
    verdict = judged({"r": je.Recording.from_activations(layers, labels)})
    assert verdict.table.neuron_mean.sel(network="r").values.tolist() != ["falls"]
    assert float((verdict.table.neuron == "falls").mean()) < 0.15


@pytest.mark.parametrize("n", [2, 3, 5])
def test_classes_of_few_inputs_are_undecided(n):
    verdict = judged(coins([0.5] * 4, n=30 * n, classes=30))
    assert (verdict.table.neuron == "undecided").all()
    assert (verdict.table.neuron_mean == "undecided").all()
    assert "Fewer than 10 inputs of class 0, 1" in verdict.text


def test_a_common_pattern_does_not_hide_that_the_rest_is_unseen():
    """40 % one pattern and 60 % of 2⁹⁰ others, then 25 % and 75 % of 2¹⁶: it falls by 42 bits, and cannot be seen."""
    rng = np.random.default_rng(0)
    layers = {}
    for name, share, bits in (("a", 0.4, 90), ("b", 0.25, 16)):
        layers[name] = np.zeros((1600, 90), bool)
        layers[name][:, :bits] = (rng.random((1600, bits)) < 0.5) & (rng.random((1600, 1)) >= share)
    verdict = je.verdict(je.profile(je.Recording.from_activations(layers, np.arange(1600) % 4), bounds=False))
    assert verdict.table.pattern_saturated.all()


def test_one_network_of_many_keeps_its_name():
    recording = coins([0.5, 0.3])
    both = {"trained": recording, "untrained": recording}
    chosen = je.profile(both, estimators=("plugin",), bounds=False).sel(network="untrained")
    assert "the untrained network" in je.verdict(chosen, "plugin").text


def test_empty_classes_are_noted_and_undecided():
    recording = je.Recording.from_activations(
        {"a": np.random.default_rng(0).random((400, 30)) < 0.5, "b": np.random.default_rng(1).random((400, 30)) < 0.1},
        np.where(np.arange(400) % 2, 2, 0),
    )
    verdict = judged({"r": recording})
    assert verdict.table.neuron.sel(network="r").values.tolist() == [["falls", "undecided", "falls"]]
    assert verdict.table.neuron_mean.sel(network="r").values.tolist() == ["falls"]
    assert "No input of class 1" in verdict.text


def test_verdict_refuses():
    recording = coins([0.5, 0.3], n=200)
    with pytest.raises(je.InputError, match="bootstrap > 0"):
        judged(recording, bootstrap=0)
    with pytest.raises(je.InputError, match="bootstrap > 0"):
        judged(coins([0.5], n=200))
    with pytest.raises(je.InputError, match="no estimator 'chao_wang_jost', only plugin"):
        je.verdict(je.profile(recording, estimators=("plugin",), bounds=False))


def test_tables_are_padded_and_numbers_stand_to_the_right():
    table = markdown_table(["a", "bits"], [["x", "1.0"], ["long", "(10.25)"]])
    assert table.splitlines() == [
        "| a    |    bits |",
        "|------|--------:|",
        "| x    |     1.0 |",
        "| long | (10.25) |",
    ]
