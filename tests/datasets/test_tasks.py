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
    ],
)
def test_refuses(name, message):
    with pytest.raises(je.InputError, match=message):
        je.datasets.load(name)
