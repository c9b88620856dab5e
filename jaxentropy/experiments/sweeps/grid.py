"""The networks of a sweep: every combination of the settings' values, once for each seed."""

import dataclasses
import difflib
import hashlib
import itertools
import json
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxentropy.base.errors import InputError
from jaxentropy.networks.models import ACTIVATIONS, NORMS

MAX_NETWORKS = 2000
SEEDS = 4
PROGRAM_SECONDS = 5.0  # about, to compile what networks of one shape share


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
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "dropout": (lambda x: 0 <= x < 1, "from 0 to below 1"),
    "learning_rate": (lambda x: x > 0, "above 0"),
    "weight_decay": (lambda x: x >= 0, "of 0 or more"),
    "init_scale": (lambda x: x > 0, "above 0"),
    "label_noise": (lambda x: 0 <= x <= 1, "from 0 to 1"),
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
        fits, expected = _RANGES[name]
        if not number or not math.isfinite(value) or not fits(value):
            raise InputError(f"{name} is {value!r}; expected a finite number {expected}")
    elif not isinstance(value, str):
        raise InputError(f"{name} is {value!r}; expected a name")
    elif name in _NAMES and value not in _NAMES[name]:
        raise InputError(f"unknown {name} '{value}'; choose from {', '.join(_NAMES[name])}")
    return kind(value)


def plain_settings(settings: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of each setting, as Python's own numbers: of anything that can be gone through, and of one value.

    Raises:
        InputError: an unknown setting, a value that cannot be or is there twice, a setting without values.
    """
    for name in settings:
        if name in ("seed", "seeds"):
            raise InputError(
                f"{name} is no setting of the grid; give seeds=3, their number, as an argument beside the settings, or "
                "the line `seeds = 3` in a file"
            )
        if name not in SETTINGS:
            near = difflib.get_close_matches(str(name), SETTINGS, n=1)
            hint = f"did you mean {near[0]}? There are " if near else "there are "
            raise InputError(f"unknown setting '{name}'; {hint}{', '.join(s for s in SETTINGS if s != 'seed')}")
    axes = {name: [checked(name, value) for value in _values(values)] for name, values in settings.items()}
    for name, values in axes.items():
        _refuse_none_and_twice(name, values)
    return axes


def seed_numbers(seeds: Any) -> Sequence[int]:
    """So many seeds, from 0, or those that are given.

    Raises:
        InputError: neither a number nor numbers of seeds; none at all; one that is there twice.
    """
    if not isinstance(seeds, str | bytes | Mapping):
        numbers = _values(seeds)
        whole = all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in numbers)
        if isinstance(seeds, Iterable) and whole:
            _refuse_none_and_twice("seeds", numbers)
            return numbers
        if not isinstance(seeds, Iterable) and whole and numbers[0] > 0:
            return range(numbers[0])
    raise InputError(
        f"seeds is {seeds!r}; expected how many, a whole number of 1 or more, or which, a list of whole numbers of 0 "
        "or more"
    )


def _values(given: Any) -> list[Any]:
    """A value alone, or those of a list, a range, an array: of NumPy's as Python's own."""
    given = getattr(given, "tolist", lambda: given)()
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        return [given]
    return [getattr(value, "tolist", lambda value=value: value)() for value in given]


def _refuse_none_and_twice(name: str, values: Sequence[Any]) -> None:
    if not values:
        raise InputError(f"the grid is empty: {name} has no values")
    value, times = Counter(values).most_common(1)[0]
    if times > 1:
        raise InputError(f"{name} has {value!r} twice; give each value once")


def networks_of(
    settings: Mapping[str, Any], seeds: int | Iterable[int] = SEEDS, max_networks: int = MAX_NETWORKS
) -> list[Network]:
    """Every combination of the settings' values, once for each seed.

    >>> from jaxentropy.experiments.sweeps.grid import networks_of
    >>> networks = networks_of({"depth": [1, 2], "activation": ["relu", "tanh"], "width": 32}, seeds=3)
    >>> len(networks), str(networks[0])
    (12, 'depth 1, width 32')

    Args:
        settings: a value, or values, for settings of ``Network``.
        seeds: how many, from 0; or which.
        max_networks: more are refused.

    Raises:
        InputError: an unknown setting, a value that cannot be, an empty grid, too many networks.
    """
    axes, numbers = plain_settings(settings), seed_numbers(seeds)
    count = math.prod(map(len, axes.values())) * len(numbers)
    if count > max_networks:
        one = Network(**{name: max(values, key=_size) for name, values in axes.items()}, seed=numbers[0])
        took = in_words(count * guessed_seconds(one))
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


def read_grid(path: Path) -> tuple[dict[str, Any], int | list[int]]:
    """The settings and the seeds, how many or which, of a ``sweep.toml``.

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
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give the file of the grid, such as {path / 'sweep.toml'}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read as TOML: {error}") from None
    tables = [name for name, value in settings.items() if isinstance(value, dict)]
    if tables:
        raise InputError(
            f"{path} has a table [{tables[0]}]; expected lines such as `depth = [1, 2, 4]`, without tables"
        )
    seeds = settings.pop("seeds", SEEDS)
    try:
        seed_numbers(seeds)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return settings, seeds


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def _size(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def in_words(seconds: float) -> str:
    """A time as one says it."""
    if seconds > 5400:
        return f"{seconds / 3600:.1f} hours"
    return "a minute" if seconds < 90 else f"{round(seconds / 60)} minutes"


def guessed_seconds(network: Network) -> float:
    """Of one core: half a second of measuring, and ten multiply-adds a nanosecond."""
    weights = 800 * network.width + (network.depth - 1) * network.width**2
    epochs = network.epochs + network.retrain_epochs * (network.depth + 1)
    return 0.5 + 3e-10 * epochs * network.train_size * weights
