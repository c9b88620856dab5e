"""Sufficient statistics: what was seen how often. Counts are exact integers; division happens later."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Int, Integer, Shaped, UInt32

from jaxentropy.base.arrays import Array, lies_on_host
from jaxentropy.base.lookahead import ahead
from jaxentropy.base.padding import filled
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.multiplicities import multiplicities_of, traced_multiplicities
from jaxentropy.counting.neurons import Counters, add_neurons, by_neuron, no_neurons
from jaxentropy.counting.sorting import order_of_groups, order_on_host
from jaxentropy.recording.packing import pack_across, pack_on_host, words_across, words_for
from jaxentropy.recording.states import Quantizer, Sign, states_of

_WORDS_AT_ONCE = 1 << 21
_WORDS_IN_A_PIECE = 1 << 26


class PatternCounts(NamedTuple):
    """Counts of one layer's patterns, by class.

    >>> states = np.array([[1, 0], [1, 0], [0, 1]], bool)
    >>> counts = je.count_patterns(states, np.array([0, 0, 1]), num_classes=2)
    >>> np.asarray(counts.n), np.asarray(counts.on)
    (array([2, 1], dtype=int32), array([[2, 0], [0, 1]], dtype=int32))
    >>> np.asarray(counts.j), np.asarray(counts.f)  # class 0: one pattern seen twice; class 1: one seen once
    (array([1, 2], dtype=int32), array([[0, 1], [1, 0]], dtype=int32))

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
    """Count the neurons that are on and the patterns that recur, for all classes at once.

    >>> activations = np.array([[1.0, -2.0], [3.0, -1.0], [-1.0, 2.0]])  # the first two have one pattern
    >>> counts = je.count_patterns(activations, np.array([0, 0, 1]), num_classes=2)
    >>> np.asarray(counts.f.sum(1))  # different patterns of each class
    array([1, 1], dtype=int32)

    The activations are read once, where they are: on an accelerator, or inside ``jit`` and ``vmap``, in one compiled
    program; on the processor XLA reads JAX arrays, NumPy its own, and NumPy sorts the fingerprints.
    Compiled once for each shape, ``num_classes`` and ``quantizer``.

    Args:
        activations: ``float[n, d]``, or states (bool), of JAX or of NumPy. NaN counts as off: ``Recording`` refuses it,
            this kernel does not look.
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
    if lies_on_host(activations, labels):
        counts = _count_on_host(activations, np.asarray(labels), num_classes, quantizer, seed)
    else:
        counts = _count(activations, labels, num_classes, quantizer, seed)
    if verify and (merged := int(_merged(_words(activations, quantizer), seed))):
        raise RuntimeError(
            f"count_patterns: {merged} fingerprints stand for more than one pattern; call it with another seed"
        )
    return counts


def _count_on_host(activations, labels, num_classes, quantizer, seed):
    """``count_patterns`` where NumPy can sort what XLA, or itself, has read."""
    labels, width = checked_on_host(labels, num_classes), activations.shape[1]
    if isinstance(activations, np.ndarray):
        prints, on = hash_and_count(_words(activations, quantizer), labels, num_classes, width, seed)
    else:
        orders = orders_on_host(labels, num_classes, words_for(width))
        prints, on = _read(activations, labels, orders, num_classes, quantizer, seed)
    own, _ = multiplicities_of(prints, labels, num_classes)
    return PatternCounts(*map(jnp.asarray, (inputs_on_host(labels, num_classes), on, *own)))


@partial(jax.jit, static_argnames=("num_classes", "quantizer", "seed"))
def _count(activations, labels, num_classes, quantizer, seed):
    """``count_patterns`` in one compiled program."""
    labels = checked(jnp.asarray(labels), num_classes)
    prints, on = _read(activations, labels, None, num_classes, quantizer, seed)
    own, _ = traced_multiplicities(prints, labels, num_classes)
    return PatternCounts(inputs(labels, num_classes), on, *own)


@partial(jax.jit, static_argnames=("num_classes", "quantizer", "seed"))
def _read(activations, labels, orders, num_classes, quantizer, seed):
    """Fingerprints and neuron counts of activations."""
    n, width = activations.shape

    def packed(start: jax.Array, size: int) -> jax.Array:
        rows = jax.lax.dynamic_slice_in_dim(jnp.asarray(activations), start, size)
        return pack_across(states_of(rows, quantizer))

    prints, on = read_once(packed, n, words_for(width), labels, orders, num_classes, seed)
    return prints, by_neuron(on, width, words_across(width))


def hash_and_count(
    words: UInt32[Array, "n word"], labels: Integer[Array, " n"], num_classes: int, width: int, seed: int = 0
) -> tuple[UInt32[Array, "n 2"], Int[Array, "clas neuron"]]:
    """Of packed patterns: fingerprints, and the inputs of each class for which each neuron was on.

    The call returns at once, while they are computed; reading them waits.

    NumPy arrays of more than a quarter of a gigabyte, which may be memory-mapped and larger than memory, are read piece
    by piece.
    """
    orders = None
    if lies_on_host(words, labels):
        labels = checked_on_host(np.asarray(labels), num_classes)
        if isinstance(words, np.ndarray) and words.size > _WORDS_IN_A_PIECE:
            return _by_pieces(words, labels, num_classes, width, seed)
        orders = orders_on_host(labels, num_classes, words.shape[1])
    return _hash_and_count(words, labels, orders, num_classes, width, seed)


def _by_pieces(words, labels, num_classes, width, seed):
    """``hash_and_count`` of one piece after the other, all of one size, so that one program serves any number."""
    rows = max(_WORDS_IN_A_PIECE // words.shape[1], 1)
    prints, on = np.empty((len(words), 2), np.uint32), np.zeros((num_classes, width), np.int32)

    def begun() -> Iterator[tuple[int, tuple[jax.Array, jax.Array]]]:
        for start in range(0, len(words), rows):
            piece, own = filled(words[start : start + rows], labels[start : start + rows], rows, num_classes)
            orders = orders_on_host(own, num_classes, words.shape[1])
            yield start, _hash_and_count(piece, own, orders, num_classes, width, seed)

    for start, (piece_prints, piece_on) in ahead(begun(), 1):
        prints[start : start + rows] = np.asarray(piece_prints)[: len(words) - start]
        np.add(on, piece_on, out=on)
    return prints, on


@partial(jax.jit, static_argnames=("num_classes", "width", "seed"))
def _hash_and_count(words, labels, orders, num_classes, width, seed):
    """``hash_and_count``, compiled."""
    slices = partial(jax.lax.dynamic_slice_in_dim, jnp.asarray(words))
    labels = checked(jnp.asarray(labels), num_classes)
    prints, on = read_once(slices, len(words), words.shape[1], labels, orders, num_classes, seed)
    return prints, by_neuron(on, width)


def counts_of(
    prints: UInt32[Array, "n 2"], on: Int[Array, "clas neuron"], labels: Integer[np.ndarray, " n"], num_classes: int
) -> tuple[PatternCounts, PatternCounts]:
    """Counts by class and of all classes as one, from fingerprints and neuron counts; on the host."""
    labels = checked_on_host(labels, num_classes)
    own, whole = multiplicities_of(prints, labels, num_classes)
    n, on = inputs_on_host(labels, num_classes), np.asarray(on)
    every = n.sum(keepdims=True, dtype=np.int32), on.sum(0, keepdims=True, dtype=np.int32)
    return PatternCounts(n, on, *map(np.asarray, own)), PatternCounts(*every, *map(np.asarray, whole))


def read_once(
    packed: Callable[[jax.Array, int], jax.Array],
    n: int,
    words: int,
    labels: Int[jax.Array, " n"],
    orders: Int[Array, "part size"] | None,
    num_classes: int,
    seed: int,
) -> tuple[UInt32[jax.Array, "n 2"], Counters]:
    """Fingerprints and neuron counts of ``packed(start, size)``: as many inputs at a time as stay in cache.

    The last part starts early enough to be of the same size; what it sees a second time is not counted again. Each
    part's order by label is worked out, unless it is known.
    """
    prints, on = jnp.zeros((n, 2), jnp.uint32), no_neurons(num_classes, words, n)
    if n == 0:
        return prints, on
    size = _part(n, words)

    def read(carry, xs):
        prints, on = carry
        first, order = xs
        start = jnp.minimum(first, n - size)
        part = packed(start, size)
        fresh = jnp.arange(size) >= first - start
        own = jnp.where(fresh, jax.lax.dynamic_slice_in_dim(labels, start, size), num_classes)
        prints = jax.lax.dynamic_update_slice_in_dim(prints, fingerprint(part, seed), start, 0)
        return (prints, add_neurons(on, part, own, order)), None

    return jax.lax.scan(read, (prints, on), (jnp.arange(0, n, size), orders))[0]


def orders_on_host(labels: Int[np.ndarray, " n"], num_classes: int, words: int) -> Int[np.ndarray, "part size"] | None:
    """The order by label of each part of ``read_once``; None if there are no inputs."""
    n = len(labels)
    if n == 0:
        return None
    size = _part(n, words)
    first = np.arange(0, n, size)[:, None]
    places = np.minimum(first, n - size) + np.arange(size)
    # what was seen before comes last, with the inputs that are not counted
    return order_on_host(np.where(places >= first, labels[places], num_classes))


def _part(n: int, words: int) -> int:
    """How many inputs are read at a time."""
    return min(n, max(_WORDS_AT_ONCE // words, 1))


def checked(labels: Integer[jax.Array, " n"], num_classes: int) -> Int[jax.Array, " n"]:
    """Labels as ``int32``; ``num_classes`` stands for all that are not counted."""
    _refuse_no_classes(num_classes)
    labels = labels.astype(jnp.int32)
    return jnp.where((labels >= 0) & (labels < num_classes), labels, num_classes)


def checked_on_host(labels: Integer[np.ndarray, " n"], num_classes: int) -> Int[np.ndarray, " n"]:
    """``checked`` in NumPy."""
    _refuse_no_classes(num_classes)
    if labels.dtype == np.int32 and (not len(labels) or (labels.min() >= 0 and labels.max() <= num_classes)):
        return labels
    wide = labels.astype(np.int64)
    return np.where((wide >= 0) & (wide < num_classes), wide, num_classes).astype(np.int32)


def _refuse_no_classes(num_classes: int) -> None:
    if num_classes < 1:
        raise ValueError(f"counting patterns: {num_classes} classes; expected 1 or more")


def inputs(labels: Int[jax.Array, " n"], num_classes: int) -> Int[jax.Array, " clas"]:
    """Inputs of each class."""
    return jnp.zeros(num_classes, jnp.int32).at[labels].add(1, mode="drop")


def inputs_on_host(labels: Int[np.ndarray, " n"], num_classes: int) -> Int[np.ndarray, " clas"]:
    """``inputs`` in NumPy."""
    return np.bincount(labels, minlength=num_classes + 1)[:num_classes].astype(np.int32)


def _words(activations: Shaped[Array, "n neuron"], quantizer: Quantizer) -> UInt32[Array, "n word"]:
    """The words that ``count_patterns`` makes fingerprints of."""
    if isinstance(activations, np.ndarray):
        return pack_on_host(activations, quantizer)
    return pack_across(states_of(activations, quantizer))


@partial(jax.jit, static_argnames="seed")
def _merged(words: UInt32[Array, "n word"], seed: int) -> Int[jax.Array, ""]:
    """Neighbours in the order of fingerprints that have one fingerprint and different patterns."""
    words = jnp.asarray(words)
    prints = fingerprint(words, seed)
    order = order_of_groups(prints, jnp.zeros(len(words), jnp.int32), 1)
    prints, words = prints[order], words[order]
    same = (prints[1:] == prints[:-1]).all(-1)
    return jnp.sum(same & (words[1:] != words[:-1]).any(-1))
