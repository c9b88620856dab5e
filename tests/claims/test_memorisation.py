"""Where memorisation sits: planted networks, and what is refused."""

import numpy as np
import pytest
import xarray as xr

import jaxentropy as je


def sweep(noises=(0.2, 0.6), seeds=4, depth=4, learnt=1.0, given=0.3, rng_seed=0):
    """The true label fades with depth, the trained one appears at layer 3."""
    rng = np.random.default_rng(rng_seed)
    noise = np.repeat(noises, seeds)
    n = len(noise)
    values = {}
    for name, trained in (("true", [0.2, 0.2, 0.05, 0.01]), ("trained", [0.0, 0.02, given * 0.6, given])):
        by_layer = np.array(trained) + rng.normal(0, 0.002, (n, depth))
        untrained = np.full((n, depth), 0.1 if name == "true" else 0.0)
        values[f"information_{name}_label"] = (("member", "state", "layer"), np.stack([untrained, by_layer], 1))
    return xr.Dataset(
        values | {
            "train_accuracy": ("member", 1 - noise * (1 - learnt)),
            "changed_accuracy": (("member", "state"), np.tile([0.1, learnt], (n, 1))),
            "test_accuracy": ("member", 1 - noise),
        },
        {
            "state": ["untrained", "trained"], "layer": np.arange(1, depth + 1),
            "dataset": ("member", np.full(n, "digits")), "label_noise": ("member", noise),
            "depth": ("member", np.full(n, depth)), "configuration": ("member", [f"c{x}" for x in noise]),
        },
    )  # fmt: skip


def test_what_was_planted_is_found():
    gathered = sweep()
    found = je.memorisation(gathered)
    assert found.configurations == 2
    assert found.table.group.values.tolist() == ["digits, 0.2", "digits, 0.6"]
    for i, noise in enumerate((0.2, 0.6)):
        own = gathered.isel(member=gathered.label_noise.values == noise)
        for name in ("information_true_label", "information_trained_label"):
            expected = own[name].sel(state="trained").values
            np.testing.assert_allclose(found.table[name][i], expected.mean(0))
            np.testing.assert_array_equal(found.table[f"{name}_low"][i], expected.min(0))
            np.testing.assert_array_equal(found.table[f"{name}_high"][i], expected.max(0))
        assert found.table.test_accuracy[i] == pytest.approx(1 - noise)
    assert "In 2 of 2 groups the changed labels were learnt by heart" in found.text
    assert "reaches half of its most at layer 3." in found.text
    assert (
        "In 2 of 2 groups there is a layer that clearly tells more of the trained label than of the true one"
        in found.text
    )
    assert "in each of its 4 networks, for the first time layer 3." in found.text
    assert found.to_markdown().count("| digits, ") == 2


def test_networks_that_did_not_learn_say_nothing():
    """Little noise that was ignored leaves the accuracy on trained labels high."""
    gathered = sweep(noises=(0.05, 0.02), learnt=0.03)
    assert gathered.train_accuracy.min() > 0.9
    text = je.memorisation(gathered).text
    assert "In 0 of 2 groups" in text
    assert "nothing can be said of where" in text


def test_neurons_that_do_not_show_it():
    text = je.memorisation(sweep(given=0.0)).text
    assert "more of the trained label" not in text


def test_one_network_that_disagrees_takes_the_sentence_away():
    gathered = sweep(noises=(0.3,))
    gathered["information_trained_label"][2, 1] = 0.0
    assert "more of the trained label" not in je.memorisation(gathered).text


def test_a_fall_is_not_called_a_rise():
    gathered = sweep(noises=(0.3,))
    gathered["information_trained_label"][:] = gathered.information_trained_label.values[..., ::-1]
    text = je.memorisation(gathered).text
    assert "goes from 0.3" in text
    assert "rises" not in text


def test_of_two_classes_a_memory_is_no_view():
    """The trained label is the other one of the true: both readings are one."""
    gathered = sweep()
    entropy = np.full((8, 2, 4, 3), 0.5)
    entropy[:4, ..., 2] = np.nan
    both = gathered.assign(neuron_entropy=(("member", "state", "layer", "class"), entropy))
    assert je.memorisation(both).table.group.values.tolist() == ["digits, 0.6"]
    with pytest.raises(je.InputError, match="of two classes, a changed label is always the other one"):
        je.memorisation(both.isel(member=slice(0, 4)))


def test_groups_are_told_apart_by_what_varies():
    gathered = sweep(noises=(0.3,)).assign_coords(width=("member", [8, 8, 16, 16]))
    assert je.memorisation(gathered).table.group.values.tolist() == ["digits, 0.3, width 16", "digits, 0.3, width 8"]


def test_padding_and_networks_without_noise_are_left_out():
    gathered = sweep(noises=(0.3,))
    padded = gathered.reindex(layer=np.arange(1, 7))
    clean = padded.isel(member=[0]).copy(deep=True)
    clean["label_noise"] = ("member", [0.0])
    clean["information_true_label"][:] = np.nan
    clean["information_trained_label"][:] = np.nan
    both = xr.concat([clean, padded], "member")
    xr.testing.assert_identical(je.memorisation(both).table, je.memorisation(gathered).table)


def test_refuses():
    gathered = sweep()
    with pytest.raises(je.InputError, match="lacks information_true_label, train_accuracy"):
        je.memorisation(gathered.drop_vars(["information_true_label", "train_accuracy"]))
    gathered["label_noise"] = ("member", np.zeros(8))
    with pytest.raises(je.InputError, match=r"sweep over label_noise, for example \[0.2, 0.5\]"):
        je.memorisation(gathered)
    gathered = sweep()
    gathered["depth"] = ("member", [2, 4] * 4)
    with pytest.raises(je.InputError, match="networks have 2, 4 layers; give those of one depth"):
        je.memorisation(gathered)


def test_guessing_one_wrong_class_is_no_memory():
    """Of three classes it gets half of the changed labels."""
    entropy = np.full((8, 2, 4, 3), 0.5)
    three = sweep(learnt=0.52).assign(neuron_entropy=(("member", "state", "layer", "class"), entropy))
    assert "In 0 of 2 groups" in je.memorisation(three).text
    four = np.full((8, 2, 4, 4), 0.5)
    more = sweep(learnt=0.7).assign(neuron_entropy=(("member", "state", "layer", "class"), four))
    assert "In 2 of 2 groups" in je.memorisation(more).text


def test_a_hair_more_is_not_clearly_more():
    gathered = sweep(noises=(0.3,), given=0.0)
    gathered["information_trained_label"][:] = gathered.information_true_label.values + 0.005
    assert "clearly tells more" not in je.memorisation(gathered).text
