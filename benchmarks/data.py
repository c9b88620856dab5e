"""The patterns that are counted."""

from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """How many inputs of how many neurons in how many classes, and the seed of their values."""

    inputs: int
    neurons: int
    classes: int
    seed: int


def few_causes(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """``float32[n, d]`` and ``int32[n]``: a few causes drive all neurons, so that some patterns recur.

    So it is in deep layers. The causes depend a little on the class.
    """
    causes, weights, labels = factors(shape)
    return causes @ weights, labels


def factors(shape: Shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``causes[n, 6]``, ``weights[6, d]`` and labels: activations are the product, wherever it is taken."""
    rng = np.random.default_rng(shape.seed)
    labels = rng.integers(0, shape.classes, shape.inputs).astype(np.int32)
    causes = (rng.integers(-1, 2, (shape.inputs, 6)) + 0.02 * labels[:, None]).astype(np.float32)
    return causes, rng.normal(size=(6, shape.neurons)).astype(np.float32), labels
