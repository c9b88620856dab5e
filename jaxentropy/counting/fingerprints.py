"""Packed patterns → 64-bit fingerprints, by which patterns are compared."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt32

from jaxentropy.base.arrays import Array
from jaxentropy.recording.packing import WORD_BITS


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
