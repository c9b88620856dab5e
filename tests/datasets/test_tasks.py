"""Tasks list every input once, with the label that arithmetic gives it."""

import numpy as np
import pytest

import jaxentropy as je


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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("task:sorting:5", "unknown task 'sorting:5'; choose from task:modular-addition:SIZE"),
        ("task:parity", "unknown task 'parity'"),
        ("task:parity:-3", "unknown task"),
        ("task:parity:0", "the size is 0; expected 1 or more"),
        ("task:modular-addition:1", "expected 2 or more"),
        ("task:parity:64", "at most 1048576 are listed"),
        ("task:modular-addition:1100", "at most 1048576 are listed"),
        ("task:", "unknown data set 'task:'"),
        ("task:sparse-parity:12", "unknown task .* task:sparse-parity:K-of-N"),
        ("task:sparse-parity:5-of-4", "the relevant bits are more than there are"),
        ("task:hierarchy:1", "expected 2 or more"),
        ("task:hierarchy:5", "at most 1048576 are listed"),
        ("task:spirals:0", "turns of more than 0 and at most 10"),
    ],
)
def test_refuses(name, message):
    with pytest.raises(je.InputError, match=message):
        je.datasets.load(name)


def test_sparse_parity_hangs_on_as_many_bits_as_it_says():
    _, images, labels = everything("task:sparse-parity:3-of-7")
    table = {tuple(map(int, own.ravel())): label for own, label in zip(images, labels, strict=True)}
    counting = []
    for bit in range(7):
        flipped = {own: table[tuple(-v if i == bit else v for i, v in enumerate(own))] for own in table}
        changes = sum(flipped[own] != table[own] for own in table)
        assert changes in (0, len(table))  # of a parity, a bit that counts always changes the label
        counting.append(changes > 0)
    assert sum(counting) == 3


def gate(level, a, b):
    return (a and b, a or b, a != b)[min(level, 2)]


@pytest.mark.parametrize("levels", [2, 3])
def test_hierarchy_is_a_tree_of_gates_and_every_bit_counts(levels):
    _, images, labels = everything(f"task:hierarchy:{levels}")

    def tree(bits, level):
        if len(bits) == 1:
            return bits[0]
        half = len(bits) // 2
        return gate(level - 1, tree(bits[:half], level - 1), tree(bits[half:], level - 1))

    bits = (images[:, 0, :, 0] > 0).tolist()
    np.testing.assert_array_equal(labels, [int(tree(own, levels)) for own in bits])
    assert 0.4 < labels.mean() < 0.6
    table = dict(zip(map(tuple, bits), labels, strict=True))
    for bit in range(2**levels):
        assert any(table[own] != table[(*own[:bit], not own[bit], *own[bit + 1 :])] for own in table)


def test_spirals_are_for_neighbours_and_not_for_lines():
    data = je.datasets.load("task:spirals:2")
    assert not data.exhaustive
    assert data.train_images.shape == (4000, 1, 2, 1)
    assert "by the fixed seed" in data.split_source
    assert data.digest() == je.datasets.load("task:spirals:2").digest() != je.datasets.load("task:spirals:3").digest()
    points, tested = (a.reshape(len(a), 2) for a in (data.train_images, data.test_images))
    nearest = ((tested[:, None] - points[None]) ** 2).sum(-1).argmin(1)
    assert (data.train_labels[nearest] == data.test_labels).mean() > 0.95
    design = np.column_stack([points, np.ones(len(points))])
    line = np.linalg.lstsq(design, 2.0 * data.train_labels - 1, rcond=None)[0]
    guessed = np.column_stack([tested, np.ones(len(tested))]) @ line > 0
    assert (guessed == data.test_labels).mean() < 0.7
