"""The most memory that a way of counting holds, in a process that was started for it alone."""

import jax
import jax.numpy as jnp

from benchmarks.data import Shape, factors, few_causes
from benchmarks.machine import high_water
from benchmarks.peers import PEERS
from benchmarks.processes import in_fresh_process
from jaxentropy import count_patterns

OURS = "jaxentropy.count_patterns"
Peak = tuple[int, int]
"""Most bytes held before the call, with the data, and after it."""


def peaks(shape: Shape, peers: tuple[str, ...]) -> dict[str, Peak]:
    """Ours, and these peers'."""
    return {OURS: in_fresh_process(of_ours, shape)} | {name: in_fresh_process(of_peer, shape, name) for name in peers}


def of_ours(shape: Shape) -> Peak:
    """Of a first call, which compiles. The activations are made on the device, so that there is no copy of them."""
    causes, weights, labels = map(jax.device_put, factors(shape))
    activations = jax.block_until_ready(jax.jit(jnp.matmul)(causes, weights))
    before = high_water()
    jax.block_until_ready(count_patterns(activations, labels, shape.classes))
    return before, high_water()


def of_peer(shape: Shape, name: str) -> Peak:
    """Of a first call."""
    activations, labels = few_causes(shape)
    before = high_water()
    PEERS[name].run(activations, labels, shape.classes)
    return before, high_water()
