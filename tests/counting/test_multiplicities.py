import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxentropy.base.arrays import lies_on_host
from jaxentropy.counting import multiplicities
from jaxentropy.counting.multiplicities import multiplicities_of, multiplicities_on_host, traced_multiplicities
from tests import oracles


def few_prints(rng, n, kinds):
    """Fingerprints that recur, as uniform as real ones."""
    return rng.integers(0, 2**32, (kinds, 2), dtype=np.uint32)[rng.integers(0, kinds, n) ** 2 // kinds]


def agrees(found, prints, labels, num_classes) -> bool:
    """By class and over all classes, against dictionaries of the rows."""
    own, whole = found
    groups = [*(labels == c for c in range(num_classes)), labels < num_classes]
    for mine, j, f in zip(groups, [own.j] * num_classes + [whole.j], [*own.f, whole.f[0]], strict=True):
        counted = {int(a): int(b) for a, b in zip(j, f, strict=True) if b}
        if counted != oracles.multiplicities(prints[mine]):
            return False
    return True


@pytest.mark.thorough
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0, 1, 300]), st.sampled_from([3, 1000]))
def test_on_the_host_and_compiled_they_are_the_same(seed, n, num_classes):
    rng = np.random.default_rng(seed)
    prints, labels = few_prints(rng, n, 40), rng.integers(0, num_classes + 1, n).astype(np.int32)
    host = multiplicities_on_host(prints, labels, num_classes)
    compiled = traced_multiplicities(jnp.asarray(prints), jnp.asarray(labels), num_classes)
    assert agrees(host, prints, labels, num_classes)
    for a, b in zip(jax.tree.leaves(host), jax.tree.leaves(compiled), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_two_threads_give_the_same(rng, monkeypatch):
    prints, labels = few_prints(rng, 300, 40), rng.integers(0, 4, 300).astype(np.int32)
    monkeypatch.setattr(multiplicities, "_WORTH_THREADS", 0)
    assert agrees(multiplicities_on_host(prints, labels, 3), prints, labels, 3)


@pytest.mark.parametrize("num_classes", [1, 7, 1000])
def test_fingerprints_that_part_in_their_last_bits_only(rng, num_classes):
    """The class takes the place of these bits; then ranks must take the place of the fingerprints."""
    prints = np.full((200, 2), 8, np.uint32)
    prints[:, 0] += rng.integers(0, 2, 200, dtype=np.uint32)
    labels = rng.integers(0, num_classes + 1, 200).astype(np.int32)
    assert agrees(multiplicities_on_host(prints, labels, num_classes), prints, labels, num_classes)


def test_planted_bug_last_bits_that_are_not_looked_at_are_caught(rng, monkeypatch):
    prints = np.full((200, 2), 8, np.uint32)
    prints[:, 0] += rng.integers(0, 2, 200, dtype=np.uint32)
    labels = rng.integers(0, 3, 200).astype(np.int32)
    monkeypatch.setattr(multiplicities.np, "array_equal", lambda a, b: True)
    assert not agrees(multiplicities_on_host(prints, labels, 3), prints, labels, 3)


def test_where_arrays_lie():
    array = np.zeros((3, 2), np.uint32)
    assert lies_on_host(array, jnp.zeros(3))
    seen = []
    jax.jit(lambda a: seen.append(lies_on_host(a)))(array)
    assert seen == [False]


def test_more_classes_than_a_table_could_hold_if_it_were_filled():
    """100,000 classes of 60,000 inputs: what is not seen takes no time."""
    labels = np.arange(60_000, dtype=np.int32)
    own, whole = multiplicities_of(np.zeros((60_000, 2), np.uint32), labels, 100_000)
    assert own.f.sum() == own.f[:60_000, 0].sum() == 60_000
    assert (whole.j[0], whole.f[0, 0]) == (60_000, 1)
