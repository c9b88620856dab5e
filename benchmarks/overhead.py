"""What recording patterns, and the profile of them, add to a network's forward pass."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from tqdm import trange

import jaxentropy as je
from benchmarks.processes import in_fresh_process
from benchmarks.report import Options, Section, Target
from benchmarks.timing import Times, interleaved, milliseconds, ratios, span, timed
from jaxentropy.capture import Sown, sown
from jaxentropy.networks.models import CNN, MLP

BARE, RECORD, PROFILE, TOTAL = "forward pass", "record", "profile of the recording", "record and profile"


@dataclass(frozen=True)
class Network:
    """A network and what is sent through it; ``limit`` is the most that it may add, in %, or None."""

    name: str
    module: Callable[[], nn.Module]
    image: tuple[int, ...]
    inputs: int
    batch: int
    classes: int
    rounds: int
    processes: int
    limit: float | None = None


NETWORKS = (
    Network("MLP 5 × 512", lambda: MLP((512,) * 5), (28, 28, 1), 60_000, 1000, 10, 5, 6, 10),
    Network("CNN 16, 32, 4 × 512", lambda: CNN((16, 32), (512,) * 4), (28, 28, 1), 60_000, 1000, 10, 3, 3, 3),
    Network("VGG-16's FC head", lambda: MLP((4096, 4096), 1000), (25_088,), 2000, 250, 1000, 3, 2),
)
QUICK = (Network("MLP 2 × 64", lambda: MLP((64,) * 2), (28, 28, 1), 1024, 512, 10, 3, 1, 10),)


def run(options: Options) -> Section:
    """The section."""
    networks = QUICK if options.quick else NETWORKS
    section = Section("Overhead: recording beside the bare forward pass")
    section.text.append(
        "Random images in batches, as NumPy arrays; rounds in several fresh processes, put together. The bare forward "
        "pass gives the outputs only. The profile has plug-in and Chao–Wang–Jost estimates and no brackets. *Added* "
        "is the median of the rounds' ratios."
    )
    rows, seconds = [], {}
    for index, network in enumerate(networks):
        rounds = options.rounds or network.rounds
        if options.quick:
            times = times_of(True, index, rounds, options.seed)
        else:
            # where things come to lie in memory makes a difference of several percent, for as long as a process lives
            every = [
                in_fresh_process(times_of, False, index, rounds, options.seed)
                for _ in trange(network.processes, desc=network.name, leave=False)
            ]
            times = {what: [t for own in every for t in own[what]] for what in every[0]}
        seconds[network.name] = times
        section.settings[network.name] = {
            "image": network.image, "inputs": network.inputs, "batch": network.batch, "classes": network.classes,
            "rounds": rounds, "processes": network.processes,
        }  # fmt: skip
        for what, values in times.items():
            added = [100 * (r - 1) for r in ratios(values, times[BARE])] if what in (RECORD, TOTAL) else []
            cells = [f"{statistics.median(added):+.1f}", span(added)] if added else ["", ""]
            rows.append([network.name, f"{network.inputs}", what, *milliseconds(values), *cells])
        added = 100 * (statistics.median(ratios(times[TOTAL], times[BARE])) - 1)
        name = f"record and profile of the {network.name} add to its forward pass"
        section.targets.append(Target(name, added, network.limit, unit=" %", digits=1))
    section.raw = {"seconds": seconds}
    section.table(["network", "inputs", "what", "median ms", "range ms", "added %", "range %"], rows)
    return section


def batches(images: np.ndarray, labels: np.ndarray, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of inputs and labels."""
    return [(images[i : i + size], labels[i : i + size]) for i in range(0, len(images), size)]


def prepared(network: Network, seed: int) -> tuple[Sown, Any, np.ndarray, np.ndarray]:
    """Apply function, parameters, random images, labels of all classes."""
    rng = np.random.default_rng(seed)
    images = rng.random((network.inputs, *network.image), np.float32)
    labels = rng.permutation(network.inputs).astype(np.int32) % network.classes
    module = network.module()

    def drawn(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        # weights as He draws them, biases 0; not by module.init, which would have to be compiled
        scale = math.sqrt(2 / math.prod(leaf.shape[:-1])) if len(leaf.shape) > 1 else 0
        return jax.device_put(np.float32(scale) * rng.standard_normal(leaf.shape, np.float32))

    shapes = jax.eval_shape(module.init, jax.random.key(seed), images[:1])["params"]
    return sown(module), {"params": jax.tree.map(drawn, shapes)}, images, labels


def profiled(recording: je.Recording | je.Tally):
    """The profile that is measured."""
    return je.profile(recording, estimators=("plugin", "chao_wang_jost"), bounds=False, bootstrap=0)


def times_of(quick: bool, index: int, rounds: int, seed: int) -> Times:
    """Seconds of all ways with one of the networks."""
    network = (QUICK if quick else NETWORKS)[index]
    apply, variables, images, labels = prepared(network, seed)
    cut = batches(images, labels, network.batch)
    forward = jax.jit(lambda variables, inputs: apply(variables, inputs)[0])
    # one batch compiles what all need, which saves a whole forward pass
    jax.block_until_ready(forward(variables, cut[0][0]))
    latest = [je.record(apply, variables, cut)]

    def record() -> None:
        latest[0] = je.record(apply, variables, cut)

    # the profile is timed apart from the recording, so that both need only one more forward pass
    ways = {
        BARE: timed(lambda: [forward(variables, inputs) for inputs, _ in cut]),
        RECORD: timed(record),
        PROFILE: timed(lambda: profiled(latest[0]) and None),
    }
    times = interleaved(ways, rounds, network.name, warm=(BARE, RECORD))
    times[TOTAL] = [a + b for a, b in zip(times[RECORD], times[PROFILE], strict=True)]
    return times
