"""Watching a training: the numbers of a profile at each step, cheaply; resumed; refused where it cannot be."""

import re
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from flax import nnx

import jaxentropy as je
from jaxentropy.counting.multiplicities import multiplicities_on_host
from jaxentropy.counting.watching import layer_multiplicities
from tests.conftest import toy_images

IMAGES, LABELS = toy_images(90, np.random.default_rng(3))
INPUTS = IMAGES.reshape(90, -1)
BATCHES = [(INPUTS[:40], LABELS[:40]), (INPUTS[40:80], LABELS[40:80]), (INPUTS[80:], LABELS[80:])]

WHOLE: dict[str, Any] = {"fast": False, "options": {"bounds": False, "bootstrap": 20}}


def network(variables, inputs):
    for name in ("fc1", "fc2"):
        inputs = jax.nn.relu(inputs @ variables[name])
    return inputs @ variables["output"]


def variables_of(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"fc1": (64, 5), "fc2": (5, 40), "output": (40, 3)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def watched(steps=(0, 1, 2), **settings) -> je.Monitor:
    monitor = je.Monitor(network, BATCHES, **settings)
    for step in steps:
        monitor(step, variables_of(step))
    return monitor


def agree(found: xr.Dataset, expected: xr.Dataset) -> None:
    assert found.data_vars
    for name, own in found.data_vars.items():
        assert own.dims == expected[name].dims, name
        assert own.attrs == expected[name].attrs, name
        np.testing.assert_allclose(own.values, expected[name].values, atol=1e-12, err_msg=str(name))


def test_quick_numbers_are_those_of_a_profile():
    class_names = ["a", "b", "c", "none of these"]
    monitor = watched(class_names=class_names)
    assert monitor.profile.neuron_entropy.dims == ("step", "layer", "class")
    assert monitor.profile.n.dims == ("class",)
    for step in (0, 1, 2):
        recording = je.record(network, variables_of(step), BATCHES, class_names=class_names)
        agree(monitor.at(step), je.profile(recording, estimators=["plugin"], bounds=False, bootstrap=0))


def test_the_whole_profile_at_each_step():
    monitor = watched((0, 5), **WHOLE)
    expected = je.profile(je.record(network, variables_of(5), BATCHES), **WHOLE["options"])
    assert monitor.profile.neuron_fall.dims[:2] == ("step", "layer_step")
    found = monitor.at(5)
    assert set(found.data_vars) == set(expected.data_vars)
    assert list(found.step.values) == ["fc1→fc2"]
    agree(found.drop_vars("reliability"), expected)
    assert "neuron_fall/fc1→fc2" in je.scalars(monitor.profile)


def test_every_input_listed_is_exact():
    monitor = watched((0,), exhaustive=True)
    expected = je.profile(je.record(network, variables_of(0), BATCHES, exhaustive=True))
    assert list(monitor.profile.estimator.values) == ["exact"]
    agree(monitor.at(0).drop_vars("reliability", errors="ignore"), expected)


def test_what_is_not_due_is_not_measured():
    monitor = je.Monitor(network, BATCHES, every=10)
    made = [monitor(step, variables_of(0) if step in (0, 12, 30) else None) for step in (0, 9, 12, 21, 30)]
    assert made == [True, False, True, False, True]  # None would be refused if it were looked at
    assert list(monitor.profile.step.values) == [0, 12, 30]


def test_a_second_call_compiles_nothing(compilations):
    monitor = watched((0,), quantizer=je.Threshold(0.25))  # which no other test has compiled
    before = len(compilations)
    assert before
    monitor(1, variables_of(1))
    je.scalars(monitor.profile)
    assert len(compilations) == before


@pytest.mark.parametrize("settings", [{}, WHOLE])
def test_going_on_from_a_file(tmp_path, settings):
    path = tmp_path / "watched.nc"
    whole = watched(range(4), **settings).profile
    first = watched(range(3), resume=path, **settings)  # not there yet
    first.save(path)
    second = je.Monitor(network, BATCHES, resume=path, **settings)
    xr.testing.assert_identical(second.profile, je.load_profile(path))
    for step in (2, 3):  # training went back to its checkpoint at 2
        second(step, variables_of(step))
    xr.testing.assert_allclose(second.profile, whole)
    assert list(second.profile.step.values) == [0, 1, 2, 3]


def test_a_file_of_something_else_is_refused():
    saved = watched((0,)).profile
    for other, message in (
        (saved.assign_coords(layer=["fc1", "fc9"]), "has layer fc1, fc9, this network fc1, fc2"),
        (saved.assign_attrs(quantizer="Threshold(at=0.1)"), "of other quantizer"),
        (saved.rename(patterns="words"), "the saved profile has words, which is not measured now"),
    ):
        monitor = je.Monitor(network, BATCHES, resume=other)
        with pytest.raises(je.InputError, match=re.escape(message)):
            monitor(1, variables_of(1))
    others = [(inputs + 1, labels) for inputs, labels in BATCHES]
    with pytest.raises(je.InputError, match="of other inputs"):
        je.Monitor(network, others, resume=saved)(1, variables_of(1))


def test_what_cannot_be_watched():
    with pytest.raises(je.InputError, match="no batch was given"):
        je.Monitor(network, [])
    with pytest.raises(je.InputError, match="every is 0"):
        je.Monitor(network, BATCHES, every=0)
    with pytest.raises(je.InputError, match="say fast=False"):
        je.Monitor(network, BATCHES, options={"bounds": True})
    with pytest.raises(je.InputError, match="no monitor's"):
        je.Monitor(network, BATCHES, resume=watched((0,)).at(0))
    monitor = je.Monitor(network, BATCHES)
    with pytest.raises(je.InputError, match="nothing has been measured yet"):
        _ = monitor.profile
    with pytest.raises(je.InputError, match="a monitor needs what is trained"):
        monitor(0)
    monitor(3, variables_of(0))
    for step in (3, 2):
        with pytest.raises(je.InputError, match=f"step {step} after step 3"):
            monitor(step, variables_of(0))
    for other in ({"fc1": np.eye(2)}, variables_of(0) | {"output": np.ones((40, 4), np.float32)}):
        with pytest.raises(je.InputError, match="another structure, other shapes or types"):
            monitor(4, other)
    broken = variables_of(0) | {"fc2": np.full((5, 40), np.nan, np.float32)}
    with pytest.raises(je.InputError, match=r"layer 'fc2'.* at step 4 are NaN or infinite"):
        monitor(4, broken)
    assert monitor(4, variables_of(1))  # and it can go on
    with pytest.raises(je.InputError, match="step 5 was not measured; there are 3, 4"):
        monitor.at(5)


def different(states: np.ndarray) -> list[int]:
    """Different patterns of each class."""
    return [len(np.unique(states[c == LABELS], axis=0)) for c in range(3)]


class Nnx(nnx.Module):
    def __init__(self, seed: int, width: int = 7):
        rngs = nnx.Rngs(seed)
        self.fc1, self.fc2 = nnx.Linear(64, width, rngs=rngs), nnx.Linear(width, 3, rngs=rngs)

    def __call__(self, inputs):
        return self.fc2(nnx.relu(self.fc1(inputs)))


def test_nnx_the_same_object_or_another():
    model, other = Nnx(0), Nnx(1)
    monitor = je.Monitor(model, BATCHES)
    monitor(0, model)
    monitor(1, other)
    model.fc1.kernel.set_value(other.fc1.kernel.get_value())
    monitor(2)  # the object from the start, whose state has changed
    entropy = monitor.profile.neuron_entropy
    np.testing.assert_array_equal(entropy[1], entropy[2])
    assert (entropy[0] != entropy[1]).any()
    states = INPUTS @ np.asarray(other.fc1.kernel.get_value()) > 0
    np.testing.assert_allclose(monitor.at(1).never_on, [(~states).all(0).mean()])
    np.testing.assert_array_equal(monitor.at(1).patterns[0], different(states))
    with pytest.raises(je.InputError, match=r"not built like the network before|another structure"):
        monitor(3, Nnx(0, width=8))
    with pytest.raises(je.InputError, match="not built like the network before"):
        monitor(3, variables_of(0))


def test_equinox():
    models = [eqx.nn.MLP(64, 3, 6, 2, key=jax.random.key(seed)) for seed in (0, 1)]
    monitor = je.Monitor(models[0], BATCHES)
    for step, model in enumerate(models):
        monitor(step, model)
    first = models[1].layers[0]
    states = INPUTS @ np.asarray(first.weight).T + np.asarray(first.bias) > 0
    np.testing.assert_array_equal(monitor.at(1).patterns[0], different(states))
    with pytest.raises(je.InputError, match=r"not built like the network before|another structure"):
        monitor(2, eqx.nn.MLP(64, 3, 6, 3, key=jax.random.key(0)))


def test_names_as_labels():
    names = np.array(["dog", "ant", "cat"])
    monitor, plain = je.Monitor(network, [(x, names[y]) for x, y in BATCHES]), watched((0,))
    monitor(0, variables_of(0))
    assert list(monitor.profile["class"].values) == ["ant", "cat", "dog"]
    np.testing.assert_array_equal(monitor.profile.neuron_entropy, plain.profile.neuron_entropy[..., [1, 2, 0]])


@pytest.mark.parametrize("bits", [64, 3])
def test_layers_counted_at_once_are_counted_as_each(bits, rng):
    """Also where fingerprints differ in the bits only that the class takes the place of."""
    keys = rng.integers(0, 2**bits, (3, 80), np.uint64)
    keys[1] = keys[1, 0]
    prints, labels = keys.view(np.uint32).reshape(3, 80, 2), np.arange(80, dtype=np.int32) % 4
    j, f, pooled = layer_multiplicities(prints, labels, 4)
    for layer in range(3):
        for own, table in zip(
            multiplicities_on_host(prints[layer], labels, 4), (f[layer], pooled[layer][None]), strict=True
        ):
            expected = [dict(zip(own.j[row > 0].tolist(), row[row > 0].tolist(), strict=True)) for row in own.f]
            assert [dict(zip(j[row > 0].tolist(), row[row > 0].tolist(), strict=True)) for row in table] == expected


def test_scalars_are_means_over_classes_by_name():
    monitor = watched((0, 1))
    numbers, last = je.scalars(monitor.profile), monitor.at(1)
    assert all(type(number) is float and np.isfinite(number) for number in numbers.values())
    assert numbers["neuron_entropy/fc1"] == pytest.approx(float(last.neuron_entropy[0].mean()))
    assert numbers["never_on/fc2"] == float(last.never_on[1])
    assert numbers == je.scalars(last)
    trained = [je.record(network, variables_of(seed), BATCHES, meta={"seed": seed}) for seed in (4, 5)]
    both = je.scalars(je.profile({"trained": trained}, bounds=False, bootstrap=0))
    assert {"neuron_entropy/trained/4/fc1", "pattern_entropy/shuffled/5/fc2/plugin"} <= set(both)
    assert not any(name.startswith(("n/", "reliability")) for name in both)


def test_the_readme_writes_tensorboard(tmp_path, monkeypatch):
    """Its lines as they stand there."""
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    (example,) = [code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "tensorboardX" in code]
    monkeypatch.chdir(tmp_path)
    monitor = je.Monitor(network, BATCHES)
    names = {"je": je, "jnp": jnp, "monitor": monitor, "step": 0, "variables": variables_of(0)}
    exec(example, names)
    names["writer"].close()  # type: ignore[attr-defined]
    (written,) = tmp_path.rglob("events.out.tfevents*")
    assert b"neuron_entropy/fc1" in written.read_bytes()
