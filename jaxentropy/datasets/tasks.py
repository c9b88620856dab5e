"""Tasks that arithmetic makes: those whose inputs can all be listed, so that entropies are exact, and a sampled one."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.dataset import Dataset, standardised_dataset

MOST_INPUTS = 1 << 20
LEAST_TURNS, MOST_TURNS = 1.5, 12  # a line tells a single turn's arms apart; of more turns, there are too few points
_SPLIT_SEED = 20220106
_BITS_SEED = 20180807
_GATES_SEED = 20161102
_SPIRALS_SEED = 19880614
_SPIRAL_POINTS = 4000, 2000
_NOISE = 0.05


def load_task(name: str, where: str) -> Dataset:
    """``parity:K`` or another of ``TASKS``: every input, half of them to train on (a fixed seed), or a fixed sample.

    >>> from jaxentropy.datasets.tasks import load_task
    >>> data = load_task("task:hierarchy:2", "hierarchy:2")
    >>> data.train_images.shape, data.exhaustive
    ((8, 1, 4, 1), True)
    """
    kind, _, size = where.partition(":")
    if kind not in TASKS:
        raise InputError(f"unknown task '{where}'; choose from {', '.join(FORMS)}")
    task = TASKS[kind]
    written = re.fullmatch(task.size, size, re.ASCII)
    if not written:
        raise InputError(f"task {kind}: the size is '{size}'; expected {task.form}, for example task:{task.example}")
    return task.make(name, *written.groups())


def lists_every_input(name: str) -> bool:
    """Whether this is the name of a task that has every input.

    >>> from jaxentropy.datasets.tasks import lists_every_input
    >>> lists_every_input("task:parity:10"), lists_every_input("task:spirals:2"), lists_every_input("mnist5k")
    (True, False, False)
    """
    kind = name.removeprefix("task:").partition(":")[0]
    return name.startswith("task:") and kind in TASKS and TASKS[kind].exhaustive


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
    """All inputs of N bits, each −1 or 1; the label is the parity of K of them, which a fixed seed chose."""
    if not 1 <= relevant <= bits:
        raise InputError(f"task sparse-parity: the size is {relevant}-of-{bits}; expected 1 to {bits} of {bits} bits")
    inputs = _boolean("sparse-parity", bits, f"{relevant}-of-{bits}")
    chosen = np.random.default_rng([_BITS_SEED, relevant, bits]).choice(bits, relevant, replace=False)
    return inputs, (inputs[:, 0, chosen, 0] > 0).sum(1) % 2


def _hierarchy(depth: int) -> tuple[np.ndarray, np.ndarray]:
    """All inputs of 2^DEPTH bits, each −1 or 1; the label is the output of a binary tree of gates of two inputs.

    A fixed seed makes half of the gates XOR and the others AND or OR, with any of their inputs negated. Trees are drawn
    until one gives from 40 to 60 % of the inputs either label, and each bit alone decides the label of an eighth of
    them or more; beyond two bits, the parity of all bits is left out, since that is ``parity``.
    """
    _at_least("hierarchy", depth, 1)
    _at_most("hierarchy", depth, 2**2 ** min(depth, 6))
    inputs, numbers = _boolean("hierarchy", 2**depth), np.arange(2**2**depth)
    rng = np.random.default_rng([_GATES_SEED, depth])
    while True:
        labels = _tree(inputs[:, 0, :, 0] > 0, rng)
        if 0.4 <= labels.mean() <= 0.6:
            decides = [(labels != labels[numbers ^ 1 << bit]).mean() for bit in range(2**depth)]
            if min(decides) >= 1 / 8 and (depth == 1 or min(decides) < 1):
                return inputs, labels.astype(int)


def _tree(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``bool[n]`` of ``bool[n, 2^DEPTH]``: gates of neighbours, of their outputs, and so on to the last one."""
    while values.shape[1] > 1:
        values = values ^ rng.integers(2, size=values.shape[1]).astype(bool)
        left, right, gates = values[:, ::2], values[:, 1::2], rng.integers(4, size=values.shape[1] // 2)
        values = np.select([gates == 0, gates == 1], [left & right, left | right], left ^ right)
    return values[:, 0]


def _spirals(name: str, written: str) -> Dataset:
    """Points of two interleaved spirals of TURNS turns each in the unit disc, the label; sampled, standardised.

    A ray from the centre crosses 2·TURNS arms; noise is a share of the distance between neighbouring arms, so that
    the number of turns changes the frequency alone.
    """
    turns = float(written)
    if not LEAST_TURNS <= turns <= MOST_TURNS:
        raise InputError(
            f"task spirals: {written} turns; expected a whole or half number from {LEAST_TURNS} to {MOST_TURNS}"
        )
    rng = np.random.default_rng([_SPIRALS_SEED, int(2 * turns)])
    labels = rng.permutation(sum(_SPIRAL_POINTS)) % 2
    radius = np.sqrt(rng.uniform(size=len(labels)))  # as many points on each piece of an arm as it is long, nearly
    angle = 2 * np.pi * turns * radius + np.pi * labels
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points += rng.normal(scale=_NOISE / (2 * turns), size=points.shape)
    images, (train, test) = points[:, None, :, None], _SPIRAL_POINTS
    return standardised_dataset(
        name, images[:train], labels[:train], images[train:], labels[train:], class_names=("0", "1"),
        split_source=f"{train} points drawn to train and {test} others to test, by the fixed seed {_SPIRALS_SEED}",
    )  # fmt: skip


def _listed(of: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Callable[..., Dataset]:
    """A data set of what a function of sizes gives: every input ``float32[n, height, width, 1]``, labels ``int[n]``."""

    def make(name: str, *sizes: str) -> Dataset:
        images, labels = of(*map(int, sizes))
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(labels))
        train, test = (np.sort(part) for part in np.split(order, [(len(order) + 1) // 2]))
        names = tuple(str(c) for c in range(int(labels.max()) + 1))
        labels = labels.astype(np.int32)
        source = f"half of all inputs to train, by the fixed seed {_SPLIT_SEED}"
        return Dataset(
            name, images[train], labels[train], images[test], labels[test], names, exhaustive=True, split_source=source
        )

    return make


class Task(NamedTuple):
    """How a task is written and made.

    Attributes:
        form: its size, in words of the user.
        example: its name with a size.
        size: a regular expression of the size; its groups are what ``make`` takes after the data set's name.
        make: the data set.
        exhaustive: whether it has every input.
    """

    form: str
    example: str
    size: str
    make: Callable[..., Dataset]
    exhaustive: bool = True


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "modular-addition": Task("P", "modular-addition:97", r"(\d+)", _listed(_modular_addition)),
        "parity": Task("K", "parity:10", r"(\d+)", _listed(_parity)),
        "majority": Task("K", "majority:9", r"(\d+)", _listed(_majority)),
        "sparse-parity": Task("K-of-N", "sparse-parity:3-of-12", r"(\d+)-of-(\d+)", _listed(_sparse_parity)),
        "hierarchy": Task("DEPTH", "hierarchy:3", r"(\d+)", _listed(_hierarchy)),
        "spirals": Task("TURNS", "spirals:2", r"(\d+(?:\.[05])?)", _spirals, exhaustive=False),
    }
)
"""Each task by its name."""
FORMS = tuple(f"task:{kind}:{task.form}" for kind, task in TASKS.items())


def _boolean(task: str, bits: int, size: str | None = None) -> np.ndarray:
    _at_least(task, bits, 1)
    _at_most(task, bits if size is None else size, 2 ** min(bits, 64))
    states = np.arange(2**bits)[:, None] >> np.arange(bits) & 1
    return (2.0 * states - 1).astype(np.float32)[:, None, :, None]


def _at_least(task: str, size: int, least: int) -> None:
    if size < least:
        raise InputError(f"task {task}: the size is {size}; expected {least} or more")


def _at_most(task: str, size: int | str, inputs: int) -> None:
    if inputs > MOST_INPUTS:
        raise InputError(
            f"task {task}:{size} has {inputs} inputs; at most {MOST_INPUTS} are listed, so take a smaller one"
        )
