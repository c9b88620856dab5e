"""Training several seeds, their twins, and checkpoints."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxentropy as je
from jaxentropy.capture import sown
from jaxentropy.networks.models import CNN, MLP, OneLinear
from jaxentropy.networks.training import Recipe, accuracy_of, noisy_labels, train


@pytest.mark.parametrize("model", [MLP((16, 8), 3), CNN((4,), (8,), 3)], ids=["mlp", "cnn"])
def test_training_learns_repeats_and_keeps_the_twin(model, toy, tmp_path):
    recipe = Recipe(epochs=12, batch_size=16, learning_rate=1e-2)
    first = train(model, toy, (3, 4), recipe, checkpoints=tmp_path / "ck")
    assert first.test_accuracy.shape == (2, 12)
    assert first.test_accuracy[:, -1].min() > 0.9
    assert (first.loss[:, -1] < first.loss[:, 0]).all()
    for i, seed in enumerate((3, 4)):
        untrained, trained = first.of_seed(i)
        fresh = model.init(jax.random.key(seed), jnp.asarray(toy.train_images[:1]))["params"]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), untrained["params"], fresh)
        final = accuracy_of(model, trained, toy.test_images, toy.test_labels, batch_size=17)
        assert final == pytest.approx(first.test_accuracy[i, -1])

    again = train(model, toy, (3, 4), recipe)
    restored = train(model, toy, (3, 4), recipe, checkpoints=tmp_path / "ck")
    for other in (again, restored):
        jax.tree.map(np.testing.assert_array_equal, first, other)


def test_killed_training_goes_on_to_the_same_numbers(toy, tmp_path, monkeypatch):
    """The third epoch dies; the second run starts from the checkpoint after the second and ends where one run ends."""
    from jaxentropy.networks import checkpoints
    from jaxentropy.networks import training as module

    model, recipe = MLP((8,), 3), Recipe(epochs=4, batch_size=16)
    whole = train(model, toy, (0,), recipe)
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    order, orders_drawn = module._order, []

    def dies_at_third_epoch(seed, epoch, n):
        orders_drawn.append(epoch)
        if epoch == 2 and orders_drawn.count(2) == 1:
            raise KeyboardInterrupt
        return order(seed, epoch, n)

    monkeypatch.setattr(module, "_order", dies_at_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(model, toy, (0,), recipe, checkpoints=tmp_path / "ck")
    resumed = train(model, toy, (0,), recipe, checkpoints=tmp_path / "ck")
    assert orders_drawn == [0, 1, 2, 2, 3]
    jax.tree.map(np.testing.assert_array_equal, whole, resumed)


def test_seeds_in_one_program_learn_what_they_learn_alone(toy, monkeypatch):
    """As on an accelerator."""
    model, recipe = MLP((8,), 3), Recipe(epochs=1, batch_size=16)
    alone = train(model, toy, (5, 6), recipe)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    together = train(model, toy, (5, 6), recipe)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), alone, together)


def test_no_epochs_leave_the_twin(toy):
    result = train(MLP((8,), 3), toy, (0,), Recipe(epochs=0))
    jax.tree.map(np.testing.assert_array_equal, result.untrained, result.trained)


def test_training_refuses(toy, tmp_path):
    with pytest.raises(je.InputError, match="no seeds"):
        train(MLP((8,), 3), toy, (), Recipe(epochs=1))
    for bad in ({"epochs": -1}, {"epochs": 1, "batch_size": 0}, {"epochs": 1, "learning_rate": 0.0}):
        with pytest.raises(je.InputError, match="expected epochs of 0 or more"):
            Recipe(**bad)
    train(MLP((8,), 3), toy, (0,), Recipe(epochs=1), checkpoints=tmp_path / "ck")
    with pytest.raises(je.InputError, match="is of another model"):
        train(MLP((9,), 3), toy, (0,), Recipe(epochs=1), checkpoints=tmp_path / "ck")


@pytest.mark.thorough
def test_adamw_with_a_cosine_by_hand(toy):
    """Three epochs, step by step, against optax with its own schedule, labels with noise and larger initial weights."""
    model, n = MLP((8,), 3), 120
    recipe = Recipe(3, 32, 1e-2, weight_decay=0.1, init_scale=2.0, label_noise=0.2)
    found = train(model, toy, (5,), recipe)
    labels = noisy_labels(toy.train_labels, 0.2, 3, 5)
    params: Any = model.init(jax.random.key(5), jnp.asarray(toy.train_images[:1]))["params"]
    params = {name: {"kernel": 2.0 * own["kernel"], "bias": own["bias"]} for name, own in params.items()}
    optimiser = optax.adamw(optax.cosine_decay_schedule(1e-2, 3 * (n // 32)), weight_decay=0.1)
    state = optimiser.init(params)
    for epoch in range(3):
        order = np.random.default_rng([5, epoch]).permutation(n)
        for start in range(0, n // 32 * 32, 32):
            rows = order[start : start + 32]

            def loss(own, rows=rows):
                logits: Any = model.apply({"params": own}, jnp.asarray(toy.train_images[rows]))
                return -jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.asarray(labels[rows])[:, None], 1).mean()

            updates, state = optimiser.update(jax.grad(loss)(params), state, params)
            params = optax.apply_updates(params, updates)
    _, trained = found.of_seed(0)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), trained["params"], params)


def test_networks_of_one_shape_share_a_program(toy, compilations):
    """Whatever their data, seeds, rates, decays, initial scales and label noise."""
    model = MLP((6, 5), 3)
    train(model, toy, (0,), Recipe(1, 16))
    before = len(compilations)
    other = dataclasses.replace(toy, train_images=toy.train_images * 2)
    recipes = [Recipe(1, 16, 1e-2, weight_decay=0.1), Recipe(1, 16, 1e-4, init_scale=0.5, label_noise=0.5)]
    train(model, other, (3, 9), recipes)
    assert len(compilations) == before


def test_a_seed_may_be_there_twice_with_two_recipes(toy, tmp_path):
    model, recipes = MLP((6,), 3), [Recipe(2, 16, 1e-2), Recipe(2, 16, 1e-4)]
    both = train(model, toy, (4, 4), recipes)
    for i, recipe in enumerate(recipes):
        alone = train(model, toy, (4,), recipe)
        jax.tree.map(np.testing.assert_array_equal, both.of_seed(i), alone.of_seed(0))
    with pytest.raises(je.InputError, match="a seed is there twice"):
        train(model, toy, (4, 4), recipes, checkpoints=tmp_path)
    with pytest.raises(je.InputError, match="2 recipes for 1 seeds"):
        train(model, toy, (4,), recipes)
    with pytest.raises(je.InputError, match="of the same epochs and batch size"):
        train(model, toy, (4, 5), [Recipe(2), Recipe(3)])


@pytest.mark.thorough
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_norms_and_dropout_train(norm, toy):
    model = MLP((16, 8), 3, norm=norm, dropout=0.2)
    found = train(model, toy, (0,), Recipe(12, 16, 1e-2))
    untrained, trained = found.of_seed(0)
    assert found.test_accuracy[0, -1] > 0.9
    assert accuracy_of(model, trained, toy.test_images, toy.test_labels) == pytest.approx(found.test_accuracy[0, -1])
    if norm == "batch":
        before, after = (variables["batch_stats"]["norm1"]["mean"] for variables in (untrained, trained))
        assert not np.any(before)
        assert np.abs(after).max() > 0.01
    recording = je.record(sown(model), trained, [(toy.test_images, toy.test_labels)])
    _, seen = sown(model)(trained, jnp.asarray(toy.test_images))
    np.testing.assert_array_equal(recording.states("fc1"), np.asarray(seen["fc1"]) > 0)
    np.testing.assert_array_equal(recording.states("fc1").mean() > 0.2, True)
    plain = train(MLP((16, 8), 3, norm=norm), toy, (0,), Recipe(1, 16, 1e-2))
    dropped = train(model, toy, (0,), Recipe(1, 16, 1e-2))
    assert (plain.loss != dropped.loss).all()


def test_noisy_labels():
    labels = np.arange(1000).astype(np.int32) % 7
    noisy = noisy_labels(labels, 0.3, 7, seed=1)
    assert (noisy != labels).sum() == 300
    assert set(noisy) == set(range(7))
    moved = np.bincount((noisy - labels)[noisy != labels] % 7, minlength=7)[1:]
    assert moved.min() > 25  # each other class is as likely as any: 50 of 300
    np.testing.assert_array_equal(noisy, noisy_labels(labels, 0.3, 7, seed=1))
    assert (noisy != noisy_labels(labels, 0.3, 7, seed=2)).any()
    np.testing.assert_array_equal(noisy_labels(labels, 0.0, 7, seed=1), labels)


def test_recipes_refuse():
    wrong: list[dict[str, Any]] = [{"weight_decay": -1.0}, {"init_scale": 0.0}, {"label_noise": 1.5}]
    for bad in wrong:
        with pytest.raises(je.InputError, match="expected a decay of 0 or more"):
            Recipe(epochs=1, **bad)
    with pytest.raises(je.InputError, match="unknown norm 'group'"):
        MLP((4,), norm="group").init(jax.random.key(0), jnp.ones((1, 4)))


def test_training_goes_on_from_given_variables(toy):
    recipe = Recipe(epochs=2, batch_size=16, learning_rate=1e-2)
    first = train(MLP((8, 8), 3), toy, (5, 6), recipe)
    starts = [first.of_seed(i)[1] for i in range(2)]
    again = train(MLP((8, 8), 3), toy, (5, 6), recipe, start=starts)
    for i in range(2):
        jax.tree.map(np.testing.assert_array_equal, again.of_seed(i)[0], starts[i])
    assert (again.loss[:, -1] < first.loss[:, -1]).all()
    with pytest.raises(je.InputError, match="for 1 networks, and 2 seeds"):
        train(MLP((8, 8), 3), toy, (5, 6), recipe, start=starts[:1])


def test_networks_without_any_one_nonlinearity_share_a_program(toy, compilations):
    """Each is retrained as by itself: its layer stays linear, and its numbers do not depend on the others."""
    start = train(MLP((8, 8), 3), toy, (0,), Recipe(epochs=1, batch_size=16)).of_seed(0)[1]
    starts = [start | {"linear": {"layer": jnp.int32(k)}} for k in range(3)]
    recipe = Recipe(epochs=2, batch_size=16, learning_rate=1e-2)
    model = OneLinear((8, 8), 3)
    alone = train(model, toy, (0,), recipe, start=starts[:1])
    before = len(compilations)
    together = train(model, toy, (0, 0, 0), recipe, start=starts)
    assert len(compilations) == before
    jax.tree.map(np.testing.assert_array_equal, together.of_seed(0), alone.of_seed(0))
    plain = train(MLP((8, 8), 3), toy, (0,), recipe, start=[start])
    np.testing.assert_allclose(together.loss[0], plain.loss[0], rtol=1e-5)
    assert [int(together.of_seed(k)[1]["linear"]["layer"]) for k in range(3)] == [0, 1, 2]
    assert len(set(together.loss[:, -1].tolist())) == 3
