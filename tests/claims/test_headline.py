"""The three lines that say a verdict at first sight, for profiles whose answer is known."""

import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy.base.markdown import folded, short_names, shortened
from tests.claims.test_judge import bracketed, coins, estimated, judged, one_layer, partly_dead


def lines(verdict: je.Verdict) -> tuple[str, str, str]:
    """What the three lines say, each without its name; none is longer than a few lines of a screen."""
    found = verdict.headline.splitlines()
    assert [line.split(": ")[0] for line in found] == ["Clear", "Unknown", "Next"]
    assert all(len(line) <= 350 and line.endswith(".") and "nan" not in line.split() for line in found)
    clear, unknown, then = (line.split(": ", 1)[1] for line in found)
    return clear, unknown, then


@pytest.fixture(scope="module")
def plain() -> xr.Dataset:
    """Two seeds of a trained network and its twin: three layers whose point estimates decide nothing."""
    group = [coins([0.5, 0.5, 0.5], n=60, width=24, seed=s) for s in (0, 1)]
    return je.profile({"trained": group, "untrained": group}, bootstrap=50, bounds=False)


@pytest.fixture(scope="module")
def falling() -> xr.Dataset:
    """Neurons that fire at 0.5, 0.3 and 0.1 hold 1, 0.88 and 0.47 bits."""
    return je.profile({"recorded": coins([0.5, 0.3, 0.1])}, bootstrap=50, bounds=False)


def test_a_fall_at_every_step_without_a_twin(falling):
    clear, unknown, then = lines(je.verdict(falling))
    assert clear == "mean neuron entropy falls at every step: 1.00 → 0.47 bits from fc1 to fc3, recorded."
    assert "no untrained twin" in unknown
    assert "1500 inputs a class are too few for every pair of layers and no brackets were made" in unknown
    assert "record the untrained network too" in then
    assert "make the brackets too" in then


def test_a_twin_that_falls_too_takes_the_claim_back():
    same = [coins([0.5, 0.3, 0.1], seed=s) for s in (0, 1)]
    clear, unknown, then = lines(judged({"trained": same, "untrained": same}))
    assert "untrained it falls too (1.00 → 0.47), so the fall alone is no sign of training" in clear
    assert "deepens" not in clear
    assert "whether training changes the fall: undecided in 4 of 4 comparisons" in unknown
    assert "more seeds, to tell the trained fall from the untrained one" in then


@pytest.mark.parametrize(("rates", "does"), [((0.5, 0.5, 0.5), "deepens"), ((0.5, 0.25, 0.05), "weakens")])
def test_a_twin_that_falls_less_or_more(rates, does):
    trained = [coins([0.5, 0.3, 0.12], seed=s) for s in (0, 1)]
    untrained = [coins(rates, seed=s) for s in (5, 6)]
    clear, unknown, _ = lines(judged({"trained": trained, "untrained": untrained}))
    assert f"training {does} the fall in 4 of 4 comparisons (class and step)" in clear
    assert "no sign of training" not in clear
    assert "whether training changes the fall" not in unknown


def test_rises_are_said(falling):
    clear, _, _ = lines(judged(coins([0.5, 0.3, 0.45])))
    assert clear.startswith("mean neuron entropy falls at 1 of 2 steps, rises at 1: 1.00 → 0.99 bits")
    assert "a step rises in 2 of 2 classes" in clear


def test_equal_layers_are_no_finding():
    clear, unknown, _ = lines(judged(coins([0.5] * 3, n=400)))
    assert clear == "nothing yet."
    assert "whether neuron entropy falls: no change is beyond its error" in unknown


def test_undecided_steps_are_named():
    _, unknown, _ = lines(judged(coins([0.5, 0.3, 0.3, 0.1])))
    assert "whether neuron entropy changes at fc2→fc3" in unknown


def test_dead_neurons_that_decide_come_first():
    """Of 64 neurons 40 are switched off at first: the mean rises, and falls in every neuron that lives."""
    trained, twin = partly_dead([0.5, 0.3, 0.1], [40, 0, 1]), coins([0.5, 0.3, 0.1], seed=1)
    clear, unknown, then = lines(judged({"trained": trained, "untrained": twin}))
    assert clear.startswith("constant neurons decide the result: with them mean neuron entropy falls at 1 of 2 steps, ")
    assert "rises at 1" in clear
    assert "without them it falls at every step; 62 % of fc1's neurons never fire (untrained 0 %)" in clear
    assert "whether other seeds agree: there is one" in unknown
    assert "more seeds" in then
    assert "constant" not in judged({"trained": twin}).headline


def test_information_that_training_adds_or_takes():
    """Half of the neurons copy one bit of the class; of as many inputs chance could not give so much."""
    labels = np.arange(2000) % 2
    rng = np.random.default_rng(0)

    def network(copies: int, seed: int) -> je.Recording:
        states = np.random.default_rng(seed).random((2000, 16)) < 0.5
        states[:, :copies] = labels[:, None] == 1
        return je.Recording.from_activations({"a": states, "b": states ^ (rng.random((2000, 16)) < 0.001)}, labels)

    told = judged({"trained": network(8, 0), "untrained": network(0, 1)})
    assert "Training adds information on the class: 0.49 bits a neuron at b (untrained 0.00)" in told.headline
    taken = judged({"trained": network(0, 2), "untrained": network(8, 3)})
    assert "raining removes information on the class: 0.00 bits a neuron at b (untrained 0.50)" in taken.headline
    alone = judged({"recorded": network(8, 4)})
    assert "neuron tells 0.49 bits on the class at b." in alone.headline
    assert "on the class" not in judged({"trained": network(0, 5), "untrained": network(0, 6)}).headline


@pytest.mark.thorough
def test_chance_tells_nothing_of_the_class():
    """Few inputs: every neuron copies one coin, which differs between trained and untrained. 12 draws."""
    labels = np.arange(60) % 3
    for seed in range(12):
        coin = np.random.default_rng(seed).random((2, 60, 1)) < 0.5
        trained, untrained = (
            je.Recording.from_activations({"a": np.tile(own, 8), "b": np.tile(own, 8)}, labels) for own in coin
        )
        profile = je.profile(
            {"trained": trained, "untrained": untrained}, estimators=("plugin",), bounds=False, bootstrap=20
        )
        assert "on the class" not in je.verdict(profile, "plugin").headline


def test_certain_falls_say_between_which_layers_and_in_how_many_classes(plain):
    clear, unknown, _ = lines(je.verdict(bracketed(plain, [(8, 20), (9, 10), (2, 7)])))
    assert clear == (
        "the joint pattern's entropy falls for certain from fc1 to fc3 in 2 of 2 classes (and 1 more pair of layers)."
    )
    assert "the joint pattern's entropy in 2 of 6 comparisons (class and pair of layers): 30 inputs a class" in unknown
    full = bracketed(plain, [(8, 20), (9, 10), (2, 7)])
    full["pattern_upper"] = full.pattern_upper.where(full["class"] == "0", 30)
    assert "from fc1 to fc3 in 1 of 2 classes" in je.verdict(full).headline
    rising = lines(je.verdict(bracketed(plain, [(2, 7), (9, 10), (8, 20)])))[0]
    assert "rises for certain from fc1 to fc3 in 2 of 2 classes" in rising
    assert "falls" not in rising


def test_brackets_that_decide_nothing_are_unknown(plain):
    clear, unknown, then = lines(je.verdict(bracketed(plain, [(0, 24)] * 3)))
    assert "pattern" not in clear
    few = "whether the joint pattern's entropy falls: 30 inputs a class are too few for every pair of layers"
    assert unknown.startswith(few)
    assert "brackets" not in unknown + then
    assert then.startswith("more inputs of the same kind, such as a stream of augmented ones (je.Augment)")
    streamed = bracketed(plain, [(0, 24)] * 3).assign_attrs(population="stream")
    assert lines(je.verdict(streamed))[2].startswith("a longer stream of inputs")


def test_estimates_make_nothing_clear(plain):
    likely = estimated(bracketed(plain, [(0, 24)] * 3, "good"), [7.0, 5.0, 3.0])
    clear, unknown, _ = lines(je.verdict(likely))
    assert "pattern" not in clear
    assert "it likely falls from fc1 to fc3 in 2 classes by estimates alone" in unknown
    assert "too few" not in unknown


def narrow(seed: int) -> je.Recording:
    """24, 24 and 4 neurons."""
    full = coins([0.5, 0.5, 0.5], n=60, width=24, seed=seed)
    layers = {layer: full.states(layer)[:, : 4 if layer == "fc3" else 24] for layer in full.layers}
    return je.Recording.from_activations(layers, full.labels, meta=full.meta)


def test_a_fall_that_the_widths_force_is_said_as_such():
    """More than 4 bits do not go into 4 neurons; an estimate above them makes nothing clear."""
    profile = je.profile({"trained": [narrow(0), narrow(1)]}, bootstrap=50, bounds=False)
    clear, _, _ = lines(je.verdict(bracketed(profile, [(8, 20), (3, 20), (1, 3.5)])))
    assert "falls from fc1 to fc3 in 2 of 2 classes, by width alone: fc3 has 4 neurons" in clear
    assert "certain" not in clear
    likely = estimated(bracketed(profile, [(0, 24)] * 2 + [(0, 4)], "good"), [5.0, 5.0, 1.0], 0.1)
    assert je.verdict(likely).table.pattern.isin(["falls by width"]).any()
    assert "width" not in lines(je.verdict(likely))[0]


def test_one_layer_has_a_level_and_no_step():
    twins = {"trained": one_layer(0.2, 1), "untrained": one_layer(0.5, 2)}
    profile = je.profile(twins, bounds=False, bootstrap=50)
    clear, unknown, then = lines(je.verdict(profile))
    own = float(profile.neuron_entropy.sel(network="trained").mean())
    assert f"a neuron of fc1 has {own:.2f} bits, mean over classes, trained; untrained 1.00" in clear
    assert "trained is lower in 3 of 3 classes" in clear
    assert "there is one layer, and so no step to judge" in unknown
    assert "record more layers" in then
    zero = xr.zeros_like(profile.saturated, float)
    limits = profile.assign(pattern_lower=zero + 7, pattern_upper=zero + 9)
    assert "the joint pattern 7.0 to 9.0 bits" in je.verdict(limits).headline


def test_a_tally_has_levels_that_are_not_judged():
    clear, unknown, then = lines(je.verdict(je.profile(je.Tally.of(coins([0.5, 0.3, 0.1])))))
    assert "measured, not judged: 1.00 bits at fc1, 0.47 at fc3" in clear
    assert "falls" not in clear
    assert "whether neuron entropy falls: a tally keeps no bits, so it has no error bars" in unknown
    assert "record the bits of fewer inputs" in then


def test_classes_that_say_nothing_are_named(plain):
    full = bracketed(plain, [(8, 20), (9, 10), (2, 7)])
    flagged = full.assign(copies=("class", [True, False]))
    clear, unknown, then = lines(je.verdict(flagged))
    assert unknown.startswith("class 0: inputs look like copies of each other")
    assert "in 1 of 2 classes" in clear
    assert then.startswith("take one of each copy, or draw new inputs")
    every = lines(je.verdict(full.assign(copies=("class", [True, True]))))
    assert "certain" not in every[0]
    assert every[1].startswith("classes 0, 1: inputs look like copies")
    few = judged(coins([0.5] * 3, n=60, classes=30))
    assert "classes 0, 1, 2 and 27 more: fewer than 10 inputs" in few.headline
    assert "error" not in few.headline
    recording = coins([0.5, 0.3], n=400)
    gap = je.Recording.from_activations({x: recording.states(x) for x in recording.layers}, 2 * recording.labels)
    assert "class 1: no input" in judged(gap).headline


def every_input(layers: dict[str, np.ndarray], seed: int = 0) -> je.Recording:
    labels = np.arange(len(next(iter(layers.values())))) % 2
    return je.Recording.from_activations(layers, labels, exhaustive=True, meta={"seed": seed})


def test_an_enumeration_leaves_nothing_unknown():
    """Four bits, their copy, and ANDs of pairs (¾ off: 0.81 bits); the class is one of the bits, known in its class."""
    x = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(bool)
    pairs = np.repeat(x[:, :2] & x[:, 2:], 2, axis=1)
    own = every_input({"a": x, "b": ~x, "c": pairs})
    clear, unknown, then = lines(je.verdict(je.profile({"recorded": own})))
    assert clear.startswith("mean neuron entropy falls at 1 of 2 steps, rises at none, is equal at 1: 0.75 → 0.66 bits")
    assert "he joint pattern's entropy falls exactly from a to c in 2 of 2 classes (and 1 more pair of layers)" in clear
    assert unknown == "nothing of these networks: every input was listed, so all numbers are exact."
    assert then == "record the untrained network too."
    assert lines(je.verdict(je.profile({"trained": own, "untrained": own})))[2] == "more seeds, or other tasks."
    level = lines(je.verdict(je.profile(every_input({"a": x, "b": ~x}))))
    assert level[0].startswith("mean neuron entropy is equal at all layers: 0.75 → 0.75 bits from a to b")
    assert "is equal from a to b in 2 of 2 classes" in level[0]
    rising = lines(je.verdict(je.profile(every_input({"c": pairs, "d": x}))))
    assert "rises exactly from c to d in 2 of 2 classes" in rising[0]
    narrowed = lines(je.verdict(je.profile(every_input({"a": x, "b": x[:, 1:3]}))))
    assert "falls from a to b in 2 of 2 classes, by width alone: b has 2 neurons" in narrowed[0]


def test_an_enumeration_of_one_network_many_times_leaves_nothing_to_do():
    x = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(bool)
    pairs = np.repeat(x[:, :2] & x[:, 2:], 2, axis=1)
    group = [every_input({"a": x, "b": pairs}, 0), every_input({"a": pairs, "b": x}, 1)]
    clear, unknown, then = lines(je.verdict(je.profile({"trained": group, "untrained": group})))
    assert clear.startswith("seeds differ in 2 of 2 comparisons (class and step)")
    assert unknown.startswith("nothing of these networks: ")
    assert then == "more seeds, or other tasks."


def test_what_has_no_room_is_announced_not_lost_in_silence():
    layers = {f"encoder/block_{i:03d}/attention/output/dense": np.eye(40, 8, dtype=bool) for i in range(3)}
    names = tuple(f"a very long name of a class, number {i}" for i in range(20))
    recording = je.Recording.from_activations(layers, np.arange(40) % 20, class_names=names, layers=list(layers))
    _, unknown, _ = lines(judged({"trained": recording, "untrained": recording}))
    assert "encoder/block_000" not in unknown
    assert unknown.endswith("more in the text.")


def test_the_headline_begins_the_verdict_and_tables_are_folded(plain):
    verdict = je.verdict(bracketed(plain, [(8, 20), (9, 10), (2, 7)]))
    assert str(verdict).startswith(verdict.headline)
    assert "<details>" not in str(verdict)
    shown = verdict._repr_markdown_()
    assert shown.split("\n\n")[:3] == verdict.headline.splitlines()
    assert shown.count("<details>") == shown.count("</details>") == 2
    outside = "".join(part.partition("<details>")[0] for part in shown.split("</details>"))
    assert not [line for line in outside.splitlines() if line.startswith("|")]


def test_tables_fold_behind_their_first_column():
    assert folded("Text.\n\n| pair | x |\n|---|---|\n| a | 1 |\n| b | 2 |\n\nMore.").splitlines() == [
        "Text.", "", "<details><summary>Table: pair, 2 rows</summary>", "", "| pair | x |", "|---|---|", "| a | 1 |",
        "| b | 2 |", "", "</details>", "", "More.",
    ]  # fmt: skip


def test_long_names_keep_both_ends():
    assert shortened("fc1", 3) == "fc1"
    assert shortened("encoder/dense_17", 9) == "enco…e_17"
    assert {len(shortened("x" * 50, room)) for room in (5, 6)} == {5, 6}
    assert short_names(["fc1", "fc2"], 3) == ["fc1", "fc2"]
    long = [f"encoder/block_{i:02d}/mlp/dense" for i in (0, 9, 10)]
    assert short_names(long, 12) == ["…block_00…", "…block_09…", "…block_10…"]
    assert short_names(["x" * 30, "x" * 29 + "y"], 9) == ["xxxx…xxxx", "xxxx…xxxy"]
    assert short_names(["an only layer"], 5) == ["an…er"]
