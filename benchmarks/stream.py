"""Streaming: more patterns than are wanted in memory, counted without their bits, or with their bits on disk."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

import jaxentropy as je
from benchmarks.data import Shape, factors
from benchmarks.machine import high_water
from benchmarks.overhead import profiled
from benchmarks.processes import in_fresh_process
from benchmarks.report import Options, Section, Target

TALLY, SPILL = "tally: counts and fingerprints", "record to a folder"
MEMORY = 24 * 2**30
"""Of the machine on which the target is set."""


@dataclass(frozen=True)
class Size:
    """How much is measured; the network is one layer, whose activations are made on the device."""

    inputs: int = 10_000_000
    neurons: int = 1024
    classes: int = 10
    batch: int = 2048
    widths: Sequence[int] = (256, 4096)
    fewer: int = 1_000_000


QUICK = Size(20_000, 64, 10, 4096, (64,), 4096)


@dataclass(frozen=True)
class Streamed:
    """What one way took: seconds of recording and of the profile, bytes kept and most bytes held, and what it found."""

    record_seconds: float
    profile_seconds: float
    kept_bytes: int
    before_bytes: int
    most_bytes: int
    found: tuple[float, ...]


def run(options: Options) -> Section:
    """The section."""
    size = QUICK if options.quick else Size()
    cases = [(way, size.inputs, size.neurons) for way in (TALLY, SPILL)]
    cases += [(TALLY, size.fewer, width) for width in size.widths]
    results = {
        f"{way}, {inputs} × {neurons}": stream(way, Shape(inputs, neurons, size.classes, options.seed), size.batch)
        if options.quick
        else in_fresh_process(stream, way, Shape(inputs, neurons, size.classes, options.seed), size.batch)
        for way, inputs, neurons in cases
    }
    tallied, spilled, *by_width = results.values()
    if tallied.found != spilled.found:
        raise SystemExit("the profile of the tally is not that of the recording: no times of different answers")
    section = Section(
        "Streaming: counts without bits, and bits on disk",
        {"classes": size.classes, "batch": size.batch},
        {"streamed": {name: vars(result) for name, result in results.items()}},
    )
    section.text.append(
        f"One layer of few causes, made on the device in batches of {size.batch}, so that little else is in the way. "
        "Each in a process of its own; *before* is what it held when all was compiled. Both ways gave the same profile."
    )
    rows = [
        [
            name, f"{r.record_seconds:.1f}", f"{r.profile_seconds:.1f}", f"{r.kept_bytes / 1e6:.0f}",
            f"{r.before_bytes / 1e6:.0f}", f"{r.most_bytes / 1e6:.0f}",
        ]
        for name, r in results.items()
    ]  # fmt: skip
    head = ["what", "record s", "profile s", "kept MB", "held before MB", "held at most MB"]
    section.table(head, rows)
    patterns = f"{size.inputs} patterns of {size.neurons} neurons"
    most = max(tallied.most_bytes, spilled.most_bytes) / 2**30
    section.targets = [Target(f"memory for {patterns}, either way", most, MEMORY / 2**30, unit=" GiB")]
    narrow, *wider = [_without_neurons(r, w, size) for r, w in zip(by_width, size.widths, strict=True)]
    for width, kept in zip(size.widths[1:], wider, strict=True):
        name = f"kept of {size.fewer} patterns, neuron counts aside: of {width} neurons, to {size.widths[0]}"
        section.targets.append(Target(name, kept / narrow, 1, unit=" ×"))
    seconds = tallied.record_seconds + tallied.profile_seconds
    section.targets.append(Target(f"{patterns}, recorded and profiled without bits", seconds, unit=" s", digits=0))
    return section


def _without_neurons(result: Streamed, width: int, size: Size) -> int:
    return result.kept_bytes - 8 * size.classes * width


def layer(weights: jax.Array, causes: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The network."""
    activations = causes @ weights
    return activations[:, :1], {"fc": activations}


def stream(way: str, shape: Shape, batch: int) -> Streamed:
    """Record all batches, and profile what was kept."""
    _, weights, _ = factors(shape._replace(inputs=1))
    names = range(shape.classes)

    def batches(inputs: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for k, start in enumerate(range(0, inputs, batch)):
            part = Shape(min(batch, inputs - start), 1, shape.classes, 1_000_003 * shape.seed + k)
            causes, _, labels = factors(part)
            yield causes, labels

    with tempfile.TemporaryDirectory() as folder:

        def recorded(inputs: int, name: str) -> je.Tally | je.Recording:
            if way == TALLY:
                return je.tally(layer, weights, batches(inputs), class_names=names)
            return je.record(layer, weights, batches(inputs), class_names=names, spill=Path(folder) / name)

        profiled(recorded(2 * batch, "first"))
        before, start = high_water(), time.perf_counter()
        recording = recorded(shape.inputs, "all")
        middle = time.perf_counter()
        profile = profiled(recording)
        end = time.perf_counter()
        kept = sum(os.stat(f).st_size for f in (Path(folder) / "all").iterdir()) if way == SPILL else _bytes(recording)
    found = tuple(float(profile[name].sum()) for name in ("n", "neuron_entropy", "patterns", "pattern_entropy"))
    return Streamed(middle - start, end - middle, kept, before, high_water(), found)


def _bytes(tally) -> int:
    return sum(a.nbytes for a in (*tally.on, *tally.prints, tally.labels))
