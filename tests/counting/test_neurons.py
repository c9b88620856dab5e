import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.counting import neurons as neurons_module
from jaxentropy.counting.neurons import add_neurons, by_neuron, no_neurons


def counted(states, labels, num_classes):
    """Compiled anew for each call: several tests change what is compiled."""

    def count(words, labels):
        total = no_neurons(num_classes, words.shape[1], len(states))
        return by_neuron(add_neurons(total, words, labels), states.shape[1])

    return np.asarray(jax.jit(count)(je.pack(states), jnp.asarray(labels)))


def counted_by_numpy(states, labels, num_classes):
    return np.stack([states[labels == c].sum(0) for c in range(num_classes)])


@pytest.mark.parametrize(
    ("n", "classes", "width"), [(1, 1, 1), (14, 1, 33), (15, 2, 32), (300, 3, 70), (90, 200, 5), (64, 64, 31)]
)
def test_counts_agree_with_numpy(n, classes, width, rng):
    states, labels = rng.random((n, width)) < 0.4, rng.integers(0, classes, n)
    np.testing.assert_array_equal(counted(states, labels, classes), counted_by_numpy(states, labels, classes))


def test_full_lanes_do_not_spill(rng):
    """All on, in full blocks: every lane reaches its largest value, 15."""
    states, labels = np.ones((330, 40), bool), np.repeat([0, 1, 2], 110)
    np.testing.assert_array_equal(counted(states, labels, 3), np.full((3, 40), 110))


def test_more_inputs_than_sixteen_bits_hold():
    """The counters are wider where they must be."""
    n = 66_000
    states = np.ones((n, 1), bool)
    np.testing.assert_array_equal(counted(states, np.zeros(n, int), 1), [[n]])


def test_unbalanced_classes(rng):
    labels = np.where(np.arange(400) < 380, 7, rng.integers(0, 20, 400))
    states = rng.random((400, 20)) < 0.5
    np.testing.assert_array_equal(counted(states, labels, 20), counted_by_numpy(states, labels, 20))


def test_many_chunks(rng, monkeypatch):
    monkeypatch.setattr(neurons_module, "_BLOCKS_AT_ONCE", 4)
    states, labels = rng.random((500, 40)) < 0.5, rng.integers(0, 6, 500)
    np.testing.assert_array_equal(counted(states, labels, 6), counted_by_numpy(states, labels, 6))


def test_parts_add_up_and_a_label_that_is_no_class_is_left_out(rng):
    states, labels = rng.random((200, 40)) < 0.5, rng.integers(0, 4, 200)

    @jax.jit
    def in_two(words, labels):
        first = add_neurons(no_neurons(3, 2, 200), words[:70], labels[:70])
        return by_neuron(add_neurons(first, words[70:], labels[70:]), 40)

    np.testing.assert_array_equal(in_two(je.pack(states), jnp.asarray(labels)), counted_by_numpy(states, labels, 3))


def test_accelerators_way_gives_the_same(rng, monkeypatch):
    """The branch for GPU and TPU, run here."""
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, cpu, default: default(*args))
    states, labels = rng.random((300, 40)) < 0.5, rng.integers(0, 6, 300)
    np.testing.assert_array_equal(counted(states, labels, 6), counted_by_numpy(states, labels, 6))


def test_vmap_over_seeds(rng):
    states, labels = rng.random((3, 100, 33)) < 0.5, rng.integers(0, 4, (3, 100))
    count = jax.vmap(lambda w, y: by_neuron(add_neurons(no_neurons(4, 2, 100), w, y), 33))
    many = jax.jit(count)(je.pack(states), jnp.asarray(labels))
    for i in range(3):
        np.testing.assert_array_equal(many[i], counted_by_numpy(states[i], labels[i], 4))
