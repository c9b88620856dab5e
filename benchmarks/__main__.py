"""Counting patterns and neurons by class, against NumPy's ways, on the same arrays in the same run.

    python -m benchmarks                      60,000 inputs x 1,024 neurons, 10 classes
    python -m benchmarks --neurons 4096       a wider layer
    python -m benchmarks --out results.json   where the numbers go

Prints medians and spread over repetitions after a warm-up, the ratio of each way to ours, and ours to the time of
reading the activations once. Every way's counts are checked to be the same before it is timed.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

from jaxentropy import PatternCounts, count_patterns

Counts = list[tuple[np.ndarray, dict[int, int]]]
"""For each class: inputs for which each neuron was on, and {multiplicity: number of patterns}."""


def ours(activations, labels, classes: int) -> PatternCounts:
    """One compiled call."""
    return jax.block_until_ready(count_patterns(activations, labels, classes))


def void_views(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """Threshold, packbits, np.unique of rows seen as single values: the fastest in plain NumPy."""
    states = activations > 0
    packed = np.packbits(states, axis=1)
    rows = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    result = []
    for c in range(classes):
        mine = labels == c
        seen = np.unique(rows[mine], return_counts=True)[1]
        result.append((np.count_nonzero(states[mine], axis=0), dict(Counter(seen.tolist()))))
    return result


def counters(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """Threshold, packbits, a Counter of each row's bytes."""
    states = activations > 0
    packed = np.packbits(states, axis=1)
    result = []
    for c in range(classes):
        mine = labels == c
        seen = Counter(row.tobytes() for row in packed[mine])
        result.append((np.count_nonzero(states[mine], axis=0), dict(Counter(seen.values()))))
    return result


def unique_rows(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """np.unique(axis=0) of the states: what most published code does."""
    states = activations > 0
    result = []
    for c in range(classes):
        mine = states[labels == c]
        seen = np.unique(mine, axis=0, return_counts=True)[1]
        result.append((mine.sum(0), dict(Counter(seen.tolist()))))
    return result


def as_counts(counts: PatternCounts) -> Counts:
    """Our table in the form of the others."""
    n, on, j, f = map(np.asarray, counts)
    return [(on[c], {int(a): int(b) for a, b in zip(j, f[c], strict=True) if b}) for c in range(len(n))]


def same(a: Counts, b: Counts) -> bool:
    """Whether two ways counted the same."""
    return all(np.array_equal(x[0], y[0]) and x[1] == y[1] for x, y in zip(a, b, strict=True))


def seconds(function: Callable, repetitions: int) -> list[float]:
    """Times of repeated calls, after one that does not count."""
    function()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=60_000)
    parser.add_argument("--neurons", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    options = parser.parse_args()

    rng = np.random.default_rng(options.seed)
    labels = rng.integers(0, options.classes, options.inputs).astype(np.int32)
    # a few causes drive all neurons, so that some patterns recur, as in a deep layer
    causes = (rng.integers(-1, 2, (options.inputs, 6)) + 0.02 * labels[:, None]).astype(np.float32)
    activations = causes @ rng.normal(size=(6, options.neurons)).astype(np.float32)
    on_device, labels_on_device = jax.device_put(activations), jax.device_put(labels)

    ways: dict[str, Callable] = {
        "jaxentropy.count_patterns": lambda: ours(on_device, labels_on_device, options.classes),
        "NumPy packbits, np.unique of void views": lambda: void_views(activations, labels, options.classes),
        "NumPy packbits, Counter of bytes": lambda: counters(activations, labels, options.classes),
        "NumPy np.unique(axis=0)": lambda: unique_rows(activations, labels, options.classes),
    }
    mine = as_counts(ways["jaxentropy.count_patterns"]())
    for name, way in ways.items():
        if name != "jaxentropy.count_patterns" and not same(mine, way()):
            raise SystemExit(f"{name} disagrees with jaxentropy.count_patterns")
    read = jax.jit(lambda a: a.sum())
    floor = statistics.median(seconds(lambda: jax.block_until_ready(read(on_device)), options.repetitions))
    times = {
        name: seconds(way, options.repetitions if "axis=0" not in name else min(2, options.repetitions))
        for name, way in ways.items()
    }

    ours_median = statistics.median(times["jaxentropy.count_patterns"])
    device = jax.devices()[0]
    print(
        f"{options.inputs} inputs x {options.neurons} neurons, {options.classes} classes, "
        f"{activations.nbytes / 1e6:.0f} MB float32; all ways agree\n"
        f"{device.platform} ({device.device_kind}), {platform.processor() or platform.machine()}, "
        f"jax {jax.__version__}, numpy {np.__version__}\n"
    )
    print(f"| {'neuron and pattern counts by class':<40} | median ms | fastest to slowest | ratio to ours |")
    print(f"|{'-' * 42}|----------:|-------------------:|--------------:|")
    for name, values in times.items():
        median, spread = statistics.median(values), f"{min(values) * 1e3:.0f} to {max(values) * 1e3:.0f}"
        print(f"| {name:<40} | {median * 1e3:9.1f} | {spread:>18} | {median / ours_median:13.1f} |")
    print(
        f"\nReading the activations once (a sum): {floor * 1e3:.1f} ms; ours takes {ours_median / floor:.1f} times it."
    )
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        settings = {k: v for k, v in vars(options).items() if k != "out"}
        hardware = {"platform": device.platform, "device": device.device_kind, "machine": platform.machine()}
        record = {
            "settings": settings,
            "hardware": hardware | {"cpu": _cpu()},
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("jaxentropy", "jax", "numpy")},
            "read_once_seconds": floor,
            "seconds": times,
        }
        options.out.write_text(json.dumps(record, indent=1) + "\n")
        print(f"written to {options.out}")


def _cpu() -> str:
    """The processor's own name, and how many cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
