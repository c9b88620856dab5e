"""Counting on many devices, of one process or of several: bit for bit what one device counts.

Each device counts its own inputs. Neuron counts are added. Patterns are merged by ranges of fingerprints: these are
uniform, so each device takes an equal share of their range and gets, from all others, how often each fingerprint of it
was seen in each class. No device holds all fingerprints.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxentropy.base.arrays import Array
from jaxentropy.base.errors import InputError
from jaxentropy.base.padding import filled
from jaxentropy.counting.counts import PatternCounts, checked_on_host, hash_and_count, inputs
from jaxentropy.counting.multiplicities import lengths_seen, multiplicities_of_runs, run_lengths, slots_for, starts_of
from jaxentropy.counting.sorting import order_of_groups
from jaxentropy.recording.packing import pack, pack_on_host
from jaxentropy.recording.states import Quantizer, Sign, states_of

_AXIS = "inputs"


def count_sharded(
    activations: Array,
    labels: Array,
    num_classes: int,
    mesh: Mesh,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    *,
    seed: int = 0,
) -> PatternCounts:
    """``count_patterns`` on all devices of a mesh; the counts are the same as on one device, and on every process.

    >>> mesh = jax.make_mesh((1,), ("inputs",))  # all devices there are: jax.make_mesh((jax.device_count(),), ...)
    >>> activations = np.array([[1.0, -2.0], [3.0, -1.0], [-1.0, 2.0]])
    >>> je.count_sharded(activations, np.array([0, 0, 1]), 2, mesh).n
    array([2, 1], dtype=int32)

    Args:
        activations: ``float[n, d]`` or states: this process's share of the inputs. Processes may have shares of
            different sizes.
        labels: ``int[n]`` of these inputs.
        num_classes: number of classes, ≥ 1.
        mesh: devices of one or more processes; all its axes are used. Every process must call with its own share.
        quantizer: how activations become states.
        seed: of the fingerprints.

    Raises:
        InputError: shapes that do not fit each other, or differ between processes in the number of neurons.
    """
    if activations.ndim != 2 or labels.shape != activations.shape[:1] or activations.shape[1] < 1:
        raise InputError(
            f"count_sharded: activations {list(activations.shape)} and labels {list(labels.shape)}; "
            "expected [n, d] and [n], d ≥ 1"
        )
    width = activations.shape[1]
    if isinstance(activations, np.ndarray):
        words = pack_on_host(activations, quantizer)
    else:
        words = np.asarray(pack(states_of(activations, quantizer)))
    return count_words_sharded(words, np.asarray(labels), num_classes, width, mesh, seed)[0]


def count_words_sharded(
    words: np.ndarray, labels: np.ndarray, num_classes: int, width: int, mesh: Mesh, seed: int = 0
) -> tuple[PatternCounts, PatternCounts]:
    """``hash_and_count``, then ``counts_of``, on all devices of a mesh: counts by class, and over all classes."""
    mesh, words, labels, n = _spread(words, labels, num_classes, mesh)
    prints, on = _hash_and_count(mesh, words, labels, num_classes, width, seed)
    return _merged(mesh, prints, on, labels, num_classes, n)


def count_prints_sharded(
    prints: np.ndarray, on: np.ndarray, labels: np.ndarray, num_classes: int, mesh: Mesh
) -> tuple[PatternCounts, PatternCounts]:
    """``counts_of`` on all devices of a mesh: each process gives the fingerprints and neuron counts of its share."""
    own = np.asarray(multihost_utils.process_allgather(on.astype(np.int32))).reshape(-1, *on.shape).sum(0)
    mesh, prints, labels, n = _spread(prints, labels, num_classes, mesh)
    return _merged(mesh, prints, own.astype(np.int32), labels, num_classes, n)


def _spread(rows: np.ndarray, labels: np.ndarray, num_classes: int, mesh: Mesh) -> tuple[Mesh, Any, Any, int]:
    """(a mesh of one axis, rows and labels in equal shares of its devices, number of inputs); shares are padded."""
    mesh = Mesh(mesh.devices.reshape(-1), (_AXIS,))
    here = sum(d.process_index == jax.process_index() for d in mesh.devices.flat)
    if not here:
        raise InputError("the mesh has no device of this process; give each process that calls a part of it")
    mine = np.array([len(labels), here, rows.shape[1]])
    shares = np.asarray(multihost_utils.process_allgather(mine)).reshape(-1, 3)
    if len(set(shares[:, 2].tolist())) > 1:
        raise InputError(f"the processes have layers of different widths: {shares[:, 2].tolist()} words")
    each = max(-(-n // devices) for n, devices, _ in shares.tolist())
    rows, labels = filled(rows, checked_on_host(labels, num_classes), max(each, 1) * here, num_classes)
    sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
    spread = (jax.make_array_from_process_local_data(sharding, a) for a in (rows, labels))
    return mesh, *spread, int(shares[:, 0].sum())


@partial(jax.jit, static_argnums=(0, 3, 4, 5))
def _hash_and_count(mesh, words, labels, num_classes, width, seed):
    """Fingerprints, sharded as the words are, and the sums of the neuron counts over the devices."""

    def local(words, labels):
        prints, on = hash_and_count(words, labels, num_classes, width, seed)
        return prints, jax.lax.psum(on, _AXIS)

    rows = PartitionSpec(_AXIS)
    return jax.shard_map(local, mesh=mesh, in_specs=(rows, rows), out_specs=(rows, PartitionSpec()), check_vma=False)(
        words, labels
    )


def _merged(
    mesh: Mesh, prints: Any, on: Any, labels: Any, num_classes: int, n: int
) -> tuple[PatternCounts, PatternCounts]:
    """Counts from sharded fingerprints; retried with more room in the rare case that a device has more to send."""
    own = len(labels) // mesh.size
    share = own / mesh.size
    capacity = min(own, math.ceil(share + 6 * math.sqrt(share)) + 8)
    while True:
        counts, most = _exchange(mesh, prints, labels, num_classes, capacity, n)
        if int(most) <= capacity:
            break
        # a pattern of many classes makes many entries of one key
        capacity = min(own, int(most))
    totals, own_slots, whole_slots = jax.tree.map(np.asarray, counts)
    on = np.asarray(on)
    every, every_on = totals.sum(keepdims=True, dtype=np.int32), on.sum(0, keepdims=True, dtype=np.int32)
    return PatternCounts(totals, on, *own_slots), PatternCounts(every, every_on, *whole_slots)


@partial(jax.jit, static_argnums=(0, 3, 4, 5))
def _exchange(mesh, prints, labels, num_classes, capacity, n):
    """((inputs of each class, multiplicities by class, and over all), most entries that a device had for another)."""
    devices = mesh.size
    slots = slots_for(n)

    def local(prints, labels):
        totals = jax.lax.psum(inputs(labels, num_classes), _AXIS)
        counted = labels < num_classes
        # what is not counted goes to the end, so that each device's range is one piece of the sorted entries
        prints = jnp.where(counted[:, None], prints, np.uint32(0xFFFFFFFF))
        prints, labels, weights = _runs(prints, labels, counted.astype(jnp.int32), num_classes)
        with jax.enable_x64(True):
            high = jax.lax.convert_element_type(prints[:, 0], jnp.uint64)
            owner = jax.lax.convert_element_type((high * np.uint64(devices)) >> np.uint64(32), jnp.int32)
        owner = jnp.where(weights > 0, owner, devices)
        entries = jnp.zeros(devices, jnp.int32).at[owner].add(1, mode="drop")
        first = jnp.cumsum(entries) - entries
        place = jnp.arange(capacity)
        used = place < entries[:, None]
        rows = jnp.where(used, first[:, None] + place, 0)
        sent = (
            prints[rows],
            jnp.where(used, labels[rows], num_classes),
            jnp.where(used, weights[rows], 0),
        )
        prints, labels, weights = (
            jax.lax.all_to_all(a, _AXIS, 0, 0, tiled=True).reshape(-1, *a.shape[2:]) for a in sent
        )
        multiplicities = _multiplicities(prints, labels, weights, num_classes, slots, n)
        return (totals, *multiplicities), jax.lax.pmax(entries.max(), _AXIS)

    rows, whole = PartitionSpec(_AXIS), PartitionSpec()
    return jax.shard_map(local, mesh=mesh, in_specs=(rows, rows), out_specs=whole, check_vma=False)(prints, labels)


def _runs(prints, labels, weights, num_classes):
    """An entry for each fingerprint and class, by fingerprints: it, its class, its number of inputs; then zeros."""
    order = order_of_groups(prints, labels, num_classes)
    prints, labels, weights = prints[order], labels[order], weights[order]
    starts = starts_of(prints).at[1:].max(labels[1:] != labels[:-1])
    length, row = run_lengths(starts, jnp.arange(len(labels), dtype=jnp.int32), weights)
    return prints[row], labels[row], length


def _multiplicities(prints, labels, weights, num_classes, slots, n):
    """Multiplicities by class and over all classes, summed over the devices' ranges of fingerprints."""
    order = order_of_groups(prints, labels, num_classes)
    prints, labels, weights = prints[order], labels[order], weights[order]
    pattern = starts_of(prints)
    multiplicities = []
    for starts, owners, classes in (
        (pattern.at[1:].max(labels[1:] != labels[:-1]), labels, num_classes),
        (pattern, jnp.zeros_like(labels), 1),
    ):
        length, owner = run_lengths(starts, owners, weights)
        seen = jax.lax.pmax(lengths_seen(length, n).astype(jnp.int32), _AXIS) > 0
        j, f = multiplicities_of_runs(length, owner, seen, classes, slots)
        multiplicities.append((j, jax.lax.psum(f, _AXIS)))
    return multiplicities
