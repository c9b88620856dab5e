"""Draws of augmented images, made, run through a network, hashed and counted inside one compiled program."""

import statistics

import jax
import jax.numpy as jnp
import numpy as np

import jaxentropy as je
from benchmarks.memory import of_files
from benchmarks.processes import in_fresh_process
from benchmarks.report import Options, Section, Target
from benchmarks.timing import interleaved, milliseconds, timed
from jaxentropy.capture import sown
from jaxentropy.datasets import Dataset
from jaxentropy.networks.models import MLP

DRAWS, WIDTHS, TARGET = 400_000, (128,) * 6, 100_000
MANY = 100_000_000
DRAWN = "drawn and augmented on the device"
QUICK_DRAWS, QUICK_WIDTHS = 1_000, (8,)


def run(options: Options) -> Section:
    """The section."""
    draws, widths = (QUICK_DRAWS, QUICK_WIDTHS) if options.quick else (DRAWS, WIDTHS)
    images = np.random.default_rng(options.seed).normal(size=(400, 28, 28, 1)).astype(np.float32)
    labels = np.zeros(400, np.int32)
    data = Dataset("noise", images, labels, images[:1], labels[:1], ("0",))
    model = MLP(widths)
    network, stream = sown(model), je.Augment().of(data, "train")
    variables = model.init(jax.random.key(options.seed), jnp.asarray(images[:1]))
    resident = [(images[np.arange(4000) % 400], np.zeros(4000, np.int32))] * -(-draws // 4000)

    name = f"MLP {'-'.join(map(str, widths))}"
    ways = {
        DRAWN: timed(lambda: je.tally(network, variables, stream, until=draws, recorded=0)),
        "the same images again and again": timed(lambda: je.tally(network, variables, resident, class_names=["0"])),
    }
    times = interleaved(ways, options.rounds or (1 if options.quick else 5), "draws")
    section = Section("Draws of a stream", {"draws": draws, "widths": widths}, {"seconds": times})
    section.text.append(
        f"{draws} images of 28 × 28 through an {name}, its patterns hashed and neurons counted: drawn from a stream of "
        "shifted, rotated and scaled images, and handed over from the host."
    )
    section.table(["images", "median ms", "range ms"], [[way, *milliseconds(own)] for way, own in times.items()])
    many = QUICK_DRAWS if options.quick else MANY
    (before, most), seconds = in_fresh_process(of_files, many)
    held = most - before
    section.text.append(
        f"Counting one layer's {many} fingerprints from a file of {8 * many / 2**30:.2f} GiB took {seconds:.1f} s and "
        f"{held / 2**30:.2f} GiB of memory, beside the file's own pages, which the system can drop."
    )
    rate = draws / statistics.median(times[DRAWN])
    layers = len(widths)
    section.targets = [
        Target(f"draws a second, {name}", rate, None if options.quick else TARGET, at_most=False, digits=0),
        Target(f"bytes kept of a draw, {layers} layers, in files", 8 * layers + 4, unit=" B", digits=0),
        Target(f"memory that counting {many} draws from files takes", held / 2**30, unit=" GiB"),
    ]
    return section
