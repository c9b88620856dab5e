"""Small photos of two kinds, out of the two that scikit-learn ships."""

import numpy as np
from sklearn.datasets import load_sample_images


def parts_of_photos(each, seed):
    """Random squares of two photos, 32 to 256 pixels wide, shrunk to 32×32; the photo is the class."""
    rng = np.random.default_rng(seed)
    parts = []
    for photo in load_sample_images().images:
        for k in rng.choice((1, 2, 4, 8), each):
            row, column = (rng.integers(side - 32 * k + 1) for side in photo.shape[:2])
            part = photo[row : row + 32 * k, column : column + 32 * k]
            parts.append(part.reshape(32, k, 32, k, 3).mean((1, 3)))
    return np.array(parts, np.float32), np.repeat((0, 1), each), ("temple", "flower")
