"""Tasks list every input once, with the label that arithmetic gives it; spirals are a sample of two curves."""

import itertools

import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.datasets.tasks import TASKS


def everything(name):
    data = je.datasets.load(name)
    assert data.exhaustive
    [(images, labels)] = data.batches("all", 10**6)
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)
    assert abs(len(data.train_labels) - len(data.test_labels)) <= 1
    assert (data.pixel_mean, data.pixel_scale) == (0, 1)
    assert "half of all inputs to train" in data.split_source
    return data, images, labels


def test_modular_addition():
    data, images, labels = everything("task:modular-addition:7")
    assert images.shape == (49, 2, 7, 1)
    numbers = images[..., 0].argmax(-1)
    assert (images.sum((2, 3)) == 1).all()
    np.testing.assert_array_equal(labels, numbers.sum(1) % 7)
    assert data.class_names == tuple("0123456")


@pytest.mark.parametrize(("task", "of"), [("parity", lambda on: on % 2), ("majority", lambda on: on > 2.5)])
def test_boolean(task, of):
    _, images, labels = everything(f"task:{task}:5")
    assert images.shape == (32, 1, 5, 1)
    assert set(np.unique(images)) == {-1, 1}
    np.testing.assert_array_equal(labels, of((images > 0).sum((1, 2, 3))))


def by_bits(name):
    """{bits as −1 or 1: label} of a Boolean task."""
    _, images, labels = everything(name)
    assert images.shape[1::2] == (1, 1)
    table = {tuple(int(bit) for bit in image.ravel()): int(label) for image, label in zip(images, labels, strict=True)}
    assert set(table) == set(itertools.product((-1, 1), repeat=images.shape[2]))
    return table


def deciding(table):
    """For each bit: the share of inputs whose label changes with that bit alone."""
    bits = len(next(iter(table)))
    return [
        sum(table[*x[:i], -x[i], *x[i + 1 :]] != label for x, label in table.items()) / len(table) for i in range(bits)
    ]


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 5), (3, 7), (2, 9), (4, 4)])
def test_sparse_parity_is_the_parity_of_some_bits(k, n):
    table = by_bits(f"task:sparse-parity:{k}-of-{n}")
    shares = deciding(table)
    assert sorted(shares) == [0] * (n - k) + [1] * k
    chosen = [i for i in range(n) if shares[i]]
    assert all(label == sum(x[i] == 1 for i in chosen) % 2 for x, label in table.items())


def test_another_sparse_parity_is_of_other_bits():
    chosen = {tuple(deciding(by_bits(f"task:sparse-parity:2-of-{n}")))[:4] for n in range(4, 9)}
    assert len(chosen) > 1


def gates_of(table):
    """Halves a truth table again and again: whether it is a binary tree of gates of two inputs that both matter."""
    bits = len(next(iter(table)))
    if bits == 1:
        return len(set(table.values())) == 2
    half = bits // 2
    rows = {}  # what the left half leaves of the function of the right one
    for left in itertools.product((-1, 1), repeat=half):
        row = tuple(table[*left, *right] for right in itertools.product((-1, 1), repeat=half))
        rows.setdefault(row, []).append(left)
    if len(rows) != 2:  # one: the left half does not matter; more: it tells the right half more than one bit
        return False
    number = {left: i for i, lefts in enumerate(rows.values()) for left in lefts}
    columns = list(zip(*rows, strict=True))
    if len(set(columns)) != 2:
        return False
    rights = dict(zip(itertools.product((-1, 1), repeat=half), columns, strict=True))
    first = columns[0]
    return gates_of(number) and gates_of({right: int(column == first) for right, column in rights.items()})


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_hierarchy_is_a_tree_of_gates(depth):
    table = by_bits(f"task:hierarchy:{depth}")
    assert len(table) == 2**2**depth
    assert 0.4 <= sum(table.values()) / len(table) <= 0.6
    assert gates_of(table)
    shares = deciding(table)
    assert min(shares) >= 1 / 8
    assert depth == 1 or min(shares) < 1  # else it would be the parity of all bits


def test_what_is_no_tree_of_gates_is_told_apart():
    inputs = list(itertools.product((-1, 1), repeat=4))
    assert gates_of({x: int(x[0] != x[1] or x[2] == x[3]) for x in inputs})
    assert not gates_of({x: int(sum(x) > 0) for x in inputs})
    assert not gates_of({x: int(x[0] == 1 and x[1] == 1) for x in inputs})


def test_the_largest_hierarchy():
    _, images, labels = everything("task:hierarchy:4")
    assert images.shape == (65536, 1, 16, 1)
    assert 0.4 <= labels.mean() <= 0.6
    order = np.lexsort(images[:, 0, :, 0].T)
    table = labels[order].reshape((2,) * 16)
    assert all((table != np.flip(table, axis)).mean() >= 1 / 8 for axis in range(16))


@pytest.mark.parametrize("turns", ["1.5", "2", "4"])
def test_spirals_need_more_than_a_line(turns):
    data = je.datasets.load(f"task:spirals:{turns}")
    assert not data.exhaustive
    assert "4000 points drawn to train and 2000 others to test, by the fixed seed" in data.split_source
    assert data.train_images.shape == (4000, 1, 2, 1)
    assert data.test_images.shape == (2000, 1, 2, 1)
    assert data.train_images.dtype == np.float32
    assert abs(data.train_images.mean()) < 1e-3
    assert abs(data.train_images.std() - 1) < 1e-3
    assert data.class_names == ("0", "1")
    assert abs(data.train_labels.mean() - 0.5) < 0.02
    train, test = (images.reshape(len(images), 2) for images in (data.train_images, data.test_images))
    assert not set(map(tuple, train)) & set(map(tuple, test))
    nearest = ((test[:, None] - train) ** 2).sum(-1).argmin(1)
    assert (data.train_labels[nearest] == data.test_labels).mean() > 0.95
    design = [np.column_stack([points, np.ones(len(points))]) for points in (train, test)]
    weights = np.linalg.lstsq(design[0], 2.0 * data.train_labels - 1, rcond=None)[0]
    assert ((design[1] @ weights > 0) == data.test_labels).mean() < 0.7


@pytest.mark.parametrize("turns", [2, 4])
def test_a_ray_crosses_two_arms_a_turn(turns):
    data = je.datasets.load(f"task:spirals:{turns}")
    points = data.train_images.reshape(-1, 2) * data.pixel_scale + data.pixel_mean
    angle, radius = np.arctan2(points[:, 1], points[:, 0]), np.hypot(*points.T)
    for ray in (-2.0, 0.5, 2.5):  # along it, away from the centre
        near = (np.abs(angle - ray) < 0.1) & (radius > 0.2)
        labels = data.train_labels[near][np.argsort(radius[near])]
        crossed = 1 + (labels[1:] != labels[:-1]).sum()
        assert abs(crossed - 2 * turns * 0.8) <= 1
    beside = np.cos(2 * np.pi * turns * radius - angle + np.pi * data.train_labels)  # 1: on the arm, -1: on the other
    assert np.mean(beside > 0.5) > 0.99


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_is_the_same_at_each_call(task):
    name = f"task:{TASKS[task].example}"
    assert je.datasets.load(name).digest() == je.datasets.load(name).digest()
    assert je.datasets.load(name).exhaustive == (task != "spirals")


def test_known_digests():
    """Results folders and sweeps hold these fingerprints: other data under these names would not be theirs."""
    digests = {name: je.datasets.load(f"task:{name}").digest() for name in KNOWN}
    assert digests == KNOWN


KNOWN = {
    "modular-addition:7": "cedf7f82414837ca",
    "parity:6": "22771318ab4ebc63",
    "majority:5": "2d83d21b9ca5f3c4",
    "sparse-parity:3-of-12": "354c2ac69cf7fbc3",
    "hierarchy:2": "769bbd1209a01a39",
    "hierarchy:3": "91758db365c48429",
    "hierarchy:4": "95b5d450040c5bc1",
    "spirals:2": "e3065d0ab0310ed4",
    "spirals:3.5": "8bff03e805d2ac63",
}


def test_nobody_changes_the_registry():
    with pytest.raises(TypeError):
        TASKS["sorting"] = TASKS["parity"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("task:sorting:5", "unknown task 'sorting:5'; choose from task:modular-addition:P, task:parity:K, .*TURNS"),
        ("task:parity", "task parity: the size is ''; expected K, for example task:parity:10"),
        ("task:parity:-3", "the size is '-3'; expected K"),
        ("task:parity:٣", "expected K"),
        ("task:parity:0", "the size is 0; expected 1 or more"),
        ("task:modular-addition:1", "expected 2 or more"),
        ("task:parity:64", "at most 1048576 are listed"),
        ("task:modular-addition:1100", "at most 1048576 are listed"),
        ("task:sparse-parity:12", "the size is '12'; expected K-of-N, for example task:sparse-parity:3-of-12"),
        ("task:sparse-parity:0-of-12", "the size is 0-of-12; expected 1 to 12 of 12 bits"),
        ("task:sparse-parity:13-of-12", "the size is 13-of-12; expected 1 to 12 of 12 bits"),
        ("task:sparse-parity:3-of-64", "sparse-parity:3-of-64 has 18446744073709551616 inputs; at most 1048576 are"),
        ("task:hierarchy:0", "the size is 0; expected 1 or more"),
        ("task:hierarchy:5", "hierarchy:5 has 4294967296 inputs; at most 1048576 are listed"),
        ("task:hierarchy:99", "at most 1048576 are listed"),
        ("task:hierarchy:two", "the size is 'two'; expected DEPTH, for example task:hierarchy:3"),
        ("task:spirals:1.25", "the size is '1.25'; expected TURNS, for example task:spirals:2"),
        ("task:spirals:1", "1 turns; expected a whole or half number from 1.5 to 12"),
        ("task:spirals:12.5", "12.5 turns; expected a whole or half number from 1.5 to 12"),
        ("task:", "unknown data set 'task:'"),
    ],
)
def test_refuses(name, message):
    with pytest.raises(je.InputError, match=message):
        je.datasets.load(name)
