"""Weights out of Keras's .h5 files, without Keras."""

from pathlib import Path

import h5py
import numpy as np


def read_h5(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a saved model: layer, then name (``kernel``, ``bias``, ``gamma``, …)."""
    variables: dict[str, dict[str, np.ndarray]] = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            _, layer, leaf = name.split("/")
            variables.setdefault(layer, {})[leaf.removesuffix(":0")] = item[()]

    with h5py.File(path) as file:
        file["model_weights"].visititems(keep)
    return variables
