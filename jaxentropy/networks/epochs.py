"""The compiled programs of a training: one epoch of one network, or of several at once.

Images, labels and settings are arguments, so that all networks of one shape share a program, whatever their data,
seeds, learning rates, weight decays, initial scales and label noise.
"""

import inspect
from functools import lru_cache, partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxentropy.networks.checkpoints import State

_TEST_BATCH = 1000


class Images(NamedTuple):
    """What networks are trained on and tested with."""

    train: Any
    test: Any
    test_labels: Any


class Settings(NamedTuple):
    """Of one network, as numbers that a program takes.

    Attributes:
        seed: of the initial weights and of dropout.
        steps: of the whole training; the learning rate falls to zero along a cosine meanwhile.
        labels: of the training images, with their noise.
    """

    seed: Any
    learning_rate: Any
    weight_decay: Any
    init_scale: Any
    steps: Any
    labels: Any


# run once a network: optimising the program takes three times as long as running it
@partial(jax.jit, static_argnames="model", compiler_options={"xla_backend_optimization_level": 0})
def initial_state(model: nn.Module, settings: Settings, image: Any) -> State:
    """Before the first step."""
    variables = model.init(jax.random.key(settings.seed), image)
    kept: dict[str, Any] = {name: variables[name] for name in ("params", "batch_stats") if name in variables}
    kept["params"] = jax.tree_util.tree_map_with_path(
        lambda path, own: own * settings.init_scale if path[-1].key == "kernel" else own, kept["params"]
    )
    return State(kept, _optimiser(settings).init(kept["params"]))


def state_from(settings: Settings, variables: Any) -> State:
    """Before the first step from given variables."""
    kept = jax.tree.map(jnp.asarray, dict(variables))
    return State(kept, _optimiser(settings).init(kept["params"]))


@partial(jax.jit, static_argnames="model")
def one_epoch(
    model: nn.Module, images: Images, settings: Settings, state: State, rows: Any, first: Any
) -> tuple[State, tuple[Any, Any, Any]]:
    """All steps of an epoch on ``rows[step, image]``, the first of which has this number; then mean loss and accuracy
    of the steps, and the accuracy on the test images."""
    body = partial(_step, model, images, settings)
    state, (loss, accuracy) = jax.lax.scan(body, state, (rows, first + jnp.arange(len(rows))))
    tested = _hits(model, state.variables, images.test, images.test_labels) / len(images.test_labels)
    return state, (loss.mean(), accuracy.mean(), tested)


@partial(jax.jit, static_argnames="model")
def epoch_of_many(
    model: nn.Module, images: Images, settings: Settings, states: list[State], rows: Any, first: Any
) -> tuple[list[State], tuple[Any, Any, Any]]:
    """The same of several networks at once: ``settings`` and ``rows`` have an axis of networks in front."""
    whole = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    run = jax.vmap(lambda own, state, order: one_epoch(model, images, own, state, order, first))
    whole, results = run(settings, whole, rows)
    return [jax.tree.map(lambda a, i=i: a[i], whole) for i in range(len(states))], results


@partial(jax.jit, static_argnames="model")
def one_step(
    model: nn.Module, images: Images, settings: Settings, state: State, rows: Any, number: Any
) -> tuple[State, tuple[Any, Any]]:
    """One step; loss and accuracy of its batch."""
    return _step(model, images, settings, state, (rows, number))


@partial(jax.jit, static_argnames="model")
def hits(model: nn.Module, variables: Any, images: Any, labels: Any) -> jax.Array:
    """For how many images the largest logit is their label's."""
    return jnp.sum(_applied(model, variables, images).argmax(-1) == labels)


def _hits(model: nn.Module, variables: Any, images: Any, labels: Any) -> jax.Array:
    """``hits``, of any number of images, some at a time."""
    whole = len(labels) // _TEST_BATCH * _TEST_BATCH
    total = jnp.zeros((), jnp.int32)
    if whole:
        parts = jax.tree.map(lambda a: a[:whole].reshape(-1, _TEST_BATCH, *a.shape[1:]), (images, labels))
        total += jax.lax.map(lambda part: hits(model, variables, *part), parts).sum()
    return total + hits(model, variables, images[whole:], labels[whole:]) if whole < len(labels) else total


def _step(model: nn.Module, images: Images, settings: Settings, state: State, batch: Any) -> tuple[State, Any]:
    rows, number = batch
    labels = settings.labels[rows]
    params, others = state.variables["params"], {k: v for k, v in state.variables.items() if k != "params"}

    def loss_of(params):
        rngs = {"dropout": jax.random.fold_in(jax.random.key(settings.seed), number)}
        logits, changed = _applied(
            model, {"params": params, **others}, images.train[rows], train=True, rngs=rngs, mutable=list(others)
        )
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss, ((logits.argmax(-1) == labels).mean(), changed)

    (loss, (accuracy, changed)), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
    updates, moments = _optimiser(settings).update(gradient, state.optimiser, params)
    return State({**changed, "params": optax.apply_updates(params, updates)}, moments), (loss, accuracy)


def _optimiser(settings: Settings) -> optax.GradientTransformation:
    """Adam with decoupled weight decay; the learning rate falls to zero along a cosine."""

    def learning_rate(count):
        done = jnp.minimum(count / settings.steps, 1.0)
        return settings.learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * done))

    return optax.adamw(learning_rate, weight_decay=settings.weight_decay)


def _applied(model: nn.Module, variables: Any, images: Any, *, train: bool = False, **how: Any) -> Any:
    """The module's logits; whether it is being trained is told to those that ask."""
    return model.apply(variables, images, **({"train": train} if _asks(type(model)) else {}), **how)


@lru_cache
def _asks(kind: type) -> bool:
    return "train" in inspect.signature(kind.__call__).parameters
