"""Linen modules that sow → apply functions."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.capture import sown
from jaxentropy.networks.models import MLP
from tests.networks.test_models import initial


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


class Block(nn.Module):
    sowing: bool

    @nn.compact
    def __call__(self, x, _):
        z = nn.LayerNorm()(nn.Dense(6, name="fc")(x))
        if self.sowing:
            self.sow("intermediates", "z", z)
        return x + nn.relu(z), None


class Stack(nn.Module):
    """As deep transformers are written: one block, scanned over its stacked parameters."""

    sowing: bool
    reverse: bool = False

    @nn.compact
    def __call__(self, x):
        axes = {"params": 0, "intermediates": 0}
        scanned = nn.scan(
            nn.remat(Block), variable_axes=axes, split_rngs={"params": True}, length=5, reverse=self.reverse
        )
        return nn.Dense(3, name="head")(scanned(self.sowing, name="blocks")(x, None)[0])


def by_hand(parameters, x, order):
    """What relu sees in each block, in NumPy."""
    seen = []
    for i in order:
        z = x @ parameters["fc"]["kernel"][i] + parameters["fc"]["bias"][i]
        z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-6)
        seen.append(z > 0)
        x = x + np.maximum(z, 0)
    return seen


@pytest.mark.parametrize("sowing", [True, False])
def test_blocks_that_are_scanned_are_layers_of_their_own(sowing):
    """There are as many of them as inputs, so that no size tells the axes apart."""
    model, x = Stack(sowing), np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    variables = {"params": jax.tree.map(np.asarray, initial(model, x)["params"])}
    recording = je.record(model, variables, [(x, np.arange(5) % 3)])
    first = "blocks/z" if sowing else "blocks/fc"
    assert recording.layers == (first, *(f"{first}@{i}" for i in range(2, 6)))
    expected = by_hand(variables["params"]["blocks"], x, range(5))
    for layer, states in zip(recording.layers, expected, strict=True):
        np.testing.assert_array_equal(recording.states(layer), states, err_msg=layer)


def test_a_scan_in_reverse_begins_with_the_last_block():
    model, x = Stack(False, reverse=True), np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    variables = {"params": jax.tree.map(np.asarray, initial(model, x)["params"])}
    recording = je.record(model, variables, [(x, np.arange(5) % 3)])
    for layer, states in zip(recording.layers, by_hand(variables["params"]["blocks"], x, range(5)[::-1]), strict=True):
        np.testing.assert_array_equal(recording.states(layer), states, err_msg=layer)


def test_a_scan_over_nested_blocks_keeps_their_order():
    weights = np.random.default_rng(0).normal(size=(2, 2, 6, 6)).astype(np.float32)

    def network(v, x):
        step = lambda h, w: (jnp.tanh(h @ w), h)  # noqa: E731
        return jax.lax.scan(lambda h, w: jax.lax.scan(step, h, w), x, v["w"])[0] @ v["w"][0, 0]

    x = np.random.default_rng(1).normal(size=(12, 6)).astype(np.float32)
    recording = je.record(network, {"w": weights}, [(x, np.arange(12) % 3)])
    assert recording.layers == ("w", "w@2", "w@3", "w@4")
    for layer, w in zip(recording.layers, weights.reshape(4, 6, 6), strict=True):
        np.testing.assert_array_equal(recording.states(layer), x @ w > 0, err_msg=layer)
        x = np.tanh(x @ w)
