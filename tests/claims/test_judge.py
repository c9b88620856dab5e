import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from benchmarks.verdicts import sparse_against_few, spikes, uniform
from jaxentropy.base.markdown import markdown_table
from jaxentropy.bounds.brackets import both_brackets
from jaxentropy.profiling import brackets as profiling_brackets
from jaxentropy.profiling import profiler
from tests.conftest import random_recording
from tests.problems import spike_entropy


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
    assert verdict.table.pattern_unreliable.all()
    assert "8 rise" not in verdict.text
    assert "cannot be judged from 1500 inputs a class" in verdict.text


def test_monotone_means_that_every_pair_falls():
    assert words(judged({"r": coins([0.5, 0.3, 0.1])}), "neuron_monotone", "r") == "holds"
    assert words(judged({"r": coins([0.5, 0.5, 0.1])}), "neuron_monotone", "r") == "undecided"


def test_all_seeds_must_agree():
    falling, rising = coins([0.5, 0.3], seed=1), coins([0.3, 0.5], seed=2)
    assert words(judged([falling, falling]), "neuron", "recorded") == ["falls"]
    assert words(judged([falling, rising]), "neuron", "recorded") == ["undecided"]


@pytest.mark.thorough
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
    assert verdict.table.pair.values.tolist() == ["a→b", "a→c", "b→c"]
    assert words(verdict, "pattern", "r") == ["undecided", "undecided", "likely falls"]
    assert words(verdict, "pattern_unreliable", "r") == [True, True, False]
    assert "10 unreliable" not in verdict.markdown()
    step_a, step_b = verdict.markdown().splitlines()[2:]
    assert "2 unreliable" in step_a
    assert "2 likely falls" in step_b
    assert "certain" not in str(verdict)


@pytest.fixture(scope="module")
def plain() -> xr.Dataset:
    """Two seeds of a trained network and its twin: three layers whose point estimates decide nothing."""
    group = [coins([0.5, 0.5, 0.5], n=60, width=24, seed=s) for s in (0, 1)]
    return je.profile({"trained": group, "untrained": group}, bootstrap=50, bounds=False)


def bracketed(profile, brackets, reliability="bounds only") -> xr.Dataset:
    """The profile with the same ``[(lower, upper), …]`` (bits), one a layer, in every network, seed and class."""
    like = xr.zeros_like(profile.saturated, float)
    lower, upper = (xr.DataArray(list(limit), dims="layer") for limit in zip(*brackets, strict=True))
    empty = (profile.n == 0) | (profile.network == "shuffled")
    full = profile.assign(
        pattern_lower=(like + lower).where(~empty),
        pattern_upper=(like + upper).where(~empty),
        reliability=(like.dims, np.full(like.shape, reliability)),
    )
    full.attrs["bounds_confidence"] = 0.95
    return full


def estimated(profile, values, error=0.1) -> xr.Dataset:
    """The profile with these estimates of the pattern entropy (bits), one a layer."""
    like = xr.zeros_like(profile.pattern_entropy)
    return profile.assign(
        pattern_entropy=like.fillna(0) + xr.DataArray(values, dims="layer"),
        pattern_entropy_se=like.fillna(0) + error,
    )


def test_brackets_that_do_not_overlap_are_certain(plain):
    """8–20, 9–10 and 2–7 bits: the last lies under both others, which overlap."""
    verdict = je.verdict(bracketed(plain, [(8, 20), (9, 10), (2, 7)]))
    assert verdict.table.pair.values.tolist() == ["fc1→fc2", "fc1→fc3", "fc2→fc3"]
    assert verdict.table.pattern.dims == ("network", "class", "pair")
    falls = ["undecided", "falls for certain", "falls for certain"]
    assert words(verdict, "pattern", "trained") == words(verdict, "pattern", "untrained") == falls
    assert words(verdict, "pattern", "shuffled") == ["undecided"] * 3
    rises = je.verdict(bracketed(plain, [(2, 7), (9, 10), (8, 20)]))
    assert words(rises, "pattern", "trained") == ["rises for certain", "rises for certain", "undecided"]
    touching = je.verdict(bracketed(plain, [(7, 8), (7, 7), (7, 9)]))
    assert (touching.table.pattern == "undecided").all()


def test_brackets_decide_from_the_right_ends(plain):
    """Planted bug: lower against lower, or upper against upper, would decide these."""
    assert (je.verdict(bracketed(plain, [(5, 9), (4, 8), (3, 7)])).table.pattern == "undecided").all()
    assert (je.verdict(bracketed(plain, [(1, 9), (2, 8), (3, 7)])).table.pattern == "undecided").all()
    swapped = bracketed(plain, [(5, 9), (4, 8), (3, 7)])
    swapped = swapped.assign(pattern_lower=swapped.pattern_upper, pattern_upper=swapped.pattern_lower)
    assert (je.verdict(swapped).table.pattern.sel(network="trained") != "undecided").any()


def test_a_certain_answer_wins_over_a_likely_one(plain):
    """The estimates rise at each step, beyond all error; the brackets say otherwise, or nothing."""
    rising = estimated(bracketed(plain, [(8, 20), (9, 10), (2, 7)], "usable"), [3.0, 5.0, 7.0])
    assert words(je.verdict(rising), "pattern", "trained") == ["likely rises", "falls for certain", "falls for certain"]
    falling = estimated(bracketed(plain, [(8, 20), (9, 10), (2, 20)], "usable"), [7.0, 5.0, 4.9])
    assert words(je.verdict(falling), "pattern", "trained") == ["likely falls", "likely falls", "undecided"]


@pytest.mark.parametrize("label", je.LABELS)
def test_estimates_are_judged_where_both_layers_are_usable(plain, label):
    """The label of the middle layer takes the place of ``saturated``, which is set everywhere here."""
    assert plain.saturated.all()
    falling = estimated(bracketed(plain, [(0, 30)] * 3, "good"), [7.0, 5.0, 3.0])
    falling["reliability"] = xr.where(falling.layer == "fc2", label, falling.reliability).transpose(
        *plain.saturated.dims
    )
    trusted = label in ("reliable", "good", "usable")
    step = "likely falls" if trusted else "undecided"
    verdict = je.verdict(falling)
    assert words(verdict, "pattern", "trained") == [step, "likely falls", step]
    assert words(verdict, "pattern_unreliable", "trained") == [not trusted, False, not trusted]
    assert ("4 of the undecided cells are *unreliable*" in verdict.text) == (not trusted)


def test_one_seed_that_disagrees_leaves_a_pair_undecided(plain):
    full = bracketed(plain, [(8, 20), (9, 10), (2, 7)])
    other = (full.layer == "fc3") & (full.seed == 1) & (full["class"] == "0")
    full["pattern_upper"] = xr.where(other, 9.5, full.pattern_upper).transpose(*plain.saturated.dims)
    pattern = je.verdict(full).table.pattern.sel(network="trained")
    assert pattern.sel({"class": "0"}).values.tolist() == ["undecided"] * 3
    assert pattern.sel({"class": "1"}).values.tolist() == ["undecided", "falls for certain", "falls for certain"]


def test_without_a_bracket_nothing_is_certain(plain):
    """NaN limits, as of an empty class, in one seed; then no limits at all."""
    full = bracketed(plain, [(8, 20), (9, 10), (2, 7)])
    missing = (full["class"] == "0") & (full.seed == 0)
    for name in ("pattern_lower", "pattern_upper"):
        full[name] = full[name].where(~missing)
    pattern = je.verdict(full).table.pattern.sel(network="trained")
    assert (pattern.sel({"class": "0"}) == "undecided").all()
    assert (pattern.sel({"class": "1"}) == "falls for certain").sum() == 2
    none = full.drop_vars(["pattern_lower", "pattern_upper"])
    assert (je.verdict(none).table.pattern == "undecided").all()
    assert "certain" not in str(je.verdict(none))
    assert "in which no class is decided: 3." in je.verdict(none).text


def test_every_pair_of_layers_is_named_with_its_classes(plain):
    text = je.verdict(bracketed(plain, [(8, 20), (9, 10), (2, 7)])).text
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0] == ["pair of layers (classes that …)", "pattern, trained", "pattern, untrained"]
    assert rows[2:] == [
        ["fc1→fc2", "0 falls for certain, 2 unreliable", "0 falls for certain, 2 unreliable"],
        ["fc1→fc3", "2 falls for certain", "2 falls for certain"],
        ["fc2→fc3", "2 falls for certain", "2 falls for certain"],
    ]
    assert "Of 6 cells (a class and a pair of layers): 4 falls for certain, 0 likely falls" in text
    assert "at most 5 % for one pair and class" in text
    assert "in any of the 2 seeds" in text


def test_of_many_layers_only_the_pairs_with_an_answer_are_listed():
    """Nine layers have 36 pairs: the last layer lies under the first three, for certain."""
    many = je.profile({"recorded": coins([0.5] * 9, n=40, width=12)}, bootstrap=50, bounds=False)
    verdict = je.verdict(bracketed(many, [(9, 20)] * 3 + [(5, 20)] * 5 + [(2, 8)]))
    listed = [line.split()[1] for line in verdict.text.splitlines() if line.startswith("| fc")]
    assert listed == ["fc1→fc9", "fc2→fc9", "fc3→fc9"]
    assert "left out above: 33." in verdict.text
    assert len(verdict.markdown().splitlines()) == 2 + 8


@pytest.mark.parametrize("seeds", [1, 3])
def test_excess_over_the_untrained_twin(seeds):
    """Trained falls by 0.28 bits and then by nothing; its twin by 0.03 and then by 0.12."""
    trained = [coins([0.5, 0.2, 0.2], seed=s) for s in range(seeds)]
    untrained = [coins([0.5, 0.4, 0.3], seed=s + 100) for s in range(seeds)]
    verdict = judged({"trained": trained, "untrained": untrained})
    assert verdict.table.excess.isel({"class": 0}).values.tolist() == ["more", "less"]
    assert ("one seed" in verdict.text) == (seeds == 1)
    assert "Is the fall due to training?" in verdict.text


@pytest.mark.thorough
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
    layers = {"fc1": fair, "fc2": rng.random((8000, 320)) < rate}
    verdict = judged({"r": je.Recording.from_activations(layers, labels)})
    assert verdict.table.neuron_mean.sel(network="r").values.tolist() != ["falls"]
    assert float((verdict.table.neuron == "falls").mean()) < 0.15


@pytest.mark.thorough
@pytest.mark.parametrize(("n", "d", "seeds"), [(400, 4096, 1), (400, 512, 5), (5000, 512, 1)])
def test_neurons_that_are_hardly_ever_on_are_no_fall(n, d, seeds):
    """All on for 0.3 of n inputs, against few of a middling rate: the same mean entropy. Bias alone decided these."""
    classes = 10 if n < 1000 else 4
    layers, labels = sparse_against_few(n, d, 0.3), np.arange(n * classes) % classes
    recordings = [
        je.Recording.from_activations(layers(np.random.default_rng(s), n * classes), labels) for s in range(seeds)
    ]
    profile = je.profile(recordings, estimators=("plugin",), bounds=False, bootstrap=100, shuffles=0)
    assert (je.verdict(profile, "plugin").table.neuron == "undecided").all()
    if seeds == 1 and d == 4096:  # the control: without the bias in the interval, and without a smallest effect
        blind = profile.assign(neuron_fall_bias=0 * profile.neuron_fall_bias)
        blind["neuron_fall"] = profile.neuron_fall + profile.neuron_fall_bias
        assert float((je.verdict(blind, "plugin", smallest_effect=0.0).table.neuron != "undecided").mean()) > 0.5


def test_a_change_too_small_to_matter_is_not_worth_a_word():
    """0.5 → 0.48: 0.0012 bits, beyond all error in 40,000 inputs; 0.48 → 0.45 is 0.006."""
    profile = je.profile(coins([0.5, 0.48, 0.45], n=40_000), estimators=("plugin",), bounds=False)
    assert words(je.verdict(profile, "plugin"), "neuron", "recorded") == ["undecided", "falls"]
    assert words(je.verdict(profile, "plugin", smallest_effect=0.0), "neuron", "recorded") == ["falls", "falls"]
    assert words(je.verdict(profile, "plugin", smallest_effect=0.01), "neuron", "recorded") == ["undecided"] * 2
    assert "below 0.01 bits a neuron" in je.verdict(profile, "plugin", smallest_effect=0.01).text


@pytest.mark.thorough
def test_rare_expensive_patterns_make_no_certain_fall(monkeypatch):
    """5 patterns, then a constant with random bits for one input in 200: 100 inputs seldom show the rise by 0.28 bits.

    The control is the normal limit, which was the default once: it is certain of a fall in most classes.
    """
    n, classes, width = 100, 3, 512
    rng, labels = np.random.default_rng(0), np.arange(n * classes) % classes
    states = {"a": uniform(5, width)(rng, n * classes), "b": spikes(0.5 / n, width)(rng, n * classes)}
    assert np.log2(5) == pytest.approx(2.32, abs=0.005)
    assert spike_entropy(0.5 / n, width) == pytest.approx(2.61, abs=0.005)
    recording = je.Recording.from_activations(states, labels)

    def certain() -> xr.DataArray:
        profile = je.profile(recording, estimators=("plugin",), bootstrap=50, shuffles=0)
        return je.verdict(profile, "plugin").table.pattern == "falls for certain"

    monkeypatch.setattr(profiler, "conditional_uppers", lambda *args: {})  # not asked for here
    assert not certain().any()
    monkeypatch.setattr(profiling_brackets, "brackets", lambda *args: both_brackets(*args)[1])
    assert float(certain().mean()) > 0.3


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
    assert verdict.table.pattern_unreliable.all()


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
    with pytest.raises(je.InputError, match="no estimator 'chao_wang_jost', only plugin"):
        je.verdict(je.profile(recording, estimators=("plugin",), bounds=False))
    with pytest.raises(je.InputError, match=r"smallest_effect is -1.0; expected 0 or more"):
        je.verdict(je.profile(recording, bounds=False), smallest_effect=-1.0)
    with pytest.raises(je.InputError, match="made by an earlier version"):
        je.verdict(je.profile(recording, bounds=False).drop_vars(["neuron_fall_bias"]))


def test_tables_are_padded_and_numbers_stand_to_the_right():
    table = markdown_table(["a", "bits"], [["x", "1.0"], ["long", "(10.25)"]])
    assert table.splitlines() == [
        "| a    |    bits |",
        "|------|--------:|",
        "| x    |     1.0 |",
        "| long | (10.25) |",
    ]


def test_brackets_that_decide_nothing_are_told_pair_by_pair(plain):
    text = je.verdict(bracketed(plain, [(0, 30)] * 3)).text
    assert text.count("0 falls for certain, 2 unreliable") == 6


# ---- neurons that never fire


def partly_dead(rates, dead, **given) -> je.Recording:
    """As ``coins``, with so many neurons of each layer switched off."""
    recording = coins(rates, **given)
    layers = {layer: np.array(recording.states(layer)) for layer in recording.layers}
    for states, off in zip(layers.values(), dead, strict=True):
        states[:, :off] = False
    return je.Recording.from_activations(layers, recording.labels, meta=recording.meta)


def test_dead_neurons_do_not_decide_alone():
    """0.5 → 0.3 → 0.1 falls in every neuron that lives; 40 dead ones of 64 make the first mean the lower one."""
    trained, twin = partly_dead([0.5, 0.3, 0.1], [40, 0, 1]), coins([0.5, 0.3, 0.1], seed=1)
    verdict = judged({"trained": trained, "untrained": twin})
    assert words(verdict, "neuron", "trained") == ["rises", "falls"]
    assert words(verdict, "neuron_monotone", "trained") == "contradicted"
    assert words(verdict, "neuron_active", "trained") == ["falls", "falls"]
    assert words(verdict, "neuron_active_monotone", "trained") == "holds"
    assert verdict.table.neuron_active_mean.sel(network="trained").values.tolist() == ["falls", "falls"]
    assert words(verdict, "neuron_active", "shuffled") == ["undecided"] * 2
    assert "Of fc1's 64 neurons 62 % never fire (untrained 0 %); of fc3's 64 neurons 2 % never fire" in verdict.text
    without = "*without the neurons that are constant over all inputs*: at every step for 2 of 2 classes"
    assert f"The trained network {without}" in verdict.text
    assert "*Over all neurons*: at every step for 0 of 2 classes; contradicted (a step rises) for 2" in verdict.text
    assert f"The untrained network {without}" not in verdict.text
    assert "neuron that is not constant, trained" in verdict.markdown()


def test_dead_neurons_that_change_no_answer_take_one_sentence():
    verdict = judged({"recorded": partly_dead([0.5, 0.3], [4, 4])})
    assert "Of fc1's 64 neurons 6 % never fire; of fc2's 64 neurons 6 % never fire. Without the" in verdict.text
    assert "the answer is the same" in verdict.text
    assert "not constant" not in verdict.markdown()
    assert "constant" not in judged({"recorded": coins([0.5, 0.3])}).text


@pytest.mark.filterwarnings("ignore::jaxentropy.ConstantLayerWarning")
def test_a_layer_of_dead_neurons_only_is_undecided_without_them():
    verdict = judged({"recorded": partly_dead([0.5, 0.3], [0, 64])})
    assert words(verdict, "neuron", "recorded") == ["falls"]
    assert words(verdict, "neuron_active", "recorded") == ["undecided"]
    assert "Of fc2's 64 neurons 100 % never fire" in verdict.text


# ---- layers of different widths


@pytest.fixture(scope="module")
def narrowing() -> xr.Dataset:
    """Two seeds of 24, 24 and 4 neurons."""
    group = []
    for s in (0, 1):
        full = coins([0.5, 0.5, 0.5], n=60, width=24, seed=s)
        layers = {layer: full.states(layer)[:, : 4 if layer == "fc3" else 24] for layer in full.layers}
        group.append(je.Recording.from_activations(layers, full.labels, meta=full.meta))
    return je.profile({"trained": group}, bootstrap=50, bounds=False)


def test_a_fall_that_the_widths_force_is_named_so(narrowing):
    """More than 4 bits do not go into 4 neurons; fc1 has 8 at least, fc2 between 3.5 and 6."""
    verdict = je.verdict(bracketed(narrowing, [(8, 20), (3.5, 6), (1, 3)]))
    assert words(verdict, "pattern", "trained") == ["falls for certain", "falls by width", "falls for certain"]
    assert "fc1 24, fc2 24, fc3 4" in verdict.text
    assert "4 falls for certain, 0 likely falls, 2 falls by width" in verdict.text
    rows = [line.strip("| ").split(" | ") for line in verdict.text.splitlines() if line.startswith("| fc")]
    assert [(row[0].strip(), row[1].strip()) for row in rows] == [
        ("fc1→fc2", "2 falls for certain"),
        ("fc1→fc3 (24→4)", "2 falls by width"),
        ("fc2→fc3 (24→4)", "2 falls for certain"),
    ]
    assert verdict.table.pair.values.tolist() == ["fc1→fc2", "fc1→fc3", "fc2→fc3"]
    exactly = je.verdict(bracketed(narrowing, [(4, 20), (4, 20), (1, 3)]))
    assert "falls by width" not in exactly.table.pattern.values  # 4 bits do go into 4 neurons


def test_width_forces_a_fall_in_every_seed_or_not_at_all(narrowing):
    full = bracketed(narrowing, [(8, 20), (8, 20), (1, 3)])
    other = (full.layer == "fc1") & (full.seed == 1)
    full["pattern_lower"] = xr.where(other, 3.5, full.pattern_lower).transpose(*full.saturated.dims)
    assert words(je.verdict(full), "pattern", "trained") == ["undecided", "falls for certain", "falls by width"]


@pytest.mark.parametrize(("error", "word"), [(0.5, "falls by width"), (0.52, "likely falls")])
def test_a_likely_fall_that_the_widths_force_is_named_so(narrowing, error, word):
    """5 bits less 1.96 standard errors are above 4, or below; an unreliable estimate forces nothing."""
    full = estimated(bracketed(narrowing, [(0, 24)] * 2 + [(0, 4)], "good"), [5.0, 5.0, 1.0], error)
    assert words(je.verdict(full), "pattern", "trained") == ["undecided", word, word]
    weak = estimated(bracketed(narrowing, [(0, 24)] * 2 + [(0, 4)], "weak"), [5.0, 5.0, 1.0], error)
    assert words(je.verdict(weak), "pattern", "trained") == ["undecided"] * 3


def test_layers_of_one_width_have_no_sentence_on_it(plain):
    text = je.verdict(bracketed(plain, [(8, 20), (9, 10), (2, 7)])).text
    assert "width" not in text
    assert "(24→24)" not in text


def one_layer(rate: float, seed: int, n: int = 600) -> je.Recording:
    """Independent neurons of one rate, in three classes."""
    states = np.random.default_rng(seed).random((n, 30)) < rate
    return je.Recording.from_activations({"fc1": states}, np.arange(n) % 3, meta={"seed": 0})


def test_one_layer_has_a_verdict_of_level_information_and_twin():
    """Neurons that are on at 0.2 against fair coins of the twin: 0.72 against 1 bit, in every class."""
    profile = je.profile({"trained": one_layer(0.2, 1), "untrained": one_layer(0.5, 2)}, bounds=False)
    found = je.verdict(profile)
    assert found.table.twin.values.ravel().tolist() == ["lower"] * 3
    assert found.table.neuron.sizes["step"] == found.table.pattern.sizes["pair"] == 0
    assert (found.table.neuron_monotone == "undecided").all()
    level = float(profile.neuron_entropy.sel(network="trained", layer="fc1").mean())
    assert "no step to judge" in found.text
    assert f"{level:.3f} at fc1" in found.text
    assert "lower than its untrained twin's for 3 of 3 classes" in found.text
    assert "with shuffled labels" in found.text
    assert "How much entropy has the layer's pattern?" in found.text
    assert "nan" not in found.text
    assert found.markdown() == ""
    assert repr(found) == "Verdict(one layer; 3 lower)"
    same = je.verdict(je.profile({"trained": one_layer(0.3, 3), "untrained": one_layer(0.3, 4)}, bounds=False))
    assert (same.table.twin != "lower").sum() >= 2  # 5 % of a null may be called lower or higher


def test_twin_differences_agree_with_a_second_bootstrap():
    """Of independent neurons the binary entropy's error is known: √(p(1−p)/n)·|log₂((1−p)/p)| by the delta method."""
    profile = je.profile({"trained": one_layer(0.2, 1), "untrained": one_layer(0.3, 2)}, bounds=False)
    one = profile.sel(layer="fc1")
    expected = [np.sqrt(p * (1 - p) / 200 / 30) * np.log2((1 - p) / p) for p in (0.2, 0.3)]
    np.testing.assert_allclose(one.neuron_entropy_se.sel(network="trained"), expected[0], rtol=0.25)
    np.testing.assert_allclose(one.twin_difference_se, np.hypot(*expected), rtol=0.25)
    corrected = one.neuron_entropy_corrected
    np.testing.assert_allclose(
        one.twin_difference, corrected.sel(network="trained") - corrected.sel(network="untrained")
    )


def test_tallies_are_judged_as_far_as_they_go():
    """They take no bootstrap, and were message to take one."""
    recording = random_recording(0, n=900, widths=(2, 3, 2))
    tally = je.Tally.of(recording)
    profile = je.profile(tally)
    assert profile.attrs["source"] == "tally"
    found = je.verdict(profile)
    assert (found.table.neuron == "undecided").all()
    assert found.table.neuron.step.values.tolist() == ["fc1→fc2", "fc2→fc3"]
    assert "a tally holds none" in found.text
    assert "bootstrap" not in found.text
    whole = je.verdict(je.profile(recording, bounds=False))
    assert found.table.pattern.equals(whole.table.pattern)


def test_a_comparison_with_the_twin_has_no_dimension_of_seeds():
    profile = je.profile({"trained": coins([0.5, 0.3], n=200), "untrained": coins([0.5, 0.4], n=200)}, bounds=False)
    assert "seed" not in profile.dims
    table = je.verdict(profile).table
    assert set(table.excess.dims) == {"class", "step"}
    assert set(table.twin.dims) == {"class", "layer"}
