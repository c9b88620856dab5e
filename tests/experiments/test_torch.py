"""The README's PyTorch block, as it stands: the bits and the profile of the Flax MLP with the same weights."""

import re
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy.capture import sown
from jaxentropy.experiments.activations import read_activations
from jaxentropy.networks.models import MLP

torch = pytest.importorskip("torch", reason="PyTorch is not here: pip install jaxentropy[torch]")

ROOT = Path(__file__).parent.parent.parent
LAYERS = {"0": "fc1", "2": "fc2"}


def block(file: str, holding: str) -> str:
    """The Python block of a text that holds these words."""
    [found] = [code for code in re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(), re.S) if holding in code]
    return found


@pytest.fixture(scope="module")
def network():
    """(PyTorch's model, Flax's model and parameters, inputs, labels): small whole numbers, so that nothing rounds."""
    rng = np.random.default_rng(0)
    sizes = (12, 40, 33, 3)
    weights = [rng.integers(-3, 4, pair).astype(np.float32) for pair in pairwise(sizes)]
    biases = [rng.integers(-4, 5, size).astype(np.float32) for size in sizes[1:]]
    dense = [torch.nn.Linear(*w.shape) for w in weights]
    with torch.no_grad():
        for layer, w, b in zip(dense, weights, biases, strict=True):
            layer.weight.copy_(torch.tensor(w.T))
            layer.bias.copy_(torch.tensor(b))
    relu = torch.nn.ReLU(inplace=True)  # which overwrites what a hook has seen, unless that was copied
    model = torch.nn.Sequential(dense[0], relu, dense[1], relu, dense[2])
    inputs, labels = rng.integers(-2, 3, (150, 12)).astype(np.float32), rng.integers(0, 3, 150)
    flax = MLP((40, 33), 3)
    names = ("fc1", "fc2", "logits")
    params = flax_parameters(flax, dict(zip(names, zip(weights, biases, strict=True), strict=True)))
    return model, flax, params, inputs, labels


def flax_parameters(model: MLP, given: dict) -> dict:
    """The same weights under Flax's names, in the order of its layers."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 12)))["params"]
    by_shape = {w.shape: {"kernel": jnp.asarray(w), "bias": jnp.asarray(b)} for w, b in given.values()}
    return {"params": {name: by_shape[own["kernel"].shape] for name, own in shapes.items()}}


@pytest.fixture
def loader(network):
    *_, inputs, labels = network
    return [(torch.tensor(inputs[i : i + 32]), torch.tensor(labels[i : i + 32])) for i in range(0, 150, 32)]


@pytest.fixture
def expected(network) -> je.Recording:
    _, flax, params, inputs, labels = network
    recording = je.record(sown(flax), params, [(jnp.asarray(inputs), labels)])
    assert recording.layers[:2] == ("fc1", "fc2")
    zeros = [(np.asarray(own) == 0).mean() for own in sown(flax)(params, jnp.asarray(inputs))[1].values()]
    assert zeros[0] > 0.005  # pre-activations of exactly zero are among them
    return recording


def agrees(recording: je.Recording, expected: je.Recording) -> None:
    for torch_name, flax_name in LAYERS.items():
        own, theirs = recording.layers.index(torch_name), expected.layers.index(flax_name)
        np.testing.assert_array_equal(recording.words[own], expected.words[theirs])
    np.testing.assert_array_equal(recording.labels, expected.labels)


def test_the_readme_block_as_it_stands(network, loader, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = block("README.md", "register_module_forward_hook")
    assert sum(bool(line) for line in code.splitlines()) <= 6
    names = {"model": network[0], "loader": loader}
    exec(code, names)
    recording = read_activations(Path("trained.npz"), list(LAYERS))
    agrees(recording, expected)
    with np.load("trained.npz") as file:
        assert list(file) == ["0", "2", "4", "labels"]
        assert (file["0"] < 0).any()  # pre-activations, though the ReLU works in place
    network[0](loader[0][0])
    assert len(names["seen"]["0"]) == len(loader)  # no hook is left behind
    ours = je.Recording(tuple(LAYERS.values()), recording.widths, recording.words, recording.labels, ("0", "1", "2"))
    theirs = je.Recording(ours.layers, expected.widths[:2], expected.words[:2], expected.labels, ("0", "1", "2"))
    xr.testing.assert_identical(je.profile(ours, bounds=False), je.profile(theirs, bounds=False))


def test_a_planted_weight_is_seen(network, loader, expected, tmp_path, monkeypatch):
    """The control: one bias of the second layer changed, and its bits are others."""
    monkeypatch.chdir(tmp_path)
    bias = network[0][2].bias
    with torch.no_grad():
        bias[3] += 5
        exec(block("README.md", "register_module_forward_hook"), {"model": network[0], "loader": loader})
        bias[3] -= 5
    recording = read_activations(Path("trained.npz"), list(LAYERS))
    differing = recording.states("2") != expected.states("fc2")
    assert np.flatnonzero(differing.any(0)).tolist() == [3]


def test_the_block_that_writes_hdf5(network, loader, expected, tmp_path):
    names = {}
    exec(block("docs/other-frameworks.md", "def save_activations"), names)
    names["save_activations"](tmp_path / "trained.h5", network[0], loader)
    recording = read_activations(tmp_path / "trained.h5")
    assert recording.layers == ("0", "2", "4")
    agrees(recording, expected)


def test_tensors_serve_and_those_with_a_gradient_give_one_line(network, loader, expected):
    model = network[0]
    with torch.no_grad():
        z = torch.cat([model[0](x) for x, _ in loader])
    recording = je.Recording.from_activations({"0": z}, torch.cat([y for _, y in loader]))
    np.testing.assert_array_equal(recording.words[0], expected.words[0])
    with pytest.raises(je.InputError, match=r"layer '0' cannot be read as an array .* z.detach\(\).float\(\).cpu"):
        je.Recording.from_activations({"0": model[0](loader[0][0])}, loader[0][1])
