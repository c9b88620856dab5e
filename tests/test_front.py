"""Models, capture and training."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.capture import Sown, sown
from jaxentropy.networks.models import ACTIVATIONS, CNN, MLP
from jaxentropy.networks.training import Recipe, accuracy_of, train


def initial(model, images):
    variables: Any = model.init(jax.random.key(0), jnp.asarray(images[:1]))
    return {"params": variables["params"]}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_agrees_with_matrix_products(activation, toy):
    model = MLP((9, 7), 3, activation)
    variables = initial(model, toy.test_images)
    logits, layers = sown(model)(variables, jnp.asarray(toy.test_images))
    x = toy.test_images.reshape(60, -1)
    for i in (1, 2):
        dense = variables["params"][f"dense{i}"]
        z = x @ dense["kernel"] + dense["bias"]
        np.testing.assert_allclose(layers[f"fc{i}"], z, atol=1e-4)
        x = ACTIVATIONS[activation](z)
    output = variables["params"]["output"]
    np.testing.assert_allclose(logits, x @ output["kernel"] + output["bias"], atol=1e-4)


@pytest.mark.parametrize(("channels", "convolutions"), [((4,), 1), ((4, 6), 1), ((4, 6), 2)])
def test_cnn_sows_its_fc_layers(channels, convolutions, toy):
    model = CNN(channels, (10, 6), 3, convolutions=convolutions)
    variables = initial(model, toy.test_images)
    logits, layers = sown(model)(variables, jnp.asarray(toy.test_images))
    assert logits.shape == (60, 3)
    assert {name: a.shape for name, a in layers.items()} == {"fc1": (60, 10), "fc2": (60, 6)}
    assert sum(name.startswith("conv") for name in variables["params"]) == len(channels) * convolutions
    side = 8 // 2 ** len(channels)
    assert variables["params"]["dense1"]["kernel"].shape == (side * side * channels[-1], 10)


def test_layers_keep_their_order_past_nine(toy):
    model = MLP((4,) * 12)
    recording = je.record(sown(model), initial(model, toy.test_images), toy.batches("test", 25))
    assert recording.layers == tuple(f"fc{i}" for i in range(1, 13))
    assert recording.n == 60


def test_widths_may_be_a_list():
    x = jnp.ones((2, 4))
    assert list(sown(MLP([3, 2]))(initial(MLP([3, 2]), x), x)[1]) == ["fc1", "fc2"]


def test_equal_modules_share_their_programs():
    assert sown(MLP((3, 2))) == Sown(MLP((3, 2)))
    assert hash(sown(MLP((3, 2)))) == hash(Sown(MLP((3, 2))))


class Nested(nn.Module):
    """Layers inside a submodule, which may be called twice."""

    times: int = 2

    @nn.compact
    def __call__(self, x):
        block = MLP((5,), 4)
        for _ in range(self.times):
            x = block(x)
        self.sow("intermediates", "last", x)
        return x


class Silent(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(x)


def test_nested_layers_have_paths_and_repeated_ones_are_refused():
    x = jnp.ones((2, 4))
    model = Nested()
    with pytest.raises(je.InputError, match=r"layer 'MLP_0/fc1' was sown 2 times"):
        sown(model)(initial(model, x), x)
    once = Nested(times=1)
    assert list(sown(once)(initial(once, x), x)[1]) == ["MLP_0/fc1", "last"]


def test_capture_refuses():
    x = jnp.ones((2, 4))
    with pytest.raises(je.InputError, match="Silent sows nothing"):
        sown(Silent())(initial(Silent(), x), x)
    model = MLP((3,))
    with pytest.raises(je.InputError, match="earlier pass"):
        sown(model)({**initial(model, x), "intermediates": {}}, x)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (MLP((3, 0)), "widths are 3 0; expected"),
        (MLP(()), "widths are empty"),
        (MLP((3,), activation="swish"), "unknown activation 'swish'; choose from relu, tanh"),
        (CNN((4, -1), (3,)), "channels are 4 -1"),
        (CNN((4, 4, 4, 4), (3,)), "after 3 poolings an image of 8×8 is too small"),
    ],
)
def test_models_refuse(model, told, toy):
    with pytest.raises(je.InputError, match=told):
        initial(model, toy.test_images)


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
