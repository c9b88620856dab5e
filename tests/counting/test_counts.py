import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxentropy as je
from jaxentropy.counting import counts as counts_module
from jaxentropy.counting.counts import counts_of, hash_and_count
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.multiplicities import max_multiplicities
from tests import oracles


def few_patterns(rng, n, width, kinds):
    """n states drawn from a few patterns, so that multiplicities vary."""
    return (rng.random((kinds, width)) < 0.5)[rng.integers(0, kinds, n) ** 2 // kinds]


def check_counts(counts, states, labels, num_classes):
    for c in range(num_classes):
        mine = states[labels == c]
        assert counts.n[c] == len(mine)
        np.testing.assert_array_equal(counts.on[c], mine.sum(0))
        found = {int(j): int(f) for j, f in zip(counts.j, counts.f[c], strict=True) if f}
        assert found == oracles.multiplicities(mine)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 5]), st.sampled_from([3, 33]))
def test_counts_agree_with_dictionaries(seed, num_classes, width):
    rng = np.random.default_rng(seed)
    states = few_patterns(rng, 150, width, 20)
    labels = rng.integers(0, num_classes, 150)
    check_counts(je.count_patterns(states.astype(np.float32), labels, num_classes), states, labels, num_classes)


@pytest.mark.parametrize("at_once", [1, 64, 1 << 21])
def test_parts_of_any_size_and_an_empty_class(at_once, rng, monkeypatch):
    """Parts of 1, 32 and all inputs; the last one overlaps its forerunner."""
    monkeypatch.setattr(counts_module, "_WORDS_AT_ONCE", at_once)
    n = 150 + at_once % 7  # a shape of its own, so that no program compiled before is used
    states = few_patterns(rng, n, 40, 60)
    labels = rng.integers(0, 4, n)
    labels[labels == 2] = 3
    check_counts(je.count_patterns(states, labels, 4), states, labels, 4)


@pytest.mark.parametrize("width", [1, 256, 2100])
def test_more_classes_than_inputs_and_layers_of_any_width(width, rng):
    states, labels = few_patterns(rng, 60, width, 9), rng.integers(0, 500, 60)
    check_counts(je.count_patterns(states, labels, 500), states, labels, 500)


def test_all_classes_as_one(rng):
    states, labels = few_patterns(rng, 200, 40, 30), rng.integers(0, 5, 200)
    counts, pooled = counts_of(*hash_and_count(je.pack(states), labels, 4, 40), labels, 4)
    check_counts(counts, states, labels, 4)
    check_counts(pooled, states[labels < 4], np.zeros((labels < 4).sum(), int), 1)


@pytest.mark.parametrize("rows", [1, 64, 202])
def test_words_that_are_read_piece_by_piece(rows, rng, monkeypatch, compilations):
    """The last piece is filled up; another number of inputs needs no other program."""
    monkeypatch.setattr(counts_module, "_WORDS_IN_A_PIECE", 2 * rows)
    for n in (203, 230):
        states, labels = few_patterns(rng, n, 40, 30), rng.integers(-1, 3, n)
        words = np.asarray(je.pack(states))
        compilations.clear()
        prints, on = hash_and_count(words, labels, 3, 40)
        assert len(compilations) == (n == 203)
        np.testing.assert_array_equal(prints, fingerprint(words))
        check_counts(counts_of(prints, on, labels, 3)[0], states, labels, 3)


def test_verify_accepts_honest_fingerprints_and_refuses_merged_ones(rng, monkeypatch):
    states, labels = few_patterns(rng, 103, 40, 30), np.zeros(103, int)
    je.count_patterns(states, labels, 1, verify=True)
    with pytest.raises(ValueError, match="inside jit"):
        jax.jit(lambda s: je.count_patterns(s, labels, 1, verify=True))(states)
    honest = counts_module.fingerprint
    monkeypatch.setattr(counts_module, "fingerprint", lambda words, seed: honest(words[:, :1], seed) & 3)
    with pytest.raises(RuntimeError, match="another seed"):
        je.count_patterns(states[:101], labels[:101], 1, verify=True)


@pytest.mark.parametrize(("width", "dtype"), [(1, np.float32), (40, bool), (300, jnp.bfloat16), (2100, np.float64)])
def test_numpy_and_jax_arrays_give_the_same(width, dtype, rng):
    states, labels = few_patterns(rng, 203, width, 30), rng.integers(0, 3, 203)
    activations = states if dtype is bool else np.where(states, 1.5, -0.0).astype(dtype)
    check_counts(je.count_patterns(activations, labels, 3, verify=True), states, labels, 3)
    check_counts(je.count_patterns(jnp.asarray(activations), labels, 3, verify=True), states, labels, 3)


@pytest.mark.parametrize("labels", [[0, 1, 2**32, -(2**32)], [0, 1, 2, -1], [0, 1, 255, 254]])
def test_no_label_outside_becomes_one_inside(labels):
    """Neither by being cut to 32 bits nor by wrapping round."""
    counts = je.count_patterns(np.ones((4, 3), np.float32), np.asarray(labels), 2)
    assert counts.n.tolist() == [1, 1]
    assert counts.on.tolist() == [[1] * 3] * 2


def test_another_seed_gives_the_same_counts(rng):
    states, labels = few_patterns(rng, 100, 40, 30), rng.integers(0, 2, 100)
    for a, b in zip(je.count_patterns(states, labels, 2), je.count_patterns(states, labels, 2, seed=5), strict=True):
        np.testing.assert_array_equal(a, b)


def test_lowers_for_all_platforms():
    """CPU, NVIDIA GPU and TPU, without any of the latter at hand; and what comes back runs here."""
    shapes = jax.ShapeDtypeStruct((64, 40), jnp.float32), jax.ShapeDtypeStruct((64,), jnp.int32)
    program = jax.jit(lambda a, y: je.count_patterns(a, y, 3))
    exported = jax.export.export(program, platforms=["cpu", "cuda", "tpu"])(*shapes)
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
    activations, labels = np.random.default_rng(0).normal(size=(64, 40)).astype(np.float32), np.arange(64) % 3
    check_counts(exported.call(activations, labels.astype(np.int32)), activations > 0, labels, 3)


def test_labels_outside_are_not_counted(rng):
    states = few_patterns(rng, 100, 10, 8)
    labels = rng.integers(-1, 4, 100)
    counted = (labels >= 0) & (labels < 3)
    check_counts(je.count_patterns(states, labels, 3), states[counted], labels[counted], 3)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_narrow_labels_are_counted_as_they_are(dtype, rng):
    states, labels = few_patterns(rng, 100, 10, 8), rng.integers(0, 100, 100)
    check_counts(je.count_patterns(states, labels.astype(dtype), 300), states, labels, 300)


def test_order_of_inputs_does_not_matter(rng):
    states, labels = few_patterns(rng, 200, 30, 40), rng.integers(0, 3, 200)
    order = rng.permutation(200)
    for a, b in zip(
        je.count_patterns(states, labels, 3), je.count_patterns(states[order], labels[order], 3), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_jit_and_vmap_give_the_same(rng):
    states = np.stack([few_patterns(rng, 120, 34, 15) for _ in range(3)])
    labels = rng.integers(0, 2, (3, 120))
    many = jax.jit(jax.vmap(lambda s, y: je.count_patterns(s, y, 2)))(jnp.asarray(states), jnp.asarray(labels))
    for i in range(3):
        check_counts(jax.tree.map(lambda a, i=i: a[i], many), states[i], labels[i], 2)


def test_no_inputs_give_zeros():
    counts = je.count_patterns(np.zeros((0, 5), np.float32), np.zeros(0, int), 2)
    assert [int(np.abs(a).sum()) for a in counts] == [0, 0, 0, 0]


def test_most_multiplicities_is_reached():
    """Patterns seen 1, 2, …, 13 times: 91 inputs, and the static number of slots is just enough."""
    which = np.repeat(np.arange(13), np.arange(1, 14))
    counts = je.count_patterns(np.eye(13, dtype=bool)[which], which % 2, 2)
    assert len(counts.j) == max_multiplicities(91) == 13
    assert counts.f.sum(0).tolist() == [1] * 13


def test_second_call_of_the_same_shapes_compiles_nothing(rng, compilations):
    seen = 0
    for _ in range(2):
        activations, labels = jnp.asarray(rng.normal(size=(77, 20))), jnp.asarray(rng.integers(0, 2, 77))
        seen = len(compilations)
        jax.block_until_ready(je.count_patterns(activations, labels, 2))
    assert 0 < seen == len(compilations)


@pytest.mark.parametrize(
    ("activations", "labels", "classes", "message"),
    [
        (np.zeros((3, 2, 2)), np.zeros(3, int), 1, r"\(3, 2, 2\)|\[3,2,2\]"),
        (np.zeros((3, 2)), np.zeros(4, int), 1, r"\(4,\)|\[4\]"),
        (np.zeros((3, 2)), np.zeros(3, int), 0, "0 classes"),
        (np.zeros((3, 0)), np.zeros(3, int), 1, r"\(3, 0\)|\[3,0\]"),
    ],
)
def test_refuses(activations, labels, classes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        je.count_patterns(activations, labels, classes)


def test_planted_bug_a_hash_that_forgets_a_word_is_caught(rng, monkeypatch):
    """A control: the oracle must see patterns that are merged because their second word is ignored."""
    honest = counts_module.fingerprint
    monkeypatch.setattr(counts_module, "fingerprint", lambda words, seed: honest(words[:, :1], seed))
    states = few_patterns(rng, 100, 40, 30)
    states[:, :32] = False
    labels = np.zeros(100, int)
    with pytest.raises(AssertionError):
        check_counts(je.count_patterns(states, labels, 1), states, labels, 1)
