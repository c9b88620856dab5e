"""The main job: train, record, profile, judge, draw; and the same for activations from elsewhere."""

import dataclasses
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import tyro
import xarray as xr

from jaxentropy import report
from jaxentropy.base.errors import InputError
from jaxentropy.base.files import open_npz, write_text
from jaxentropy.capture import sown
from jaxentropy.datasets import Dataset, load
from jaxentropy.networks.models import ACTIVATIONS, CNN, MLP
from jaxentropy.networks.training import Recipe, Trained, train
from jaxentropy.profiling.profiler import profile
from jaxentropy.profiling.storage import load_profile, save_profile
from jaxentropy.recording.recorder import record
from jaxentropy.recording.recording import Recording

_DEFAULTS: dict[str, dict[str, Any]] = {
    "mlp": {"widths": (128,) * 6, "epochs": 15, "seeds": 5, "learning_rate": 1e-3},
    "cnn": {"widths": (128,) * 4, "epochs": 8, "seeds": 3, "learning_rate": 2e-3},
}
_RECORD_BATCH = 1000
_BRACKETS = "brackets"


def _by_model(metavar: str, defaults: str):
    """How the command line shows a setting whose default depends on the model."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: mlp {defaults})")


@dataclass(frozen=True)
class Config:
    """Settings of a run. What is left out takes the model's own default."""

    dataset: str = "mnist5k"
    """Images and labels: mnist5k, fashion-mnist, idx:FOLDER, npz:FILE or tfds:NAME."""
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
    epochs: Annotated[int | None, _by_model("INT", "15, cnn 8")] = None
    """Passes over the training images."""
    seeds: Annotated[int | None, _by_model("INT", "5, cnn 3")] = None
    """Networks to train, each from its own seed."""
    seed: int = 0
    """The first of the seeds; also seeds the shuffled labels and the bootstrap."""
    batch_size: int = 64
    """Images a training step."""
    learning_rate: Annotated[float | None, _by_model("FLOAT", "0.001, cnn 0.002")] = None
    """Adam's first learning rate; it falls to zero along a cosine."""
    split: str = "train"
    """Which images are recorded: train or test."""
    shuffles: int = 1
    """Label permutations averaged in the shuffled-label null."""
    bootstrap: int = 200
    """Replicates of the bootstrap behind the verdict."""
    bounds: bool = True
    """Whether the joint pattern's entropy gets its bracket: the longest part of a profile."""

    def __post_init__(self):
        for name in self.model:
            if name not in _DEFAULTS:
                raise InputError(f"unknown model '{name}'; choose from {', '.join(_DEFAULTS)}")
        if self.activation not in ACTIVATIONS:
            raise InputError(f"unknown activation '{self.activation}'; choose from {', '.join(ACTIVATIONS)}")
        if self.split not in ("train", "test"):
            raise InputError(f"unknown split '{self.split}'; choose train or test")
        if not self.model or len(set(self.model)) != len(self.model):
            raise InputError(f"models are {' '.join(self.model) or 'none'}; expected one or more, each once")
        for name in ("widths", "channels"):
            sizes = getattr(self, name)
            if sizes is not None and (not sizes or min(sizes) < 1):
                raise InputError(f"{name} are {' '.join(map(str, sizes)) or 'empty'}; expected numbers of 1 or more")
        for name, least in (
            ("convolutions", 1), ("epochs", 0), ("seeds", 1), ("seed", 0), ("batch_size", 1), ("shuffles", 0),
            ("bootstrap", 0),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name.replace('_', ' ')} is {value}; expected {least} or more")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning rate is {self.learning_rate}; expected a positive number")

    def of(self, model: str) -> "Config":
        """The settings of one network, with its defaults filled in."""
        filled = {k: v for k, v in _DEFAULTS[model].items() if getattr(self, k) is None}
        return dataclasses.replace(self, model=(model,), **filled)


def run(
    config: Config,
    out: str | os.PathLike,
    *,
    download: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, xr.Dataset]:
    """Train the networks and their untrained twins, record, profile, judge and draw, into the folder ``out``.

    What is there already is not made again: a killed run goes on where it was.

    Args:
        config: the settings.
        out: a new or empty folder, or one that holds this very run.
        download: whether ``tfds:`` data sets may be fetched.
        progress: show progress bars on standard error.
        say: receives a line before each long step.

    Returns:
        The profile of each network, by the model's name.

    Raises:
        InputError: a data set that is not there, or a folder that is not ours or holds another run.
    """
    out = Path(out)
    folders = {model: out if len(config.model) == 1 else out / model for model in config.model}
    configs = {model: config.of(model) for model in config.model}
    whole = configs[config.model[0]] if len(config.model) == 1 else config
    refuse_other(out, "run", dataclasses.asdict(whole))
    say(f"loading {config.dataset}")
    data = load(config.dataset, download=download)
    refuse_other_data(out, config.dataset, data.digest())
    for one in configs.values():  # a model that does not fit the images fails before anything is written
        network = build(one, len(data.class_names))
        jax.eval_shape(network.init, jax.random.key(0), jnp.asarray(data.train_images[:1]))
    if len(config.model) > 1:
        claim(out, "run", dataclasses.asdict(config) | {"parts": config.model, "data": data.digest()})
    for model, folder in folders.items():
        if not (folder / report.PROFILE).exists():
            claim(folder, "run", dataclasses.asdict(configs[model]) | {"data": data.digest()})
            save_profile(_profile(configs[model], data, folder, progress, say), folder / report.PROFILE)
            shutil.rmtree(folder / _BRACKETS, ignore_errors=True)
    return {model: load_profile(folder / report.PROFILE) for model, folder in folders.items()}


def analyze(
    file: str | os.PathLike,
    out: str | os.PathLike,
    *,
    shuffles: int,
    bootstrap: int,
    seed: int,
    bounds: bool,
    layers: tuple[str, ...] | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Profile activations (an ``.npz`` of arrays and labels) or a saved Recording, into the folder ``out``.

    Raises:
        InputError: a file that is neither, or a folder that is not ours.
    """
    file, out = Path(file), Path(out)
    settings = {"file": str(file), "shuffles": shuffles, "bootstrap": bootstrap, "seed": seed, "bounds": bounds}
    settings |= {} if layers is None else {"layers": layers}
    refuse_other(out, "analyze", settings)
    recording = read_activations(file, layers)
    result = profile(
        {"recorded": recording}, shuffles=shuffles, bootstrap=bootstrap, seed=seed, bounds=bounds, progress=progress
    )
    result.attrs["subject"] = f"Activation patterns of {file.name}"
    claim(out, "analyze", settings)
    recording.save(out / report.RECORDINGS / "recorded.npz")
    save_profile(result, out / report.PROFILE)
    return result


def read_activations(file: Path, layers: tuple[str, ...] | None = None) -> Recording:
    """A Recording from its own file, or from an ``.npz`` of ``labels`` and one array ``[n, neurons]`` a layer.

    ``layers`` says which arrays are layers, in the order of depth; a Recording has its own order.
    """
    with open_npz(
        file,
        missing=f"no file {file}; expected an .npz of activations and labels, or a recording",
        damaged=f"{file} is damaged or not an .npz of plain arrays",
    ) as arrays:
        if "header" in arrays:
            if layers is not None:
                raise InputError(f"{file} is a recording, whose layers have their order; leave --layers out")
            return Recording.load(file)
        if "labels" not in arrays:
            raise InputError(
                f"{file} has no labels, only {', '.join(arrays) or 'nothing'}; "
                "save them with the layers: np.savez(file, labels=labels, fc1=..., fc2=...)"
            )
        activations = {name: arrays[name] for name in arrays if name != "labels"}
        try:
            return Recording.from_activations(
                activations, arrays["labels"], meta={"network": "recorded"}, layers=layers
            )
        except InputError as error:
            raise InputError(f"{file}: {error}") from error


def refuse_foreign(folder: Path) -> None:
    """Raise InputError if ``folder`` holds something that is not ours."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        try:
            report.read_config(folder)
        except InputError:
            raise InputError(
                f"{folder} exists and is not a jaxentropy results folder; choose another with --out"
            ) from None


def refuse_other(folder: Path, command: str, settings: dict[str, Any]) -> None:
    """Raise InputError if ``folder`` is not ours, or holds the results of another command or other settings."""
    refuse_foreign(folder)
    if not (folder / report.CONFIG).exists():
        return
    settings, found = _settings(settings), report.read_config(folder)
    if found.get("command") != command:
        raise InputError(f"{folder} holds the results of `{found.get('command')}`; choose another --out, or delete it")
    differing = [
        key
        for key in sorted({*settings, *found} - {"jaxentropy", "command", "parts", "data"})
        if settings.get(key) != found.get(key)
    ]
    if differing:
        told = ", ".join(f"{key}: {found.get(key, 'default')}, not {settings.get(key, 'default')}" for key in differing)
        raise InputError(f"{folder} holds a run with other settings ({told}); choose another --out, or delete it")


def refuse_other_data(folder: Path, name: str, digest: str) -> None:
    """Raise InputError if ``folder`` holds a run on images or labels that were other than they are now."""
    if (folder / report.CONFIG).exists() and report.read_config(folder).get("data") != digest:
        raise InputError(
            f"{name} has changed since the run in {folder}; choose another --out, or delete the folder to run anew"
        )


def claim(folder: Path, command: str, settings: dict[str, Any]) -> None:
    """Make ``folder`` the results folder of this command by writing its ``config.toml``."""
    entries = {"jaxentropy": version("jaxentropy"), "command": command} | _settings(settings)
    write_text(
        folder / report.CONFIG,
        "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in entries.items()),
    )


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items() if v is not None}


def build(config: Config, num_classes: int) -> nn.Module:
    """The Linen module that a one-model configuration describes."""
    assert config.widths is not None
    if config.model == ("mlp",):
        return MLP(config.widths, num_classes, config.activation)
    return CNN(config.channels, config.widths, num_classes, config.activation, config.convolutions)


def _profile(config: Config, data: Dataset, folder: Path, progress: bool, say: Callable[[str], None]) -> xr.Dataset:
    """Train (or restore), record (or load) and profile one network."""
    assert config.seeds is not None
    assert config.epochs is not None
    assert config.learning_rate is not None
    model = build(config, len(data.class_names))
    seeds = tuple(range(config.seed, config.seed + config.seeds))
    name = type(model).__name__
    say(f"training {name} with {config.seeds} seeds for {config.epochs} epochs on {len(data.train_labels)} images")
    networks = train(
        model,
        data,
        seeds,
        Recipe(config.epochs, config.batch_size, config.learning_rate),
        checkpoints=folder / "checkpoints",
        progress=progress,
    )
    say(f"recording {name}, trained and untrained, on the {config.split} images")
    recordings: dict[str, list[Recording]] = {"trained": [], "untrained": []}
    for i, seed in enumerate(seeds):
        for kind, variables in zip(("untrained", "trained"), networks.of_seed(i), strict=True):
            path = folder / report.RECORDINGS / f"{kind}-seed{seed:03d}.npz"
            if not path.exists():
                record(
                    sown(model),
                    variables,
                    data.batches(config.split, _RECORD_BATCH),
                    class_names=data.class_names,
                    meta={"network": kind, "seed": seed, "split": config.split, "dataset": config.dataset},
                    progress=progress and len(data.train_labels) > 20 * _RECORD_BATCH,
                ).save(path)
            recordings[kind].append(Recording.load(path))
    say(f"profiling {name}")
    result = profile(
        recordings,
        shuffles=config.shuffles,
        bootstrap=config.bootstrap,
        seed=config.seed,
        bounds=config.bounds,
        checkpoints=folder / _BRACKETS,
        progress=progress,
    )
    channels = f"{'-'.join(map(str, config.channels))} channels, " if isinstance(model, CNN) else ""
    result.attrs["subject"] = (
        f"{name} ({channels}FC {'-'.join(map(str, config.widths or ()))}, {config.activation}) on {config.dataset}, "
        f"{config.split} images"
    )
    result.attrs["backend"] = jax.default_backend()
    return _with_history(result, networks)


def _with_history(dataset: xr.Dataset, networks: Trained) -> xr.Dataset:
    """The profile with the training's loss and accuracies by seed and epoch."""
    described = {
        "loss": (networks.loss, "training loss, mean over the epoch's steps", "nats"),
        "train_accuracy": (networks.train_accuracy, "training accuracy, mean over the epoch's steps", "1"),
        "test_accuracy": (networks.test_accuracy, "test accuracy after the epoch", "1"),
    }
    return dataset.assign(
        {
            name: (("seed", "epoch"), values, {"long_name": long_name, "units": units})
            for name, (values, long_name, units) in described.items()
        }
    ).assign_coords(epoch=np.arange(1, networks.loss.shape[1] + 1))
