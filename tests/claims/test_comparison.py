"""Two recordings under any names: the numbers of the twins' verdict, in the user's words."""

import numpy as np
import pytest

import jaxentropy as je
from tests.claims.test_judge import coins


@pytest.fixture(scope="module")
def pair() -> tuple[je.Recording, je.Recording]:
    """(a network whose neurons fire less with depth, one whose neurons do not)."""
    return coins([0.5, 0.12], n=60, width=8), coins([0.5, 0.5], n=60, width=8, seed=5)


@pytest.fixture(scope="module")
def twins(pair):
    return je.profile(dict(zip(("trained", "untrained"), pair, strict=True)))


@pytest.fixture(scope="module")
def compared(pair):
    falling, level = pair
    return je.compare(whole=level, pruned=falling)


def test_the_numbers_are_those_of_the_twins(compared, twins):
    assert compared.profile.network.values.tolist() == ["pruned", "whole", "shuffled"]
    for name in twins.data_vars:
        np.testing.assert_array_equal(compared.profile[name], twins[name], err_msg=str(name))
    expected = je.verdict(twins).table
    for name in expected.data_vars:
        np.testing.assert_array_equal(compared.table[name], expected[name], err_msg=str(name))
    assert (compared.table.excess == "more").all()


def test_the_words_are_the_users(compared, twins):
    text = f"{compared}{compared!r}{compared._repr_markdown_()}"
    assert "trained" not in text
    assert "training" not in text.replace("retraining", "")
    assert "the change from whole to pruned deepens the fall in 2 of 2 comparisons" in text
    assert "The fall in pruned is larger than in whole in 2 cells" in text
    assert "neuron, pruned − whole" in text
    assert compared.profile.excess_fall.attrs["long_name"] == "neuron_fall of pruned minus that of whole"
    assert "training deepens the fall in 2 of 2 cells" in str(je.verdict(twins))


def test_the_first_is_the_baseline(pair, compared):
    falling, level = pair
    exchanged = je.compare(pruned=falling, whole=level)
    assert (exchanged.table.excess == "less").all()
    np.testing.assert_array_equal(exchanged.profile.excess_fall, -compared.profile.excess_fall)


def test_the_usual_names_give_the_usual_text(pair, twins):
    trained, untrained = pair
    assert str(je.compare(untrained=untrained, trained=trained)) == str(je.verdict(twins))


def test_a_saved_profile_keeps_the_names(compared, tmp_path):
    je.save_profile(compared.profile, tmp_path / "p.nc")
    assert str(je.verdict(je.load_profile(tmp_path / "p.nc"))) == str(compared)


def test_every_input_and_a_single_layer():
    states = np.arange(16)[:, None] >> np.arange(4) & 1 == 1
    low = states & states[:, :1]

    def every(*layers):
        named = {f"fc{i}": own for i, own in enumerate(layers, 1)}
        return je.Recording.from_activations(named, np.arange(16) % 2, exhaustive=True)

    text = str(je.compare(early=every(states, states), late=every(states, low)))
    assert "Is the fall due to the change from early to late?" in text
    assert "trained" not in text
    single = str(je.compare(early=every(states), late=every(low)))
    assert "(late is lower in 1 of 2 classes)" in single
    assert "trained" not in single


def test_what_cannot_be_compared_is_said_with_the_given_names(pair):
    falling, level = pair
    with pytest.raises(je.InputError, match=r"'one' and 'other' did not see the same inputs .*\(\d+ and \d+ labels\)"):
        je.compare(one=falling, other=level.take(np.arange(falling.n - 1)))
    with pytest.raises(je.InputError, match=r"compare\(before=..., after=...\); got none"):
        je.compare()
    with pytest.raises(je.InputError, match="got a, b, c"):
        je.compare(a=falling, b=level, c=level)
    with pytest.raises(je.InputError, match="the name 'shuffled' is taken"):
        je.compare(shuffled=falling, other=level)
