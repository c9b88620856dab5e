"""Every route to one network gives the same bits, and the README's blocks run as they stand."""

import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxentropy as je
from jaxentropy.capture import sown

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
WIDTHS = (8, 5, 3)
LABELS = np.arange(40) % 3


class Sowing(nn.Module):
    @nn.compact
    def __call__(self, x):
        for i, width in enumerate(WIDTHS[:-1], 1):
            x = nn.Dense(width, name=f"dense{i}")(x)
            self.sow("intermediates", f"fc{i}", x)
            x = nn.relu(x)
        return nn.Dense(WIDTHS[-1], name="output")(x)


class Silent(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        for i, width in enumerate(WIDTHS[:-1], 1):
            x = nn.Dropout(0.5, deterministic=not train)(nn.relu(nn.Dense(width, name=f"dense{i}")(x)))
        return nn.Dense(WIDTHS[-1], name="output")(x)


class Nnx(nnx.Module):
    def __init__(self, rngs):
        sizes = (6, *WIDTHS)
        self.dense = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(sizes)])

    def __call__(self, x):
        for layer in self.dense[:-1]:
            x = jax.nn.relu(layer(x))
        return self.dense[-1](x)


@pytest.fixture(scope="module")
def given():
    """Inputs and weights of whole numbers, so that no sum is rounded, and none is 0."""
    rng = np.random.default_rng(0)
    sizes = (6, *WIDTHS)
    weights = [
        (2.0 * rng.integers(-3, 4, (a, b)).astype(np.float32), 2.0 * rng.integers(-9, 9, b).astype(np.float32) + 1)
        for a, b in pairwise(sizes)
    ]
    return SimpleNamespace(images=rng.integers(-3, 4, (40, 6)).astype(np.float32), weights=weights)


def linen_variables(weights, names):
    return {"params": {name: {"kernel": w, "bias": b} for name, (w, b) in zip(names, weights, strict=True)}}


def nnx_model(weights):
    model: Any = Nnx(nnx.Rngs(0))
    for layer, (w, b) in zip(model.dense, weights, strict=True):
        layer.kernel[...], layer.bias[...] = jnp.asarray(w), jnp.asarray(b)
    return model


def equinox_model(weights):
    layers = []
    for w, b in weights:
        layer = eqx.nn.Linear(*w.shape, key=jax.random.key(0))
        layers += [
            eqx.tree_at(lambda own: (own.weight, own.bias), layer, (jnp.asarray(w.T), jnp.asarray(b))),
            eqx.nn.Lambda(jax.nn.relu),
        ]
    return eqx.nn.Sequential(layers[:-1])


def output(weights, inputs):
    for w, b in weights[:-1]:
        inputs = jax.nn.relu(inputs @ w + b)
    return inputs @ weights[-1][0] + weights[-1][1]


def by_name(weights, inputs):
    first = inputs @ weights[0][0] + weights[0][1]
    second = jax.nn.relu(first) @ weights[1][0] + weights[1][1]
    return second, {"fc1": first, "fc2": second}


def routes(weights):
    named = linen_variables(weights, ("dense1", "dense2", "output"))
    sequential = nn.Sequential([nn.Dense(8), nn.relu, nn.Dense(5), nn.relu, nn.Dense(3)])
    return {
        "Linen, sowing": (Sowing(), named, {}),
        "Linen, sowing, as a function": (sown(Sowing()), named, {}),
        "Linen": (Silent(), named, {"train": False}),
        "Linen Sequential": (sequential, linen_variables(weights, ("layers_0", "layers_2", "layers_4")), {}),
        "NNX": (nnx_model(weights), None, {}),
        "Equinox": (equinox_model(weights), None, {}),
        "function": (output, weights, {}),
        "function of layers": (by_name, weights, {}),
    }


def test_all_routes_to_one_network_give_the_same_bits(given):
    images = given.images
    z1 = images @ given.weights[0][0] + given.weights[0][1]
    z2 = np.maximum(z1, 0) @ given.weights[1][0] + given.weights[1][1]
    for route, (network, variables, keywords) in routes(given.weights).items():
        recording = je.record(network, variables, [(images, LABELS)], **keywords)
        assert len(recording.layers) == 2, route
        for layer, expected in zip(recording.layers, (z1 > 0, z2 > 0), strict=True):
            np.testing.assert_array_equal(recording.states(layer), expected, err_msg=route)


def test_batches_of_every_form_give_the_same(given):
    network, variables, images = output, given.weights, given.images
    whole = je.record(network, variables, [(images, LABELS)])
    names = np.array(["cat", "ant", "bee"])
    forms = {
        "dictionaries": ([{"image": images[:9], "label": LABELS[:9]}, {"image": images[9:], "label": LABELS[9:]}],
                         {"keys": ("image", "label")}),
        "labels apart, rising sizes": ([images[:3], images[3:20], images[20:]], {"labels": LABELS}),
        "a generator": (((images[i : i + 7], LABELS[i : i + 7]) for i in range(0, 40, 7)), {}),
        "names": ([(images, names[LABELS])], {"class_names": names}),
    }  # fmt: skip
    for form, (batches, settings) in forms.items():
        found = je.record(network, variables, batches, **settings)
        np.testing.assert_array_equal(found.labels, LABELS, err_msg=form)
        for own, other in zip(found.words, whole.words, strict=True):
            np.testing.assert_array_equal(own, other, err_msg=form)
    sorted_names = je.record(network, variables, [(images, names[LABELS])])
    assert sorted_names.class_names == ("ant", "bee", "cat")
    np.testing.assert_array_equal(names[LABELS], np.array(sorted_names.class_names)[sorted_names.labels])


class ResNet(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        norm = lambda: nn.BatchNorm(use_running_average=not train)  # noqa: E731 - as users write it
        x = nn.relu(norm()(nn.Conv(4, (3, 3))(x)))
        x = nn.relu(norm()(nn.Conv(4, (3, 3))(x)) + x).mean((1, 2))
        x = nn.Dropout(0.5, deterministic=not train)(nn.relu(norm()(nn.Dense(7, name="fc1")(x))))
        return nn.Dense(3)(nn.relu(nn.Dense(5, name="fc2")(x)))


def test_a_resnet_with_norms_and_dropout():
    """The state is the norm's output, which the nonlinearity sees: held against Flax's own intermediates."""
    rng = np.random.default_rng(0)
    images = (rng.normal(size=(12, 8, 8, 1)) * rng.normal(size=(12, 1, 1, 1)) * 3).astype(np.float32)
    model = ResNet()
    variables: Any = model.init(jax.random.key(0), images, train=False)
    variables["batch_stats"] = jax.tree.map(lambda a: a + 0.1, variables["batch_stats"])
    # what the layers have for these images is centred, so that none is constant
    for layer, kind, module, name, sign in (
        ("fc1", "batch_stats", "BatchNorm_2", "mean", 1),
        ("fc2", "params", "fc2", "bias", -1),
    ):
        seen: Any = model.apply(variables, images, train=False, capture_intermediates=True)[1]
        [own] = seen["intermediates"][layer]["__call__"]
        variables[kind][module][name] = sign * jnp.median(own, 0)
    recording = je.record(model, variables, [(images, LABELS[:12])], train=False)
    assert recording.layers == ("fc1", "fc2")
    assert recording.meta["layer_values"]["fc1"] == "what relu sees, after a norm or scale"
    _, seen = model.apply(variables, images, train=False, capture_intermediates=True)
    for layer, module in (("fc1", "BatchNorm_2"), ("fc2", "fc2")):
        [expected] = seen["intermediates"][module]["__call__"]
        np.testing.assert_array_equal(recording.states(layer), np.asarray(expected) > 0)
    with pytest.raises(je.InputError, match=r"ResNet needs more than its inputs .*train=False"):
        je.record(model, variables, [(images, LABELS[:12])])
    with pytest.raises(je.InputError, match="give train=False"):
        je.record(model, variables, [(images, LABELS[:12])], train=True)


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(20, 8)(tokens)
        for _ in range(2):
            h = nn.LayerNorm()(x)
            x = x + nn.MultiHeadDotProductAttention(num_heads=2)(h, h)
            x = x + nn.Dense(8)(nn.gelu(nn.Dense(16)(nn.LayerNorm()(x)), approximate=False))
        return nn.Dense(3)(x.mean(1))


def test_a_transformer_encoder():
    tokens = np.random.default_rng(0).integers(0, 20, (12, 5))
    model = Encoder()
    variables = model.init(jax.random.key(0), tokens)
    table = {row["name"]: row for row in je.layers(model, variables, tokens)}
    assert [name for name, row in table.items() if row["recorded"]] == ["Dense_1", "Dense_3"]
    assert table["Dense_1"]["shape"] == (5, 16)
    assert table["Dense_4"]["role"] == "output"
    assert {row["role"] for name, row in table.items() if "Attention" in name} == {"linear"}
    with pytest.raises(je.InputError, match="Dense_1"):
        je.record(model, variables, [(tokens, LABELS[:12])])  # positions are neither samples nor neurons unasked


def blocks(word: str) -> list[str]:
    """The README's Python blocks that name this variable."""
    return [code for code in re.findall(r"```python\n(.*?)```", README, re.S) if word in code]


@pytest.mark.filterwarnings("ignore::jaxentropy.ConstantLayerWarning")
@pytest.mark.programs
def test_the_readmes_blocks_run_as_they_stand(given, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ("dense1", "dense2", "output")
    scope = {
        "je": je,
        "images": given.images,
        "batches": [(given.images, LABELS)],
        "linen_model": Silent(),
        "variables": linen_variables(given.weights, names),
        "initial_variables": linen_variables([(w[::-1], b) for w, b in given.weights], names),
        "nnx_model": nnx_model(given.weights),
        "equinox_model": equinox_model(given.weights),
    }
    for word in ("linen_model", "nnx_model", "equinox_model"):
        [code] = blocks(word)
        assert len(code.splitlines()) <= 6
        exec(code, dict(scope))
    printed = capsys.readouterr().out
    assert "dense1  fc    hidden" in printed
    assert "Clear: " in printed
    assert je.Recording.load("trained.npz").layers == ("layers/0", "layers/2")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        ({"layers": "dense"}, "no layer 'dense'; there are dense2, dense1, output|no layer 'dense'; there are dense1"),
        ({"trane": False}, "Silent takes no keyword 'trane'"),
        ({}, "Silent needs more than its inputs"),
        ({"train": False, "layers": "conv"}, "layers='conv' chose none; there are dense1"),
    ],
)
def test_refuses(given, ask, message):
    variables = linen_variables(given.weights, ("dense1", "dense2", "output"))
    keywords = {"train": False, **ask} if "layers" in ask or "trane" in ask else ask
    with pytest.raises(je.InputError, match=message):
        je.record(Silent(), variables, [(given.images, LABELS)], **keywords)


@pytest.mark.parametrize(
    ("network", "batches", "message"),
    [
        (lambda v, x: x.sum(1), [(np.ones((4, 6)), [0, 1, 0, 1])], "no layer of any other kind"),
        (output, [(np.ones((4, 6)), [0, 1, 0])], r"inputs \[4, 6\] and labels \[3\]"),
        (output, [(np.ones((4, 6)), [0, 1, 0, -1])], "labels run from -1 to 1"),
        (output, [(np.ones((4, 6)), [0, 1, 0, 1]), (np.ones((4, 5)), [0, 1, 0, 1])], "expected one shape"),
        (output, [(np.full((4, 6), np.nan), [0, 1, 0, 1])], "layer '0': .*NaN or infinite"),
        (output, {"x": np.ones((4, 6))}, "expected an iterable of them"),
        (output, [{"x": np.ones((4, 6))}], 'say which are inputs and labels, for example keys'),
        (3, [(np.ones((4, 6)), [0, 1, 0, 1])], "a int is no network"),
    ],
)  # fmt: skip
def test_refuses_data(given, network, batches, message):
    with pytest.raises(je.InputError, match=message):
        je.record(network, given.weights, batches)


class Short(list):
    """A loader that promises more batches than it has."""

    def __len__(self):
        return 3


def test_an_iterator_that_ends_early(given):
    with pytest.raises(je.InputError, match="the batches ended after 1 of 3"):
        je.record(output, given.weights, Short([(given.images, LABELS)]))
