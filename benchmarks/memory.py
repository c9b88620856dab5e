"""The most memory that a way of counting holds, in a process that was started for it alone."""

import tempfile
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.data import Shape, factors, few_causes
from benchmarks.machine import high_water
from benchmarks.peers import PEERS
from benchmarks.processes import in_fresh_process
from jaxentropy import count_patterns
from jaxentropy.counting.multiplicities import multiplicities_on_host

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


def of_files(draws: int) -> tuple[Peak, float]:
    """Of one layer's fingerprints, that lie in a file: without the file's own pages, which the system can drop; and
    the seconds that counting them took.
    """
    rng, piece = np.random.default_rng(0), 1 << 20
    with tempfile.NamedTemporaryFile() as file:
        for start in range(0, draws, piece):  # a third of the inputs have one pattern, most others one of their own
            keys = rng.integers(0, 2**63, min(piece, draws - start), dtype=np.uint64)
            keys[rng.random(len(keys)) < 0.33] = 1
            file.write(keys.data)
        file.flush()
        prints = np.memmap(file.name, "<u4", mode="r", shape=(draws, 2))
        labels = np.broadcast_to(np.int32(0), (draws,))
        before, most, over = _anonymous(), [0], threading.Event()

        def watch():
            while not over.wait(0.02):
                most[0] = max(most[0], _anonymous())

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.perf_counter()
        multiplicities_on_host(prints, labels, 1)
        seconds = time.perf_counter() - began
        over.set()
        watcher.join()
    return (before, max(most[0], _anonymous())), seconds


def _anonymous() -> int:
    """Bytes of this process's memory that no file holds; all of it where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")]
    return found[0] if found else high_water()
