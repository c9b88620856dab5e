"""Where memorisation sits: planted networks, and what is refused."""

import numpy as np
import pytest
import xarray as xr

import jaxentropy as je


def sweep(noises=(0.2, 0.6), seeds=4, depth=4, train_accuracy=1.0, given=0.3, rng_seed=0):
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
            "train_accuracy": ("member", np.full(n, train_accuracy)),
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
            assert (found.table[f"{name}_low"][i] <= expected.mean(0)).all()
            assert (found.table[f"{name}_low"][i] >= expected.min(0)).all()
            assert (found.table[f"{name}_high"][i] <= expected.max(0)).all()
        assert found.table.test_accuracy[i] == pytest.approx(1 - noise)
    assert "In 2 of 2 groups the trained labels were learnt by heart" in found.text
    assert "reaches half of its most at layer 3." in found.text
    assert "In 2 of 2 groups a layer tells clearly more of the trained label than of the true one" in found.text
    assert "for the first time layer 3." in found.text
    assert "which are few" in found.text
    assert found.to_markdown().count("| digits, ") == 2


def test_networks_that_did_not_learn_say_nothing():
    text = je.memorisation(sweep(train_accuracy=0.5)).text
    assert "In 0 of 2 groups" in text
    assert "nothing can be said of where" in text


def test_neurons_that_do_not_show_it():
    text = je.memorisation(sweep(given=0.0)).text
    assert "clearly more of the trained label" not in text


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
