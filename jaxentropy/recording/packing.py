"""States ↔ packed words. The states of a layer's neurons, in order, are its *pattern*: 32 neurons a ``uint32`` word."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Bool, Shaped, UInt32

from jaxentropy.base.arrays import Array
from jaxentropy.recording.states import Quantizer, states_of

WORD_BITS = 32
LANES = 8
_ACROSS = WORD_BITS * LANES
_STATES_AT_ONCE = 1 << 21


def identify(words: np.ndarray) -> np.ndarray:
    """A number for each row of ``words[n, word]``, from 0: equal numbers are equal rows. Exact, and on the host."""
    if len(words) == 0:
        return np.zeros(0, np.int64)
    rows = np.ascontiguousarray(words).view(np.dtype((np.void, words.dtype.itemsize * words.shape[1]))).ravel()
    return np.unique(rows, return_inverse=True)[1]


def unpack_on_host(words: np.ndarray, width: int) -> np.ndarray:
    """``unpack`` in NumPy: a byte a state, where the device has a word a state."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    return bits[:, :width].astype(bool)


def words_for(width: int) -> int:
    """Number of ``uint32`` words that hold the states of ``width`` neurons."""
    return -(-width // WORD_BITS)


def pack(states: Shaped[Array, "*batch neuron"]) -> UInt32[jax.Array, "*batch word"]:
    """Pack states into words: bit ``j`` of word ``w`` is neuron ``32*w + j``; padding bits are 0.

    >>> np.asarray(je.pack(np.array([[True, False, True], [False, False, False]])))  # bits 0 and 2: 1 + 4
    array([[5], [0]], dtype=uint32)

    Args:
        states: bool, or integers that are 0 or 1, of shape ``[..., d]`` with d ≥ 1.

    Returns:
        ``uint32[..., ceil(d / 32)]``.

    Raises:
        TypeError: floating-point input, which must be turned into states first.
        ValueError: no neuron axis, no neuron, or (outside ``jit``) integers other than 0 and 1.
    """
    if states.ndim < 1 or states.shape[-1] < 1:
        raise ValueError(f"pack: states of shape {states.shape} have no neurons; expected [..., d] with d ≥ 1")
    if not (states.dtype == bool or jnp.issubdtype(states.dtype, jnp.integer)):
        raise TypeError(
            f"pack: states are bool or 0/1 integers, not {states.dtype}; "
            "turn activations into states first, for example Sign()(activations)"
        )
    if states.dtype != bool and not isinstance(states, Tracer):
        low, high = (int(states.min()), int(states.max())) if states.size else (0, 0)
        if low < 0 or high > 1:
            raise ValueError(f"pack: integer states are 0 or 1, found values from {low} to {high}")
    return _pack(states)


@jax.jit
def _pack(states: Shaped[Array, "*batch neuron"]) -> UInt32[jax.Array, "*batch word"]:
    # through bool, so that a value other than 0 and 1 cannot spill into a neighbour's bit
    return _in_two_ways(jnp.asarray(states, bool), _brought_together)


def pack_across(states: Bool[Array, "*batch neuron"]) -> UInt32[jax.Array, "*batch word"]:
    """As ``pack``, without its second step: as fast as the states can be read, with the neurons in another order.

    Of each 256 neurons, eight words take every eighth one: neuron ``256 g + 8 j + l`` is bit j of word ``8 g + l``.
    A processor compares eight neighbours in one step and leaves their bits in eight words. Neurons left over are packed
    as ``pack`` does it.
    """
    return _in_two_ways(jnp.asarray(states), jax.lax.optimization_barrier)


def words_across(width: int) -> int:
    """How many of the first words of ``width`` neurons ``pack_across`` fills in its own order."""
    return width // _ACROSS * LANES


def _in_two_ways(states: jax.Array, finish: Callable[[jax.Array], jax.Array]) -> UInt32[jax.Array, "*batch word"]:
    """Whole groups of 256 neurons are packed across and finished; the rest is padded and packed 32 in a row.

    ``finish`` begins with a barrier, or XLA computes the words in the order of their new shape and reads one by one.
    """
    *batch, width = states.shape
    across = width // _ACROSS * _ACROSS
    parts = []
    if across:
        across_words = _bits(states[..., :across].reshape(*batch, -1, WORD_BITS, LANES), -2)
        parts.append(finish(across_words).reshape(*batch, across // WORD_BITS))
    if across < width:
        rest = jnp.pad(states[..., across:], [(0, 0)] * len(batch) + [(0, -width % WORD_BITS)])
        parts.append(_bits(rest.reshape(*batch, -1, WORD_BITS), -1))
    return jnp.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def _bits(states: jax.Array, axis: int) -> jax.Array:
    """The 32 states along ``axis`` as the bits of a word."""
    axis %= states.ndim
    # not from a vector of 32 powers: inside a loop XLA would read it from memory
    bits = jnp.uint32(1) << jax.lax.broadcasted_iota(jnp.uint32, states.shape, axis)
    return jax.lax.reduce(jnp.where(states, bits, jnp.uint32(0)), np.uint32(0), jax.lax.add, (axis,))


def _brought_together(across_words: jax.Array) -> jax.Array:
    """``[..., group, 8]`` as ``pack_across`` leaves them → as ``pack`` has them: half a byte of each word, a bit into
    each byte, makes a word. Done with packed words, it takes a fraction of the time of reading the activations."""
    across_words = jax.lax.optimization_barrier(across_words)[..., None, :]
    shape = (*across_words.shape[:-2], LANES, LANES)
    word, lane = (jax.lax.broadcasted_iota(jnp.uint32, shape, axis) for axis in (len(shape) - 2, len(shape) - 1))
    half = (across_words >> word * np.uint32(WORD_BITS // LANES)) & np.uint32(0b1111)
    spread = half * np.uint32(1 | 1 << 7 | 1 << 14 | 1 << 21) & np.uint32(0x01010101)
    # a reduction, or XLA does all this anew for each reader
    return jax.lax.reduce(spread << lane, np.uint32(0), jax.lax.add, (len(shape) - 1,))


def pack_on_host(activations: Shaped[np.ndarray, "n neuron"], quantizer: Quantizer) -> UInt32[np.ndarray, "n word"]:
    """``pack(states_of(activations, quantizer))`` of a NumPy array, in NumPy.

    In blocks that stay in the cache, by a thread for each core; the activations are not copied into JAX's own memory,
    which takes ten times as long as this, and reach an accelerator as bits.
    """
    n, width = activations.shape
    words = np.zeros((n, words_for(width)), "<u4")
    packed, rows = words.view(np.uint8)[:, : -(-width // 8)], max(_STATES_AT_ONCE // width, 1)

    def fill(start: int) -> None:
        states = np.asarray(states_of(activations[start : start + rows], quantizer))
        packed[start : start + rows] = np.packbits(states, axis=1, bitorder="little")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        deque(pool.map(fill, range(0, n, rows)), maxlen=0)
    return words.astype(np.uint32, copy=False)


def unpack(words: UInt32[Array, "*batch word"], width: int) -> Bool[jax.Array, "*batch neuron"]:
    """The states that ``pack`` packed: bool ``[..., width]``.

    >>> np.asarray(je.unpack(np.array([[5], [0]], np.uint32), 3))
    array([[ True, False,  True], [False, False, False]])

    Raises:
        ValueError: ``width`` neurons do not fit exactly into this number of words.
    """
    if width < 1 or words.shape[-1] != words_for(width):
        raise ValueError(
            f"unpack: {width} neurons take {words_for(max(width, 0))} words, but the words have shape {words.shape}"
        )
    bits = (jnp.asarray(words)[..., None] >> jnp.arange(WORD_BITS, dtype=jnp.uint32)) & 1
    return bits.reshape(*words.shape[:-1], -1)[..., :width].astype(bool)
