"""Augmented images against scipy's affine transformation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

import jaxentropy as je
from jaxentropy.capture import sown
from jaxentropy.datasets.augment import _change, resampled


@pytest.mark.parametrize("angle", [0.0, 0.2, -1.3])
def test_resampling_is_that_of_another_library(rng, angle):
    images = rng.normal(size=(3, 9, 12, 2)).astype(np.float32)
    images[:, 0, 0] = images[:, :1, :1].mean()  # one background for both channels, as scipy has
    matrix = 1.1 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift, centre = np.array([1.3, -0.7]), np.array([4.0, 5.5])
    found = resampled(jnp.asarray(images), jnp.int32(1), jnp.asarray(matrix), jnp.asarray(shift))
    for channel in range(2):
        # beyond the edge scipy's grid-constant mode mixes in the background, as ours does
        offset: Any = centre - matrix @ (centre + shift)
        expected = scipy.ndimage.affine_transform(
            images[1, ..., channel], matrix, offset, order=1, mode="grid-constant",
            cval=float(images[1, 0, 0, channel]),
        )  # fmt: skip
        np.testing.assert_allclose(found[..., channel], expected, atol=2e-4)


def test_nothing_changes_without_a_change(rng):
    images = rng.normal(size=(2, 5, 5, 1)).astype(np.float32)
    np.testing.assert_allclose(
        resampled(jnp.asarray(images), jnp.int32(1), jnp.eye(2), jnp.zeros(2)), images[1], atol=1e-6
    )


def test_changes_are_uniform_within_their_limits():
    augment = je.Augment(shift=3, rotate=20, scale=0.2)
    matrices, shifts = jax.vmap(lambda k: _change(k, augment))(jax.random.split(jax.random.key(0), 4000))
    size = 1 / np.sqrt(np.linalg.det(np.asarray(matrices)))
    angle = np.rad2deg(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    for values, most in ((size - 1, 0.2), (angle, 20), (shifts[:, 0], 3), (shifts[:, 1], 3)):
        assert np.abs(values).max() <= most * (1 + 1e-4)
        quartiles = np.quantile(np.asarray(values), [0.25, 0.5, 0.75])
        np.testing.assert_allclose(quartiles, [-most / 2, 0, most / 2], atol=0.06 * most)


def test_a_class_draws_its_own_images_and_each_of_them(toy):
    still = je.Augment(shift=0, rotate=0, scale=0).of(toy, "train", classes=["c", "a"])
    assert still.class_names == ("c", "a")
    for c, name in enumerate(still.class_names):
        keys = jax.random.split(jax.random.key(c), 2000)
        draws = jax.jit(jax.vmap(lambda k, c=c: still.draw(k, jnp.int32(c), still.data)))(keys)
        own = toy.train_images[toy.train_labels == toy.class_names.index(name)]
        distance = np.abs(np.asarray(draws)[:, None] - own[None]).max((2, 3, 4))
        assert (distance.min(1) < 1e-5).all()
        assert len(np.unique(distance.argmin(1))) == len(own)


@pytest.mark.thorough
def test_one_line_of_use(toy):
    from jaxentropy.networks.models import MLP

    model = MLP((8, 6), 3)
    variables = model.init(jax.random.key(0), jnp.asarray(toy.test_images[:1]))
    stream = je.Augment().of(toy)
    assert "test images a class × shift ±2 px, rotation ±15°, scale ±10 %" in stream.text
    counted = je.tally(sown(model), variables, stream, until=500, recorded=100)
    assert counted.n == 500 * 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: je.Augment(shift=-1), "expected 0 or more"),
        (lambda data: je.Augment(scale=1.0), "a scale below 1"),
        (lambda data: je.Augment().of(data, "dev"), "unknown split 'dev'"),
        (lambda data: je.Augment().of(data, classes=["9"]), "no class '9'; choose from a, b, c"),
    ],
)
def test_refuses(make, message, toy):
    with pytest.raises(je.InputError, match=message):
        make(toy)
