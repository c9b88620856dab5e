"""Layers found in programs: which, in what order, on which axis; networks that change, or must be refused."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxentropy as je

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 6)).astype(np.float32)
SEQUENCES = RNG.normal(size=(12, 5, 6)).astype(np.float32)
Y = np.arange(12) % 3
W = {name: RNG.normal(size=s).astype(np.float32) for name, s in {"w0": (6, 8), "w1": (8, 8), "w2": (8, 3)}.items()}


def recorded(network, variables, inputs=X, **keywords):
    """The names of the layers that are recorded."""
    return [row["name"] for row in je.layers(network, variables, inputs, **keywords) if row["recorded"]]


def states(network, variables, layer, inputs=X, **keywords):
    return je.record(network, variables, [(inputs, Y[: len(inputs)])], **keywords).states(layer)


NONLINEARITIES = {
    "where": lambda x: jnp.where(x > 0, x, 0.1 * x),
    "leaky by max": lambda x: jnp.maximum(x, 0.1 * x),
    "mask": lambda x: x * (x > 0),
    "gelu": jax.nn.gelu,
    "exact gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu by hand": lambda x: 0.5 * x * (1 + jax.scipy.special.erf(x / np.sqrt(2))),
    "cubic gelu by hand": lambda x: 0.5 * x * (1 + jnp.tanh(0.79788 * (x + 0.044715 * x**3))),
    "swish by hand": lambda x: x / (1 + jnp.exp(-x)),
    "softplus by hand": lambda x: jnp.log1p(jnp.exp(x)),
    "log of a sum": lambda x: jnp.log(1 + jnp.exp(x)),
    "softplus": jax.nn.softplus,
    "clip": lambda x: jnp.clip(x, -1, 1),
    "clamp": lambda x: jax.lax.clamp(-1.0, x, 1.0),
    "relu6": jax.nn.relu6,
    "soft sign by hand": lambda x: x / (1 + jnp.abs(x)),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "negative part": lambda x: jnp.minimum(x, 0),
    "log of a sigmoid by hand": lambda x: jnp.minimum(x, 0) - jnp.log1p(jnp.exp(-jnp.abs(x))),
    "cos": jnp.cos,
}


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_nonlinearities_see_the_product(name):
    act = NONLINEARITIES[name]
    seen = states(lambda v, x: act(act(x @ v["w0"]) @ v["w1"]) @ v["w2"], W, "w0")
    np.testing.assert_array_equal(seen, X @ W["w0"] > 0)
    assert recorded(lambda v, x: act(act(x @ v["w0"]) @ v["w1"]) @ v["w2"], W) == ["w0", "w1"]


BIAS = np.array([2, -2, 1, -1, 0.5, -3, 3, 0], np.float32)


@pytest.mark.parametrize("name", ["exact gelu", "cubic gelu by hand", "swish by hand", "leaky by max", "log of a sum"])
@pytest.mark.parametrize("shift", ["bias", "number"])
def test_what_is_added_before_a_nonlinearity_counts(name, shift):
    """The bias of weights that a function closes over, or a number, is no part of the nonlinearity."""
    weights, bias, act = W["w0"], BIAS if shift == "bias" else np.float32(-1), NONLINEARITIES[name]
    seen = states(lambda v, x: act(x @ weights + bias) @ v["w2"], W, "constant1")
    np.testing.assert_array_equal(seen, X @ weights + bias > 0)


def test_a_sign_before_a_nonlinearity_counts():
    for scale in (-2.0, BIAS):  # which is 0 once
        seen = states(lambda v, x, by=scale: jnp.tanh((x @ v["w0"]) * by) @ v["w2"], W, "w0")
        np.testing.assert_array_equal(seen, (X @ W["w0"]) * scale > 0)


class SwiGLU(nn.Module):
    @nn.compact
    def __call__(self, x):
        h = nn.RMSNorm()(nn.Dense(8, name="into")(x))
        h = nn.silu(nn.Dense(9, name="gate")(h)) * nn.Dense(9, name="up")(h)
        return nn.Dense(3, name="head")(nn.Dense(8, name="down")(h))


class Tied(nn.Module):
    @nn.compact
    def __call__(self, x):
        shared = nn.Dense(6, name="shared")
        return nn.Dense(3)(nn.relu(shared(nn.relu(shared(x)))))


class Loop(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(nn.relu(nn.Dense(7, name="fc")(jnp.asarray(nn.RNN(nn.LSTMCell(4))(x))[:, -1])))


def variables_of(model, inputs=X):
    return jax.jit(model.init)(jax.random.key(0), inputs)


def test_which_layers_are_recorded():
    assert recorded(SwiGLU(), variables_of(SwiGLU())) == ["gate"]
    assert recorded(Tied(), variables_of(Tied())) == ["shared", "shared@2"]
    heads = lambda v, x: (lambda h: {"a": h @ v["w1"], "b": h @ v["w2"]})(jax.nn.relu(x @ v["w0"]))  # noqa: E731
    assert recorded(heads, W) == ["w0"]
    # the last product is a sum by hand
    assert recorded(lambda v, x: (jax.nn.relu(x @ v["w0"]) * v["u"]).sum(-1), {**W, "u": np.ones(8, np.float32)}) == [
        "w0"
    ]
    # two nonlinearities see one sum: it is recorded once
    both = lambda v, x: (lambda h: jax.nn.relu(h) @ v["w2"] + jnp.tanh(h) @ v["w2"])(x @ v["w0"] + x**3 @ v["w0"])  # noqa: E731
    assert recorded(both, W) == ["w0@2"]
    assert recorded(lambda v, x: jax.nn.softmax(x @ v["w0"]) @ v["w2"], W) == []


def test_layers_of_one_module_have_names_of_their_own():
    network = lambda v, x: jax.nn.relu(jax.nn.relu(x @ v["mlp"]["w0"]) @ v["mlp"]["w1"]) @ v["mlp"]["w2"]  # noqa: E731
    assert recorded(network, {"mlp": W}) == ["mlp/w0", "mlp/w1"]
    assert [row["name"] for row in je.layers(lambda v, x: x @ v, W["w0"], X)] == ["weights"]


def test_neurons_along_several_axes_are_one_layer():
    dense = nn.Sequential([nn.DenseGeneral((2, 4)), nn.relu, nn.DenseGeneral(3, axis=(-2, -1))])
    variables = variables_of(dense)
    kernel = variables["params"]["layers_0"]["kernel"]
    np.testing.assert_array_equal(states(dense, variables, "layers_0"), X @ np.asarray(kernel).reshape(6, 8) > 0)
    blocks = RNG.normal(size=(2, 3, 4)).astype(np.float32)

    def diagonal(v, x):
        h = jax.nn.relu(jnp.einsum("bhi,hio->bho", x.reshape(len(x), 2, 3), v["blocks"]))
        return h.reshape(len(x), -1) @ v["w1"]

    own = np.einsum("bhi,hio->bho", X.reshape(12, 2, 3), blocks).reshape(12, 8)
    np.testing.assert_array_equal(states(diagonal, {**W, "blocks": blocks}, "blocks"), own > 0)


def test_data_on_the_right_of_weights():
    transposed = lambda v, x: (v["w2"].T @ jax.nn.relu(v["w0"].T @ x.T)).T  # noqa: E731
    np.testing.assert_array_equal(states(transposed, W, "w0"), X @ W["w0"] > 0)


def test_rows_in_the_order_of_time_are_not_taken_for_inputs():
    def merged(order):
        def network(v, x):
            rows = (jnp.swapaxes(x, 0, 1) if order == "time" else x).reshape(-1, 6)
            h = jax.nn.relu(rows @ v["w0"])
            return (h.reshape(5, len(x), 8).mean(0) if order == "time" else h.reshape(len(x), 5, 8).mean(1)) @ v["w2"]

        return network

    own = (SEQUENCES @ W["w0"]).reshape(12, 40) > 0
    np.testing.assert_array_equal(states(merged("inputs"), W, "w0", SEQUENCES, positions="flatten"), own)
    with pytest.raises(je.InputError, match="'w0' has no axis of inputs of its own"):
        je.record(merged("time"), W, [(SEQUENCES, Y)], positions="flatten")


def test_one_input_gives_what_many_give():
    network = lambda v, x: jax.nn.relu(jax.nn.relu(x @ v["w0"]) @ v["w1"]) @ v["w2"]  # noqa: E731
    one = je.record(network, W, [(X[:1], Y[:1])])
    np.testing.assert_array_equal(one.states("w1"), states(network, W, "w1")[:1])


def test_equinox_modules_are_called_one_input_at_a_time():
    mlp = eqx.nn.MLP(6, 6, 6, 2, key=jax.random.key(0))  # as many inputs as neurons: both calls have a shape that fits
    first = X[:6] @ np.asarray(mlp.layers[0].weight).T + np.asarray(mlp.layers[0].bias)
    for model in (mlp, eqx.filter_jit(mlp)):
        np.testing.assert_array_equal(states(model, None, "layers/0", X[:6]), first > 0)


class Signed(eqx.Module):
    inner: eqx.nn.Linear
    head: eqx.nn.Linear
    sign: float = eqx.field(static=True)

    def __call__(self, x):
        return self.head(jax.nn.relu(self.sign * self.inner(x)))


def test_what_a_network_closes_over_may_change():
    sign, weights = [1.0], W["w0"].copy()
    by_setting = lambda v, x: jax.nn.relu(sign[0] * (x @ v["w0"])) @ v["w2"]  # noqa: E731
    by_array = lambda v, x: jax.nn.relu(x @ weights) @ v["w2"]  # noqa: E731
    by_name = lambda v, x: (None, {"h": x @ weights})  # noqa: E731
    inner, head = nnx.Linear(6, 8, rngs=nnx.Rngs(0)), nnx.Linear(8, 3, rngs=nnx.Rngs(1))
    by_module = lambda v, x: head(nnx.relu(inner(x)))  # noqa: E731
    asked = [(by_setting, W, "w0"), (by_array, W, "constant1"), (by_name, None, "h"), (by_module, None, "constant1"),
             (nnx.Sequential(inner, nnx.relu, head), None, "layers/0")]  # fmt: skip
    before = [states(*one) for one in asked]
    sign[0] = -1.0
    weights *= -1
    inner.kernel[...] = -inner.kernel[...]
    for (_, _, name), own, network in zip(asked, before, asked, strict=True):
        np.testing.assert_array_equal(states(*network), ~own, err_msg=name)
    key = jax.random.key(0)
    parts = eqx.nn.Linear(6, 8, use_bias=False, key=key), eqx.nn.Linear(8, 3, key=key)
    one, other = (states(Signed(*parts, value), None, "inner") for value in (1.0, -1.0))
    np.testing.assert_array_equal(one, ~other)


def test_the_same_network_is_compiled_once(compilations):
    model = nn.Sequential([nn.Dense(8), nn.gelu, nn.Dense(3)])  # has a list, and cannot be hashed
    variables = variables_of(model)
    je.record(model, variables, [(X, Y)])
    compilations.clear()
    je.record(model, variables, [(X, Y)])
    assert not compilations


class Deep(nn.Module):
    @nn.compact
    def __call__(self, x):
        for _ in range(100):
            x = nn.relu(nn.LayerNorm()(nn.Dense(4)(x)))
        return nn.Dense(3)(x)


@pytest.mark.thorough
def test_a_hundred_layers():
    from jaxentropy.capture.calls import LinenCall
    from jaxentropy.capture.taps import layers_in

    variables = jax.eval_shape(Deep().init, jax.random.key(0), X)
    found = layers_in(LinenCall(Deep()), variables, X)
    assert [layer.role for layer in found] == ["hidden"] * 100 + ["output"]
    assert {layer.value for layer in found[:-1]} == {"what relu sees, after a norm"}


class Dropped(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        return nn.Dense(3)(nn.relu(nn.Dense(8)(nn.Dropout(0.5, deterministic=not train)(x))))


def dropped(v, x):
    return Dropped().apply(v, x, train=True, rngs={"dropout": jax.random.key(0)})


def centred(v, x):
    """Batch statistics over inputs and positions, which share an axis."""
    h = x.reshape(-1, 6) @ v["w0"]
    return jax.nn.relu(h - h.mean(0)).reshape(len(x), 5, 8).mean(1) @ v["w2"]


@pytest.mark.parametrize(
    ("network", "inputs", "message"),
    [
        (lambda v, x: (x, {"a": (3 * x).astype(int)}), X, "'a' holds whole numbers"),
        (lambda v, x: (x, {"a": x.mean(0)}), X, r"'a' has shape \[6\] and no row for each input"),
        (lambda v, x: (x, {"a": v["w0"]}), X[:6], r"'a' has shape \[6, 8\] and no row for each input"),
        (lambda v, x: (x, {"a": x.T}), X, r"'a' has shape \[6, batch\] and no row for each input"),
        (lambda v, x: (x, {"a": x - x.mean(0)}), X, "in layer 'a' the row of an input hangs on the other inputs"),
        (centred, SEQUENCES, "in layer 'w0' the row of an input hangs on the other inputs"),
        (lambda v, x: jax.nn.relu(x.reshape(12, 6) @ v["w0"]) @ v["w2"], X, "batches of one size only"),
        (lambda v, x: dropped(v["dropped"], x), X, "random numbers enter layer"),
        (lambda v, x: Loop().apply(v["loop"], x), SEQUENCES, 'inside a scan.*beside .*fc.*layers="hidden"'),
    ],
)  # fmt: skip
def test_refuses(network, inputs, message):
    loop = Loop().init(jax.random.key(0), SEQUENCES)
    dropping = Dropped().init(jax.random.key(0), X, train=False)
    with pytest.raises(je.InputError, match=message):
        je.record(network, {**W, "loop": loop, "dropped": dropping}, [(inputs, Y[: len(inputs)])])


@pytest.mark.parametrize(
    ("batches", "keywords", "message"),
    [
        ([(X, [None] * 12)], {}, "batch 0 has inputs without a label"),
        ([(X, Y * np.nan)], {}, "batch 0 has inputs without a label"),
        ([(X, np.eye(3)[Y])], {}, r"give argmax\(axis=1\)"),
        ([(X, Y), (X, np.array(list("abc" * 4)))], {}, "batch 1 has labels of another kind"),
        ([(X, Y)], {"labels": Y}, "has several parts, and labels=… are given too"),
        ([(X, Y)], {"class_names": ["a", "b"]}, "labels run from 0 to 2"),
    ],
)
def test_refuses_labels(batches, keywords, message):
    with pytest.raises(je.InputError, match=message):
        je.record(lambda v, x: jax.nn.relu(x @ v["w0"]) @ v["w2"], W, batches, **keywords)


def test_an_empty_batch_is_passed_over():
    network = lambda v, x: jax.nn.relu(x @ v["w0"]) @ v["w2"]  # noqa: E731
    recording = je.record(network, W, [(X[:0], Y[:0]), (X, Y)])
    np.testing.assert_array_equal(recording.states("w0"), X @ W["w0"] > 0)


def test_layers_that_a_function_gives_are_in_the_order_of_depth():
    """jax.jit leaves a dictionary in the order of its names."""

    def network(v, x):
        first = x @ v["w0"]
        second = jax.nn.relu(first) @ v["w1"]
        return second, {"z": first, "a": second, "m": jax.nn.relu(second) @ v["w2"]}

    for wanted in (None, "all", "*", lambda layer: True):
        assert je.record(network, W, [(X, Y)], layers=wanted).layers == ("z", "a", "m")
    assert recorded(network, W) == ["z", "a", "m"]
    assert je.record(network, W, [(X, Y)], layers=["a", "z"]).layers == ("a", "z")


def test_a_state_or_losses_beside_the_output_are_no_layers():
    for beside in ({}, {"loss": 0.0, "z": 1.0}):
        network = lambda v, x, b=beside: (jax.nn.relu(x @ v["w0"]) @ v["w2"], jax.tree.map(jnp.float32, b))  # noqa: E731
        assert recorded(network, W) == ["w0"]


EXPERTS = {**W, "router": W["w2"], "experts": RNG.normal(size=(3, 8, 8)).astype(np.float32)}


def chosen_weights(v, x):
    h = jax.nn.relu(x @ v["w0"])
    return jnp.einsum("bi,bio->bo", h, v["experts"][jnp.argmax(h @ v["router"], -1)]) @ v["w2"]


def sorted_by_expert(v, x):
    h = jax.nn.relu(x @ v["w0"])
    expert = jnp.argmax(h @ v["router"], -1)
    sizes = jnp.bincount(expert, length=3)
    return jax.lax.ragged_dot(h[jnp.argsort(expert)], v["experts"], sizes)[jnp.argsort(jnp.argsort(expert))] @ v["w2"]


@pytest.mark.parametrize(("network", "where"), [(chosen_weights, "gather"), (sorted_by_expert, "ragged_dot")])
def test_experts_that_cannot_be_reached_are_not_passed_over(network, where):
    with pytest.raises(je.InputError, match=f"inside a {where}.* beside w0"):
        je.record(network, EXPERTS, [(X, Y)])
    assert je.record(network, EXPERTS, [(X, Y)], layers="hidden").layers == ("w0",)


def test_a_function_of_inputs_alone_is_told_what_to_write():
    with pytest.raises(je.InputError, match="one that takes inputs alone: record"):
        je.record(lambda x: jax.nn.relu(x @ W["w0"]) @ W["w2"], None, [(X, Y)])
