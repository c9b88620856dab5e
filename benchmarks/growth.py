"""How the time of counting grows with inputs, with neurons and with classes."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from benchmarks.data import Shape, few_causes
from benchmarks.report import Options, Section, Target
from benchmarks.timing import Times, Way, interleaved, milliseconds, ratio, ratios, span, timed
from jaxentropy import count_patterns
from jaxentropy.counting.multiplicities import multiplicities_of

TOLERANCE = 0.10
"""By which the growth with inputs may exceed n log n."""
PRINTS = "inputs, as fingerprints"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    inputs: Sequence[int] = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
    width: int = 64
    prints: Sequence[int] = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
    floats: int = 60_000 * 1024
    neurons: Sequence[int] = (64, 256, 1024, 4096, 16_384, 65_536)
    classed: tuple[int, int] = (60_000, 4096)
    classes: Sequence[int] = (2, 10, 100, 1000, 10_000)
    narrow: int = 512
    narrow_classes: Sequence[int] = (10, 100_000)
    rounds: int = 5


QUICK = Size((1000, 2000), 256, (1000, 2000), 2000 * 256, (256,), (1000, 256), (10, 1000), 256, (10, 1000), 3)
"""Few different shapes, since each takes seconds to compile."""


def run(options: Options) -> Section:
    """The section."""
    size = QUICK if options.quick else Size()
    rounds = options.rounds or size.rounds
    rng = np.random.default_rng(options.seed)
    groups: dict[str, Times] = {}

    def measure(name: str, ways: Mapping[str, Way]) -> str:
        groups[name] = interleaved(ways, rounds, f"growth with {name}")
        return name

    measure(PRINTS, {str(n): _prints(n, rng) for n in size.prints})
    shapes = {n: Shape(n, size.width, 10, options.seed) for n in size.inputs}
    inputs = measure(f"inputs, of {size.width} neurons", _of_shapes(shapes))
    shapes = {d: Shape(size.floats // d, d, 10, options.seed) for d in size.neurons}
    neurons = measure(f"neurons, {4 * size.floats / 1e6:.0f} MB each", _of_shapes(shapes))
    wide = f"classes, of {size.classed[1]} neurons"
    measure(wide, _with_classes(*size.classed, size.classes, options.seed))
    if size.narrow != size.classed[1]:
        narrow = f"classes, of {size.narrow} neurons"
        measure(narrow, _with_classes(size.classed[0], size.narrow, size.narrow_classes, options.seed))

    settings = {"rounds": rounds, "tolerance": TOLERANCE, "inputs_classed": size.classed[0]}
    section = Section("Growth: with inputs, neurons and classes", settings, {"seconds": groups})
    section.text.append(
        f"Each group's *relative* is to its first row. Classes are of {size.classed[0]} inputs; “{neurons}” has as "
        f"many inputs as make up that size. “{PRINTS}” is the grouping alone, of random 64-bit fingerprints of which "
        "some recur."
    )
    rows = [
        [group, value, *milliseconds(values), f"{ratio(values, times[next(iter(times))]):.2f}"]
        for group, times in groups.items()
        for value, values in times.items()
    ]
    section.table(["growth with", "value", "median ms", "range ms", "relative"], rows)
    section.targets = _targets(groups, size, wide, inputs)
    return section


def n_log_n(first: int, last: int) -> float:
    """By how much n log n grows."""
    return last * math.log(last) / (first * math.log(first))


def _targets(groups: Mapping[str, Times], size: Size, wide: str, inputs: str) -> list[Target]:
    few, many = "10", "1000"
    classes = ratio(groups[wide][many], groups[wide][few])
    shape = f"{size.classed[0]} × {size.classed[1]}"
    targets = [Target(f"{many} classes to {few} classes at {shape}", classes, 1.2, unit=" ×")]
    for group, limit in ((PRINTS, 1 + TOLERANCE), (inputs, 1 + TOLERANCE)):
        times = groups[group]
        first, last = next(iter(times)), list(times)[-1]
        grown = [r / n_log_n(int(first), int(last)) for r in ratios(times[last], times[first])]
        tolerance = f", {TOLERANCE:.0%} tolerated" if limit else ""
        name = f"growth from {first} to {last} {group}, to that of n log n{tolerance} (rounds {span(grown, digits=2)})"
        targets.append(Target(name, statistics.median(grown), limit, unit=" ×"))
    return targets


def _of_shapes(shapes: Mapping[int, Shape]) -> dict[str, Way]:
    return {str(value): _count(*few_causes(shape), shape.classes) for value, shape in shapes.items()}


def _with_classes(inputs: int, neurons: int, classes: Sequence[int], seed: int) -> dict[str, Way]:
    """The same activations, labelled anew."""
    activations = jax.device_put(few_causes(Shape(inputs, neurons, 10, seed))[0])
    rng = np.random.default_rng(seed)
    return {str(c): _count(activations, rng.integers(0, c, inputs).astype(np.int32), c) for c in classes}


def _count(activations: np.ndarray | jax.Array, labels: np.ndarray, classes: int) -> Way:
    on_device, labels_on_device = jax.device_put(activations), jax.device_put(labels)
    return timed(lambda: count_patterns(on_device, labels_on_device, classes))


def _prints(n: int, rng: np.random.Generator) -> Way:
    """Half of the inputs have a pattern of their own, and the others' patterns recur about four times."""
    which = np.where(rng.random(n) < 0.5, np.arange(n), rng.integers(0, n // 8 + 1, n) + n)
    table = rng.integers(0, 2**32, (n + n // 8 + 1, 2), np.uint32)
    prints, labels = jax.device_put(table[which]), jax.device_put(rng.integers(0, 10, n).astype(np.int32))
    return timed(lambda: multiplicities_of(prints, labels, 10))
