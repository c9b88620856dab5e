"""Sufficient statistics: what was seen how often. Counts are exact integers; division happens later."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Int, Integer, Shaped, UInt32

from jaxentropy.patterns import Array, Quantizer, Sign, fingerprint, pack, states_of, unpack

_CHUNK = 1024


class PatternCounts(NamedTuple):
    """Counts of one layer's patterns, by class.

    Attributes:
        n: ``int32[class]``, inputs of each class.
        on: ``int32[class, neuron]``, inputs of each class for which the neuron was on.
        j: ``int32[slot]``, the multiplicities that occur in any class, ascending; unused slots are 0.
        f: ``int32[class, slot]``, how many different patterns were seen exactly ``j`` times in the class.

    Σ f·j over the slots is n, Σ f is the number of different patterns.
    """

    n: Int[Array, "*batch clas"]
    on: Int[Array, "*batch clas neuron"]
    j: Int[Array, "*batch slot"]
    f: Int[Array, "*batch clas slot"]


@partial(jax.jit, static_argnames=("num_classes", "quantizer"))
def count_patterns(
    activations: Shaped[Array, "n neuron"],
    labels: Integer[Array, " n"],
    num_classes: int,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
) -> PatternCounts:
    """Count the neurons that are on and the patterns that recur, for all classes in one compiled program.

    Compiled once for each shape, ``num_classes`` and ``quantizer``; may be called inside ``jit`` and ``vmap``.

    Args:
        activations: ``float[n, d]``, or states (bool). NaN counts as off: ``Recording`` refuses it, this kernel does
            not look.
        labels: ``int[n]``; an input with a label outside ``0 .. num_classes - 1`` is not counted.
        num_classes: number of classes, ≥ 1.
        quantizer: how activations become states.

    Edge contract: an empty class has zeros everywhere; ``n = 0`` gives zeros everywhere.

    Raises:
        ValueError: shapes that do not fit each other, no neurons, or no classes.
    """
    if activations.ndim != 2 or labels.shape != activations.shape[:1]:
        raise ValueError(
            f"count_patterns: activations {activations.shape} and labels {labels.shape}; expected [n, d] and [n]"
        )
    return count_words(pack(states_of(activations, quantizer)), labels, num_classes, activations.shape[1])


@partial(jax.jit, static_argnames=("num_classes", "width"))
def count_words(
    words: UInt32[Array, "n word"], labels: Integer[Array, " n"], num_classes: int, width: int
) -> PatternCounts:
    """``count_patterns`` of patterns that are packed already; ``width`` is the number of neurons."""
    if num_classes < 1:
        raise ValueError(f"count_words: {num_classes} classes; expected 1 or more")
    labels = jnp.asarray(labels).astype(jnp.int32)
    counted = (labels >= 0) & (labels < num_classes)
    labels = jnp.where(counted, labels, num_classes)
    n = jnp.zeros(num_classes, jnp.int32).at[labels].add(1, mode="drop")
    j, f = _multiplicities(fingerprint(words), labels, num_classes)
    return PatternCounts(n, _neuron_counts(words, labels, num_classes, width), j, f)


def max_multiplicities(n: int) -> int:
    """The most different multiplicities that n inputs can have: 1 + 2 + … + D ≤ n, however they are classed."""
    return (math.isqrt(8 * n + 1) - 1) // 2


def _multiplicities(
    prints: UInt32[jax.Array, "n 2"], labels: Int[jax.Array, " n"], num_classes: int
) -> tuple[Int[Array, " slot"], Int[Array, "clas slot"]]:
    """(j, f) of all classes: sort by (class, fingerprint), take run lengths, count the runs of each length."""
    n, slots = len(labels), max(max_multiplicities(len(labels)), 1)
    if n == 0:
        return jnp.zeros(slots, jnp.int32), jnp.zeros((num_classes, slots), jnp.int32)
    keys = jax.lax.sort((labels, prints[:, 0], prints[:, 1]), num_keys=3)
    differs = jnp.stack([key[1:] != key[:-1] for key in keys]).any(0)
    starts = jnp.concatenate([jnp.ones(1, bool), differs])
    run = jnp.cumsum(starts) - 1
    length = jnp.zeros(n, jnp.int32).at[run].add(1)
    owner = jnp.full(n, num_classes, jnp.int32).at[run].set(keys[0])
    used = (length > 0) & (owner < num_classes)
    seen = jnp.zeros(n + 1, bool).at[jnp.where(used, length, 0)].set(True).at[0].set(False)
    j = jnp.nonzero(seen, size=slots, fill_value=0)[0].astype(jnp.int32)
    slot_of = jnp.cumsum(seen) - 1
    f = jnp.zeros((num_classes, slots), jnp.int32).at[owner, slot_of[length]].add(used, mode="drop")
    return j, f


def _neuron_counts(
    words: UInt32[Array, "n word"], labels: Integer[Array, " n"], num_classes: int, width: int
) -> Int[Array, "clas neuron"]:
    """Inputs of each class for which each neuron was on: a one-hot matrix product, a chunk of inputs at a time.

    Sums within a chunk stay far below 2²⁴ and are exact in float32 (in bfloat16 products too: 0 and 1).
    """
    n, count = words.shape
    chunks = -(-n // _CHUNK)
    fill = chunks * _CHUNK - n
    words = jnp.pad(jnp.asarray(words), ((0, fill), (0, 0))).reshape(chunks, _CHUNK, count)
    labels = jnp.pad(labels, (0, fill), constant_values=num_classes).reshape(chunks, _CHUNK)

    def add(total, chunk):
        words, labels = chunk
        belongs = (labels == jnp.arange(num_classes)[:, None]).astype(jnp.float32)
        return total + (belongs @ unpack(words, width).astype(jnp.float32)).astype(jnp.int32), None

    return jax.lax.scan(add, jnp.zeros((num_classes, width), jnp.int32), (words, labels))[0]
