import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxentropy as je
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.recording import packing as patterns_module
from jaxentropy.recording.packing import pack_across, pack_on_host, words_across
from tests import oracles


@pytest.mark.parametrize("width", [1, 31, 32, 33, 64, 100, 256, 300, 513])
def test_pack_agrees_with_bit_loop_and_unpack_inverts(width, rng):
    states = rng.random((50, width)) < 0.5
    words = je.pack(states)
    assert words.dtype == jnp.uint32
    np.testing.assert_array_equal(words, oracles.pack(states))
    np.testing.assert_array_equal(je.unpack(words, width), states)


def test_pack_takes_integers_batch_axes_jit_and_vmap(rng):
    states = rng.integers(0, 2, (3, 4, 37))
    expected = np.stack([oracles.pack(s.astype(bool)) for s in states])
    np.testing.assert_array_equal(je.pack(states), expected)
    np.testing.assert_array_equal(jax.jit(je.pack)(states), expected)
    np.testing.assert_array_equal(jax.vmap(je.pack)(jnp.asarray(states)), expected)


@pytest.mark.parametrize("width", [1, 31, 33, 256, 300])
@pytest.mark.parametrize("quantizer", [je.Sign(), je.Sign(zero="on"), je.Threshold(0.3), lambda a: jnp.abs(a) > 1])
def test_pack_on_host_is_pack(width, quantizer, rng, monkeypatch):
    """In blocks of all, some and single rows, whatever the quantizer computes with."""
    activations = np.round(rng.normal(size=(53, width)), 1).astype(np.float32)
    for at_once in (1, 7 * width, 1 << 21):
        monkeypatch.setattr(patterns_module, "_STATES_AT_ONCE", at_once)
        words = pack_on_host(activations, quantizer)
        assert words.dtype == np.uint32
        np.testing.assert_array_equal(words, je.pack(np.asarray(quantizer(activations))))


@pytest.mark.parametrize("width", [1, 255, 256, 300, 512])
def test_pack_across_puts_each_neuron_where_it_says(width, rng):
    states = rng.random((6, width)) < 0.5
    words, across = np.asarray(pack_across(jnp.asarray(states))), words_across(width)
    assert words.shape == je.pack(states).shape
    for neuron in range(width):
        group, place = divmod(neuron, 256)
        word, bit = (8 * group + place % 8, place // 8) if neuron < 32 * across else divmod(neuron, 32)
        np.testing.assert_array_equal(words[:, word] >> bit & 1, states[:, neuron])


@pytest.mark.parametrize(
    ("states", "error", "message"),
    [
        (np.array([[0.5]]), TypeError, "bool or 0/1"),
        (np.array([[0, 2]]), ValueError, "from 0 to 2"),
        (np.array([[-1, 0]]), ValueError, "from -1 to 0"),
        (np.zeros((3, 0), bool), ValueError, "no neurons"),
    ],
)
def test_pack_refuses(states, error, message):
    with pytest.raises(error, match=message):
        je.pack(states)


def test_unpack_refuses_wrong_width():
    with pytest.raises(ValueError, match="33 neurons take 2 words"):
        je.unpack(jnp.zeros((5, 1), jnp.uint32), 33)


def test_sign_names_what_zero_is():
    activations = np.array([-1.0, 0.0, 2.0], np.float32)
    assert je.Sign()(activations).tolist() == [False, False, True]
    assert je.Sign(zero="on")(activations).tolist() == [False, True, True]
    with pytest.raises((ValueError, TypeError), match="maybe"):
        je.Sign(zero="maybe")  # pyright: ignore[reportArgumentType]


def test_threshold_is_on_above_its_value(rng):
    """A sigmoid's outputs at 0.5 have the states of its inputs at 0; outside and inside of a compiled program."""
    inputs = rng.normal(size=(40, 9)).astype(np.float32)
    outputs = 1 / (1 + np.exp(-inputs))
    states = jax.jit(lambda quantizer, a: quantizer(a), static_argnums=0)(je.Threshold(0.5), outputs)
    np.testing.assert_array_equal(states, inputs > 0)
    np.testing.assert_array_equal(je.Threshold(0.5)(outputs), inputs > 0)
    assert je.Threshold(2)(np.arange(5)).tolist() == [False, False, False, True, True]
    already = inputs > 1
    assert je.Threshold(0.5)(already) is already
    assert je.Threshold(1e6)(np.array([-1, 1], np.float16)).tolist() == [False, False]
    assert (je.Threshold(1), hash(je.Threshold(1))) == (je.Threshold(1.0), hash(je.Threshold(1.0)))


@pytest.mark.parametrize("at", [np.nan, np.inf, -np.inf])
def test_threshold_is_finite(at):
    with pytest.raises(ValueError, match="expected a finite number"):
        je.Threshold(at)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70))
def test_fingerprints_differ_exactly_where_patterns_differ(seed, width):
    """2⁻⁶⁴ a pair: in some ten thousand pairs an equal fingerprint of different patterns is a bug, not luck."""
    states = np.random.default_rng(seed).random((60, width)) < 0.5
    words = np.asarray(je.pack(states))
    prints = np.asarray(fingerprint(words, seed=seed % 1000))
    assert len(np.unique(prints, axis=0)) == len(np.unique(words, axis=0))


def test_every_neuron_reaches_both_halves_of_the_fingerprint():
    """One neuron flipped at a time; published codes have lost bit 63 and merged patterns."""
    words = np.concatenate([np.zeros((1, 130), bool), np.eye(130, dtype=bool)])
    prints = np.asarray(fingerprint(je.pack(words)))
    assert len(np.unique(prints[:, 0])) == len(np.unique(prints[:, 1])) == 131


def test_fingerprint_lanes_look_uniform(rng):
    words = rng.integers(0, 2**32, (20_000, 3), dtype=np.uint32)
    bits = np.unpackbits(np.asarray(fingerprint(words)).view(np.uint8), axis=1)
    assert np.abs(bits.mean(0) - 0.5).max() < 5 * 0.5 / np.sqrt(len(words))


def test_other_seed_other_fingerprint(rng):
    words = rng.integers(0, 2**32, (100, 2), dtype=np.uint32)
    assert not np.any(np.asarray(fingerprint(words, 0)) == np.asarray(fingerprint(words, 1)))


def test_fingerprint_agrees_with_its_formula(rng):
    """k₀ + Σ (k + c)(k' + c') mod 2⁶⁴ with Python's whole numbers, for widths that are cut into slices in every way."""
    for count in (1, 2, 3, 64, 65, 70, 129):
        words = rng.integers(0, 2**32, (2, count), dtype=np.uint32)
        keys = np.random.Generator(np.random.Philox(key=3)).integers(0, 2**64, (count + count % 2 + 1, 2), np.uint64)
        for row, found in zip(words.tolist(), np.asarray(fingerprint(words, 3)).tolist(), strict=True):
            for lane, half in zip(keys.T.tolist(), found, strict=True):
                k, c = lane[1:], [*row, 0]
                pairs = [(i, count // 2 + i) for i in range(count // 2)] + [(count - 1, count)] * (count % 2)
                total = lane[0] + sum((k[a] + c[a]) * (k[b] + c[b]) for a, b in pairs)
                assert half == total % 2**64 >> 32
