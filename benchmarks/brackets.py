"""How narrow the brackets of a recording are, what they cost, and what the usual bounds would have said.

    jaxentropy run --dataset fashion-mnist --model mlp --widths 128 128 128 128 128 128 --epochs 10 --seeds 1
    python -m benchmarks.brackets runs/fashion-mnist-mlp/recordings/trained-seed000.npz

*birthday or collisions*: the larger of the two usual lower bounds, each at half of the same error probability: no
coincidence (see ``coincidences.py``), and Cantelli's limit of the collision probability. *plug-in less its
concentration*: McDiarmid's inequality. *independent*: the held-out code length of independent neurons.
"""

import argparse
import math
import time

import numpy as np

from jaxentropy import Recording
from jaxentropy.bounds import LOWER_SHARE, brackets
from jaxentropy.verdict import markdown_table


def collisions(states: np.ndarray, error: float) -> float:
    """−log₂ of an upper limit of Σ p², by the variance that a single heavy pattern would give the count of pairs."""
    times = np.unique(np.packbits(states, axis=1), axis=0, return_counts=True)[1].astype(float)
    n, pairs = len(states), float((times * (times - 1) / 2).sum())
    if pairs == 0:
        return 2 * math.log2((n - 1) / 4.74)
    triples = float((times * (times - 1) * (times - 2) / 6).sum())
    spread = math.sqrt(pairs + 6 * triples) * math.sqrt(1 / error - 1)
    return -math.log2((pairs + spread) / (n * (n - 1) / 2))


def concentration(states: np.ndarray, error: float) -> float:
    """The plug-in, less what one input can change it by, n times: McDiarmid's inequality."""
    times = np.unique(np.packbits(states, axis=1), axis=0, return_counts=True)[1] / len(states)
    slack = math.log2(len(states)) * math.sqrt(2 * math.log(1 / error) / len(states))
    return float(-(times * np.log2(times)).sum() - slack)


def main() -> None:
    """Print the table of a recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", help="a Recording's .npz")
    parser.add_argument("--finite-sample", action="store_true", help="bounds that hold for any sample size")
    arguments = parser.parse_args()
    recording = Recording.load(arguments.recording)
    error = 0.05 * LOWER_SHARE / 2
    rows, widths, begun = [], [], time.perf_counter()
    for layer in recording.layers:
        states = recording.states(layer)
        classes = [states[recording.labels == c] for c in range(recording.num_classes)]
        start = time.perf_counter()
        found = brackets(classes, finite_sample=arguments.finite_sample)
        seconds = time.perf_counter() - start
        widths.append(found.upper - found.lower)
        rates = [np.clip(c[::2].mean(0), 0.5 / len(c), 1 - 0.5 / len(c)) for c in classes]
        independent = [
            -np.where(c[1::2], np.log2(p), np.log2(1 - p)).sum(1).mean() for c, p in zip(classes, rates, strict=True)
        ]
        numbers = (
            np.mean([collisions(c, error) for c in classes]),
            np.mean([concentration(c, error) for c in classes]),
            found.lower.mean(),
            found.upper.mean(),
            np.mean(independent),
            widths[-1].mean(),
            widths[-1].min(),
            widths[-1].max(),
            seconds,
        )
        rows.append([layer, *(f"{number:.2f}" for number in numbers)])
    head = ["layer", "birthday or collisions", "plug-in less its concentration", "lower", "upper", "independent"]
    print(markdown_table([*head, "width", "narrowest", "widest", "seconds"], rows))
    told = f"{sum(map(len, widths))} brackets, mean width {np.mean(widths):.2f} bits"
    print(f"\n{told}, {time.perf_counter() - begun:.0f} s with compilation")


if __name__ == "__main__":
    main()
