"""What has to be compiled, how long it takes, and that it is not compiled again."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import jax

from benchmarks.data import Shape, few_causes
from benchmarks.overhead import Network, batches, prepared, profiled
from benchmarks.processes import in_fresh_process
from benchmarks.report import Options, Section, Target
from benchmarks.timing import span
from jaxentropy import count_patterns, record
from jaxentropy.networks.models import MLP


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    inputs: int
    neurons: int
    network: Network
    processes: int


FULL = Size(60_000, 4096, Network("MLP 5 × 512", lambda: MLP((512,) * 5), (28, 28, 1), 10_000, 1000, 10, 1, 1), 3)
QUICK = Size(1000, 256, Network("MLP 2 × 64", lambda: MLP((64,) * 2), (28, 28, 1), 1024, 512, 10, 1, 1), 1)
COUNT, RECORD = "count_patterns", "record and profile"
NEW = "half the inputs"


def run(options: Options) -> Section:
    """The section."""
    size = QUICK if options.quick else FULL
    if options.quick:  # here, where the other sections have compiled most of it already: saves many seconds
        found = [measure(True, options.seed)]
    else:
        found = [in_fresh_process(measure, False, options.seed) for _ in range(size.processes)]
    settings = {"inputs": size.inputs, "neurons": size.neurons, "recorded": size.network.inputs}
    section = Section("Compilation", settings | {"processes": size.processes}, {"calls": found})
    section.text.append(
        f"First calls, without a compilation cache on disk; fresh processes: {size.processes}. count_patterns of "
        f"{size.inputs} × {size.neurons}, 10 classes; record and profile of the {size.network.name} with "
        f"{size.network.inputs} inputs in batches of {size.network.batch}, then with {_fewer(size)}, then with half. "
        "The profile rounds the number of inputs up, by an eighth at most; only another round number is compiled anew."
    )
    rows = []
    for call in found[0]:
        programs = [int(f[call]["programs"]) for f in found]
        for_it = [[f[call][key] for f in found] for key in ("compile_seconds", "seconds")]
        cells = [cell for values in for_it for cell in (f"{statistics.median(values):.2f}", span(values, digits=2))]
        rows.append([call, f"{max(programs)}", *cells])
    section.table(["call", "programs compiled", "compiling s", "range s", "whole call s", "range of it s"], rows)
    again = {call: max(f[call]["programs"] for f in found) for call in found[0] if not call.endswith(("first", NEW))}
    section.targets = [Target(f"programs compiled by {c}", programs, 0, digits=0) for c, programs in again.items()]
    seconds = statistics.median(f[f"{COUNT}, first"]["seconds"] for f in found)
    section.targets.append(Target(f"first call of {COUNT}, compilation and all", seconds, unit=" s"))
    return section


def measure(quick: bool, seed: int) -> dict[str, dict[str, float]]:
    """Programs and seconds of the first calls and of later ones; means something in a fresh process only."""
    size = QUICK if quick else FULL
    jax.config.update("jax_enable_compilation_cache", False)
    compiled: list[float] = []

    def listen(event: str, duration_secs: float, **_: str | float) -> None:
        compiled.extend([duration_secs] if "backend_compile" in event else [])

    jax.monitoring.register_event_duration_secs_listener(listen)

    def call(function, *arguments: Any) -> dict[str, float]:
        compiled.clear()
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "compile_seconds": sum(compiled), "programs": len(compiled)}

    activations, labels = map(jax.device_put, few_causes(Shape(size.inputs, size.neurons, 10, seed)))
    found = {f"{COUNT}, {which}": call(count_patterns, activations, labels, 10) for which in ("first", "again")}
    apply, variables, images, classes = prepared(size.network, seed)

    def record_and_profile(inputs: int) -> None:
        profiled(record(apply, variables, batches(images[:inputs], classes[:inputs], size.network.batch)))

    found[f"{RECORD}, first"] = call(record_and_profile, len(images))
    found[f"{RECORD}, fewer inputs"] = call(record_and_profile, _fewer(size))
    if not quick:
        found[f"{RECORD}, {NEW}"] = call(record_and_profile, len(images) // 2)
    return found


def _fewer(size: Size) -> int:
    """Less by a part of a batch."""
    return size.network.inputs - size.network.batch // 10
