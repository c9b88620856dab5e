"""Generated tasks: those of which every input is listed, so that entropies are exact, and spirals.

What depth they need is known or grows: a parity of few bits needs a hidden layer, a hierarchy is a composition of as
many levels as it has, a spiral of more turns has a finer boundary.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.dataset import Dataset, standardised_dataset

MOST_INPUTS = 1 << 20
_SPLIT_SEED = 20220106
_PARITY_SEED = 20170905
_SPIRAL_SEED, _SPIRAL_POINTS, _SPIRAL_NOISE = 19880601, (4000, 2000), 0.03


def load_task(name: str, where: str) -> Dataset:
    """``modular-addition:P``, ``parity:K``, ``majority:K``, ``sparse-parity:K-of-N`` or ``hierarchy:LEVELS``: every
    input, half of them to train on (a fixed seed); or ``spirals:TURNS``, drawn by a fixed seed."""
    kind, _, size = where.partition(":")
    if kind not in FORMS or not re.fullmatch(FORMS[kind][1], size, re.ASCII):
        raise InputError(
            f"unknown task '{where}'; choose from {', '.join(f'task:{k}:{f}' for k, (f, _) in FORMS.items())}"
        )
    if kind == "spirals":
        return _spirals(name, float(size))
    images, labels = TASKS[kind](*map(int, size.split("-of-")))
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


def _sparse_parity(relevant: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """All inputs of N bits, each −1 or 1; the label is whether an odd number of K of them, of a fixed seed, is 1."""
    _at_least("sparse-parity", relevant, 1)
    if relevant > bits:
        raise InputError(f"task sparse-parity:{relevant}-of-{bits}: the relevant bits are more than there are")
    inputs = _boolean("sparse-parity", bits)
    chosen = np.random.default_rng(_PARITY_SEED).permutation(bits)[:relevant]
    return inputs, (inputs[:, 0, chosen, 0] > 0).sum(1) % 2


def _hierarchy(levels: int) -> tuple[np.ndarray, np.ndarray]:
    """All inputs of 2^LEVELS bits, each −1 or 1; the label is a binary tree of gates over neighbours: *and* next to the
    inputs, *or* above, *exactly one* from there on. Every bit counts, and 44 to 50 % of the labels are 1."""
    _at_least("hierarchy", levels, 2)
    _at_most("hierarchy", levels, 2 ** (2 ** min(levels, 6)))
    inputs = _boolean("hierarchy", 2**levels)
    values = inputs[:, 0, :, 0] > 0
    for level in range(levels):
        left, right = values[:, ::2], values[:, 1::2]
        values = (left & right, left | right, left ^ right)[min(level, 2)]
    return inputs, values[:, 0].astype(int)


def _spirals(name: str, turns: float) -> Dataset:
    """Two spirals in the plane, one of them the other turned by half a circle, with a little noise."""
    if not 0 < turns <= 10:
        raise InputError(f"task spirals:{turns:g}: expected turns of more than 0 and at most 10")
    rng = np.random.default_rng(_SPIRAL_SEED)
    n = sum(_SPIRAL_POINTS)
    labels = np.arange(n) % 2
    along = np.sqrt(rng.random(n))  # as many points a length everywhere
    angle = 2 * np.pi * turns * along + np.pi * labels
    points = (along + 0.05)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    points += _SPIRAL_NOISE / turns * rng.normal(size=points.shape)
    images, cut = points.astype(np.float32)[:, None, :, None], _SPIRAL_POINTS[0]
    return standardised_dataset(
        name, images[:cut], labels[:cut], images[cut:], labels[cut:],
        split_source=f"points drawn by the fixed seed {_SPIRAL_SEED}, the first {cut} of {n} to train",
    )  # fmt: skip


TASKS: Mapping[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = MappingProxyType(
    {
        "modular-addition": _modular_addition,
        "parity": _parity,
        "majority": _majority,
        "sparse-parity": _sparse_parity,
        "hierarchy": _hierarchy,
    }
)
"""Inputs ``float32[n, height, width, 1]`` and labels ``int[n]`` of each task, by its size."""

FORMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("modular-addition", "parity", "majority"), ("SIZE", r"\d+")),
        "sparse-parity": ("K-of-N", r"\d+-of-\d+"),
        "hierarchy": ("LEVELS", r"\d+"),
        "spirals": ("TURNS", r"\d+(\.\d+)?"),
    }
)
"""How the size of each task is written, for people and as a pattern."""


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
