"""One optax loop for several seeds at once; it gives back the untrained twins too, and goes on where it was."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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

    Args:
        model: a Linen module from images to logits.
        data: training and test set.
        seeds: one network each; a seed fixes the initial weights and the order of the images.
        recipe: epochs, batch size, learning rate.
        checkpoints: a folder (orbax) that the state is saved to and resumed from; a finished training is not run again.
        progress: show a progress bar with loss and accuracy on standard error.

    Raises:
        InputError: no seeds, or a checkpoint of another model.
    """
    if not seeds:
        raise InputError("train: no seeds; expected at least one")
    size = min(recipe.batch_size, len(data.train_labels))
    steps = len(data.train_labels) // size
    optimiser = optax.adam(optax.cosine_decay_schedule(recipe.learning_rate, max(1, recipe.epochs * steps)))
    state = _initial(model, optimiser, seeds, data.train_images[:1])
    untrained = jax.tree.map(jnp.copy, state.variables)
    history = {name: np.full((len(seeds), recipe.epochs), np.nan, np.float32) for name in _HISTORY}
    store = Checkpoints(checkpoints) if checkpoints is not None else None
    start = 0
    if store is not None:
        start, state, history = store.restore(state, history)
    if start < recipe.epochs:
        run_epoch = _epoch_runner(model, optimiser, data)
        test = jnp.asarray(data.test_images), jnp.asarray(data.test_labels)
        with tqdm(
            total=recipe.epochs * steps * len(seeds),
            initial=start * steps * len(seeds),
            desc=f"training {type(model).__name__}, {len(seeds)} seed{'s' if len(seeds) > 1 else ''}",
            unit="step",
            disable=not progress,
        ) as bar:
            for epoch in range(start, recipe.epochs):
                orders = np.stack([_order(seed, epoch, len(data.train_labels))[: steps * size] for seed in seeds])
                state, loss, accuracy = run_epoch(state, orders.reshape(len(seeds), steps, size), bar)
                test_accuracy = [accuracy_of(model, own, *test) for own in _by_seed(state.variables, len(seeds))]
                for name, values in zip(_HISTORY, (loss, accuracy, test_accuracy), strict=True):
                    history[name][:, epoch] = values
                bar.set_postfix(loss=f"{np.mean(loss):.3f}", test_accuracy=f"{np.mean(test_accuracy):.3f}")
                if store is not None:
                    store.save(epoch + 1, state, history, last=epoch + 1 == recipe.epochs)
    if store is not None:
        store.close()
    return Trained(untrained, state.variables, *(history[name] for name in _HISTORY))


def _initial(model: nn.Module, optimiser: optax.GradientTransformation, seeds: tuple[int, ...], images: Any) -> State:
    """The state of every seed before the first step."""

    def initial(seed):
        variables = {"params": model.init(jax.random.key(seed), jnp.asarray(images))["params"]}
        return State(variables, optimiser.init(variables))

    # run once: optimising the program takes three times as long as running it
    compiled = jax.jit(jax.vmap(initial), compiler_options={"xla_backend_optimization_level": 0})
    return compiled(jnp.asarray(seeds))


def _epoch_runner(model: nn.Module, optimiser: optax.GradientTransformation, data: Dataset) -> Callable:
    """An epoch of all seeds: one scan, or a loop of steps."""
    # scanning over convolutions is ten times slower than a loop of steps on a CPU; for an MLP the scan wins
    scanned = isinstance(model, MLP) or jax.default_backend() != "cpu"
    step = partial(_step, model, optimiser, jnp.asarray(data.train_images), jnp.asarray(data.train_labels))
    return _scanned_epoch(step) if scanned else _looped_epoch(step)


def _by_seed(tree: Any, seeds: int) -> list[Any]:
    """The tree of each seed, without the seed axis."""
    return [jax.tree.map(lambda a, i=i: a[i], tree) for i in range(seeds)]


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
    def compiled(state, orders):
        state, (loss, accuracy) = jax.vmap(lambda s, rows: jax.lax.scan(step, s, rows))(state, orders)
        return state, loss.mean(1), accuracy.mean(1)

    def run(state, orders, bar):
        state, loss, accuracy = compiled(state, orders)
        loss = np.asarray(loss)
        bar.update(orders.shape[0] * orders.shape[1])
        return state, loss, np.asarray(accuracy)

    return run


def _looped_epoch(step: Callable) -> Callable:
    """One compiled step, called in a loop over seeds and batches."""
    compiled = jax.jit(step)

    def run(state, orders, bar):
        states, losses, accuracies = [], [], []
        for i, rows_of_seed in enumerate(orders):
            one = jax.tree.map(lambda a, i=i: a[i], state)
            results = []
            for rows in rows_of_seed:
                one, result = compiled(one, rows)
                results.append(result)
                bar.update()
            loss, accuracy = np.asarray(results).mean(0)
            states.append(one)
            losses.append(loss)
            accuracies.append(accuracy)
        return (
            jax.tree.map(lambda *leaves: jnp.stack(leaves), *states),
            np.array(losses),
            np.array(accuracies),
        )

    return run
