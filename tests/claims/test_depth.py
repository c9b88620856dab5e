import itertools
import zlib

import numpy as np
import pytest
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.claims.depth import RULES, advise_depth
from jaxentropy.claims.depth_reading import deepest_that_learnt
from tests.claims.sweeps import gathered, network, saturating


def rule(name: str, depth: int = 6, *tolerance: float, **planted) -> int:
    return RULES[name](gathered([network(depth, **planted)]).isel(member=0), *tolerance)


def by_definition(trained, untrained, tolerance) -> int:
    """The definition in words, layer by layer."""
    margin = max(tolerance * max(trained), 0.01)
    for d in range(len(trained)):
        later = range(d + 1, len(trained))
        if not any(
            trained[k] - trained[d] > margin and (trained[k] - trained[d]) - (untrained[k] - untrained[d]) > margin
            for k in later
        ):
            return d + 1
    raise AssertionError


def test_information_is_its_definition(rng):
    for depth in range(1, 7):
        for _ in range(20):
            curves = rng.random((2, depth)) * rng.choice([0.02, 0.3])
            expected = by_definition(curves[1], curves[0], 0.05)
            assert rule("information", depth, information=tuple(curves)) == expected


@pytest.mark.parametrize(
    ("trained", "untrained", "expected"),
    [
        ([0.1, 0.3, 0.4, 0.4], [0.1, 0.1, 0.1, 0.1], 3),
        ([0.1, 0.3, 0.4, 0.409], [0.1] * 4, 3),  # less than 5 % of the most
        ([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4], 1),  # all of it comes without training
        ([0.4, 0.4, 0.4, 0.4], [0.3, 0.2, 0.1, 0.0], 1),  # the twin loses it; the trained network only keeps it
        ([0.4, 0.1, 0.1, 0.2], [0.0] * 4, 1),  # what comes back later was there before
        ([0.001, 0.002, 0.003, 0.009], [0.0] * 4, 1),  # nothing that is clear
    ],
)
def test_information_where_the_answer_is_plain(trained, untrained, expected):
    assert rule("information", 4, information=(untrained, trained)) == expected


def test_the_other_rules_where_the_answer_is_plain():
    information = ([0.3, 0.2, 0.1, 0.0], [0.4] * 4)
    assert rule("excess", 4, information=information) == 4
    for width, expected in ((2, 3), (4, 3), (8, 2), (16, 1)):  # log₂ 3 = 1.58 bits for three classes
        assert rule("summed", 3, width=width, information=([0.1] * 3, [0.2, 0.31, 0.5])) == expected
    assert rule("summed", 3, width=1, information=([0.1] * 3, [0.2, 0.5, 0.4])) == 2  # nobody gets there
    assert rule("probe", 4, probe=[0.8, 0.896, 0.9, 0.85]) == 2
    assert rule("probe", 4, probe=[0.8, 0.894, 0.9, 0.85]) == 3
    assert rule("centre", 5, centre=[0.9, 0.5, 0.896, 0.95, 0.9]) == 3
    assert rule("centre", 3, centre=[0.9, 0.9, 0.9]) == 1
    assert rule("centre", 3, centre=[0.1, 0.2, 0.9]) == 3
    nothing = (np.zeros(4), np.zeros(4))
    assert rule("lowest_entropy", 4, entropy=(np.ones(4), [0.8, 0.5, 0.39, 0.1]), information=nothing) == 2
    assert rule("lowest_entropy", 4, 0.7, entropy=(np.ones(4), [0.8, 0.5, 0.39, 0.1]), information=nothing) == 1
    assert rule("zero_entropy", 4, entropy=(np.ones(4), [0.8, 0.005, 0.02, 0.0]), information=nothing) == 2
    assert rule("zero_entropy", 2, entropy=(np.ones(2), [0.0, 0.0]), information=(np.zeros(2),) * 2) == 1
    assert [rule("two", depth) for depth in (1, 2, 5)] == [1, 2, 2]
    assert [rule("deepest", depth) for depth in (1, 5)] == [1, 5]
    assert rule("random") == zlib.crc32(b"toy-64-6-0") % 6 + 1


def test_pooled_entropy_counts_what_the_class_tells():
    """A layer whose neurons only say the class has no entropy within one, and is no candidate."""
    entropy, information = (np.ones(3), [0.4, 0.4, 0.0]), (np.zeros(3), [0.0, 0.0, 0.4])
    assert rule("lowest_entropy", 3, entropy=entropy, information=information) == 3
    assert rule("zero_entropy", 3, entropy=entropy, information=information) == 3


def test_rules_do_not_see_the_padding():
    """The same network, padded or not, in every rule."""
    one = network(3, information=(np.full(3, 0.1), saturating(3, 2)), probe=[0.5, 0.7, 0.9], centre=[0.1, 0.9, 0.9])
    for name in RULES:
        short, long = (RULES[name](gathered([one], longest=longest).isel(member=0)) for longest in (3, 11))
        assert short == long


def seeds(*ats: int, depth: int = 6, **planted) -> xr.Dataset:
    twin = np.full(depth, 0.05)
    return gathered(
        [network(depth, seed=k, information=(twin, saturating(depth, at)), **planted) for k, at in enumerate(ats)]
    )


def test_advice_is_the_median_and_its_bootstrap():
    """All resamples of three seeds are 27: the quantiles of their medians are known."""
    found = advise_depth(seeds(2, 3, 5).drop_vars("probe_accuracy"), "information", tolerance=1e-6, resamples=20_000)
    assert (found.best, found.by_seed, found.depth) == (3, (2, 3, 5), 6)
    medians = [sorted(one)[1] for one in itertools.product((2, 3, 5), repeat=3)]
    low, high = np.quantile(medians, [0.025, 0.975], method="nearest")
    assert (found.low, found.high) == (low, high)
    assert "seeds say 2, 3, 5" in found.uncertainty
    assert advise_depth(seeds(2, 4), "information").best == 4  # of two in the middle the greater


def test_the_range_reaches_to_half_and_twice_the_tolerance_and_to_the_probe():
    curve = [0.36, 0.385, 0.4, 0.4]
    members = gathered([network(4, information=(np.zeros(4), curve), seed=k, probe=[0.9] * 4) for k in range(3)])
    found = advise_depth(members, "information", tolerance=0.05)
    assert (found.low, found.best, found.high) == (1, 2, 3)
    found = advise_depth(members.assign(probe_accuracy=members.layer * 0.1 + 0 * members.probe_accuracy), "information")
    assert found.high == 4
    assert "says 4, and the range reaches to it" in found.grounds
    assert "probe" not in advise_depth(members.drop_vars("probe_accuracy"), "information").grounds


def test_one_seed_says_that_it_knows_of_no_other():
    found = advise_depth(seeds(3), "information")
    assert found.best == 3
    assert "nothing is known of other seeds" in found.uncertainty
    assert "no interval" in found.text
    assert advise_depth(seeds(3).isel(member=0), "information").best == 3  # without the dimension
    assert "nothing is known" in advise_depth(seeds(3), "two").text


def test_grounds_say_where_training_adds_nothing():
    level = np.full(4, 0.2)
    found = advise_depth(gathered([network(4, information=(level, level))]), "information")
    assert found.best == 1
    assert "little to go by" in found.text


def test_markdown_has_a_row_a_layer():
    found = advise_depth(seeds(2, 2), "information")
    table = found.to_markdown().split("\n\n")[-1].strip().splitlines()
    assert len(table) == 2 + 6
    assert "information, trained" in table[0]
    assert repr(found) == "DepthAdvice(2 of 6 FC layers are enough; range 1 to 2, by information)"
    assert str(found) == found.to_markdown()


@pytest.mark.parametrize("name", list(RULES))
def test_every_rule_advises(name):
    found = advise_depth(seeds(2, 3), name)
    assert 1 <= found.low <= found.best <= found.high <= 6


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda g: g.drop_vars("neuron_information"), {}, "lacks neuron_information"),
        (lambda g: g.drop_vars("probe_accuracy"), {"rule": "probe"}, "lacks probe_accuracy"),
        (lambda g: g.drop_vars("width"), {"rule": "summed"}, "lacks the coordinate width"),
        (lambda g: g.sel(state=["trained"]), {}, "of the untrained network"),
        (lambda g: g.drop_vars("depth"), {}, "lacks the coordinate depth"),
        (lambda g: g.isel(member=[]), {}, "no network"),
        (lambda g: g.assign_coords(width=("member", [64, 32])), {}, "depth and seed alone.*2 values of width"),
        (lambda g: g.assign_coords(configuration=("member", ["a", "b"])), {}, "2 values of configuration"),
        (lambda g: g.where(g.layer != 3), {}, "not measured at layer 3 of network toy-64-6-0"),
        (lambda g: g, {"rule": "best"}, "no rule is called 'best'; the rules are information"),
        (lambda g: g, {"rule": "two", "tolerance": 0.1}, "has no tolerance"),
    ],
)
def test_errors_name_what_is_missing(change, settings, message):
    with pytest.raises(InputError, match=message):
        advise_depth(change(seeds(2, 3)), **settings)


@pytest.mark.parametrize(
    ("added", "share", "expected"),
    [
        ([0.0, 0.09, 0.1, 0.4], 0.25, 3),
        ([0.11, 0.09, 0.2, 0.4], 0.25, 1),
        ([0.0, 0.09, 0.1, 0.4], 0.2, 2),
        ([0.0, 0.1, 0.4, 0.2], 1, 3),
        ([-0.1, -0.2, 0.001, 0.009], 0.25, 4),  # nothing is known: all layers
    ],
)
def test_ours_is_a_share_of_what_training_adds(added, share, expected):
    twin = np.array([0.4, 0.3, 0.2, 0.1])
    assert rule("gain", 4, share, information=(twin, twin + added)) == expected


def test_ours_says_what_training_adds():
    twin = np.array([0.3, 0.2, 0.1])
    found = advise_depth(gathered([network(3, information=(twin, twin + np.array([0.02, 0.2, 0.4])))]))
    assert (found.rule, found.best) == ("gain", 2)
    assert "Training adds 0.020, 0.200, 0.400 bits" in found.grounds
    assert "the first that has 25 % of the most" in found.grounds
    nothing = advise_depth(gathered([network(3, information=(twin, twin))]))
    assert nothing.best == 3
    assert "In 1 of 1 networks **training adds no clear information at any layer**" in nothing.grounds


def test_summed_adds_up_what_neurons_tell_beyond_the_twin():
    """Width 16: 16 × 0.1, 16 × 0.25 and 16 × 0.3 bits; three classes need log2 3."""
    members = gathered([network(3, information=(np.full(3, 0.1), np.array([0.15, 0.35, 0.4])))])
    classes = int(members.neuron_entropy.sel(state="trained").isel(member=0, layer=0).notnull().sum())
    width = int(members.width[0])
    bits = width * np.array([0.05, 0.25, 0.3])
    found = advise_depth(members, "summed")
    reached = np.flatnonzero(bits >= np.log2(classes))
    assert found.rule == "summed"
    assert found.best == (reached[0] + 1 if len(reached) else 3)
    assert f"training adds {bits[0]:.1f}, {bits[1]:.1f}, {bits[2]:.1f} bits" in found.grounds
    # a network that has learnt nothing is told of
    nothing = advise_depth(gathered([network(3, information=(np.full(3, 0.1), np.full(3, 0.1)))]), "summed")
    assert "In 1 of 1 networks **no layer gets there**" in nothing.grounds


def test_networks_that_did_not_learn_are_not_read_where_others_did():
    members = seeds(2, 3)
    learnt = members.assign(train_accuracy=("member", [0.99, 0.91]))
    assert "did not learn" not in advise_depth(learnt).text
    half = advise_depth(members.assign(train_accuracy=("member", [0.99, 0.64])), "information")
    assert half.by_seed == (2,)
    assert (
        "**1 of 2 networks of 6 layers did not learn what they were trained on** (training accuracy 0.64); the advice "
        "is read off 1 of 6 that did." in half.text
    )
    none = advise_depth(members.assign(train_accuracy=("member", [0.6, 0.64])), "information")
    assert none.by_seed == (2, 3)
    assert "cannot be read off them. Train shallower ones" in none.text
    strict = advise_depth(learnt, "information", learnt=0.95)
    assert strict.by_seed == (2,)


def test_of_several_depths_the_deepest_is_read_where_half_learnt():
    """Depths 4, 5 and 6 of four seeds each; of these 4, 2 and 1 have learnt."""
    networks = [network(depth, seed=seed) for depth in (4, 5, 6) for seed in range(4)]
    reached = [0.9] * 4 + [0.95, 0.2, 0.95, 0.2] + [0.95, 0.2, 0.2, np.nan]
    several = gathered(networks).assign(train_accuracy=("member", reached))
    found = advise_depth(several, "deepest")
    assert (found.best, found.depth, found.by_seed) == (5, 5, (5, 5))
    assert "**3 of 4 networks of 6 layers did not learn" in found.text
    assert "read off 2 of 5 that did" in found.text
    assert [int(d) for d in deepest_that_learnt(several).seed] == [0, 2]
    assert deepest_that_learnt(several.drop_vars("train_accuracy")).depth.values.tolist() == [6] * 4


def test_halves_of_the_inputs_have_their_say():
    """Information rises up to layer 2 by one half of the inputs, and up to layer 5 by the other."""
    members = seeds(3, 3).drop_vars("probe_accuracy")
    ends = np.array([saturating(6, 2), saturating(6, 5)])
    halves = np.stack([np.full((2, 2, 6), 0.05), np.repeat(ends[:, None], 2, 1)], 2)  # half, member, state, layer
    dims = ("half", "member", "state", "layer")
    whole = members.assign(neuron_information_half=(dims, halves))
    found = advise_depth(whole, "information")
    assert (found.low, found.best, found.high) == (2, 3, 5)
    assert "Read off either half of the inputs alone, the advice is 2 and 5." in found.text
    assert "either half" not in advise_depth(members, "information").text
    assert "either half" not in advise_depth(whole.assign(neuron_information_half=(dims, 0 * halves + np.nan))).text


def test_what_whole_layers_tell_is_said_where_it_is_exact():
    members = seeds(2, 3)
    bits = xr.zeros_like(members.neuron_information) + xr.where(members.state == "trained", 0.75, 0.5)
    both = members.assign(pattern_information=bits.where(members.neuron_information.notnull()))
    exact = both.assign(exact=("member", [True, True]))
    said = ", ".join(["0.75"] * 6)
    assert f"pattern tells of the class is exact: {said} bits, and untrained 0.50," in advise_depth(exact).grounds
    for other in (both, both.assign(exact=("member", [True, False])), exact.drop_vars("pattern_information")):
        assert "is exact" not in advise_depth(other).grounds


def test_nothing_is_advised_off_networks_that_learnt_nothing():
    none = advise_depth(seeds(2, 3).assign(train_accuracy=("member", [0.3, 0.4])))
    assert not none.learnt
    assert none.text.startswith("**How many FC layers are enough?** Not known:")
    assert advise_depth(seeds(2, 3)).learnt
