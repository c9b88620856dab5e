"""Sufficient statistics: what was seen how often. Counts are exact integers; division happens later."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Bool, Int, Integer, Shaped, UInt32

from jaxentropy.neurons import Counters, add_neurons, by_neuron, no_neurons
from jaxentropy.order import order_of_groups
from jaxentropy.patterns import Array, Quantizer, Sign, fingerprint, pack_across, states_of, words_across, words_for

_WORDS_AT_ONCE = 1 << 21


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


def count_patterns(
    activations: Shaped[Array, "n neuron"],
    labels: Integer[Array, " n"],
    num_classes: int,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    *,
    seed: int = 0,
    verify: bool = False,
) -> PatternCounts:
    """Count the neurons that are on and the patterns that recur, for all classes in one compiled program.

    Compiled once for each shape, ``num_classes`` and ``quantizer``; may be called inside ``jit`` and ``vmap``.

    Args:
        activations: ``float[n, d]``, or states (bool). NaN counts as off: ``Recording`` refuses it, this kernel does
            not look.
        labels: ``int[n]``; an input with a label outside ``0 .. num_classes - 1`` is not counted.
        num_classes: number of classes, ≥ 1.
        quantizer: how activations become states.
        seed: of the fingerprints by which patterns are compared. Two different ones are merged wrongly with a
            probability below n²/2⁶⁵ (see ``fingerprint``).
        verify: compare the bits themselves as well, which proves that none were merged. Not inside ``jit``.

    Edge contract: an empty class has zeros everywhere; ``n = 0`` gives zeros everywhere.

    Raises:
        ValueError: shapes that do not fit each other, no neurons, no classes, or ``verify`` inside ``jit``.
        RuntimeError: with ``verify``, if different patterns have one fingerprint; another ``seed`` parts them.
    """
    if activations.ndim != 2 or labels.shape != activations.shape[:1] or activations.shape[1] < 1:
        raise ValueError(
            f"count_patterns: activations {activations.shape} and labels {labels.shape}; expected [n, d] and [n], d ≥ 1"
        )
    if verify and (isinstance(activations, Tracer) or isinstance(labels, Tracer)):
        raise ValueError("count_patterns: verify=True looks at values and cannot run inside jit; call it outside")
    counts = _count(activations, labels, num_classes, quantizer, seed)
    if verify and (merged := int(_merged(activations, quantizer, seed))):
        raise RuntimeError(
            f"count_patterns: {merged} fingerprints stand for more than one pattern; call it with another seed"
        )
    return counts


@partial(jax.jit, static_argnames=("num_classes", "quantizer", "seed"))
def _count(activations, labels, num_classes, quantizer, seed):
    """``count_patterns``, compiled."""
    n, width = activations.shape

    def packed(start: jax.Array, size: int) -> jax.Array:
        rows = jax.lax.dynamic_slice_in_dim(jnp.asarray(activations), start, size)
        return pack_across(states_of(rows, quantizer))

    labels = checked(labels, num_classes)
    prints, on = read_once(packed, n, words_for(width), labels, num_classes, seed)
    own, _ = multiplicities(prints, labels, num_classes)
    return PatternCounts(inputs(labels, num_classes), by_neuron(on, width, words_across(width)), *own)


@partial(jax.jit, static_argnames=("num_classes", "width", "seed"))
def count_words(
    words: UInt32[Array, "n word"], labels: Integer[Array, " n"], num_classes: int, width: int, seed: int = 0
) -> tuple[PatternCounts, PatternCounts]:
    """``count_patterns`` of patterns that are packed already, and the same of all classes as one, from one sort."""
    labels = checked(labels, num_classes)
    prints, on = hash_and_count(words, labels, num_classes, width, seed)
    return counts_of(prints, on, labels, num_classes)


@partial(jax.jit, static_argnames=("num_classes", "width", "seed"))
def hash_and_count(
    words: UInt32[Array, "n word"], labels: Integer[Array, " n"], num_classes: int, width: int, seed: int = 0
) -> tuple[UInt32[jax.Array, "n 2"], Int[jax.Array, "clas neuron"]]:
    """Fingerprints, and the inputs of each class for which each neuron was on."""
    slices = partial(jax.lax.dynamic_slice_in_dim, jnp.asarray(words))
    prints, on = read_once(slices, len(words), words.shape[1], checked(labels, num_classes), num_classes, seed)
    return prints, by_neuron(on, width)


@partial(jax.jit, static_argnames="num_classes")
def counts_of(
    prints: UInt32[Array, "n 2"], on: Int[Array, "clas neuron"], labels: Integer[Array, " n"], num_classes: int
) -> tuple[PatternCounts, PatternCounts]:
    """Counts by class and of all classes as one, from fingerprints and neuron counts."""
    labels = checked(labels, num_classes)
    own, whole = multiplicities(jnp.asarray(prints), labels, num_classes)
    n, on = inputs(labels, num_classes), jnp.asarray(on)
    return PatternCounts(n, on, *own), PatternCounts(n.sum(keepdims=True), on.sum(0, keepdims=True), *whole)


def read_once(
    packed: Callable[[jax.Array, int], jax.Array],
    n: int,
    words: int,
    labels: Int[jax.Array, " n"],
    num_classes: int,
    seed: int,
) -> tuple[UInt32[jax.Array, "n 2"], Counters]:
    """Fingerprints and neuron counts of ``packed(start, size)``: as many inputs at a time as stay in cache.

    The last part starts early enough to be of the same size; what it sees a second time is not counted again.
    """
    size = min(n, max(_WORDS_AT_ONCE // words, 1))
    prints, on = jnp.zeros((n, 2), jnp.uint32), no_neurons(num_classes, words, n)
    if n == 0:
        return prints, on

    def read(carry, first):
        prints, on = carry
        start = jnp.minimum(first, n - size)
        part = packed(start, size)
        fresh = jnp.arange(size) >= first - start
        own = jnp.where(fresh, jax.lax.dynamic_slice_in_dim(labels, start, size), num_classes)
        prints = jax.lax.dynamic_update_slice_in_dim(prints, fingerprint(part, seed), start, 0)
        return (prints, add_neurons(on, part, own)), None

    return jax.lax.scan(read, (prints, on), jnp.arange(0, n, size))[0]


def checked(labels: Integer[Array, " n"], num_classes: int) -> Int[jax.Array, " n"]:
    """Labels as ``int32``; ``num_classes`` stands for all that are not counted."""
    if num_classes < 1:
        raise ValueError(f"counting patterns: {num_classes} classes; expected 1 or more")
    labels = jnp.asarray(labels).astype(jnp.int32)
    return jnp.where((labels >= 0) & (labels < num_classes), labels, num_classes)


def inputs(labels: Int[jax.Array, " n"], num_classes: int) -> Int[jax.Array, " clas"]:
    """Inputs of each class."""
    return jnp.zeros(num_classes, jnp.int32).at[labels].add(1, mode="drop")


def max_multiplicities(n: int) -> int:
    """The most different multiplicities that n inputs can have: 1 + 2 + … + D ≤ n, however they are classed."""
    return (math.isqrt(8 * n + 1) - 1) // 2


class Table(NamedTuple):
    """Multiplicities ``j[slot]``, and how many patterns of each class were seen so often, ``f[class, slot]``."""

    j: Int[Array, " slot"]
    f: Int[Array, "clas slot"]


def multiplicities(
    prints: UInt32[jax.Array, "n 2"], labels: Int[jax.Array, " n"], num_classes: int
) -> tuple[Table, Table]:
    """Tables by class, and of all classes as one; a label of ``num_classes`` is not counted."""
    n = len(labels)
    slots = max(max_multiplicities(n), 1)
    if n == 0:
        j = jnp.zeros(slots, jnp.int32)
        return Table(j, jnp.zeros((num_classes, slots), jnp.int32)), Table(j, jnp.zeros((1, slots), jnp.int32))
    order = order_of_groups(prints, labels, num_classes)
    prints, labels = prints[order], labels[order]
    counted = (labels < num_classes).astype(jnp.int32)
    pattern = jnp.concatenate([jnp.ones(1, bool), (prints[1:] != prints[:-1]).any(-1)])
    within = pattern.at[1:].max(labels[1:] != labels[:-1])
    own = run_lengths(within, labels, counted)
    whole = run_lengths(pattern, jnp.zeros(n, jnp.int32), counted)
    return (
        tabulate(*own, lengths_seen(own[0], n), num_classes, slots),
        tabulate(*whole, lengths_seen(whole[0], n), 1, slots),
    )


def run_lengths(
    starts: Bool[jax.Array, " n"], owners: Int[jax.Array, " n"], weights: Int[jax.Array, " n"]
) -> tuple[Int[jax.Array, " n"], Int[jax.Array, " n"]]:
    """Sum of weights and owner of each run of a sorted array, run after run; 0 where there are no more runs."""
    run = jnp.cumsum(starts) - 1
    length = jnp.zeros(len(starts), jnp.int32).at[run].add(weights)
    return length, jnp.zeros(len(starts), jnp.int32).at[run].set(owners)


def lengths_seen(length: Int[jax.Array, " run"], n: int) -> Bool[jax.Array, " length"]:
    """Which of the lengths 0 to n occur; 0, no run at all, never does."""
    return jnp.zeros(n + 1, bool).at[length].set(True).at[0].set(False)


def tabulate(
    length: Int[jax.Array, " run"],
    owners: Int[jax.Array, " run"],
    seen: Bool[jax.Array, " length"],
    num_classes: int,
    slots: int,
) -> Table:
    """How many runs there are of each owner and each length."""
    j = jnp.nonzero(seen, size=slots, fill_value=0)[0].astype(jnp.int32)
    slot_of = jnp.cumsum(seen) - 1
    f = jnp.zeros((num_classes, slots), jnp.int32).at[owners, slot_of[length]].add(length > 0, mode="drop")
    return Table(j, f)


@partial(jax.jit, static_argnames=("quantizer", "seed"))
def _merged(activations: Shaped[Array, "n neuron"], quantizer: Quantizer, seed: int) -> Int[jax.Array, ""]:
    """Neighbours in the order of fingerprints that have one fingerprint and different patterns."""
    words = pack_across(states_of(activations, quantizer))
    prints = fingerprint(words, seed)
    order = order_of_groups(prints, jnp.zeros(len(words), jnp.int32), 1)
    prints, words = prints[order], words[order]
    same = (prints[1:] == prints[:-1]).all(-1)
    return jnp.sum(same & (words[1:] != words[:-1]).any(-1))
