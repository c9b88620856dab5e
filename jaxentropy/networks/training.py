"""The training of several networks of one shape; it gives back their untrained twins, and goes on where it was."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxentropy.base.errors import InputError
from jaxentropy.base.together import together
from jaxentropy.datasets import Dataset
from jaxentropy.networks import epochs as programs
from jaxentropy.networks.checkpoints import Checkpoints, State
from jaxentropy.networks.epochs import Images, Settings
from jaxentropy.networks.models import MLP


@dataclass(frozen=True)
class Recipe:
    """How to train: Adam with a learning rate that falls to zero along a cosine.

    Attributes:
        epochs: passes over the training set.
        batch_size: images a step; what is left over at the end of an epoch waits for another shuffle.
        learning_rate: of the first step.
        weight_decay: decoupled from the gradient (AdamW).
        init_scale: by which the initial kernels are multiplied.
        label_noise: share of the training images whose label is replaced by another class, drawn by the seed.
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    init_scale: float = 1.0
    label_noise: float = 0.0

    def __post_init__(self):
        if self.epochs < 0 or self.batch_size < 1 or not 0 < self.learning_rate < math.inf:
            raise InputError(
                f"epochs {self.epochs}, batch size {self.batch_size}, learning rate {self.learning_rate}: "
                "expected epochs of 0 or more, a batch size of 1 or more and a positive learning rate"
            )
        if not (0 <= self.weight_decay < math.inf and 0 < self.init_scale < math.inf and 0 <= self.label_noise <= 1):
            raise InputError(
                f"weight decay {self.weight_decay}, initial scale {self.init_scale}, label noise {self.label_noise}: "
                "expected a decay of 0 or more, a positive scale and a share of labels from 0 to 1"
            )


class Trained(NamedTuple):
    """Networks of several seeds, before and after training.

    Attributes:
        untrained, trained: variables with a leading seed axis on every leaf.
        loss: ``float32[seed, epoch]``, mean over the epoch's steps, in nats.
        train_accuracy: ``float32[seed, epoch]``, mean over the epoch's steps (the weights move meanwhile).
        test_accuracy: ``float32[seed, epoch]``, after the epoch.
    """

    untrained: Any
    trained: Any
    loss: np.ndarray
    train_accuracy: np.ndarray
    test_accuracy: np.ndarray

    def of_seed(self, i: int) -> tuple[Any, Any]:
        """(untrained, trained) variables of the i-th seed."""
        return jax.tree.map(lambda a: a[i], (self.untrained, self.trained))


def train(
    model: nn.Module,
    data: Dataset,
    seeds: Sequence[int],
    recipe: Recipe | Sequence[Recipe],
    *,
    start: Sequence[Any] | None = None,
    checkpoints: str | os.PathLike | None = None,
    at_once: int = 2,
    progress: bool = False,
) -> Trained:
    """Train ``model`` from each seed; the same seeds and settings give the same numbers.

    On a processor a seed's numbers do not depend on the seeds beside it. On an accelerator seeds share a program, whose
    rounding may change with their number.

    Args:
        model: a Linen module from images to logits; if its ``__call__`` has a keyword ``train``, it is told.
        data: training and test set.
        seeds: one network each; a seed fixes the initial weights and the order of the images.
        recipe: how to train; or one for each seed, of the same epochs and batch size.
        start: variables for each seed, which training goes on from; by default they are drawn by the seed.
        checkpoints: a folder (orbax) that the state of each seed is saved to and resumed from; a finished training is
            not run again.
        at_once: on a processor, so many networks are trained side by side.
        progress: show a progress bar with loss and accuracy on standard error.

    Raises:
        InputError: no seeds, recipes or variables that do not go together, or a checkpoint of another model.
    """
    recipes = [recipe] * len(seeds) if isinstance(recipe, Recipe) else list(recipe)
    if not seeds:
        raise InputError("train: no seeds; expected at least one")
    if len(recipes) != len(seeds) or len({(own.epochs, own.batch_size) for own in recipes}) > 1:
        raise InputError(
            f"train: {len(recipes)} recipes for {len(seeds)} seeds; expected one for each, of the same epochs and "
            "batch size"
        )
    if start is not None and len(start) != len(seeds):
        raise InputError(f"train: variables to start from for {len(start)} networks, and {len(seeds)} seeds")
    if checkpoints is not None and len(set(seeds)) < len(seeds):
        raise InputError("train: a seed is there twice, and would have one folder of checkpoints; leave them out")
    networks = []
    for i, (seed, own) in enumerate(zip(seeds, recipes, strict=True)):
        settings = _settings(data, seed, own)
        if start is None:
            initial = programs.initial_state(model, settings, jnp.asarray(data.train_images[:1]))
        else:
            initial = programs.state_from(settings, start[i])
        store = None if checkpoints is None else Checkpoints(Path(checkpoints) / f"seed{seed:03d}")
        networks.append(_Network.restored(seed, settings, initial, own.epochs, store))
    if any(network.epoch < recipes[0].epochs for network in networks):
        _train(model, data, recipes[0], networks, at_once, progress)
    for network in networks:
        if network.store is not None:
            network.store.close()
    variables = [(network.initial.variables, network.state.variables) for network in networks]
    histories = (np.stack([network.history[name] for network in networks]) for name in _HISTORY)
    # on the host: a program for each shape would take longer
    return Trained(
        *jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *variables), *histories
    )


def noisy_labels(labels: np.ndarray, share: float, num_classes: int, seed: int) -> np.ndarray:
    """The labels, with this share of them (rounded) replaced by another class, each as likely as the others."""
    rng = np.random.default_rng([_NOISE, seed])
    changed = rng.permutation(len(labels))[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[changed] = (labels[changed] + rng.integers(1, num_classes, len(changed))) % num_classes
    return noisy


def accuracy_of(model: nn.Module, variables: Any, images: Any, labels: Any, batch_size: int = 1000) -> float:
    """Share of images whose largest logit is their label's."""
    right = 0
    for start in range(0, len(labels), batch_size):
        part = slice(start, start + batch_size)
        right += int(programs.hits(model, variables, images[part], labels[part]))
    return right / len(labels)


_HISTORY = ("loss", "train_accuracy", "test_accuracy")
_NOISE = 20170226


@dataclass
class _Network:
    """The training of one seed: how far it is, and where it is kept."""

    seed: int
    settings: Settings
    initial: State
    state: State
    history: dict[str, np.ndarray]
    store: Checkpoints | None
    epoch: int = 0

    @classmethod
    def restored(
        cls, seed: int, settings: Settings, initial: State, epochs: int, store: Checkpoints | None
    ) -> "_Network":
        """As the newest checkpoint has it, or before the first step."""
        history = {name: np.full(epochs, np.nan, np.float32) for name in _HISTORY}
        if store is None:
            return cls(seed, settings, initial, initial, history, store)
        epoch, state, history = store.restore(initial, history)
        return cls(seed, settings, initial, state, history, store, epoch)

    def advance(self, state: State, results: Sequence[Any]) -> None:
        """Another epoch is done, with these values of the history."""
        self.state = state
        for name, value in zip(_HISTORY, results, strict=True):
            self.history[name][self.epoch] = value
        self.epoch += 1
        if self.store is not None:
            self.store.save(self.epoch, state, self.history, last=self.epoch == len(self.history[_HISTORY[0]]))


def _settings(data: Dataset, seed: int, recipe: Recipe) -> Settings:
    steps = recipe.epochs * (len(data.train_labels) // min(recipe.batch_size, len(data.train_labels)))
    labels = data.train_labels
    if recipe.label_noise:
        labels = noisy_labels(labels, recipe.label_noise, len(data.class_names), seed)
    numbers = (recipe.learning_rate, recipe.weight_decay, recipe.init_scale, max(1, steps))
    rate, decay, scale, total = (jnp.float32(number) for number in numbers)
    return Settings(jnp.asarray(seed), rate, decay, scale, total, jnp.asarray(labels))


def _train(
    model: nn.Module, data: Dataset, recipe: Recipe, networks: list[_Network], at_once: int, progress: bool
) -> None:
    """Train these networks to the end: on a processor side by side, each by itself; on an accelerator in one program.

    On a processor networks in one program are slower, since XLA runs batched products one after another, and rounding
    would depend on whether there is one network or more.
    """
    size = min(recipe.batch_size, len(data.train_labels))
    steps = len(data.train_labels) // size
    images = Images(*map(jnp.asarray, (data.train_images, data.test_images, data.test_labels)))
    with tqdm(
        total=recipe.epochs * steps * len(networks),
        initial=sum(network.epoch for network in networks) * steps,
        desc=f"training {type(model).__name__}, {len(networks)} seed{'s' if len(networks) > 1 else ''}",
        unit="step",
        disable=not progress,
    ) as bar:
        if jax.default_backend() != "cpu":
            for start in sorted({network.epoch for network in networks}):
                group = [network for network in networks if network.epoch == start]
                _train_group(model, images, group, recipe.epochs, (steps, size), bar)
            return
        # scanning over convolutions is ten times slower than a loop of steps on a CPU; for an MLP the scan wins
        run = _scanned_epoch if isinstance(model, MLP) else _looped_epoch
        work = {
            i: partial(_train_one, run, model, images, network, recipe.epochs, (steps, size), bar)
            for i, network in enumerate(networks)  # a seed may be there twice, with two recipes
        }
        together(work, at_once)


def _train_one(run, model, images: Images, network: _Network, epochs: int, shape: tuple[int, int], bar) -> None:
    """One network to the end."""
    for epoch in range(network.epoch, epochs):
        rows = _rows(network.seed, epoch, len(images.train), shape)
        state, results = run(model, images, network.settings, network.state, rows, epoch * shape[0], bar)
        network.advance(state, results)
        bar.set_postfix(loss=f"{float(results[0]):.3f}", test_accuracy=f"{float(results[2]):.3f}")


def _train_group(model, images: Images, group: list[_Network], epochs: int, shape: tuple[int, int], bar) -> None:
    """Networks that are equally far, to the end, in one program."""
    settings = _stacked([network.settings for network in group])
    for epoch in range(group[0].epoch, epochs):
        rows = np.stack([_rows(network.seed, epoch, len(images.train), shape) for network in group])
        states, results = programs.epoch_of_many(
            model, images, settings, [network.state for network in group], rows, epoch * shape[0]
        )
        results = np.asarray(results)
        for network, state, *own in zip(group, states, *results, strict=True):
            network.advance(state, own)
        bar.update(rows.shape[0] * rows.shape[1])
        bar.set_postfix(loss=f"{results[0].mean():.3f}", test_accuracy=f"{results[2].mean():.3f}")


def _scanned_epoch(model, images: Images, settings: Settings, state: State, rows: np.ndarray, first: int, bar) -> Any:
    """An epoch in one compiled program."""
    state, results = programs.one_epoch(model, images, settings, state, rows, first)
    results = [float(value) for value in results]
    bar.update(len(rows))
    return state, results


def _looped_epoch(model, images: Images, settings: Settings, state: State, rows: np.ndarray, first: int, bar) -> Any:
    """One compiled step, called in a loop over the batches."""
    results = []
    for number, batch in enumerate(rows, first):
        state, result = programs.one_step(model, images, settings, state, batch, number)
        results.append(result)
        bar.update()
    loss, accuracy = np.asarray(results).mean(0)
    return state, (loss, accuracy, accuracy_of(model, state.variables, images.test, images.test_labels))


def _stacked(trees: list[Any]) -> Any:
    """One tree, with a leading axis on every leaf."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _rows(seed: int, epoch: int, n: int, shape: tuple[int, int]) -> np.ndarray:
    """The training images of an epoch's steps: ``[step, image]``."""
    return _order(seed, epoch, n)[: math.prod(shape)].reshape(shape)


def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)
