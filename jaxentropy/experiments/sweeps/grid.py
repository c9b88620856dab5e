"""The networks of a sweep: every combination of the settings' values, once for each seed."""

import dataclasses
import difflib
import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxentropy.base.errors import InputError
from jaxentropy.networks.models import ACTIVATIONS, NORMS

MAX_NETWORKS = 2000
SEEDS = 4


@dataclass(frozen=True)
class Network:
    """The settings of one network of a sweep: an MLP of ``depth`` hidden layers of ``width`` neurons.

    Attributes:
        dataset: a name that ``je.datasets.load`` knows.
        depth, width: hidden fully connected layers, and neurons of each.
        activation: relu, tanh, gelu or leaky_relu.
        norm: none, batch or layer, between each layer and its nonlinearity.
        dropout: share of each hidden layer's outputs that is dropped in training.
        epochs, batch_size, learning_rate, weight_decay, init_scale, label_noise: as in ``Recipe``.
        train_size: so many training inputs at most, chosen by a fixed seed.
        retrain_epochs: so long each network is trained on, for each of its layers without that layer's nonlinearity, to
            see what can be left out (0: not at all).
        recorded: so many test inputs at most are recorded, chosen by a fixed seed; of a task whose inputs are all
            listed, all are.
        seed: of the initial weights, the order of the inputs and the label noise.
    """

    dataset: str = "mnist5k"
    depth: int = 4
    width: int = 64
    activation: str = "relu"
    norm: str = "none"
    dropout: float = 0.0
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    init_scale: float = 1.0
    label_noise: float = 0.0
    train_size: int = 4000
    recorded: int = 1000
    retrain_epochs: int = 0
    seed: int = 0

    @property
    def configuration(self) -> str:
        """A name for all settings but the seed: the same for all seeds of a configuration."""
        return _digest({k: v for k, v in dataclasses.asdict(self).items() if k != "seed"})

    @property
    def shape(self) -> tuple[Any, ...]:
        """What networks must have in common to be trained by one compiled program."""
        return (
            self.dataset, self.depth, self.width, self.activation, self.norm, self.dropout, self.epochs,
            self.batch_size, self.train_size, self.recorded,
        )  # fmt: skip

    def key(self, data: str) -> str:
        """The name of its file: a hash of its settings and of a fingerprint of its data."""
        return _digest(dataclasses.asdict(self) | {"data": data})

    def __str__(self) -> str:
        """The settings that are not the default ones."""
        own = [f.name for f in dataclasses.fields(self) if getattr(self, f.name) != f.default]
        return ", ".join(f"{name} {getattr(self, name)}" for name in own) or "the default network"


_LEAST = {"epochs": 0, "retrain_epochs": 0, "seed": 0}
_RANGES = {
    "dropout": (0.0, 1.0, False),
    "learning_rate": (0.0, math.inf, True),
    "weight_decay": (0.0, math.inf, False),
    "init_scale": (0.0, math.inf, True),
    "label_noise": (0.0, 1.0 + 1e-12, False),
}
_NAMES = {"activation": ACTIVATIONS, "norm": NORMS}
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Network)}
SETTINGS = tuple(_DEFAULTS)


def checked(name: str, value: Any) -> Any:
    """A setting's value, whole numbers as floats where floats are meant; InputError if it cannot be."""
    kind = type(_DEFAULTS[name])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        least = _LEAST.get(name, 1)
        if not number or isinstance(value, float) or value < least:
            raise InputError(f"{name} is {value!r}; expected a whole number of {least} or more")
    elif kind is float:
        low, high, above_low = _RANGES[name]
        if not number or not (low < value if above_low else low <= value) or not value < high:
            raise InputError(f"{name} is {value!r}; expected a number from {low:g} to {high:g}")
    elif not isinstance(value, str):
        raise InputError(f"{name} is {value!r}; expected a name")
    elif name in _NAMES and value not in _NAMES[name]:
        raise InputError(f"unknown {name} '{value}'; choose from {', '.join(_NAMES[name])}")
    return kind(value)


def networks_of(
    settings: Mapping[str, Any], seeds: int | Sequence[int] = SEEDS, max_networks: int = MAX_NETWORKS
) -> list[Network]:
    """Every combination of the settings' values, once for each seed.

    >>> from jaxentropy.experiments.sweeps.grid import networks_of
    >>> networks = networks_of({"depth": [1, 2], "activation": ["relu", "tanh"], "width": 32}, seeds=3)
    >>> len(networks), str(networks[0])
    (12, 'depth 1, width 32')

    Args:
        settings: a value, or a list of values, for settings of ``Network``.
        seeds: how many, from 0; or which.
        max_networks: more are refused.

    Raises:
        InputError: an unknown setting, a value that cannot be, an empty grid, too many networks.
    """
    if "seed" in settings:
        raise InputError("seed is no setting of the grid; give seeds, their number")
    for name in settings:
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, n=1)
            hint = f"did you mean {near[0]}? There are " if near else "there are "
            raise InputError(f"unknown setting '{name}'; {hint}{', '.join(s for s in SETTINGS if s != 'seed')}")
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    axes = {
        name: [checked(name, value) for value in (values if isinstance(values, list | tuple) else [values])]
        for name, values in settings.items()
    }
    empty = [name for name, values in axes.items() if not values] + ([] if numbers else ["seeds"])
    if empty:
        raise InputError(f"the grid is empty: {', '.join(empty)} has no values")
    for name, values in axes.items():
        doubled = [value for i, value in enumerate(values) if value in values[:i]]
        if doubled:
            raise InputError(f"{name} has {doubled[0]!r} twice; give each value once")
    count = math.prod(map(len, axes.values())) * len(numbers)
    if count > max_networks:
        one = Network(**{name: max(values, key=_size) for name, values in axes.items()}, seed=numbers[0])
        took = _in_words(count * _guessed_seconds(one))
        raise InputError(
            f"this grid has {count:,} networks, more than max_networks {max_networks:,}; if all were as large as the "
            f"largest they would take about {took} of one core. Give a smaller grid, or allow more"
        )
    found = [
        Network(**dict(zip(axes, values, strict=True)), seed=seed)
        for values in itertools.product(*axes.values())
        for seed in numbers
    ]
    return sorted(found, key=lambda network: [str(part).rjust(12) for part in network.shape])


def read_grid(path: Path) -> tuple[dict[str, Any], int]:
    """The settings and the number of seeds of a ``sweep.toml``.

    Raises:
        InputError: no such file, or one that is not TOML.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f'no file {path}; write one, for example with the lines `depth = [1, 2, 4]`, `dataset = "mnist5k"` and '
            "`seeds = 3`"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read as TOML: {error}") from None
    tables = [name for name, value in settings.items() if isinstance(value, dict)]
    if tables:
        raise InputError(
            f"{path} has a table [{tables[0]}]; expected lines such as `depth = [1, 2, 4]`, without tables"
        )
    seeds = settings.pop("seeds", SEEDS)
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise InputError(f"{path}: seeds is {seeds!r}; expected a whole number of 1 or more")
    return settings, seeds


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def _size(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _in_words(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 5400 else f"{max(1, round(seconds / 60))} minutes"


def _guessed_seconds(network: Network) -> float:
    """Of one core: half a second of measuring, and ten multiply-adds a nanosecond."""
    weights = 800 * network.width + (network.depth - 1) * network.width**2
    return 0.5 + 3e-10 * network.epochs * network.train_size * weights
