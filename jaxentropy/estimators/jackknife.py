"""The delete-one jackknife's standard error, of any estimator."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float, Shaped

from jaxentropy.base.arrays import Array
from jaxentropy.estimators.bayesian import pitman_yor, pitman_yor_grid
from jaxentropy.estimators.special import binary_entropy, real


def standard_error(function, j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]) -> Float[jax.Array, ""]:
    """Delete-one jackknife standard error of an estimator, in bits (Efron & Stein, 1981).

    Deleting one sample of a pattern seen j times moves that pattern from multiplicity j to j − 1, so there are only as
    many different deletions as multiplicities. NaN where the estimator of n or of n − 1 samples is undefined. For any
    estimator that can be vmapped.

    The samples of a constant are all alike, and the jackknife would be sure of it at any n. Its error is therefore what
    one further sample with another pattern would bring: the binary entropy of 1/(n + 1).
    """
    return value_and_error(function, j, f)[1]


def value_and_error(
    function, j: Shaped[Array, " slot"], f: Shaped[Array, " slot"]
) -> tuple[Float[jax.Array, ""], Float[jax.Array, ""]]:
    """An estimator and its standard error: one program for the whole sample and for all deletions."""
    j, f = jnp.asarray(j), jnp.asarray(f)
    both_j = jnp.concatenate([j, jnp.maximum(j - 1, 0)])
    slots = jnp.arange(len(j))
    if function is pitman_yor:
        # deleting a sample divides the posterior by that sample's predictive probability, which changes slowly: the
        # grid of the whole sample serves all deletions
        function = partial(pitman_yor, grid=pitman_yor_grid(j, f))

    def without_one_of(slot):
        chosen = (slots == slot).astype(f.dtype)
        return function(both_j, jnp.concatenate([f - chosen, chosen]))

    # slot −1 does not exist: nothing is deleted
    value, *deleted = jnp.split(jax.vmap(without_one_of)(jnp.arange(-1, len(j))), [1])
    samples = real(f) * real(j)
    n = samples.sum()
    present = samples > 0
    deleted = jnp.where(present, deleted[0], 0.0)
    mean = jnp.sum(samples * deleted) / n
    squares = jnp.sum(samples * jnp.where(present, deleted - mean, 0.0) ** 2)
    constant = (jnp.where(present, f, 0).sum() == 1) & (n > 1)
    error = jnp.where(constant, binary_entropy(1 / (n + 1)), jnp.sqrt((n - 1) / n * squares))
    return value[0], error + 0 * value[0]
