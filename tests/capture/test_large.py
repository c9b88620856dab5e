"""Large and awkward networks: half precision, sharded parameters, loaders of other libraries, tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxentropy as je
from tests.capture.test_routes import LABELS, Encoder

SIZES = {"fc1": (6, 16), "fc2": (16, 8), "out": (8, 3)}


def network(variables, inputs):
    hidden = jax.nn.relu(inputs @ variables["fc1"])
    return jax.nn.relu(hidden @ variables["fc2"]) @ variables["out"]


@pytest.fixture(scope="module")
def given():
    """Whole numbers, so that the order of a sum's terms changes nothing."""
    rng = np.random.default_rng(0)
    weights = {name: rng.integers(-4, 5, shape).astype(np.float32) for name, shape in SIZES.items()}
    return rng.integers(-4, 5, (40, 6)).astype(np.float32), weights


def expected(images, weights):
    first = images @ weights["fc1"]
    return first > 0, np.maximum(first, 0) @ weights["fc2"] > 0


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_parameters_sharded_over_devices(given, kind):
    """Each device has some neurons of each layer, and words are made of the bits of several devices."""
    images, weights = given
    mesh = jax.make_mesh((8,), ("d",), axis_types=(getattr(AxisType, kind),))
    of_columns = {name: PartitionSpec(None, "d" if shape[1] % 8 == 0 else None) for name, shape in SIZES.items()}
    sharded = {name: jax.device_put(own, NamedSharding(mesh, of_columns[name])) for name, own in weights.items()}
    batches = [(images[:25], LABELS[:25]), (images[25:], LABELS[25:])]
    recording = je.record(network, sharded, batches)
    for layer, states in zip(("fc1", "fc2"), expected(images, weights), strict=True):
        np.testing.assert_array_equal(recording.states(layer), states)
    counted = je.tally(network, sharded, batches, class_names="abc")
    for on, states in zip(counted.on, expected(images, weights), strict=True):
        np.testing.assert_array_equal(on, [states[c == LABELS].sum(0) for c in range(3)])
    if kind == "Auto":  # and the batches shared by another mesh
        shared = je.record(network, sharded, [(images, LABELS)], mesh=jax.make_mesh((4,), ("batch",)))
        np.testing.assert_array_equal(shared.states("fc2"), expected(images, weights)[1])


def test_half_precision():
    """States are those of the sums as bfloat16 rounds them; float32 has others."""
    rng = np.random.default_rng(0)
    weights = {name: jnp.asarray(rng.normal(size=shape), jnp.bfloat16) for name, shape in SIZES.items()}
    images = jnp.asarray(rng.normal(size=(40, 6)), jnp.bfloat16)
    recording = je.record(network, weights, [(images, LABELS)])
    first = images @ weights["fc1"]
    assert first.dtype == jnp.bfloat16
    np.testing.assert_array_equal(recording.states("fc1"), np.asarray(first, np.float32) > 0)
    second = jax.nn.relu(first) @ weights["fc2"]
    np.testing.assert_array_equal(recording.states("fc2"), np.asarray(second, np.float32) > 0)


def test_loaders_of_grain(given):
    grain = pytest.importorskip("grain")
    images, weights = given
    rows = [{"image": image, "label": label} for image, label in zip(images, LABELS, strict=True)]
    batched = grain.MapDataset.source(rows).batch(7)
    for batches in (batched, batched.to_iter_dataset()):
        recording = je.record(network, weights, batches, keys=("image", "label"))
        np.testing.assert_array_equal(recording.states("fc1"), expected(images, weights)[0])
        np.testing.assert_array_equal(recording.labels, LABELS)


class Tensor:
    """As much of TensorFlow's eager tensors as NumPy sees."""

    def __init__(self, value):
        self._value = value
        self.shape = value.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._value, dtype)

    def __len__(self):
        return len(self._value)


class TensorFlowData:
    """As much of ``tf.data.Dataset`` as there is without TensorFlow: a length that may be unknown."""

    def __init__(self, batches, size=None):
        self._batches, self._size = batches, size

    def __iter__(self):
        return iter(self._batches)

    def __len__(self):
        if self._size is None:
            raise TypeError("The dataset length is unknown.")
        return self._size


@pytest.mark.parametrize("size", [None, 2])
def test_loaders_like_those_of_tensorflow(given, size):
    images, weights = given
    parts = [(images[:30], LABELS[:30]), (images[30:], LABELS[30:])]
    tuples = TensorFlowData([(Tensor(x), Tensor(y)) for x, y in parts], size)
    dictionaries = TensorFlowData([{"image": Tensor(x), "label": Tensor(y)} for x, y in parts], size)
    for recording in (
        je.record(network, weights, tuples),
        je.record(network, weights, dictionaries, keys=("image", "label")),
        je.record(network, weights, TensorFlowData([Tensor(x) for x, _ in parts], size), labels=Tensor(LABELS)),
    ):
        np.testing.assert_array_equal(recording.states("fc1"), expected(images, weights)[0])
        np.testing.assert_array_equal(recording.labels, LABELS)


def test_each_token_of_a_transformer_is_a_sample():
    """Its MLP blocks' states against Flax's own intermediates; tokens of a sentence are one cluster."""
    tokens = np.random.default_rng(0).integers(0, 20, (12, 5))
    model = Encoder()
    variables = model.init(jax.random.key(0), tokens)
    recording = je.record(model, variables, [(tokens[:8], LABELS[:8]), (tokens[8:], LABELS[8:12])], positions="each")
    assert recording.layers == ("Dense_1", "Dense_3")
    _, seen = model.apply(variables, tokens, capture_intermediates=True)
    for layer, module in (("Dense_1", "Dense_1"), ("Dense_3", "Dense_3")):
        [own] = seen["intermediates"][module]["__call__"]
        np.testing.assert_array_equal(recording.states(layer), np.asarray(own).reshape(60, 16) > 0)
    np.testing.assert_array_equal(recording.clusters, np.repeat(np.arange(12), 5))
    np.testing.assert_array_equal(recording.labels, np.repeat(LABELS[:12], 5))
