"""count_patterns against the ways that a user would otherwise pick, and against the time of reading the activations."""

import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.data import Shape, few_causes
from benchmarks.memory import OURS, Peak, peaks
from benchmarks.peers import PEERS, Counts, available, plug_in, same
from benchmarks.processes import Libraries
from benchmarks.report import Options, Section, Target
from benchmarks.timing import Times, Way, fastest, interleaved, milliseconds, ratio, ratios, timed
from jaxentropy import PatternCounts, count_patterns

FROM_NUMPY = "jaxentropy.count_patterns, given a NumPy array"
COPY = "copy into an array that is there already"
UNIQUE_ROWS = "NumPy np.unique(axis=0)"
MEMORY_OF = ("NumPy packbits, np.unique of void views", "NumPy, best, on all cores")
READS = {
    "read: sum": lambda a: a.sum(),
    "read: sum of each neuron": lambda a: a.sum(0),
    "read: largest": lambda a: a.max(),
    "read: any positive": lambda a: (a > 0).any(),
}


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    inputs: int = 60_000
    neurons: int = 4096
    classes: int = 10
    rounds: int = 9


def run(options: Options) -> Section:
    """The section."""
    size = Size(2000, 256, 10, 3) if options.quick else Size()
    rounds = options.rounds or size.rounds
    shape = Shape(size.inputs, size.neurons, size.classes, options.seed)
    peers = {name: p for name, p in PEERS.items() if available(p) and (options.libraries or p.needs is None)}
    memory = {} if options.quick else peaks(shape, MEMORY_OF)  # processes that start JAX take seconds

    activations, labels = few_causes(shape)
    on_device, labels_on_device = jax.device_put(activations), jax.device_put(labels)
    expected = as_counts(count_patterns(on_device, labels_on_device, size.classes))
    ways: dict[str, Way] = {
        OURS: timed(lambda: count_patterns(on_device, labels_on_device, size.classes)),
        FROM_NUMPY: timed(lambda: count_patterns(activations, labels, size.classes)),
        **{name: _read(read, on_device) for name, read in READS.items()},
        COPY: _copy(on_device, activations),
    }
    with Libraries(shape) as process:
        for name, peer in peers.items():
            ways[name] = _checked(process, name, expected)
            if peer.slow:  # imports, and what is compiled at first, do not count
                process.call(name, None if peer.compiles else 200)
        once = {name for name, peer in peers.items() if peer.slow}
        times = interleaved(ways, rounds, "kernel", once)

    settings = {
        "inputs": size.inputs, "neurons": size.neurons, "classes": size.classes, "rounds": rounds,
        "megabytes": activations.nbytes / 1e6,
    }  # fmt: skip
    raw = {"seconds": times, "agree": dict.fromkeys(peers, True), "memory_bytes": memory}
    section = Section("Counting: neurons and joint patterns by class", settings, raw)
    _print(section, times, list(peers), on_device, memory)
    return section


def as_counts(counts: PatternCounts) -> Counts:
    """Our table in the form of the peers."""
    n, on, j, f = map(np.asarray, counts)
    return [(on[c], {int(a): int(b) for a, b in zip(j, f[c], strict=True) if b}) for c in range(len(n))]


def _checked(process: Libraries, name: str, expected: Counts) -> Way:
    """A way of another process; what it gives is compared with ours each time, outside the time that is measured."""

    def way() -> float:
        seconds, result = process.call(name)
        agrees = np.allclose(result, plug_in(expected)) if PEERS[name].only_entropy else same(result, expected)
        if not agrees:
            raise SystemExit(f"{name} disagrees with {OURS}: no times of different answers are compared")
        return seconds

    return way


def _read(read, activations: jax.Array) -> Way:
    compiled = jax.jit(read)
    return timed(lambda: compiled(activations))


def _copy(on_device: jax.Array, activations: np.ndarray) -> Way:
    """On a processor np.copyto with a thread for each core; elsewhere a compiled copy."""
    if on_device.platform() != "cpu":
        copy = jax.jit(jnp.copy)
        return timed(lambda: copy(on_device))
    target, threads = np.empty_like(activations), os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads)
    parts = [slice(*ends) for ends in zip(*_cuts(len(target), threads), strict=True)]
    return timed(lambda: list(pool.map(lambda part: np.copyto(target[part], activations[part]), parts)))


def _cuts(n: int, parts: int) -> tuple[list[int], list[int]]:
    cuts = [n * i // parts for i in range(parts + 1)]
    return cuts[:-1], cuts[1:]


def _print(section: Section, times: Times, peers: list[str], activations: jax.Array, memory: dict[str, Peak]) -> None:
    """Tables and targets."""
    ours, size = times[OURS], activations.nbytes
    floor = fastest(times, READS)
    where = "host memory" if activations.platform() == "cpu" else "the device"
    section.raw["floor"], section.raw["kind"] = floor, {name: _kind(name) for name in [OURS, FROM_NUMPY, *peers]}
    bandwidth, copied = (size / statistics.median(times[floor]) / 1e9, 2 * size / statistics.median(times[COPY]) / 1e9)
    how = "np.copyto, a thread for each core" if activations.platform() == "cpu" else "a compiled copy"
    s = section.settings
    section.text.append(
        f"{s['inputs']} inputs × {s['neurons']} neurons, {s['classes']} classes, {size / 1e6:.0f} MB float32; "
        f"{s['rounds']} rounds. All ways gave the same counts, each time.\n\n"
        f"Floor: reading the array once, by the fastest of {len(READS)} ways in JAX ({floor}), "
        f"{1e3 * statistics.median(times[floor]):.1f} ms or {bandwidth:.1f} GB/s. "
        f"Copying it within {where} ({how}): {1e3 * statistics.median(times[COPY]):.1f} ms, "
        f"{copied:.1f} GB/s read and written."
    )
    rows = []
    for name in sorted(section.raw["kind"], key=lambda name: statistics.median(times[name])):
        relative, to_floor = ratios(times[name], ours), ratio(times[name], times[floor])
        low, middle, high = np.quantile(relative, [0.25, 0.5, 0.75])
        quartiles = "once" if len(times[name]) < len(ours) else f"{low:.2f} – {high:.2f}"
        rows.append([name, _kind(name), *milliseconds(times[name]), f"{middle:.2f}", quartiles, f"{to_floor:.1f}"])
    section.table(["way", "what it is", "median ms", "range ms", "× ours", "quartiles", "× floor"], rows)
    section.text.append(
        "*Our method in NumPy* is jaxentropy's own "
        "kernel, written again in NumPy: what the method alone is worth. *Entropy only* gives the joint plug-in "
        "entropy of each class, and counts no neurons."
    )
    if memory:
        section.table(
            ["most memory (first call, in a process of its own)", "with the data MB", "in the call MB", "more MB"],
            [[name, f"{a / 1e6:.0f}", f"{b / 1e6:.0f}", f"{(b - a) / 1e6:.0f}"] for name, (a, b) in memory.items()],
        )
    missing = sorted({peer.needs for peer in PEERS.values() if peer.needs and not available(peer)})
    left_out = "optional peers were left out; " if not any(PEERS[name].needs for name in peers) else ""
    section.text.append(f"Peers: {left_out}not installed: {', '.join(missing) or 'none'}.")

    rivals = [name for name in peers if not (PEERS[name].ours_rewritten or PEERS[name].only_entropy)]
    best = fastest(times, rivals)
    section.targets = [
        Target(f"times faster than the best way of another library ({best})", ratio(times[best], ours), 4, False, " ×"),
        Target("times the time of reading the activations once", ratio(ours, times[floor]), 2.5, unit=" ×"),
        Target("times faster than np.unique(axis=0)", ratio(times[UNIQUE_ROWS], ours), 200, False, " ×", 0),
        *(
            Target(f"times faster than our own method rewritten in NumPy, {cores}", ratio(times[name], ours), unit=" ×")
            for name, cores in (
                ("NumPy, best: blocks, 64-bit hashes", "one thread"),
                ("NumPy, best, on all cores", "all cores"),
            )
        ),
    ]


def _kind(name: str) -> str:
    if name not in PEERS:
        return "ours"
    peer = PEERS[name]
    return "our method in NumPy" if peer.ours_rewritten else "entropy only" if peer.only_entropy else "library"
