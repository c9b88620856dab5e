"""What is free is asked of the system; what is more than that is refused before it is begun."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.base import memory

WEIGHTS = {"fc1": np.ones((6, 16), np.float32), "out": np.ones((16, 3), np.float32)}
IMAGES, LABELS = np.eye(12, 6, dtype=np.float32), np.arange(12) % 3


def network(variables, inputs):
    return jax.nn.relu(inputs @ variables["fc1"]) @ variables["out"]


def test_free_memory_is_some_and_less_than_there_is():
    [kilobytes] = re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    total = 1024 * int(kilobytes)
    assert 0 < memory.free_memory() < total


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max", float("inf")), ("5000", 5000 - 3000 + 1200), ("1000", 0.0)],
)
def test_what_a_control_group_has_left(tmp_path, limit, expected):
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 1800\ninactive_file 1200\n" if limit != "1000" else "inactive_file 0\n")
    assert memory._left(tmp_path) == expected
    assert memory._left(tmp_path / "missing") == float("inf")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (7.34e6, "7.3 MB"), (12.3e9, "12 GB")]
)
def test_units(size, text):
    assert memory.in_units(size) == text


class Many(list):
    """A loader of many batches, which must not be asked for the second one."""

    def __iter__(self):
        yield (IMAGES, LABELS)
        yield (IMAGES, LABELS)
        yield (IMAGES, LABELS)
        yield (IMAGES, LABELS)
        raise AssertionError("read on")

    def __len__(self):
        return 10**16


def test_more_than_is_free_is_refused_before_it_is_read():
    with pytest.raises(je.InputError, match=r"results of 1200+ inputs need \d+ PB .* spill="):
        je.record(network, WEIGHTS, Many())
    with pytest.raises(je.InputError, match=r"merge the tallies of parts"):
        je.tally(network, WEIGHTS, Many(), class_names="abc")


def test_an_unknown_number_is_refused_while_it_can_still_be_joined(monkeypatch):
    """A word and a label of 8 bytes an input: ten batches of 12 are 1,440 bytes."""
    monkeypatch.setattr(memory, "free_memory", lambda: 500.0)
    endless = ((IMAGES, LABELS) for _ in range(10))
    with pytest.raises(je.InputError, match=r"results of 48 inputs need 576 bytes of memory, and 500 bytes are free"):
        je.record(network, WEIGHTS, endless)
    monkeypatch.setattr(memory, "free_memory", lambda: 1500.0)
    assert je.record(network, WEIGHTS, ((IMAGES, LABELS) for _ in range(10))).num_inputs == 120


class Endless:
    """As ``tf.data`` and ``torch.utils.data`` have them: a length that cannot be told."""

    def __iter__(self):
        return iter([(IMAGES, LABELS)])

    def __len__(self):
        raise TypeError("the dataset's length is unknown")


def test_a_length_that_cannot_be_told():
    assert je.record(network, WEIGHTS, Endless()).num_inputs == 12


def test_a_batch_that_the_device_cannot_hold():
    def huge(variables, inputs):
        hidden = jax.nn.relu(inputs @ variables["fc1"])
        wide = jnp.sort(hidden[:, :, None] * jnp.ones(1 << 40, jnp.float32), -1)
        return jax.nn.relu(wide[:, :, :: 1 << 30].sum(-1) @ variables["fc2"]) @ variables["out"]

    with pytest.raises(je.InputError, match=r"a batch of 12 inputs is more than the memory of .*; give smaller"):
        je.record(huge, {**WEIGHTS, "fc2": np.ones((16, 16), np.float32)}, [(IMAGES, LABELS)])


def test_the_size_is_said_beforehand(capsys):
    """4 bytes an input and layer."""
    je.record(network, WEIGHTS, [(IMAGES, LABELS)] * 3, progress=True)
    assert "recording 144 bytes: " in capsys.readouterr().err
