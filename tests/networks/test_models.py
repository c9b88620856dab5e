"""The MLP and CNN that sow their FC layers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.capture import Sown, sown
from jaxentropy.networks.models import ACTIVATIONS, CNN, MLP, OneLinear


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


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MLP((3, 0)), "widths are 3 0; expected"),
        (MLP(()), "widths are empty"),
        (MLP((3,), activation="swish"), "unknown activation 'swish'; choose from relu, tanh"),
        (CNN((4, -1), (3,)), "channels are 4 -1"),
        (CNN((4, 4, 4, 4), (3,)), "after 3 poolings an image of 8×8 is too small"),
    ],
)
def test_models_refuse(model, message, toy):
    with pytest.raises(je.InputError, match=message):
        initial(model, toy.test_images)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_one_linear_leaves_out_that_nonlinearity(activation, toy):
    """By NumPy; with 0 it is the MLP."""
    model, linear = MLP((8, 6, 5), 3, activation), OneLinear((8, 6, 5), 3, activation)
    variables = initial(model, toy.test_images)
    act = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}[activation]
    for left_out in range(4):
        x = toy.test_images.reshape(len(toy.test_images), -1)
        for i in (1, 2, 3):
            x = x @ np.asarray(variables["params"][f"dense{i}"]["kernel"])
            x = x if i == left_out else act(x)
        expected = x @ np.asarray(variables["params"]["output"]["kernel"])
        found: Any = linear.apply(variables | {"linear": {"layer": jnp.int32(left_out)}}, jnp.asarray(toy.test_images))
        np.testing.assert_allclose(found, expected, atol=1e-5)
