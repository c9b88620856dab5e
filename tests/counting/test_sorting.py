import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxentropy.counting import sorting as order_module
from jaxentropy.counting.sorting import order_by, order_of_groups


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3, 90]), st.sampled_from([(3, 32, 1), (32, 32, 17), (7,)]))
def test_order_agrees_with_lexsort(seed, n, bits):
    """Stable, as lexsort is; also where the fields take more bits than one key holds, and where many values tie."""
    rng = np.random.default_rng(seed)
    fields = [rng.integers(0, 2 ** min(b, rng.integers(1, b + 1)), n).astype(np.uint32) for b in bits]
    order = jax.jit(lambda arrays: order_by(list(zip(arrays, bits, strict=True))))(fields)
    np.testing.assert_array_equal(order, np.lexsort(fields[::-1]))


def check_groups(prints, labels, num_classes):
    """Equal rows are neighbours, and so are equal labels among them."""
    order = np.asarray(jax.jit(lambda p, y: order_of_groups(p, y, num_classes))(prints, labels))
    np.testing.assert_array_equal(np.sort(order), np.arange(len(prints)))
    for rows in (prints, np.column_stack([prints, labels])):
        ordered = rows[order]
        runs = 1 + int((ordered[1:] != ordered[:-1]).any(-1).sum())
        assert runs == len(np.unique(rows, axis=0))


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from([1, 5, 300]))
def test_groups_are_neighbours(seed, classes):
    rng = np.random.default_rng(seed)
    prints = rng.integers(0, 2**32, (40, 2), dtype=np.uint32)[rng.integers(0, 40, 200)]
    check_groups(prints, rng.integers(0, classes + 1, 200), classes)


@pytest.mark.parametrize("risk", [order_module._RISK, 0.0])
def test_fingerprints_that_part_in_their_last_bits_only(rng, risk, monkeypatch):
    """The short sort sees no difference and must hand over to the long one; and the long one alone is right too."""
    monkeypatch.setattr(order_module, "_RISK", risk)
    prints = np.full((200, 2), 7, np.uint32)
    prints[:, 1] += rng.integers(0, 3, 200, dtype=np.uint32)
    check_groups(prints, rng.integers(0, 4, 200), 4)


def test_planted_bug_the_short_sort_alone_is_caught(rng, monkeypatch):
    monkeypatch.setattr(jax.lax, "cond", lambda mixed, long, short: short())
    prints = np.full((200, 2), 7, np.uint32)
    prints[:, 1] += rng.integers(0, 3, 200, dtype=np.uint32)
    with pytest.raises(AssertionError):
        check_groups(prints, rng.integers(0, 4, 200), 4)


def test_orders_under_jit_and_vmap(rng):
    values = rng.integers(0, 50, (3, 80)).astype(np.uint32)
    orders = jax.jit(jax.vmap(lambda v: order_by([(v, 32)])))(values)
    np.testing.assert_array_equal(orders, np.argsort(values, axis=1, kind="stable"))
    assert orders.dtype == jnp.int32
    assert not jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
