"""The settings of a run: defaults, help texts and limits, once."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.dataset import SPLITS
from jaxentropy.datasets.tasks import FORMS, lists_every_input
from jaxentropy.networks.models import ACTIVATIONS
from jaxentropy.profiling.bootstrap import REPLICATES

_DEFAULTS: dict[str, dict[str, Any]] = {
    "mlp": {"widths": (128,) * 6, "epochs": 15, "seeds": 5, "learning_rate": 1e-3, "draws": 400_000},
    "cnn": {"widths": (128,) * 4, "epochs": 5, "seeds": 3, "learning_rate": 2e-3, "draws": 0},
}
_FULL_DRAWS = 100_000
EXACT = {"model": ("mlp",), "widths": (32, 32, 32), "epochs": 40, "seeds": 3, "learning_rate": 3e-3}
"""The network on the task of which every input is listed."""


def _by_model(metavar: str, defaults: str):
    """How the command line shows a setting whose default depends on the model."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: mlp {defaults})")


@dataclass(frozen=True)
class Config:
    """Settings of a run. What is left out takes the model's own default."""

    dataset: str = "mnist5k"
    """Inputs and labels: mnist5k, fashion-mnist; folder:DIR (DIR/CLASS/*.png, or DIR/train/CLASS/*.png and
    DIR/test/CLASS/*.png; folder:DIR?size=32 scales and cuts); npz:FILE, hdf5:FILE, zarr:FILE (x_train, y_train, x_test,
    y_test); idx:FOLDER; tfds:NAME; a task of which every input is listed: task:modular-addition:97, task:parity:10,
    task:majority:9, task:sparse-parity:3-of-12, task:hierarchy:3 (a tree of gates of 2^3 bits); or points of two
    spirals: task:spirals:2 (turns)."""
    model: tuple[str, ...] = ("mlp", "cnn")
    """Which networks: mlp, cnn, or both."""
    widths: Annotated[tuple[int, ...] | None, _by_model("INT [INT ...]", "128 six times, cnn 128 four times")] = None
    """Neurons of each fully connected (FC) hidden layer."""
    channels: tuple[int, ...] = (16, 32)
    """CNN: channels of each block of 3x3 convolutions; each block ends in 2x2 max-pooling."""
    convolutions: int = 1
    """CNN: convolutions in a block; 1 is LeNet-like, 2 or more VGG-like."""
    activation: str = "relu"
    """relu, tanh, gelu or leaky_relu. A neuron is on where its pre-activation is positive."""
    epochs: Annotated[int | None, _by_model("INT", "15, cnn 5")] = None
    """Passes over the training images."""
    seeds: Annotated[int | None, _by_model("INT", "5, cnn 3")] = None
    """Networks to train, each from its own seed. A folder with fewer of them gets those that are missing."""
    seed: int = 0
    """The first of the seeds; also seeds the shuffled labels and the bootstrap."""
    batch_size: int = 64
    """Images a training step."""
    learning_rate: Annotated[float | None, _by_model("FLOAT", "0.001, cnn 0.002")] = None
    """Adam's first learning rate; it falls to zero along a cosine."""
    split: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="train|test|all", help_behavior_hint="(default: train; of a task whose inputs are listed, all)"
        ),
    ] = None
    """Which images are recorded: train, test or all. All inputs of a listed task are an enumeration: exact."""
    shuffles: int = 1
    """Label permutations averaged in the shuffled-label null."""
    bootstrap: int = REPLICATES
    """Replicates of the bootstrap behind the verdict."""
    draws: Annotated[int | None, _by_model("INT", "400000, cnn 0")] = None
    """Draws from a stream of augmented images (shifted, rotated, scaled) of each of the stream's classes, for brackets
    that a few hundred images cannot give; 0 leaves it out."""
    stream_classes: tuple[str, ...] = ()
    """The stream's classes, by name; by default the first class."""
    task: str = "task:majority:9"
    """Beside several networks: a small task of which every input is listed, so that all entropies are exact; none."""
    bounds: bool = False
    """Whether the joint pattern's entropy gets a bracket from the recorded images too: minutes, and mostly wide."""
    full: bool = False
    """All there is: brackets of the recorded images too, a stream for each network, every figure, SVG files."""

    def __post_init__(self):
        for name in self.model:
            if name not in _DEFAULTS:
                raise InputError(f"unknown model '{name}'; choose from {', '.join(_DEFAULTS)}")
        if self.activation not in ACTIVATIONS:
            raise InputError(f"unknown activation '{self.activation}'; choose from {', '.join(ACTIVATIONS)}")
        if self.task != "none" and not lists_every_input(self.task):
            listed = ", ".join(form for form in FORMS if lists_every_input(form))
            raise InputError(f"'{self.task}' is no task of which every input is listed; give {listed}, or none")
        if self.split not in (None, *SPLITS):
            raise InputError(f"unknown split '{self.split}'; choose from {', '.join(SPLITS)}")
        if not self.model or len(set(self.model)) != len(self.model):
            raise InputError(f"models are {' '.join(self.model) or 'none'}; expected one or more, each once")
        for name in ("widths", "channels"):
            sizes = getattr(self, name)
            if sizes is not None and (not sizes or min(sizes) < 1):
                raise InputError(f"{name} are {' '.join(map(str, sizes)) or 'empty'}; expected numbers of 1 or more")
        for name, least in (
            ("convolutions", 1), ("epochs", 0), ("seeds", 1), ("seed", 0), ("batch_size", 1), ("shuffles", 0),
            ("bootstrap", 0), ("draws", 0),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name.replace('_', ' ')} is {value}; expected {least} or more")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning rate is {self.learning_rate}; expected a positive number")

    def of(self, model: str) -> "Config":
        """The settings of one network, with its defaults filled in."""
        defaults = _DEFAULTS[model] | {"split": "all" if lists_every_input(self.dataset) else "train"}
        if self.full:
            defaults |= {"draws": defaults["draws"] or _FULL_DRAWS}
        filled = {k: v for k, v in defaults.items() if getattr(self, k) is None}
        return dataclasses.replace(self, model=(model,), bounds=self.bounds or self.full, **filled)

    def parts(self) -> "dict[str, Config]":
        """The settings of each network of a run by its name: of each model, and beside several the exact task."""
        found = {model: self.of(model) for model in self.model}
        if len(found) > 1 and self.task != "none":
            task = dataclasses.replace(self, **EXACT, dataset=self.task, split=None, draws=0)
            found["exact"] = task.of("mlp")
        return found
