"""How fast jaxentropy is, beside what you would otherwise use, on your machine.

    python -m benchmarks                                all of it: about five minutes on two cores
    python -m benchmarks --quick                        seconds: shows that the suite works, measures nothing
    python -m benchmarks --only kernel overhead         some sections
    python -m benchmarks --out mine.json --figure mine.png

Sections:
    kernel        count_patterns against np.unique, void views, Counter, pandas, polars, torch, infomeasure, hoi,
                  where they are installed, and against the time of reading the activations once
    alternatives  each step of the kernel beside the other ways of doing it
    overhead      what recording and profiling add to the forward pass of an MLP, a CNN, and the FC head of VGG-16
    growth        time of counting with the number of inputs, neurons and classes
    stream        ten million patterns of 1,024 neurons, without their bits, and with them on disk: time and memory
    draws         draws of augmented images a second, through an MLP, hashed and counted
    monitor       what a monitor that is called once an epoch adds to the epoch
    training      networks a minute: side by side, one by one, as the former loop did it, and in PyTorch
    compile       what is compiled, how long it takes, and that it is not compiled again
    import        time of "import jaxentropy", and what it brings along

How to read it: all ways of a section are called in turn, round after round, after one call of each that does not count.
Ratios are taken within each round, so that a machine whose speed drifts does not favour one way; tables give
the median and the range over the rounds. Each target says "met" or "missed" with the figure that was reached here.
Close other programs first: the absolute times are theirs too.
"""

import argparse
import json
import time
from importlib import import_module
from pathlib import Path

SECTIONS = {
    "kernel": "benchmarks.kernel",
    "alternatives": "benchmarks.alternatives",
    "overhead": "benchmarks.overhead",
    "growth": "benchmarks.growth",
    "stream": "benchmarks.stream",
    "draws": "benchmarks.draws",
    "monitor": "benchmarks.monitor",
    "training": "benchmarks.training",
    "compile": "benchmarks.compile",
    "import": "benchmarks.imports",
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--quick", action="store_true", help="tiny sizes, for a test of the suite itself")
    found.add_argument(
        "--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"which sections: {', '.join(SECTIONS)}"
    )
    found.add_argument(
        "--peers", choices=("all", "numpy"), default="all", help="other libraries too (default), or only NumPy"
    )
    found.add_argument("--rounds", type=int, metavar="N", help="in every section (default: 3 to 9, each its own)")
    found.add_argument("--seed", type=int, default=0, help="of the random data (default 0)")
    found.add_argument("--out", type=Path, metavar="FILE.json", help="write hardware, versions and all raw times")
    found.add_argument("--figure", type=Path, metavar="FILE.png", help="draw kernel, growth and overhead")
    return found


def main() -> None:
    """Measure, print, and write where asked."""
    arguments = parser().parse_args()
    if arguments.rounds is not None and arguments.rounds < 1:
        parser().error(f"--rounds {arguments.rounds}: expected 1 or more")
    # imported here: the processes that measure other libraries import this file too, and should not start JAX
    from benchmarks.machine import hardware, versions
    from benchmarks.report import Options

    start = time.perf_counter()
    options = Options(arguments.quick, arguments.peers == "all", arguments.rounds, arguments.seed)
    record = {"quick": options.quick, "seed": options.seed, "hardware": hardware(), "versions": versions()}
    for what in ("hardware", "versions"):
        print(f"{what}: {', '.join(f'{name} {value}' for name, value in record[what].items())}")
    if options.quick:
        print("\nA smoke run: these sizes are so small that no target means anything.")
    sections = {}
    for name in arguments.only or SECTIONS:
        begun = time.perf_counter()
        sections[name] = section = import_module(SECTIONS[name]).run(options)
        section.settings["seconds_in_all"] = round(time.perf_counter() - begun, 1)
        print(f"\n{section.markdown()}\n\n({section.settings['seconds_in_all']} s)", flush=True)
    targets = [target for section in sections.values() for target in section.targets if target.verdict]
    met = sum(target.verdict == "met" for target in targets)
    seconds = time.perf_counter() - start
    print(f"\n{met} of {len(targets)} targets met; {seconds:.0f} s in all.")

    record |= {"seconds": seconds, "sections": {name: section.as_json() for name, section in sections.items()}}
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")
        print(f"written to {arguments.out}")
    if arguments.figure:
        from benchmarks.figure import draw

        draw(record, arguments.figure)
        print(f"drawn in {arguments.figure}")


if __name__ == "__main__":
    main()
