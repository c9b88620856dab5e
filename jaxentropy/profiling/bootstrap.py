"""Paired bootstrap of neuron entropies: the same resampled inputs go through all layers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt32

from jaxentropy.base.arrays import Array
from jaxentropy.estimators import binary_entropy
from jaxentropy.recording.packing import WORD_BITS, unpack

REPLICATES = 200
"""So many by default, everywhere."""
# P(weight ≤ k) for k = 0 .. 11 of a Poisson distribution of mean 1, as thresholds for 32 uniform bits
_POISSON = np.cumsum(np.exp(-1.0) / np.cumprod([1.0, *range(1, 12)]))
_THRESHOLDS = np.minimum(np.round(_POISSON * 2.0**32), 2.0**32 - 1).astype(np.uint32)


@partial(jax.jit, static_argnames=("num_classes", "replicates", "chunk_size"))
def layer_entropies(
    words: tuple[UInt32[Array, "n ..."], ...],
    labels: Int[Array, " n"],
    seed: int | Int[Array, ""],
    *,
    widths: tuple[int | Int[Array, ""], ...],
    num_classes: int,
    replicates: int,
    chunk_size: int = 512,
) -> Float[jax.Array, "layer clas replicate"]:
    """Class-conditional neuron entropy (mean over neurons, bits) of each layer in each bootstrap replicate.

    A replicate gives each input a weight drawn from a Poisson distribution of mean 1 (the Poisson bootstrap: Hanley &
    MacGibbon, 2006), the same for all layers, and the same for all networks that saw the same inputs under the same
    seed. Differences between layers, and between networks, are therefore paired. All positions of an input share its
    weight (the cluster bootstrap), since they are not independent draws.

    Args:
        words: packed patterns of each layer, ``[n, word]``, or of n inputs with positions, ``[n, position, word]``.
        labels: ``int[n]``; an input with a label outside ``0 .. num_classes - 1`` is not counted.
        seed: of the weights.
        widths: neurons of each layer.
        num_classes: number of classes.
        replicates: number of replicates.
        chunk_size: inputs of a class that are weighed at once; a smaller one wastes less on small classes.

    Edge contract: an empty class is NaN; in a class of one or two inputs some replicates are NaN (no input drawn).
    """
    side_by_side = jnp.concatenate([jnp.asarray(w).reshape(len(w), -1, w.shape[-1]) for w in words], axis=2)
    positions = side_by_side.shape[1]
    # neurons that fill up a layer's last word are always off: they add nothing but zeros
    places = [WORD_BITS * w.shape[-1] for w in words]
    labels = jnp.where((labels >= 0) & (labels < num_classes), labels, num_classes)
    order = jnp.argsort(labels)
    sizes = jnp.zeros(num_classes, jnp.int32).at[labels].add(1, mode="drop")
    offsets = jnp.cumsum(sizes) - sizes
    key = jax.random.key(seed)

    def times_on(patterns):
        """At how many of an input's positions each neuron is on."""

        def at(position, times):
            return times + unpack(patterns[:, position], sum(places)).astype(jnp.float32)

        first = at(0, jnp.zeros((len(patterns), sum(places))))
        return first if positions == 1 else jax.lax.fori_loop(1, positions, at, first)

    def one_class(c):
        size, offset = sizes[c], offsets[c]

        def add(chunk, sums):
            on, total = sums
            rows = chunk * chunk_size + jnp.arange(chunk_size)
            bits = jax.random.bits(
                jax.random.fold_in(jax.random.fold_in(key, c), chunk), (replicates, chunk_size), jnp.uint32
            )
            weights = jnp.sum(bits[..., None] >= _THRESHOLDS, axis=-1).astype(jnp.float32) * (rows < size)
            patterns = side_by_side[order[jnp.minimum(offset + rows, len(order) - 1)]]
            return on + weights @ times_on(patterns), total + weights.sum(1) * positions

        zeros = jnp.zeros((replicates, sum(places))), jnp.zeros(replicates)
        on, total = jax.lax.fori_loop(0, -(-size // chunk_size), add, zeros)
        neurons = binary_entropy(on / total[:, None])
        ends = np.cumsum(places)[:-1].tolist()
        return jnp.stack([h.sum(1) / width for h, width in zip(jnp.split(neurons, ends, axis=1), widths, strict=True)])

    return jax.lax.map(one_class, jnp.arange(num_classes)).swapaxes(0, 1)
