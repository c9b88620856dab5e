"""Activations → states → packed words → fingerprints.

A *state* says whether a neuron is on (1) or off (0) for one input. The states of a layer's neurons, in order,
are its *pattern*. A pattern is kept as packed ``uint32`` words, 32 neurons a word, and is compared by a 64-bit
fingerprint.
"""

import math
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Bool, Shaped, UInt32

from jaxentropy.base.arrays import Array

WORD_BITS = 32
LANES = 8
_ACROSS = WORD_BITS * LANES
_STATES_AT_ONCE = 1 << 21


@runtime_checkable
class Quantizer(Protocol):
    """Turns activations into states; hashable, so that it can be a static argument of a compiled program."""

    def __call__(self, activations: Shaped[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """States of these activations: True where the neuron is on."""
        ...


@dataclass(frozen=True)
class Sign:
    """A neuron is on where its activation is positive.

    Pre-activations and ReLU outputs give the same states. Published codes disagree on an activation of exactly
    zero: ``zero="off"`` (the default) is the ReLU's own reading, ``zero="on"`` the other one.
    """

    zero: Literal["off", "on"] = "off"

    def __post_init__(self):
        if self.zero not in ("off", "on"):
            raise ValueError(f"Sign(zero={self.zero!r}): zero is 'off' or 'on'")

    def __call__(self, activations: Shaped[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """States of these activations; boolean input is taken as states already."""
        if activations.dtype == bool:
            return activations
        return activations > 0 if self.zero == "off" else activations >= 0


@dataclass(frozen=True)
class Threshold:
    """A neuron is on where its activation is greater than ``at``.

    ``Threshold(0.5)`` suits the outputs of a sigmoid, which are never ≤ 0: they are above 0.5 where the
    pre-activation is positive.

    Attributes:
        at: a finite number, in the activations' own units.

    Raises:
        ValueError: ``at`` is NaN or infinite.
    """

    at: float | int

    def __post_init__(self):
        if not math.isfinite(self.at):
            raise ValueError(f"Threshold({self.at!r}): expected a finite number, such as Threshold(0.5)")

    def __call__(self, activations: Shaped[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """States of these activations; boolean input is taken as states already."""
        if activations.dtype == bool:
            return activations
        with np.errstate(over="ignore"):  # beyond the range of a narrow type, infinity compares as it should
            return activations > self.at


def states_of(activations: Shaped[Array, "*shape"], quantizer: Quantizer) -> Bool[Array, "*shape"]:
    """``quantizer(activations)``, checked to be states; TypeError if they are not bool."""
    states = quantizer(activations)
    if states.dtype != bool or states.shape != activations.shape:
        raise TypeError(
            f"the quantizer {quantizer!r} turned {activations.shape} activations into {states.dtype}{states.shape}; "
            "expected bool of the same shape, one state a neuron"
        )
    return states


def identify(words: np.ndarray) -> np.ndarray:
    """A number for each row of ``words[n, word]``, from 0: equal numbers are equal rows. Exact, and on the host."""
    if len(words) == 0:
        return np.zeros(0, np.int64)
    rows = np.ascontiguousarray(words).view(np.dtype((np.void, words.dtype.itemsize * words.shape[1]))).ravel()
    return np.unique(rows, return_inverse=True)[1]


def words_for(width: int) -> int:
    """Number of ``uint32`` words that hold the states of ``width`` neurons."""
    return -(-width // WORD_BITS)


def pack(states: Shaped[Array, "*batch neuron"]) -> UInt32[jax.Array, "*batch word"]:
    """Pack states into words: bit ``j`` of word ``w`` is neuron ``32*w + j``; padding bits are 0.

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
        apart = _bits(states[..., :across].reshape(*batch, -1, WORD_BITS, LANES), -2)
        parts.append(finish(apart).reshape(*batch, across // WORD_BITS))
    if across < width:
        rest = jnp.pad(states[..., across:], [(0, 0)] * len(batch) + [(0, -width % WORD_BITS)])
        parts.append(_bits(rest.reshape(*batch, -1, WORD_BITS), -1))
    return jnp.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def _bits(states: jax.Array, axis: int) -> jax.Array:
    """The 32 states along ``axis`` as the bits of a word."""
    axis %= states.ndim
    # not from a vector of 32 powers: inside a loop XLA would read it from memory
    bits = jnp.uint32(1) << jax.lax.broadcasted_iota(jnp.uint32, states.shape, axis)
    return jax.lax.reduce(jnp.where(states, bits, jnp.uint32(0)), np.uint32(0), jax.lax.bitwise_or, (axis,))


def _brought_together(apart: jax.Array) -> jax.Array:
    """``[..., group, 8]`` as ``pack_across`` leaves them → as ``pack`` has them: half a byte of each word, a bit into
    each byte, makes a word. Done with packed words, it takes a fraction of the time of reading the activations."""
    apart = jax.lax.optimization_barrier(apart)[..., None, :]
    shape = (*apart.shape[:-2], LANES, LANES)
    word, lane = (jax.lax.broadcasted_iota(jnp.uint32, shape, axis) for axis in (len(shape) - 2, len(shape) - 1))
    half = (apart >> word * np.uint32(WORD_BITS // LANES)) & np.uint32(0b1111)
    spread = half * np.uint32(1 | 1 << 7 | 1 << 14 | 1 << 21) & np.uint32(0x01010101)
    # a reduction, or XLA does all this anew for each reader
    return jax.lax.reduce(spread << lane, np.uint32(0), jax.lax.bitwise_or, (len(shape) - 1,))


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

    Raises:
        ValueError: ``width`` neurons do not fit exactly into this number of words.
    """
    if width < 1 or words.shape[-1] != words_for(width):
        raise ValueError(
            f"unpack: {width} neurons take {words_for(max(width, 0))} words, but the words have shape {words.shape}"
        )
    bits = (jnp.asarray(words)[..., None] >> jnp.arange(WORD_BITS, dtype=jnp.uint32)) & 1
    return bits.reshape(*words.shape[:-1], -1)[..., :width].astype(bool)


@partial(jax.jit, static_argnames="seed")
def fingerprint(words: UInt32[Array, "*batch word"], seed: int = 0) -> UInt32[jax.Array, "*batch 2"]:
    """A 64-bit keyed universal hash of each pattern, as two ``uint32``, the higher half first.

    Multilinear-HM hashing (Lemire & Kaser, "Strongly universal string hashing is fast", 2014, section 3): with random
    64-bit keys k and the pattern's 32-bit words c, the high 33 bits of k₀ + Σ (k₂ᵢ₋₁ + c₂ᵢ₋₁)(k₂ᵢ + c₂ᵢ) mod 2⁶⁴ are
    strongly universal. The high 32 bits of two independent such sums make 64. For any two different patterns, chosen
    without knowledge of the seed, the probability of equal fingerprints is at most 2⁻⁶⁴; for n patterns, that any two
    of them are merged wrongly, at most n²/2⁶⁵ (3e-8 for a million).
    """
    width = words.shape[-1]
    even = width + width % 2
    keys = np.random.Generator(np.random.Philox(key=seed)).integers(0, 2**64, (even + 1, 2), np.uint64)
    words = jnp.asarray(words)
    with jax.enable_x64(True):  # 64-bit integers in here only; the user's setting stays as it is
        sums = [_sum_of_products(words, lane[1:]) + lane[0] for lane in keys.T]
        halves = [jax.lax.convert_element_type(total >> np.uint64(32), jnp.uint32) for total in sums]
    return jnp.stack(halves, axis=-1)


def _sum_of_products(words: jax.Array, keys: np.ndarray) -> jax.Array:
    """Σ (k + c)(k' + c') mod 2⁶⁴ over pairs of words, one from the front half and one from the back.

    Added up in slices of 32, since XLA on a processor turns the reduction of a longer row into a far slower one.
    """
    width, half = words.shape[-1], words.shape[-1] // 2

    def keyed(start: int, stop: int) -> jax.Array:
        return jax.lax.convert_element_type(words[..., start:stop], jnp.uint64) + keys[start:stop]

    slices = [(start, min(start + WORD_BITS, half)) for start in range(0, half, WORD_BITS)]
    products = [keyed(a, b) * keyed(half + a, half + b) for a, b in slices]
    whole = [p for p in products if p.shape[-1] == WORD_BITS]
    total = sum(whole[1:], whole[0]).sum(-1) if whole else jnp.zeros(words.shape[:-1], jnp.uint64)
    for rest in products[len(whole) :]:
        total = total + rest.sum(-1)
    return total + keyed(width - 1, width)[..., 0] * keys[width] if width % 2 else total
