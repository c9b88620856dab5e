"""Packed words → for how many inputs of each class each neuron was on.

The inputs are brought into the order of their classes; each class is cut into blocks of up to 15 inputs, whose bits are
added where they lie, in digits of 4 bits that hold 0 to 15; only the blocks' sums are unfolded into integers.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Int, Integer, UInt32

from jaxentropy.base.arrays import Array
from jaxentropy.counting.sorting import order_by
from jaxentropy.recording.packing import LANES, WORD_BITS

_LARGEST_BLOCK = 15
_BLOCKS_AT_ONCE = 2048
_DIGIT_BITS = 4
_DIGITS = WORD_BITS // _DIGIT_BITS

Counters = Integer[jax.Array, "clas digit shift word"]
"""Counts as they are added up: of bit 4·digit + shift of each word."""


def no_neurons(num_classes: int, words: int, most: int) -> Counters:
    """Counts of nothing yet, with room for ``most`` inputs. With many classes, their size decides the speed."""
    return jnp.zeros((num_classes, _DIGITS, _DIGIT_BITS, words), jnp.uint16 if most < 1 << 16 else jnp.int32)


def add_neurons(
    total: Counters,
    words: UInt32[Array, "n word"],
    labels: Integer[Array, " n"],
    order: Int[Array, " n"] | None = None,
) -> Counters:
    """``total`` with these inputs' neurons added to their classes.

    A label of ``num_classes`` is not counted. ``order`` is the stable order by label, if it is known already.
    """
    n, num_classes = len(words), len(total)
    if n == 0:
        return total
    # blocks are filled up with nothing: small classes get blocks of two thirds of their size
    size = min(max(2 * n // (3 * num_classes), 1), _LARGEST_BLOCK)
    labels = jnp.asarray(labels)
    order = order_by([(labels, num_classes.bit_length())]) if order is None else order
    rows, owners, used = _blocks(labels, order, num_classes, size)

    def add(total, chunk):
        rows, owners, used = chunk
        chosen = jnp.asarray(words).at[rows].get(mode="fill", fill_value=0)
        return _add_blocks(total, _sum_of_bits(chosen), owners, used), None

    return jax.lax.scan(add, total, (rows, owners, used))[0]


def by_neuron(total: Counters, width: int, across: int = 0) -> Int[jax.Array, "clas neuron"]:
    """The counts in the order of the neurons; the first ``across`` words were packed by ``pack_across``."""
    parts = [_in_order(total[..., :across], LANES), _in_order(total[..., across:], 1)]
    return jnp.concatenate(parts, axis=-1)[:, :width].astype(jnp.int32)


def _in_order(total: Counters, lanes: int) -> Integer[jax.Array, "clas neuron"]:
    """Bits ``[bit, group, lane]`` → ``[group, bit, lane]``."""
    num_classes, words = len(total), total.shape[-1]
    bits = total.reshape(num_classes, WORD_BITS, words // lanes, lanes)
    return bits.swapaxes(1, 2).reshape(num_classes, WORD_BITS * words)


def _blocks(labels: jax.Array, order: Array, num_classes: int, size: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Blocks of inputs of one class, in chunks.

    Returns positions ``[chunk, size, block]``, n where a block is not full; the blocks' classes ``[chunk, block]``; and
    how many blocks of each chunk hold anything, ``[chunk]``.
    """
    n = len(labels)
    blocks = min(n, (n + num_classes * (size - 1)) // size)
    # two or more chunks, or XLA undoes the loop and works the positions out anew for every word that they point at
    chunks = max(-(-blocks // _BLOCKS_AT_ONCE), 2)
    at_once = -(-blocks // chunks)
    inputs = jnp.zeros(num_classes, jnp.int32).at[labels].add(1, mode="drop")
    ends = jnp.cumsum(inputs)
    needed = -(-inputs // size)
    block_ends = jnp.cumsum(needed)
    owners = jnp.repeat(jnp.arange(num_classes), needed, total_repeat_length=chunks * at_once)
    which = jnp.arange(chunks * at_once) - (block_ends - needed)[owners]
    place = (ends - inputs)[owners] + size * which + jnp.arange(size)[:, None]
    rows = jnp.where(place < ends[owners], jnp.asarray(order).at[place].get(mode="clip"), n)
    used = jnp.clip(block_ends[-1] - at_once * jnp.arange(chunks), 0, at_once)
    return rows.reshape(size, chunks, at_once).swapaxes(0, 1), owners.reshape(chunks, at_once), used


def _sum_of_bits(words: jax.Array) -> jax.Array:
    """``uint32[row, block, word]`` → ``uint32[block, shift, word]``: digit k of shift s adds up bit 4k + s."""
    shifts = jnp.arange(_DIGIT_BITS, dtype=jnp.uint32)[:, None]
    return jnp.sum((words[:, :, None, :] >> shifts) & jnp.uint32(0x11111111), axis=0, dtype=jnp.uint32)


def _unfolded(sums: jax.Array) -> jax.Array:
    """``uint32[..., shift, word]`` → ``[..., digit, shift, word]``."""
    places = _DIGIT_BITS * jnp.arange(_DIGITS, dtype=jnp.uint32)[:, None, None]
    return (sums[..., None, :, :] >> places) & 15


def _add_blocks(total: jax.Array, sums: jax.Array, owners: jax.Array, used: jax.Array) -> jax.Array:
    """The first ``used`` blocks' sums added to their classes: the one place where processor and accelerator part."""

    def one_by_one(total, sums, owners, used):
        """In cache and in place; XLA's scatter takes ten times as long on a processor."""

        def add(block, total):
            return total.at[owners[block]].add(_unfolded(sums[block]).astype(total.dtype), mode="promise_in_bounds")

        return jax.lax.fori_loop(0, used, add, total)

    def at_once(total, sums, owners, used):
        """What lies behind the used blocks holds nothing."""
        added = (
            jnp.zeros(total.shape, jnp.uint32)
            .at[owners]
            .add(_unfolded(sums), indices_are_sorted=True, mode="promise_in_bounds")
        )
        return total + added.astype(total.dtype)

    return jax.lax.platform_dependent(total, sums, owners, used, cpu=one_by_one, default=at_once)
