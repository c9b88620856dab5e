"""Linen modules that sow → apply functions."""

import flax.linen as nn
import jax.numpy as jnp
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
