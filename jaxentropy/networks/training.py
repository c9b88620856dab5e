"""One optax loop for several seeds; it gives back the untrained twins too, and goes on where it was."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from jaxentropy.base.errors import InputError
from jaxentropy.datasets import Dataset
from jaxentropy.networks.checkpoints import Checkpoints, State
from jaxentropy.networks.models import MLP


@dataclass(frozen=True)
class Recipe:
    """How to train: Adam with a learning rate that falls to zero along a cosine.

    Attributes:
        epochs: passes over the training set.
        batch_size: images a step; what is left over at the end of an epoch waits for another shuffle.
        learning_rate: of the first step.
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3

    def __post_init__(self):
        if self.epochs < 0 or self.batch_size < 1 or not 0 < self.learning_rate < math.inf:
            raise InputError(
                f"epochs {self.epochs}, batch size {self.batch_size}, learning rate {self.learning_rate}: "
                "expected epochs of 0 or more, a batch size of 1 or more and a positive learning rate"
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
    seeds: tuple[int, ...],
    recipe: Recipe,
    *,
    checkpoints: str | os.PathLike | None = None,
    progress: bool = False,
) -> Trained:
    """Train ``model`` from each seed; the same seeds and settings give the same numbers.

    On a processor a seed's numbers do not depend on the seeds beside it. On an accelerator seeds share a program, whose
    rounding may change with their number.

    Args:
        model: a Linen module from images to logits.
        data: training and test set.
        seeds: one network each; a seed fixes the initial weights and the order of the images.
        recipe: epochs, batch size, learning rate.
        checkpoints: a folder (orbax) that the state of each seed is saved to and resumed from; a finished training is
            not run again.
        progress: show a progress bar with loss and accuracy on standard error.

    Raises:
        InputError: no seeds, or a checkpoint of another model.
    """
    if not seeds:
        raise InputError("train: no seeds; expected at least one")
    steps = len(data.train_labels) // min(recipe.batch_size, len(data.train_labels))
    optimiser = optax.adam(optax.cosine_decay_schedule(recipe.learning_rate, max(1, recipe.epochs * steps)))
    initial = _initial(model, optimiser, seeds, data.train_images[:1])
    stores = [None if checkpoints is None else Checkpoints(Path(checkpoints) / f"seed{seed:03d}") for seed in seeds]
    networks = [
        _Network.restored(seed, state, recipe.epochs, store)
        for seed, state, store in zip(seeds, initial, stores, strict=True)
    ]
    if any(network.epoch < recipe.epochs for network in networks):
        _train(model, optimiser, data, recipe, networks, progress)
    for store in stores:
        if store is not None:
            store.close()
    variables = [(before.variables, network.state.variables) for before, network in zip(initial, networks, strict=True)]
    return Trained(*jax.jit(_stacked)(variables), *(np.stack([n.history[name] for n in networks]) for name in _HISTORY))


@dataclass
class _Network:
    """The training of one seed: how far it is, and where it is kept."""

    seed: int
    state: State
    history: dict[str, np.ndarray]
    store: Checkpoints | None
    epoch: int = 0

    @classmethod
    def restored(cls, seed: int, initial: State, epochs: int, store: Checkpoints | None) -> "_Network":
        """As the newest checkpoint has it, or before the first step."""
        history = {name: np.full(epochs, np.nan, np.float32) for name in _HISTORY}
        if store is None:
            return cls(seed, initial, history, store)
        epoch, state, history = store.restore(initial, history)
        return cls(seed, state, history, store, epoch)

    def advance(self, state: State, *results: Any) -> None:
        """Another epoch is done, with these values of the history."""
        self.state = state
        for name, value in zip(_HISTORY, results, strict=True):
            self.history[name][self.epoch] = value
        self.epoch += 1
        if self.store is not None:
            self.store.save(self.epoch, state, self.history, last=self.epoch == len(self.history[_HISTORY[0]]))


def _train(
    model: nn.Module,
    optimiser: optax.GradientTransformation,
    data: Dataset,
    recipe: Recipe,
    networks: list[_Network],
    progress: bool,
) -> None:
    """Train these networks to the end, those that are equally far together."""
    size = min(recipe.batch_size, len(data.train_labels))
    steps = len(data.train_labels) // size
    run_epoch = _epoch_runner(model, optimiser, data)
    test = jnp.asarray(data.test_images), jnp.asarray(data.test_labels)
    with tqdm(
        total=recipe.epochs * steps * len(networks),
        initial=sum(network.epoch for network in networks) * steps,
        desc=f"training {type(model).__name__}, {len(networks)} seed{'s' if len(networks) > 1 else ''}",
        unit="step",
        disable=not progress,
    ) as bar:
        for start in sorted({network.epoch for network in networks}):
            group = [network for network in networks if network.epoch == start]
            for epoch in range(start, recipe.epochs):
                orders = np.stack([_order(n.seed, epoch, len(data.train_labels))[: steps * size] for n in group])
                states, loss, accuracy = run_epoch(
                    [n.state for n in group], orders.reshape(len(group), steps, size), bar
                )
                tested = [accuracy_of(model, state.variables, *test) for state in states]
                for network, state, *results in zip(group, states, loss, accuracy, tested, strict=True):
                    network.advance(state, *results)
                bar.set_postfix(loss=f"{np.mean(loss):.3f}", test_accuracy=f"{np.mean(tested):.3f}")


def _initial(
    model: nn.Module, optimiser: optax.GradientTransformation, seeds: tuple[int, ...], images: Any
) -> list[State]:
    """The state of each seed before the first step."""

    def initial(seed):
        variables = {"params": model.init(jax.random.key(seed), jnp.asarray(images))["params"]}
        return State(variables, optimiser.init(variables))

    # run once a seed: optimising the program takes three times as long as running it
    compiled = jax.jit(initial, compiler_options={"xla_backend_optimization_level": 0})
    return [compiled(jnp.asarray(seed)) for seed in seeds]


def _epoch_runner(model: nn.Module, optimiser: optax.GradientTransformation, data: Dataset) -> Callable:
    """An epoch of several seeds: on an accelerator in one program, on a processor one after another.

    On a processor seeds in one program are no faster, since the matrix products of one seed fill it, and the rounding
    would depend on whether there is one seed or more.
    """
    step = partial(_step, model, optimiser, jnp.asarray(data.train_images), jnp.asarray(data.train_labels))
    if jax.default_backend() != "cpu":
        return _scanned_epoch(step)
    # scanning over convolutions is ten times slower than a loop of steps on a CPU; for an MLP the scan wins
    run_seed = _scanned_epoch(step) if isinstance(model, MLP) else _looped_epoch(step)

    def run(states, orders, bar):
        results = [run_seed([state], rows[None], bar) for state, rows in zip(states, orders, strict=True)]
        return [[value for [value] in part] for part in zip(*results, strict=True)]

    return run


def _stacked(trees: list[Any]) -> Any:
    """One tree, with a leading axis on every leaf."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def accuracy_of(model: nn.Module, variables: Any, images: Any, labels: Any, batch_size: int = 1000) -> float:
    """Share of images whose largest logit is their label's."""
    right = 0
    for start in range(0, len(labels), batch_size):
        part = slice(start, start + batch_size)
        right += int(_hits(model, variables, images[part], labels[part]))
    return right / len(labels)


_HISTORY = ("loss", "train_accuracy", "test_accuracy")


@partial(jax.jit, static_argnames="model")
def _hits(model, variables, images, labels):
    return jnp.sum(model.apply(variables, images).argmax(-1) == labels)


def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)


def _step(model, optimiser, images, labels, state: State, rows) -> tuple[State, tuple[jax.Array, jax.Array]]:
    """One step of one seed on these rows of the training set; loss and accuracy of the batch."""

    def loss_of(variables):
        logits = model.apply(variables, images[rows])
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows]).mean()
        return loss, (logits.argmax(-1) == labels[rows]).mean()

    (loss, accuracy), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.variables)
    updates, moments = optimiser.update(gradient, state.optimiser, state.variables)
    return State(optax.apply_updates(state.variables, updates), moments), (loss, accuracy)


def _scanned_epoch(step: Callable) -> Callable:
    """All seeds and all steps of an epoch in one compiled program."""

    @jax.jit
    def compiled(states, orders):
        state, (loss, accuracy) = jax.vmap(lambda s, rows: jax.lax.scan(step, s, rows))(_stacked(states), orders)
        return [jax.tree.map(lambda a, i=i: a[i], state) for i in range(len(states))], loss.mean(1), accuracy.mean(1)

    def run(states, orders, bar):
        states, loss, accuracy = compiled(states, orders)
        loss = np.asarray(loss)
        bar.update(orders.shape[0] * orders.shape[1])
        return states, loss, np.asarray(accuracy)

    return run


def _looped_epoch(step: Callable) -> Callable:
    """One compiled step, called in a loop over the batches of one seed."""
    compiled = jax.jit(step)

    def run(states, orders, bar):
        [state], [batches], results = states, orders, []
        for rows in batches:
            state, result = compiled(state, rows)
            results.append(result)
            bar.update()
        loss, accuracy = np.asarray(results).mean(0)
        return [state], [loss], [accuracy]

    return run
