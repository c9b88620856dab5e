"""The Linen MLP and CNN that sow the pre-activations of their fully connected (FC) layers."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxentropy.base.errors import InputError
from jaxentropy.capture import COLLECTION

ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = MappingProxyType(
    {"relu": nn.relu, "tanh": nn.tanh, "gelu": nn.gelu, "leaky_relu": nn.leaky_relu}
)


NORMS = ("none", "batch", "layer")
MOMENTUM = 0.9
"""By which a batch normalisation's running mean and variance keep what they are at a step."""


class MLP(nn.Module):
    """A multilayer perceptron: hidden FC layers ``fc1``, ``fc2``, …, then a linear layer of ``num_classes`` outputs.

    Attributes:
        widths: neurons of each hidden layer.
        num_classes: outputs.
        activation: a name in ``ACTIVATIONS``.
        norm: between each FC layer and its nonlinearity: ``none``, ``batch`` or ``layer``; what the nonlinearity sees
            is then the norm's output, and that is sown.
        dropout: share of each hidden layer's outputs that is dropped in training.
    """

    widths: Sequence[int]
    num_classes: int = 10
    activation: str = "relu"
    norm: str = "none"
    dropout: float = 0.0

    def __post_init__(self):
        self.widths = tuple(self.widths)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[jax.Array, "n ..."], train: bool = False
    ) -> Float[jax.Array, "n {self.num_classes}"]:
        """Logits."""
        return _head(self, images.reshape(len(images), -1), train)


class OneLinear(MLP):
    """The same multilayer perceptron without the nonlinearity of one hidden layer, whose number is a variable.

    The collection ``linear`` holds ``layer``, ``int32[]`` from 1 on, or 0 for none: networks without this and without
    that nonlinearity share a program, and the parameters are those of the ``MLP``.
    """

    @nn.compact
    def __call__(
        self, images: Float[jax.Array, "n ..."], train: bool = False
    ) -> Float[jax.Array, "n {self.num_classes}"]:
        """Logits."""
        linear, act = self.variable("linear", "layer", lambda: jnp.int32(0)).value, _activation(self.activation)
        keep = [lambda x, i=i: jnp.where(linear == i, x, act(x)) for i in range(1, len(self.widths) + 1)]
        return _head(self, images.reshape(len(images), -1), train, keep)


class CNN(nn.Module):
    """Convolutions and pooling, then FC layers ``fc1``, ``fc2``, …, then a linear layer of ``num_classes`` outputs.

    One convolution a block is LeNet-like, two or more are VGG-like.

    Attributes:
        channels: channels of each block of 3×3 convolutions; each block ends in a 2×2 max-pooling.
        widths: neurons of each hidden FC layer.
        num_classes: outputs.
        activation: a name in ``ACTIVATIONS``.
        convolutions: convolutions in each block.
        norm: of the FC layers, as in the MLP.
        dropout: of the FC layers.
    """

    channels: Sequence[int]
    widths: Sequence[int]
    num_classes: int = 10
    activation: str = "relu"
    convolutions: int = 1
    norm: str = "none"
    dropout: float = 0.0

    def __post_init__(self):
        self.channels, self.widths = tuple(self.channels), tuple(self.widths)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[jax.Array, "n h w c"], train: bool = False
    ) -> Float[jax.Array, "n {self.num_classes}"]:
        """Logits."""
        act = _activation(self.activation)
        _positive("channels", self.channels)
        x = images
        for block, channels in enumerate(self.channels, 1):
            for i in range(1, self.convolutions + 1):
                x = act(nn.Conv(channels, (3, 3), name=f"conv{block}_{i}")(x))
            if min(x.shape[1:3]) < 2:
                raise InputError(
                    f"CNN: after {block - 1} poolings an image of {images.shape[1]}×{images.shape[2]} is too small "
                    f"for another; give fewer channels than {len(self.channels)}"
                )
            x = _max_pool(x)
        return _head(self, x.reshape(len(x), -1), train)


def _head(
    module: MLP | CNN, x: jax.Array, train: bool, acts: Sequence[Callable[[jax.Array], jax.Array]] | None = None
) -> jax.Array:
    """The FC layers, each of which sows what its nonlinearity (``acts``, if not all alike) sees; the output layer."""
    acts = acts or [_activation(module.activation)] * len(module.widths)
    _positive("widths", module.widths)
    if module.norm not in NORMS:
        raise InputError(f"unknown norm '{module.norm}'; choose from {', '.join(NORMS)}")
    for i, width in enumerate(module.widths, 1):
        x = nn.Dense(width, name=f"dense{i}")(x)
        if module.norm == "batch":
            x = nn.BatchNorm(use_running_average=not train, momentum=MOMENTUM, name=f"norm{i}")(x)
        elif module.norm == "layer":
            x = nn.LayerNorm(name=f"norm{i}")(x)
        module.sow(COLLECTION, f"fc{i}", x)
        x = acts[i - 1](x)
        if module.dropout:
            x = nn.Dropout(module.dropout, deterministic=not train)(x)
    return nn.Dense(module.num_classes, name="output")(x)


def _max_pool(x: jax.Array) -> jax.Array:
    """2×2 max-pooling by reshaping: the gradient of ``nn.max_pool`` is up to 2.4 times slower on a CPU."""
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def _activation(name: str) -> Callable[[jax.Array], jax.Array]:
    if name not in ACTIVATIONS:
        raise InputError(f"unknown activation '{name}'; choose from {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _positive(what: str, sizes: Sequence[int]) -> None:
    if not sizes or min(sizes) < 1:
        raise InputError(
            f"{what} are {' '.join(map(str, sizes)) or 'empty'}; expected one or more numbers of 1 or more"
        )
