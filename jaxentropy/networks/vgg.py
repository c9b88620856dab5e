"""VGG in Flax Linen, with weights that PyTorch names as torchvision does (VGG-16 without batch normalisation)."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxentropy.base.errors import InputError
from jaxentropy.capture import COLLECTION

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of VGG-16's convolutions, by block."""


class VGG(nn.Module):
    """Blocks of 3×3 convolutions, then FC layers ``fc1``, ``fc2``, …, then a linear layer; by default VGG-16.

    Images are ``[n, height, width, 3]``. For torchvision's weights their pixels are between 0 and 1, minus
    (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225). Any size does: the features are averaged to ``grid`` by
    ``grid`` positions, whose number fixes the size of the first FC layer.

    Attributes:
        blocks: channels of each block's convolutions; each block ends in a 2×2 max-pooling.
        widths: neurons of each hidden FC layer.
        num_classes: outputs.
        grid: rows and columns of the features that the first FC layer gets.
    """

    blocks: Sequence[Sequence[int]] = VGG16
    widths: Sequence[int] = (4096, 4096)
    num_classes: int = 1000
    grid: int = 7

    def __post_init__(self):
        self.blocks, self.widths = tuple(map(tuple, self.blocks)), tuple(self.widths)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Float[jax.Array, "n h w c"]) -> Float[jax.Array, "n {self.num_classes}"]:
        """Logits; dropout is left out, since these networks are measured and not trained."""
        x = images
        for block, channels in enumerate(self.blocks, 1):
            for i, size in enumerate(channels, 1):
                x = nn.relu(nn.Conv(size, (3, 3), padding=1, name=f"conv{block}_{i}")(x))
            if min(x.shape[1:3]) < 2:
                raise InputError(
                    f"VGG: an image of {images.shape[1]}×{images.shape[2]} is too small for {len(self.blocks)} "
                    f"poolings; expected at least {2 ** len(self.blocks)} rows and columns"
                )
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = _average_to_grid(x, self.grid).reshape(len(x), -1)
        for i, width in enumerate(self.widths, 1):
            x = nn.Dense(width, name=f"dense{i}")(x)
            self.sow(COLLECTION, f"fc{i}", x)
            x = nn.relu(x)
        return nn.Dense(self.num_classes, name="output")(x)


def vgg16_variables(state_dict: Mapping[str, Any], model: VGG | None = None) -> dict[str, Any]:
    """The variables of ``VGG()`` from a state dict of torchvision's names.

    >>> variables = vgg16_variables(torchvision.models.vgg16(weights="DEFAULT").state_dict())  # doctest: +SKIP
    >>> je.record(VGG(), variables, batches)  # doctest: +SKIP

    Args:
        state_dict: ``features.0.weight``, ``features.0.bias``, …, ``classifier.6.bias``: NumPy arrays, or tensors on
            the host.
        model: of other sizes; by default VGG-16's.

    Raises:
        InputError: a name is missing or left over, or a shape does not fit.
    """
    model = model or VGG()
    expected = _names(model)
    # a tensor that asks for gradients refuses to be an array
    given = {name: np.asarray(value.detach() if hasattr(value, "detach") else value)
             for name, value in state_dict.items()}  # fmt: skip
    if given.keys() != expected.keys():
        missing = ", ".join(sorted(expected.keys() - given.keys())) or "nothing"
        left_over = ", ".join(sorted(given.keys() - expected.keys())) or "nothing"
        raise InputError(
            f"state dict of a VGG: missing {missing}; left over {left_over}; expected the names of torchvision's VGG "
            "without batch normalisation, and a model of the same blocks"
        )
    params: dict[str, dict[str, np.ndarray]] = {}
    for name, (layer, leaf, shape) in expected.items():
        if given[name].shape != shape:
            raise InputError(f"state dict of a VGG: {name} has shape {given[name].shape}; expected {shape}")
        params.setdefault(layer, {})[leaf] = _linen_order(given[name], model, layer)
    return {"params": params}


def _names(model: VGG) -> dict[str, tuple[str, str, tuple[int, ...]]]:
    """PyTorch's names: the layer and the leaf that each is of, and PyTorch's shape."""
    layers: list[tuple[str, str, tuple[int, ...]]] = []
    place, channels = 0, 3
    for block, sizes in enumerate(model.blocks, 1):
        for i, size in enumerate(sizes, 1):
            layers.append((f"features.{place}", f"conv{block}_{i}", (size, channels, 3, 3)))
            place, channels = place + 2, size  # a ReLU has a number too
        place += 1  # and so has the pooling
    inputs = channels * model.grid**2
    for i, width in enumerate((*model.widths, model.num_classes)):
        layer = f"dense{i + 1}" if i < len(model.widths) else "output"
        layers.append((f"classifier.{3 * i}", layer, (width, inputs)))  # ReLU and dropout
        inputs = width
    names = {}
    for name, layer, shape in layers:
        names[f"{name}.weight"] = layer, "kernel", shape
        names[f"{name}.bias"] = layer, "bias", shape[:1]
    return names


def _linen_order(array: np.ndarray, model: VGG, layer: str) -> np.ndarray:
    """PyTorch's [out, in, row, column] as [row, column, in, out], and [out, in] as [in, out]."""
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if layer == "dense1" and array.ndim == 2:  # PyTorch flattens channel, row, column; here it is row, column, channel
        channels_first = array.reshape(len(array), -1, model.grid, model.grid)
        array = channels_first.transpose(0, 2, 3, 1).reshape(array.shape)
    return array.T


def _average_to_grid(x: jax.Array, grid: int) -> jax.Array:
    """Means over ``grid`` by ``grid`` parts that cover the features and may overlap, as PyTorch's adaptive pooling."""
    for axis in (1, 2):
        x = jnp.moveaxis(_part_means(x.shape[axis], grid) @ jnp.moveaxis(x, axis, -2), -2, axis)
    return x


def _part_means(size: int, grid: int) -> np.ndarray:
    """[grid, size]: a row's part from ⌊i·size/grid⌋ up to ⌈(i+1)·size/grid⌉, with equal weights."""
    means = np.zeros((grid, size), np.float32)
    for i in range(grid):
        part = slice(i * size // grid, -(-(i + 1) * size // grid))
        means[i, part] = 1 / (part.stop - part.start)
    return means
