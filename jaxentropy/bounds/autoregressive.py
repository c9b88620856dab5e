"""A logistic autoregressive model of patterns: the state of each neuron, given those before it and the class.

The log-odds of neuron i are b_i(class) + Σ_{k<i} D_ik(class) z_k + Σ_h V_ih·relu(…), where hidden unit h sees neurons
up to its own degree only: a fully visible sigmoid belief network (Neal 1992) with a masked hidden layer (MADE, Germain
et al. 2015). All neurons' conditionals are one masked matrix product. The classes share the hidden layer, which sees
every input, and have a D of their own, drawn to zero the more the fewer inputs they have. z are the class's states less
their mean, times the inverse of the Cholesky factor of their covariance: triangular too, so that nothing is seen too
early, and well conditioned. Where the first neurons are *given*, those after them alone are coded: the same product of
conditionals, without the first factors, is a distribution of the rest for each pattern of the first.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxentropy.base.arrays import Array
from jaxentropy.base.padding import rounded

Params = Mapping[str, Array]
_LN2 = math.log(2.0)
_RATE, _RATES = 0.015, {"D": 0.007}  # Adam's first learning rates


class Sizes(NamedTuple):
    """What sets the shape of the model and the length of its training; all from the shape of the data."""

    hidden: int
    per_class: bool
    batch: int
    steps: int
    checks: int


def sizes(num_classes: int, n: int, width: int) -> Sizes:
    """For ``n`` inputs in all: bigger models and longer training for more inputs, never more than minutes."""
    n = rounded(n)
    batch = min(250, max(40, n // 8))
    hidden = 384 if n >= 20_000 else 128 if n >= 5_000 else 64
    steps = max(3 * n // batch, 100)
    # a class's own weights must fit into memory, and be worth it for the inputs that it has
    per_class = num_classes * width**2 <= 2**24 and 4 * n >= num_classes * width
    return Sizes(hidden, per_class, -(-batch // num_classes), steps, 3)


class _Fixed(NamedTuple):
    """What training does not change: masks, and each class's whitening."""

    before: Array  # [d, coded], 1 where the row's neuron comes before the column's
    to_hidden: Array  # [d, h]
    from_hidden: Array  # [h, coded]
    mean: Array  # [class, d]
    whiten: Array | None  # [class, d, d]


class Model(NamedTuple):
    """A fitted model; ``code_length`` reads it."""

    params: Any
    fixed: _Fixed


def fit(
    states, counts, validation, validation_counts, rate, covariance, seed: int, plan: Sizes, given: int = 0
) -> Model:
    """Train on all classes at once and return the parameters that code the validation part best.

    Args:
        states: ``uint8[class, n, d]``, of which the first ``counts[class]`` rows are valid.
        counts: ``int[class]``.
        validation, validation_counts: the same, of the inputs that stop the training.
        rate: ``float[class, d]``, each neuron's share of the training states, never 0 or 1.
        covariance: ``float[class, d, d]`` of the training states, or None for models without a D.
        seed: of the initial weights and the order of the batches.
        plan: the sizes.
        given: the first so many neurons are known, and not coded.
    """
    num_classes, _, width = states.shape
    rng = np.random.default_rng(seed)
    neuron = np.arange(width)
    coded, least = neuron[given:], max(given, 1)  # every hidden unit sees all that is given
    degree = np.arange(plan.hidden) % max(width - least, 1) + least
    whiten = None
    if plan.per_class:
        loaded = np.asarray(covariance, np.float64) + 0.025 * np.eye(width)
        whiten = np.linalg.inv(np.linalg.cholesky(loaded)).swapaxes(1, 2)
    params = {
        "b": np.log(rate / (1 - rate))[:, given:],
        "into": rng.normal(size=(width, plan.hidden)) * math.sqrt(2 / width),
        "class": rng.normal(size=(num_classes, plan.hidden)) * 0.3,
        "V": np.zeros((plan.hidden, width - given)),
    }
    if plan.per_class:
        params["D"] = np.zeros((num_classes, width, width - given))
    fixed = _Fixed(neuron[:, None] < coded, neuron[:, None] < degree, degree[:, None] <= coded, rate, whiten)
    params, fixed = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (params, fixed))
    # a shuffle of each class's rows; what pads it stays behind
    order = np.argsort(np.where(_valid(states, counts), rng.random(states.shape[:2]), 2.0)).astype(np.int32)
    valid = _valid(validation, validation_counts)
    return Model(_train(params, fixed, states, counts, order, validation, valid, plan), fixed)


@jax.jit
def code_length(model: Model, states) -> jax.Array:
    """−log₂ q(pattern | class) in bits, of what is not given: ``uint8[class, n, d]`` → ``float[class, n]``."""
    x = states.astype(jnp.float32)
    return _nats(_log_odds(model.params, model.fixed, x, _whitened(model.fixed, states)), x) / _LN2


def _nats(log_odds, x):
    """−ln q of the neurons that have log-odds: the last ones."""
    coded = x[..., x.shape[-1] - log_odds.shape[-1] :]
    return jnp.sum(jax.nn.softplus(log_odds) - coded * log_odds, axis=-1)


def _valid(states, counts):
    return np.arange(states.shape[1]) < np.asarray(counts)[:, None]


def _whitened(fixed: _Fixed, states):
    """z of the module's docstring; the states themselves where the model has no D to read it."""
    if fixed.whiten is None:
        return states
    return jnp.einsum("cbd,cde->cbe", states - fixed.mean[:, None], fixed.whiten)


def _log_odds(params: Params, fixed: _Fixed, x, white):
    signs = 2 * x - 1
    log_odds = params["b"][:, None]
    if "D" in params:
        log_odds = log_odds + jnp.einsum("cbd,cde->cbe", white, params["D"] * fixed.before)
    hidden = jax.nn.relu(signs @ (params["into"] * fixed.to_hidden) + params["class"][:, None])
    return log_odds + hidden @ (params["V"] * fixed.from_hidden)


@partial(jax.jit, static_argnames="plan")
def _train(params: Params, fixed: _Fixed, states, counts, order, validation, valid, plan: Sizes):
    """Adam along a cosine, in a few rounds; the round whose parameters code the validation part best wins."""
    import optax  # here alone, so that importing the package does not wait for it

    total = jnp.maximum(jnp.sum(counts), 1)
    rounds = -(-plan.steps // plan.checks)
    # one vector of all parameters: a smaller program than a tree of them needs
    start, named = ravel_pytree(params)
    rate = ravel_pytree({name: jnp.full_like(p, _RATES.get(name, _RATE)) for name, p in params.items()})[0]

    # once for all steps; in each it would be a fifth of the time
    everything = _whitened(fixed, states)

    def loss(vector, x, white, weight):
        params = named(vector)
        nats = _nats(_log_odds(params, fixed, x, white), x)
        fit = jnp.sum(weight[:, None] * nats) / nats.shape[1]
        prior = 0.5 * (jnp.sum(params["V"] ** 2) + jnp.sum(params["into"] ** 2))
        if "D" in params:
            prior += 20.0 * jnp.sum(params["D"] ** 2)
        return fit + prior / total

    # a class counts by its inputs, as it does in the code length of them all
    weight = counts / total
    optimiser = optax.adam(optax.cosine_decay_schedule(1.0, plan.checks * rounds))

    def validation_bits(vector):
        return jnp.sum(jnp.where(valid, code_length(Model(named(vector), fixed), validation), 0.0))

    def step(carry, i):
        vector, state = carry
        place = (i * plan.batch + jnp.arange(plan.batch)) % jnp.maximum(counts[:, None], 1)
        rows = jnp.take_along_axis(order, place, axis=1)
        x, white = (jax.vmap(lambda own, chosen: own[chosen])(a, rows) for a in (states, everything))
        updates, state = optimiser.update(jax.grad(loss)(vector, x.astype(jnp.float32), white, weight), state)
        return (vector + jax.tree.map(lambda u: rate * u, updates), state), None

    def round_(carry, r):
        state, best, least = carry
        state, _ = jax.lax.scan(step, state, r * rounds + jnp.arange(rounds))
        bits = validation_bits(state[0])
        return (state, jnp.where(bits < least, state[0], best), jnp.minimum(bits, least)), None

    # the start is the independent model, which the mixture has anyway: any round beats it, unless it went astray
    carry = ((start, optimiser.init(start)), start, jnp.inf)
    (_, best, _), _ = jax.lax.scan(round_, carry, jnp.arange(plan.checks))
    return named(best)
