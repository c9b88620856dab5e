"""Fingerprints and labels → how many patterns of each class were seen how often.

In one compiled program where it is traced or on an accelerator. Elsewhere in NumPy, whose sort of 64-bit keys is up to
sixteen times as fast as XLA's on a processor.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int, UInt32

from jaxentropy.base.arrays import Array, lies_on_host
from jaxentropy.counting import ranges
from jaxentropy.counting.sorting import order_of_groups

_WORTH_THREADS = 1 << 18


class Multiplicities(NamedTuple):
    """Multiplicities ``j[slot]``, and how many patterns of each class were seen so often, ``f[class, slot]``."""

    j: Int[Array, " slot"]
    f: Int[Array, "clas slot"]


def max_multiplicities(n: int) -> int:
    """The most different multiplicities that n inputs can have: 1 + 2 + … + D ≤ n, however they are classed."""
    return (math.isqrt(8 * n + 1) - 1) // 2


def slots_for(n: int) -> int:
    """How many slots the multiplicities of n inputs get: enough for any inputs, and at least one."""
    return max(max_multiplicities(n), 1)


def multiplicities_of(
    prints: UInt32[Array, "n 2"], labels: Int[Array, " n"], num_classes: int
) -> tuple[Multiplicities, Multiplicities]:
    """Multiplicities by class, and over all classes; a label of ``num_classes`` is not counted."""
    if lies_on_host(prints, labels):
        return multiplicities_on_host(np.asarray(prints), np.asarray(labels), num_classes)
    return _compiled(prints, labels, num_classes)


def multiplicities_on_host(
    prints: UInt32[np.ndarray, "n 2"], labels: Int[np.ndarray, " n"], num_classes: int
) -> tuple[Multiplicities, Multiplicities]:
    """``multiplicities_of`` by two NumPy sorts at once: of the fingerprints, and of class and fingerprint in one key.

    The class takes the place of the fingerprint's last bits. The first sort shows whether any two patterns differ in
    those bits only; if so, the second sort is repeated with the patterns' ranks instead. Of very many inputs, one range
    of fingerprints is sorted after the other.
    """
    if len(labels) > ranges.AT_ONCE:
        return _by_ranges(prints, labels, num_classes)
    slots, counted = slots_for(len(labels)), labels < num_classes
    if not counted.all():
        prints, labels = prints[counted], labels[counted]
    # in place wherever it can be: for millions of inputs, new memory takes longer than what is written into it
    keys = ranges.keys_of(prints)
    class_bits = np.uint64(num_classes.bit_length())
    place = np.uint64(64) - class_bits
    classes = labels.astype(np.uint64)
    classes <<= place
    own = keys >> class_bits
    own |= classes
    # of fewer, the threads take longer than the sorts
    with ThreadPoolExecutor(2) if len(keys) > _WORTH_THREADS else nullcontext() as pool:
        whole, own = (pool.map if pool else map)(np.sort, (keys, own))
    starts = ranges.differs(whole)
    whole >>= class_bits
    if not np.array_equal(starts, ranges.differs(whole)):
        own = np.sort(classes | np.unique(keys, return_inverse=True)[1].astype(np.uint64))
    first = np.flatnonzero(ranges.differs(own))
    owners = (own[first] >> place).astype(np.int64)
    by_class = _of_runs_on_host(np.diff(first, append=len(own)), owners, num_classes, slots)
    return by_class, _of_runs_on_host(np.diff(np.flatnonzero(starts), append=len(own)), 0, 1, slots)


def _by_ranges(
    prints: UInt32[np.ndarray, "n 2"], labels: Int[np.ndarray, " n"], num_classes: int
) -> tuple[Multiplicities, Multiplicities]:
    """``multiplicities_on_host`` of more inputs than there is room for."""
    slots = slots_for(len(labels))
    own: list[tuple[int, np.ndarray, np.ndarray]] = []
    whole: list[tuple[int, np.ndarray, np.ndarray]] = []
    for by_class in ranges.tables(prints, labels, num_classes):
        own += [(c, *np.unique(table.times, return_counts=True)) for c, table in enumerate(by_class)]
        whole.append((0, *np.unique(ranges.pooled(by_class).times, return_counts=True)))
    return _summed(own, num_classes, slots), _summed(whole, 1, slots)


def _summed(parts: list[tuple[int, np.ndarray, np.ndarray]], num_classes: int, slots: int) -> Multiplicities:
    """Triples of a class, multiplicities, and how many patterns have each, added up."""
    values = np.unique(np.concatenate([lengths for _, lengths, _ in parts]))
    j, f = np.zeros(slots, np.int32), np.zeros((num_classes, slots), np.int32)
    j[: len(values)] = values
    for c, lengths, patterns in parts:
        f[c, np.searchsorted(values, lengths)] += patterns.astype(np.int32)
    return Multiplicities(j, f)


def _of_runs_on_host(lengths: np.ndarray, owners: np.ndarray | int, num_classes: int, slots: int) -> Multiplicities:
    """``multiplicities_of_runs`` in NumPy, from the runs' lengths and classes."""
    seen = np.bincount(lengths, minlength=1) > 0
    j, f = np.zeros(slots, np.int32), np.zeros((num_classes, slots), np.int32)
    values = np.flatnonzero(seen)
    j[: len(values)] = values
    # one flat index: NumPy adds at several ten times as slowly
    np.add.at(f.reshape(-1), owners * slots + (np.cumsum(seen) - 1)[lengths], np.int32(1))
    return Multiplicities(j, f)


def traced_multiplicities(
    prints: UInt32[jax.Array, "n 2"], labels: Int[jax.Array, " n"], num_classes: int
) -> tuple[Multiplicities, Multiplicities]:
    """``multiplicities_of`` in a compiled program: by one sort of class and fingerprint."""
    n, slots = len(labels), slots_for(len(labels))
    if n == 0:
        j = jnp.zeros(slots, jnp.int32)
        return Multiplicities(j, jnp.zeros((num_classes, slots), jnp.int32)), Multiplicities(
            j, jnp.zeros((1, slots), jnp.int32)
        )
    order = order_of_groups(prints, labels, num_classes)
    prints, labels = prints[order], labels[order]
    counted = (labels < num_classes).astype(jnp.int32)
    pattern = starts_of(prints)
    within = pattern.at[1:].max(labels[1:] != labels[:-1])
    own = run_lengths(within, labels, counted)
    whole = run_lengths(pattern, jnp.zeros(n, jnp.int32), counted)
    return (
        multiplicities_of_runs(*own, lengths_seen(own[0], n), num_classes, slots),
        multiplicities_of_runs(*whole, lengths_seen(whole[0], n), 1, slots),
    )


_compiled = jax.jit(traced_multiplicities, static_argnums=2)


def starts_of(prints: UInt32[jax.Array, "n 2"]) -> Bool[jax.Array, " n"]:
    """Where a fingerprint differs from the one before it; the first one does."""
    return jnp.concatenate([jnp.ones(1, bool), (prints[1:] != prints[:-1]).any(-1)])


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


def multiplicities_of_runs(
    length: Int[jax.Array, " run"],
    owners: Int[jax.Array, " run"],
    seen: Bool[jax.Array, " length"],
    num_classes: int,
    slots: int,
) -> Multiplicities:
    """The multiplicities of runs: how many there are of each owner and each length."""
    j = jnp.nonzero(seen, size=slots, fill_value=0)[0].astype(jnp.int32)
    slot_of = jnp.cumsum(seen) - 1
    f = jnp.zeros((num_classes, slots), jnp.int32).at[owners, slot_of[length]].add(length > 0, mode="drop")
    return Multiplicities(j, f)
