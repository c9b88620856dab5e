"""Weights out of Keras's .h5 files, and such as Keras draws at first, without Keras."""

from pathlib import Path

import h5py
import jax
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


def untrained(variables, seed):
    """The same shapes as Keras draws them at first: kernels uniform by Glorot's rule, norms that do nothing."""
    rng = np.random.default_rng(seed)
    drawn = jax.tree.map(np.zeros_like, variables)
    for layer in drawn.values():
        layer |= {name: np.ones_like(layer[name]) for name in layer.keys() & {"gamma", "moving_variance"}}
        if "kernel" in layer:
            *window, inputs, outputs = layer["kernel"].shape
            most = np.sqrt(6 / (np.prod(window) * (inputs + outputs)))
            layer["kernel"] = rng.uniform(-most, most, layer["kernel"].shape).astype(np.float32)
    return drawn
