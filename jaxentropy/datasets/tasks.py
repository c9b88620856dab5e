"""Tasks whose inputs can all be listed, so that entropies are exact: modular addition and Boolean functions."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.dataset import Dataset

MOST_INPUTS = 1 << 20
_SPLIT_SEED = 20220106


def load_task(name: str, where: str) -> Dataset:
    """``modular-addition:P``, ``parity:K`` or ``majority:K``: every input, half of them to train on (a fixed seed)."""
    kind, _, size = where.partition(":")
    if kind not in TASKS or not size.isascii() or not size.isdigit():
        raise InputError(f"unknown task '{where}'; choose from {', '.join(f'task:{k}:SIZE' for k in TASKS)}")
    images, labels = TASKS[kind](int(size))
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(labels))
    train, test = (np.sort(part) for part in np.split(order, [(len(order) + 1) // 2]))
    names = tuple(str(c) for c in range(int(labels.max()) + 1))
    labels = labels.astype(np.int32)
    source = f"half of all inputs to train, by the fixed seed {_SPLIT_SEED}"
    return Dataset(
        name, images[train], labels[train], images[test], labels[test], names, exhaustive=True, split_source=source
    )


def _modular_addition(modulus: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs (a, b), each number one-hot in a row of its own; the label is (a + b) mod P."""
    _at_least("modular-addition", modulus, 2)
    _at_most("modular-addition", modulus, modulus**2)
    a, b = (x.ravel() for x in np.mgrid[:modulus, :modulus])
    digits = np.eye(modulus, dtype=np.float32)
    return np.stack([digits[a], digits[b]], axis=1)[..., None], (a + b) % modulus


def _parity(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """All inputs of K bits, each −1 or 1; the label is whether an odd number of them is 1."""
    inputs = _boolean("parity", bits)
    return inputs, (inputs[:, 0, :, 0] > 0).sum(1) % 2


def _majority(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """All inputs of K bits, each −1 or 1; the label is whether more than half of them are 1."""
    inputs = _boolean("majority", bits)
    return inputs, ((inputs[:, 0, :, 0] > 0).sum(1) > bits / 2).astype(int)


TASKS: Mapping[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = MappingProxyType(
    {"modular-addition": _modular_addition, "parity": _parity, "majority": _majority}
)
"""Inputs ``float32[n, height, width, 1]`` and labels ``int[n]`` of each task, by its size."""


def _boolean(task: str, bits: int) -> np.ndarray:
    _at_least(task, bits, 1)
    _at_most(task, bits, 2 ** min(bits, 64))
    states = np.arange(2**bits)[:, None] >> np.arange(bits) & 1
    return (2.0 * states - 1).astype(np.float32)[:, None, :, None]


def _at_least(task: str, size: int, least: int) -> None:
    if size < least:
        raise InputError(f"task {task}: the size is {size}; expected {least} or more")


def _at_most(task: str, size: int, inputs: int) -> None:
    if inputs > MOST_INPUTS:
        raise InputError(
            f"task {task}:{size} has {inputs} inputs; at most {MOST_INPUTS} are listed, so take a smaller one"
        )
