"""The order of depth is that of the program, whatever became of the dictionary on its way."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.capture import sown

WIDTH = 6
NAMES = ("stem", "body", "head")  # the order of depth; in alphabetical order it is body, head, stem
PARAMS = {name: np.random.default_rng(i).normal(size=(WIDTH, WIDTH)) for i, name in enumerate(NAMES)}
INPUTS = np.random.default_rng(9).normal(size=(WIDTH, WIDTH)).astype(np.float32)


def forward(params, x):
    """One input or a batch."""
    layers = {}
    for name in NAMES:
        x = x @ params[name]
        layers[name] = x
        x = jax.nn.relu(x)
    return x, layers


def last_things_last(params, x):
    """Activation functions and shapes are seen to at the end, in the dictionary's own order."""
    stem = x @ params["stem"]
    body = jax.nn.relu(stem) @ params["body"]
    head = jnp.tanh(body) @ params["head"]
    flat = {"body": jax.nn.relu(body), "head": head.T.reshape(WIDTH, WIDTH).astype(jnp.float16), "stem": stem * 2}
    return head, flat


def residual(params, x):
    stem = x @ params["stem"]
    body = stem + jax.nn.relu(stem) @ params["body"]
    head = stem + body + jax.nn.relu(body) @ params["head"]
    return head, {"body": body, "head": head, "stem": stem}


def against_the_flow(params, x):
    output, layers = forward(params, x)
    return output, {name: layers[name] for name in ("head", "stem", "body")}


@jax.tree_util.register_dataclass
@dataclass
class Module:
    """As Equinox has them: a pytree that is called, here under jit."""

    params: Any

    @jax.jit
    def __call__(self, x):
        return forward(self.params, x)


def recorded(apply_fn, params=PARAMS, **settings) -> tuple[str, ...]:
    return je.record(apply_fn, params, [(INPUTS, np.zeros(WIDTH, int))], **settings).layers


@pytest.mark.parametrize(
    "apply_fn",
    [
        forward,
        jax.jit(forward),
        jax.vmap(forward, in_axes=(None, 0)),
        jax.jit(jax.vmap(forward, in_axes=(None, 0))),
        jax.jit(lambda p, x: jax.jit(forward)(p, x)),
        jax.checkpoint(forward),  # pyright: ignore[reportPrivateImportUsage]
        lambda params, x: Module(params)(x),
        last_things_last,
        jax.jit(last_things_last),
        residual,
        jax.jit(residual),
        against_the_flow,
    ],
    ids=(
        "plain",
        "jit",
        "vmap",
        "jit-vmap",
        "nested-jit",
        "remat",
        "equinox",
        "late",
        "late-jit",
        "residual",
        "residual-jit",
        "against",
    ),
)
def test_the_order_is_that_of_the_program(apply_fn):
    assert recorded(apply_fn) == NAMES


def test_the_same_for_tallies_and_the_bits_follow_their_names():
    batches = [(INPUTS, np.zeros(WIDTH, int))]
    assert je.tally(jax.jit(forward), PARAMS, batches, class_names=["a"]).layers == NAMES
    recording = je.record(jax.jit(forward), PARAMS, batches)
    for name, values in forward(PARAMS, INPUTS)[1].items():
        np.testing.assert_array_equal(recording.states(name), np.asarray(values) > 0)


def test_layers_given_win():
    assert recorded(jax.jit(forward), layers=["head", "stem"]) == ("head", "stem")


def test_ten_comes_after_nine():
    def deep(params, x):
        layers = {}
        for i in range(1, 13):
            x = jax.nn.relu(x @ params["stem"])
            layers[f"fc{i}"] = x
        return x, layers

    assert recorded(jax.jit(deep)) == tuple(f"fc{i}" for i in range(1, 13))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(WIDTH, name="dense")(x)
        self.sow("intermediates", "out", x)
        return nn.relu(x)


class Nested(nn.Module):
    """The first block sows again after the second one: its collection stays where it was first made."""

    @nn.compact
    def __call__(self, x):
        z, a = Block(name="z"), Block(name="a")
        x = a(z(x))
        self.sow("intermediates", "late", x)
        return x


def test_flax_modules_in_modules():
    variables = {"params": Nested().init(jax.random.key(0), INPUTS)["params"]}
    assert recorded(sown(Nested()), variables) == ("z/out", "a/out", "late")
    assert recorded(jax.jit(sown(Nested())), variables) == ("z/out", "a/out", "late")


def scanned(params, x):
    def layer(x, weights):
        x = jax.nn.relu(x @ weights)
        return x, x

    return jax.lax.scan(layer, x, jnp.stack([params[name] for name in NAMES]))


def called_back(params, x):
    shape = jax.ShapeDtypeStruct(x.shape, jnp.float32)
    return jax.pure_callback(lambda y: (y, y + 1, y + 2), (shape,) * 3, x)


@pytest.mark.parametrize("kind", ["scan", "callback"])
def test_what_cannot_be_found_is_asked_for(kind):
    """Layers of one loop or callback: their own order counts, unless it is merely alphabetical."""

    def apply_fn(order, params, x):
        outputs = scanned(params, x)[1] if kind == "scan" else called_back(params, x)
        layers = dict(zip(NAMES, outputs, strict=True))
        return x, {name: layers[name] for name in order}

    assert recorded(partial(apply_fn, NAMES)) == NAMES
    with pytest.raises(je.InputError, match=r"layers body, head, stem cannot be found.* layers=\[...\]"):
        recorded(jax.jit(partial(apply_fn, NAMES)))
    assert recorded(jax.jit(partial(apply_fn, NAMES)), layers=NAMES) == NAMES


def test_one_value_of_two_names_and_parts_of_one_product_need_no_answer():
    def apply_fn(params, x):
        both = x @ params["stem"]
        return x, {"a": both[:, 3:], "b": both[:, :3], "c": both, "d": both}

    assert sorted(recorded(jax.jit(apply_fn))) == ["a", "b", "c", "d"]


def test_planted_bug_the_dictionary_s_own_order_is_caught():
    """A control: the order that jit leaves is not the order of depth."""
    assert tuple(jax.jit(forward)(PARAMS, INPUTS)[1]) != NAMES


@pytest.mark.parametrize("names", [("body", "head", "stem"), ("fc1", "fc10", "fc2"), ("a1", "b1")])
def test_arrays_in_alphabetical_order_are_asked_about(names):
    arrays = dict.fromkeys(names, INPUTS)
    with pytest.warns(je.DepthOrderWarning, match=rf"{', '.join(names)} .* alphabetical order"):
        je.Recording.from_activations(arrays, np.zeros(WIDTH, int))
    recording = je.Recording.from_activations(arrays, np.zeros(WIDTH, int), layers=names[::-1])
    assert recording.layers == names[::-1]


@pytest.mark.parametrize("names", [("stem", "body", "head"), ("fc1", "fc2", "fc3"), ("layer9", "layer10"), ("only",)])
def test_arrays_in_an_order_of_their_own_are_not(names):
    recording = je.Recording.from_activations(dict.fromkeys(names, INPUTS), np.zeros(WIDTH, int))
    assert recording.layers == names  # and a warning would be an error


def test_unknown_layers_are_refused():
    with pytest.raises(je.InputError, match="no layer 'tail'; there are stem, body, head"):
        je.Recording.from_activations(dict.fromkeys(NAMES, INPUTS), np.zeros(WIDTH, int), layers=["tail"])
