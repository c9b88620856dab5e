"""Images × random shifts, rotations and scalings: a stream from a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.base.streams import Draw, Stream
from jaxentropy.datasets.dataset import Dataset


@dataclass(frozen=True)
class Augment:
    """Random affine changes of an image, each drawn uniformly and independently.

    >>> data = je.datasets.load("mnist5k")
    >>> stream = je.Augment(shift=2, rotate=15, scale=0.1).of(data, "test", classes=["7"])
    >>> stream.text
    'mnist5k, 100 test images × shift ±2 px, rotation ±15°, scale ±10 %'

    A draw of a class takes one of its images at random and resamples it bilinearly; what comes in over the edge has the
    value of the image's upper left pixel. Draws of a class are independent of each other, from the population *these
    images × all such changes*: not from the population that the images themselves were drawn from.

    Attributes:
        shift: pixels, along each axis at most so many either way.
        rotate: degrees, at most so many either way.
        scale: relative change of size, at most so much either way, in [0, 1).
    """

    shift: int | float = 2
    rotate: int | float = 15
    scale: int | float = 0.1

    def __post_init__(self):
        if not (self.shift >= 0 and self.rotate >= 0 and 0 <= self.scale < 1):
            raise InputError(
                f"Augment: shift {self.shift}, rotate {self.rotate}, scale {self.scale}; expected 0 or more, and a "
                "scale below 1"
            )

    def __str__(self) -> str:
        return f"shift ±{self.shift:g} px, rotation ±{self.rotate:g}°, scale ±{100 * self.scale:g} %"

    def of(self, data: Dataset, split: str = "test", *, classes: Sequence[Any] | None = None, seed: int = 0) -> Stream:
        """The stream of a data set's images.

        Args:
            data: the images.
            split: which of them. The network was fitted to the training images: what it does with their variants says
                little of new images.
            classes: which classes, by name; by default all.
            seed: of the draws.

        Raises:
            InputError: an unknown split or class, or a class without an image.
        """
        images, labels = (np.concatenate(part) for part in zip(*data.batches(split, 1 << 16), strict=True))
        names = data.class_names if classes is None else tuple(str(name) for name in classes)
        if unknown := [name for name in names if name not in data.class_names]:
            raise InputError(f"no class '{unknown[0]}'; choose from {', '.join(data.class_names)}")
        rows = [np.flatnonzero(labels == data.class_names.index(name)) for name in names]
        if empty := [name for name, own in zip(names, rows, strict=True) if not len(own)]:
            raise InputError(f"there is no {split} image of class {', '.join(empty)}; take other classes")
        counts = sorted({len(own) for own in rows})
        each = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        text = f"{data.name}, {each} {split} images{' a class' if len(names) > 1 else ''} × {self}"
        chosen = np.concatenate(rows)
        ends = np.cumsum([0, *map(len, rows)]).astype(np.int32)
        return Stream(
            _drawer(self), {"images": jnp.asarray(images[chosen]), "ends": jnp.asarray(ends)}, names, text, seed
        )


@lru_cache(maxsize=64)
def _drawer(augment: Augment) -> Draw:
    """The function that draws; the same for equal settings, so that one program serves them."""

    def draw(key: jax.Array, label: jax.Array, data: Any) -> jax.Array:
        images, ends = data["images"], data["ends"]
        which, change = jax.random.split(key)
        row = jax.random.randint(which, (), ends[label], ends[label + 1])
        return resampled(images, row, *_change(change, augment))

    return draw


def _change(key: jax.Array, augment: Augment) -> tuple[jax.Array, jax.Array]:
    """(2 × 2 matrix, shift) from places in the new image to places in the old one, both from the centre."""
    rotate, scale, *shift = jax.random.uniform(key, (4,), minval=-1.0, maxval=1.0)
    angle, size = rotate * np.deg2rad(augment.rotate), 1 + scale * augment.scale
    cos, sin = jnp.cos(angle) / size, jnp.sin(angle) / size
    return jnp.array([[cos, -sin], [sin, cos]]), augment.shift * jnp.array(shift)


def resampled(images: jax.Array, row: jax.Array, matrix: jax.Array, shift: jax.Array) -> jax.Array:
    """One of ``images[n, h, w, c]``, whose pixel at p from the centre is the old one's at ``matrix @ (p − shift)``.

    Bilinear. Places outside are read as the image's upper left pixel: background, where there is one.
    """
    _, height, width, channels = images.shape
    y, x = jnp.mgrid[:height, :width]
    y, x = y - (height - 1) / 2 - shift[0], x - (width - 1) / 2 - shift[1]
    y, x = (m[0] * y + m[1] * x for m in matrix)
    y, x = y + (height - 1) / 2, x + (width - 1) / 2
    top, left = jnp.floor(y), jnp.floor(x)
    down, right = (y - top)[..., None], (x - left)[..., None]
    top, left = top.astype(jnp.int32), left.astype(jnp.int32)
    flat, start = images.reshape(-1, channels), row * height * width
    corner = flat[start]

    def at(i: jax.Array, j: jax.Array) -> jax.Array:
        inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
        place = start + jnp.clip(i, 0, height - 1) * width + jnp.clip(j, 0, width - 1)
        return jnp.where(inside[..., None], flat.at[place].get(mode="promise_in_bounds"), corner)

    above = (1 - right) * at(top, left) + right * at(top, left + 1)
    below = (1 - right) * at(top + 1, left) + right * at(top + 1, left + 1)
    return (1 - down) * above + down * below
