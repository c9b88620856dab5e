"""Training several seeds, their twins, and checkpoints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.networks.models import CNN, MLP
from jaxentropy.networks.training import Recipe, accuracy_of, train


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
