"""Orders by many bits, from sorts of single 64-bit keys.

XLA sorts one array of integers by the platform's own fast sort, and several arrays that travel together by calling a
compiled comparison: six times slower on a processor. So an input's position travels in the low bits of its own key.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Integer, UInt32

Field = tuple[jax.Array, int]
"""Non-negative integers ``[n]`` of at most 32 bits, and the number of bits that they take."""
_RISK = 2.0**-4
"""A shorter sort is tried first where it needs repair less often than this."""


def order_by(fields: Sequence[Field]) -> Int[jax.Array, " n"]:
    """The stable order by these fields, the most significant first: positions ``int32[n]``.

    Least significant digits first: each pass sorts by as many bits as fit into a key beside the position.
    """
    n = len(fields[0][0])
    room = 64 - _position_bits(n)
    total = sum(bits for _, bits in fields)
    order = None
    for low in range(0, total, room):
        order = _sort_once(_digit(fields, low, min(low + room, total)), order)
    assert order is not None
    return order


def order_of_groups(
    prints: UInt32[jax.Array, "n 2"], labels: Integer[jax.Array, " n"], num_classes: int
) -> Int[jax.Array, " n"]:
    """An order in which inputs of one fingerprint are neighbours, and among them those of one class.

    Labels are 0 to ``num_classes``. Nearly always no two fingerprints have the same first bits, and one pass by
    these and the class is enough; otherwise they are sorted by all bits.
    """
    n, class_bits = len(prints), num_classes.bit_length()
    high, low = prints[:, 0], prints[:, 1]
    room = 64 - _position_bits(n) - class_bits

    def by_all_bits() -> jax.Array:
        return order_by([(high, 32), (low, 32), (labels, class_bits)])

    if room <= 32 or n**2 / 2 ** (room + 1) > _RISK:
        return by_all_bits()
    order = order_by([(high, 32), (low >> (64 - room), room - 32), (labels, class_bits)])
    first, last = high[order], low[order]
    alike = (first[1:] == first[:-1]) & (last[1:] >> (64 - room) == last[:-1] >> (64 - room))
    return jax.lax.cond(jnp.any(alike & (last[1:] != last[:-1])), by_all_bits, lambda: order)


def order_on_host(labels: Int[np.ndarray, "*part n"]) -> Int[np.ndarray, "*part n"]:
    """The stable order by non-negative labels along the last axis, ``int32``: a sort of label and position in one key.

    In NumPy, whose sort of single integers is several times as fast as its own stable sorts, and as XLA's.
    """
    n, bits = labels.shape[-1], _position_bits(labels.shape[-1])
    most = int(labels.max(initial=0))
    kind = np.uint32 if most.bit_length() + bits <= 32 else np.uint64
    keys = np.sort(labels.astype(kind) << kind(bits) | np.arange(n, dtype=kind), axis=-1)
    return (keys & kind((1 << bits) - 1)).astype(np.int32)


def _position_bits(n: int) -> int:
    """Bits that hold the positions 0 to n - 1."""
    return max(n - 1, 0).bit_length()


def _digit(fields: Sequence[Field], low: int, high: int) -> jax.Array:
    """Bits ``low`` to ``high`` of all fields in a row, as ``uint64[n]``."""
    offset = sum(bits for _, bits in fields)
    with jax.enable_x64(True):  # 64-bit integers in here only; the user's setting stays as it is
        found = jnp.zeros(len(fields[0][0]), jnp.uint64)
        for values, bits in fields:
            offset -= bits
            first, last = max(low, offset), min(high, offset + bits)
            if first < last:
                part = jax.lax.convert_element_type(values, jnp.uint64) >> np.uint64(first - offset)
                found |= (part & np.uint64((1 << (last - first)) - 1)) << np.uint64(first - low)
        return found


def _sort_once(digit: jax.Array, order: jax.Array | None) -> jax.Array:
    """``order`` made the stable order by one digit that leaves room for the position."""
    n = len(digit)
    bits = _position_bits(n)
    with jax.enable_x64(True):
        digit = digit if order is None else digit[order]
        keys = jnp.sort((digit << np.uint64(bits)) | jnp.arange(n, dtype=jnp.uint64), stable=False)
        place = jax.lax.convert_element_type(keys & np.uint64((1 << bits) - 1), jnp.int32)
        return place if order is None else order[place]
