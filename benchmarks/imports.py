"""How long ``import jaxentropy`` takes, and what it brings along."""

import statistics
import subprocess
import sys

from benchmarks.report import Options, Section, Target
from benchmarks.timing import Way, interleaved, milliseconds

HEAVY = ("flax", "matplotlib", "mlxtend", "tensorflow_datasets")
"""What only commands, figures and data sets need."""
_CODE = """
import sys, time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start, *(name for name in {heavy} if name in sys.modules))
"""


def run(options: Options) -> Section:
    """The section."""
    rounds = options.rounds or (1 if options.quick else 5)
    brought: dict[str, set[str]] = {}

    def way(module: str) -> Way:
        def measure() -> float:
            command = [sys.executable, "-c", _CODE.format(module=module, heavy=HEAVY)]
            seconds, *names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            brought.setdefault(module, set()).update(names)
            return float(seconds)

        return measure

    modules = ("jaxentropy",) if options.quick else ("jaxentropy", "jax")
    ways = {f"import {module}": way(module) for module in modules}
    times = interleaved(ways, rounds, "import", ways if options.quick else ())
    raw = {"seconds": times, "brought": {module: sorted(names) for module, names in brought.items()}}
    section = Section("Import", {"rounds": rounds, "looked_for": HEAVY}, raw)
    section.text.append(f"Each in a fresh process; rounds: {rounds}.")
    section.table(["what", "median ms", "range ms"], [[name, *milliseconds(values)] for name, values in times.items()])
    section.targets = [
        Target(f"of {', '.join(HEAVY)}, imported by jaxentropy", len(brought["jaxentropy"]), 0, digits=0),
        Target("import jaxentropy", statistics.median(times["import jaxentropy"]), unit=" s"),
    ]
    return section
