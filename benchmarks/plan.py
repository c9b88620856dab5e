"""What a recording of a given size will take, before it is begun: memory, disk and time.

    python -m benchmarks.plan                                   ImageNet-21k through ViT-L/16, on one GPU
    python -m benchmarks.plan --inputs 10_000_000 --layers 1 --neurons 1024 --classes 10 --flops-per-input 0
    python -m benchmarks.plan --rows-per-input 197              a pattern for each token instead of the class token's

Sizes are arithmetic. The time of grouping is extrapolated by n log n from the largest size that was measured in
benchmarks/results, on that machine; all other times follow from the rates given.
"""

import argparse
import json
import math
import statistics
from pathlib import Path

from benchmarks.growth import PRINTS
from jaxentropy.base.markdown import markdown_table
from jaxentropy.counting.multiplicities import slots_for
from jaxentropy.recording.packing import words_for

RESULTS = Path(__file__).parent / "results" / "cpu.json"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.plan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = found.add_argument
    add("--inputs", type=int, default=14_197_122, help="default: the images of ImageNet-21k")
    add("--classes", type=int, default=21_841, help="default: its classes")
    add("--layers", type=int, default=24, help="layers that are recorded; default: the MLPs of ViT-L's blocks")
    add("--neurons", type=int, default=4096, help="of each layer; default: those of ViT-L")
    add("--rows-per-input", type=int, default=1, help="patterns of each input and layer; default 1, the class token's")
    add("--bytes", type=int, default=2, help="of an activation; default 2, bfloat16")
    add(
        "--flops-per-input",
        type=float,
        default=123e9,
        help="of the forward pass; default: ViT-L/16's, 224 × 224 pixels",
    )
    add("--flops", type=float, default=400e12, help="a second that the forward pass reaches; default 400e12")
    add("--bandwidth", type=float, default=2.5e12, help="bytes a second that a device reads; default 2.5e12")
    add("--devices", type=int, default=1, help="that share the inputs")
    return found


def main() -> None:
    """Print the plan."""
    o = parser().parse_args()
    rows = o.inputs * o.rows_per_input
    columns, measured = o.classes * o.neurons, grouping_seconds()
    share = -(-rows // o.devices)
    limit = 2**31 - 1
    space = [
        ("bits", "disk, if they are kept", 4 * rows * o.layers * words_for(o.neurons)),
        ("fingerprints", "host memory, all layers", 8 * rows * o.layers),
        ("labels", "host memory", 4 * rows),
        ("neuron counts while recording", "each device, all layers", 4 * columns * o.layers),
        ("neuron counts of the tally", "host memory, all layers", 8 * columns * o.layers),
        ("table of multiplicities", "host memory, a layer", 4 * o.classes * slots_for(rows)),
    ]
    time = [
        ("forward pass", share / o.rows_per_input * o.flops_per_input / o.flops),
        ("reading activations once more", share * o.layers * o.neurons * o.bytes / o.bandwidth),
        ("grouping, on the host", o.layers * measured * rows * math.log(rows)),
    ]
    print(
        f"{o.inputs:,} inputs × {o.rows_per_input} rows × {o.layers} layers of {o.neurons} neurons, "
        f"{o.classes:,} classes, {o.devices} device(s)\n"
    )
    print(markdown_table(["what", "where", "GB"], [[a, b, f"{size / 1e9:.3g}"] for a, b, size in space]))
    print()
    print(markdown_table(["what", "seconds"], [[what, f"{seconds:,.1f}"] for what, seconds in time]))
    if rows > limit:
        print(f"\n{rows:,} rows are more than counts in int32 can tell ({limit:,}): record fewer rows of each input.")


def grouping_seconds() -> float:
    """Per row and natural logarithm of their number, as it was measured for the most rows."""
    times = json.loads(RESULTS.read_text())["sections"]["growth"]["seconds"][PRINTS]
    n, seconds = max((int(n), statistics.median(values)) for n, values in times.items())
    return seconds / (n * math.log(n))


if __name__ == "__main__":
    main()
