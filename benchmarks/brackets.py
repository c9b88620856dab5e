"""How narrow the brackets of a recording are, what they cost, and what the usual bounds would have said.

    jaxentropy run --dataset fashion-mnist --model mlp --widths 128 128 128 128 128 128 --epochs 10 --seeds 1
    python -m benchmarks.brackets runs/fashion-mnist-mlp/recordings/trained-seed000.npz

*birthday or collisions*: the usual lower bounds, both by the collision entropy: −log₂ of an upper limit of Σ p², from
the number of coincident pairs and its spread taken as normal, or from there being none. *plug-in less its
concentration*: McDiarmid's inequality. *independent*: the held-out code length of independent neurons. *normal*: our
code lengths with a normal quantile, for large samples only. Each has the error probability that ours has.
"""

import argparse
import time

import numpy as np
from scipy.special import comb, lambertw, ndtri
from scipy.stats import entropy

from jaxentropy import Recording
from jaxentropy.base.markdown import markdown_table
from jaxentropy.bounds.brackets import LOWER_SHARE, both_brackets
from jaxentropy.recording.packing import identify


def collisions(times: np.ndarray, error: float) -> float:
    """−log₂ of an upper limit of Σ p², in bits, from how often each pattern was seen."""
    n = times.sum()
    pairs, triples = (float(np.sum(comb(times, k))) for k in (2, 3))
    if pairs == 0:  # a single pattern is the worst case: (n − 1)·p ≤ x with (1 + x)·e^−x = error
        return float(2 * np.log2((n - 1) / -(1 + lambertw(-error / np.e, -1).real)))
    return float(-np.log2((pairs + ndtri(1 - error) * np.sqrt(pairs + 6 * triples)) / comb(n, 2)))


def concentration(times: np.ndarray, error: float) -> float:
    """The plug-in, less what one input can change it by, n times: McDiarmid's inequality; in bits."""
    n = times.sum()
    return float(entropy(times, base=2) - np.log2(n) * np.sqrt(2 * np.log(1 / error) / n))


def main() -> None:
    """Print the table of a recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", help="a Recording's .npz")
    arguments = parser.parse_args()
    recording = Recording.load(arguments.recording)
    error = 0.05 * LOWER_SHARE
    rows, widths, normal_widths, begun = [], [], [], time.perf_counter()
    for layer in recording.layers:
        states = recording.states(layer)
        classes = [states[recording.labels == c] for c in range(recording.num_classes)]
        start = time.perf_counter()
        found, normal = both_brackets(classes, 0.95, seed=0)
        seconds = time.perf_counter() - start
        widths.append(found.upper - found.lower)
        normal_widths.append(normal.upper - normal.lower)
        times = [np.bincount(identify(np.packbits(c, axis=1))) for c in classes]
        rates = [np.clip(c[::2].mean(0), 0.5 / len(c), 1 - 0.5 / len(c)) for c in classes]
        independent = [
            -np.where(c[1::2], np.log2(p), np.log2(1 - p)).sum(1).mean() for c, p in zip(classes, rates, strict=True)
        ]
        numbers = (
            np.mean([collisions(t, error) for t in times]),
            np.mean([concentration(t, error) for t in times]),
            found.lower.mean(),
            found.upper.mean(),
            normal.upper.mean(),
            np.mean(independent),
            widths[-1].mean(),
            widths[-1].min(),
            widths[-1].max(),
            seconds,
        )
        rows.append([layer, *(f"{number:.2f}" for number in numbers)])
    head = [
        "layer",
        "birthday or collisions",
        "plug-in less its concentration",
        "lower",
        "upper",
        "normal",
        "independent",
    ]
    print(markdown_table([*head, "width", "narrowest", "widest", "seconds"], rows))
    mean, normal_mean = np.mean(widths), np.mean(normal_widths)
    print(
        f"\n{sum(map(len, widths))} brackets, mean width {mean:.2f} bits, {mean / normal_mean:.3f} times the "
        f"{normal_mean:.2f} of normal limits; {time.perf_counter() - begun:.0f} s with compilation"
    )


if __name__ == "__main__":
    main()
