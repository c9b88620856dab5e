"""The main job: train, record, profile; and the same for activations from elsewhere."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from jaxentropy.base.streams import Stream
from jaxentropy.base.together import together
from jaxentropy.capture import sown
from jaxentropy.counting.tallying import RECORDED, tally
from jaxentropy.datasets import Dataset, load
from jaxentropy.datasets.augment import Augment
from jaxentropy.experiments.activations import read_activations, read_twins
from jaxentropy.experiments.config import Config
from jaxentropy.networks.models import CNN, MLP
from jaxentropy.networks.training import Recipe, Trained, train
from jaxentropy.profiling.profiler import profile
from jaxentropy.profiling.storage import load_profile, save_profile
from jaxentropy.recording.recorder import record
from jaxentropy.recording.recording import Recording
from jaxentropy.reports.folder import (
    PROFILE,
    RECORDINGS,
    STREAMED,
    claim,
    refuse_fewer,
    refuse_other,
    refuse_other_data,
)

_RECORD_BATCH = 1000
_BRACKETS = "brackets"
_DRAWS = "draws"


def run(
    config: Config,
    out: str | os.PathLike,
    *,
    download: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, xr.Dataset]:
    """Train the networks and their untrained twins, record, profile, judge and draw, into the folder ``out``.

    What is there already is not made again: a killed run goes on where it was, and a run with more seeds than before
    trains those that are missing.

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
    parts = config.parts()
    several = len(parts) > 1
    whole = config if several else next(iter(parts.values()))
    folders = {name: out / name if several else out for name in parts}
    refuse_other(out, "run", dataclasses.asdict(whole), may_differ=("seeds",))
    for name, one in parts.items():
        assert one.seeds is not None
        refuse_fewer(folders[name], "seeds", one.seeds)
    data = {}
    for one in parts.values():  # what does not fit fails before anything is written
        if one.dataset not in data:
            say(f"loading {one.dataset}")
            data[one.dataset] = load(one.dataset, download=download)
        network = build(one, len(data[one.dataset].class_names))
        jax.eval_shape(network.init, jax.random.key(0), jnp.asarray(data[one.dataset].train_images[:1]))
        stream_of(one, data[one.dataset])
    main = data[config.dataset].digest()
    refuse_other_data(out, config.dataset, main)
    if several:
        claim(out, "run", dataclasses.asdict(config) | {"parts": list(parts), "data": main})
    return together(
        {name: partial(_part, one, data[one.dataset], folders[name], progress, say) for name, one in parts.items()}
    )


def _part(config: Config, data: Dataset, folder: Path, progress: bool, say: Callable[[str], None]) -> xr.Dataset:
    """The profile of one network of a run; read, if it is there already and has all seeds."""
    if (folder / PROFILE).exists() and (there := load_profile(folder / PROFILE)).sizes["seed"] == config.seeds:
        return there
    claim(folder, "run", dataclasses.asdict(config) | {"data": data.digest()})
    found, streamed = _profiles(config, data, folder, progress, say)
    if streamed is not None:
        save_profile(streamed, folder / STREAMED)
    save_profile(found, folder / PROFILE)
    for made in (_BRACKETS, _DRAWS):
        shutil.rmtree(folder / made, ignore_errors=True)
    return found


def analyze(
    file: str | os.PathLike,
    out: str | os.PathLike,
    *,
    untrained: str | os.PathLike | None = None,
    shuffles: int,
    bootstrap: int,
    seed: int,
    bounds: bool,
    layers: tuple[str, ...] | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Profile activations (arrays and labels, ``.npz`` or HDF5) or a saved Recording, into the folder ``out``.

    With ``untrained``, a second such file, both networks are profiled together, as ``run`` does with its twins.

    Raises:
        InputError: a file that is neither, two that differ in layers or inputs, or a folder that is not ours.
    """
    file, out = Path(file), Path(out)
    settings = {"file": str(file), "shuffles": shuffles, "bootstrap": bootstrap, "seed": seed, "bounds": bounds}
    settings |= {} if layers is None else {"layers": layers}
    settings |= {} if untrained is None else {"untrained": str(untrained)}
    refuse_other(out, "analyze", settings)
    if untrained is None:
        recordings = {"recorded": read_activations(file, layers)}
    else:
        recordings = read_twins(file, Path(untrained), layers)
    result = profile(recordings, shuffles=shuffles, bootstrap=bootstrap, seed=seed, bounds=bounds, progress=progress)
    twin = "" if untrained is None else f", untrained {Path(untrained).name}"
    result.attrs["subject"] = f"Activation patterns of {file.name}{twin}"
    claim(out, "analyze", settings)
    for name, recording in recordings.items():
        recording.save(out / RECORDINGS / f"{name}.npz")
    save_profile(result, out / PROFILE)
    return result


def build(config: Config, num_classes: int) -> nn.Module:
    """The Linen module that a one-model configuration describes."""
    assert config.widths is not None
    if config.model == ("mlp",):
        return MLP(config.widths, num_classes, config.activation)
    return CNN(config.channels, config.widths, num_classes, config.activation, config.convolutions)


def stream_of(config: Config, data: Dataset) -> Stream | None:
    """The stream of augmented images that a one-model configuration asks for, if any."""
    assert config.split is not None
    if not config.draws or data.exhaustive or config.dataset.startswith("task:"):  # points have no pixels to move
        return None
    classes = config.stream_classes or data.class_names[:1]
    return Augment().of(data, "train" if config.split == "all" else config.split, classes=classes, seed=config.seed)


def _profiles(
    config: Config, data: Dataset, folder: Path, progress: bool, say: Callable[[str], None]
) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Train (or restore), record (or load) and profile one network: on its images, and on a stream of them."""
    assert config.seeds is not None
    assert config.epochs is not None
    assert config.learning_rate is not None
    model = build(config, len(data.class_names))
    seeds = tuple(range(config.seed, config.seed + config.seeds))
    name = type(model).__name__
    say(f"training {name} with {config.seeds} seeds for {config.epochs} epochs on {len(data.train_labels)} images")
    recipe = Recipe(config.epochs, config.batch_size, config.learning_rate)
    networks = train(model, data, seeds, recipe, checkpoints=folder / "checkpoints", progress=progress)
    recordings = _recordings(config, model, data, networks, seeds, folder, progress, say)
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
    network = f"{name} ({channels}FC {'-'.join(map(str, config.widths or ()))}, {config.activation})"
    result.attrs["subject"] = f"{network} on {config.dataset}, {_which(config.split)}"
    result.attrs |= {"backend": jax.default_backend()} | data.preparation()
    streamed = _streamed(config, model, data, networks, folder, progress, say)
    if streamed is not None:
        streamed.attrs |= {"subject": f"{network} on {streamed.attrs['population_text']}"} | data.preparation()
    return _with_history(result, networks), streamed


def _recordings(
    config: Config,
    model: nn.Module,
    data: Dataset,
    networks: Trained,
    seeds: tuple[int, ...],
    folder: Path,
    progress: bool,
    say: Callable[[str], None],
) -> dict[str, list[Recording]]:
    """Every network and its untrained twin on the chosen images; those that are there already are loaded."""
    assert config.split is not None
    say(f"recording {type(model).__name__}, trained and untrained, on {_which(config.split)}")
    recordings: dict[str, list[Recording]] = {"trained": [], "untrained": []}
    for i, seed in enumerate(seeds):
        for kind, variables in zip(("untrained", "trained"), networks.of_seed(i), strict=True):
            path = folder / RECORDINGS / f"{kind}-seed{seed:03d}.npz"
            if not path.exists():
                record(
                    sown(model),
                    variables,
                    data.batches(config.split, _RECORD_BATCH),
                    class_names=data.class_names,
                    meta={"network": kind, "seed": seed, "split": config.split, "dataset": config.dataset},
                    exhaustive=data.exhaustive and config.split == "all",
                    progress=progress and len(data.train_labels) > 20 * _RECORD_BATCH,
                ).save(path)
            recordings[kind].append(Recording.load(path))
    return recordings


def _streamed(
    config: Config,
    model: nn.Module,
    data: Dataset,
    networks: Trained,
    folder: Path,
    progress: bool,
    say: Callable[[str], None],
) -> xr.Dataset | None:
    """The profile of the first seed and its untrained twin over a stream, if one is asked for; read, if it is there."""
    stream = stream_of(config, data)
    if stream is None:
        return None
    if (folder / STREAMED).exists():
        return load_profile(folder / STREAMED)
    assert config.draws is not None
    say(f"drawing {config.draws} of {stream.text}")
    untrained, trained = networks.of_seed(0)
    tallies = {
        kind: tally(
            sown(model),
            variables,
            stream,
            until=config.draws,
            recorded=min(RECORDED, config.draws),
            meta={"network": kind, "seed": config.seed},
            checkpoints=folder / _DRAWS / kind,
            progress=progress,
        )
        for kind, variables in (("trained", trained), ("untrained", untrained))
    }
    estimators = ("plugin", "chao_wang_jost")
    return profile(tallies, estimators=estimators, seed=config.seed, checkpoints=folder / _BRACKETS, progress=progress)


def _which(split: str | None) -> str:
    """The inputs of a split, in words."""
    return "all inputs" if split == "all" else f"the {split} images"


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
