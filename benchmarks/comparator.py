"""Why a shorter code is not offered as a sign of a lower entropy: ``python -m benchmarks.comparator``.

Random ReLU networks on a grid of inputs have layers of exactly known pattern entropy. Each layer's held-out code length
is compared with the next one's, as one might to call that *likely* lower. Then one network whose second layer reads 14
of 20 random bits through steep weights: its patterns are fewer, and look more random.
"""

import argparse
from itertools import pairwise

import numpy as np

from benchmarks.calibration import markdown
from jaxentropy.bounds.brackets import FOLDS, LOWER_SHARE
from jaxentropy.bounds.code_length import cross_fit, read_codes
from jaxentropy.bounds.coincidences import entropy_lower_bound
from jaxentropy.recording.packing import identify
from tests.problems import Rng, entropy, relu_states, tabulate

INPUTS, WIDTH, DEPTH, AT_ONCE = 500, 24, 5, 16
_SLIGHT, _LOOSE = 0.05, 3.0


def network(rng: Rng) -> tuple[list[np.ndarray], list[float]]:
    """The states of a sample in each layer, and the entropies of the layers."""
    dimension, side = (2, 128) if rng.random() < 0.5 else (3, 25)
    grid = -1 + 2 / (side - 1) * np.indices((side,) * dimension).reshape(dimension, -1).T
    sizes = [dimension] + [WIDTH] * DEPTH
    spread, offset = rng.choice([0.1, 0.5]), rng.choice([0, -0.3, 0.3])
    layers = [(rng.normal(0, np.sqrt(2 / a), (a, b)), rng.normal(offset, spread, b)) for a, b in pairwise(sizes)]
    everything = [relu_states(grid, layers[: k + 1]) for k in range(DEPTH)]
    rows = rng.integers(0, len(grid), INPUTS)
    weights = np.ones(len(grid))
    return [s[rows] for s in everything], [entropy(tabulate(s, weights).probabilities) for s in everything]


def codes(samples: list[np.ndarray]) -> np.ndarray:
    """Held-out code lengths of equally large samples, ``float64[sample, input]`` in bits, in the inputs' order."""
    states = np.stack(samples).astype(np.uint8)
    identity = [identify(np.packbits(s, axis=1)) for s in samples]
    bits = np.empty(states.shape[:2])
    for split in cross_fit(np.full(len(samples), states.shape[1]), FOLDS, seed=0):
        read = read_codes(states, identity, split, seed=0)
        for own, rows, values in zip(bits, read.rows, read.mixed, strict=True):
            own[rows] = values
    return bits


def lower(sample: np.ndarray) -> float:
    """The lower bound of ``je.bracket``."""
    times = np.bincount(identify(np.packbits(sample, axis=1)))
    return entropy_lower_bound(*np.unique(times, return_counts=True), 0.05 * LOWER_SHARE)


def random_networks(number: int) -> None:
    """How often the shorter code is of the lower entropy, and by how much it overstates the difference."""
    truth, length, least = (np.empty((number, DEPTH)) for _ in range(3))
    for start in range(0, number, AT_ONCE):
        drawn = [network(np.random.default_rng(i)) for i in range(start, start + AT_ONCE)]
        for k in range(DEPTH):
            samples = [states[k] for states, _ in drawn]
            length[start : start + AT_ONCE, k] = codes(samples).mean(1)
            least[start : start + AT_ONCE, k] = [lower(s) for s in samples]
        truth[start : start + AT_ONCE] = [bits for _, bits in drawn]
    fall, shorter = -np.diff(truth), -np.diff(length)
    loose = (length - least > _LOOSE)[:, 1:] & (length - least > _LOOSE)[:, :-1]
    rows = []
    for name, own in (
        ("all steps", fall != 0),
        (f"entropy changes by less than {_SLIGHT} bits", (fall != 0) & (np.abs(fall) < _SLIGHT)),
        (f"codes of both layers over {_LOOSE:g} bits above the lower bound", (fall != 0) & loose),
    ):
        right, ratio = (np.sign(fall) == np.sign(shorter))[own], np.abs(shorter / np.where(own, fall, 1))[own]
        values = (int(own.sum()), f"{right.mean():.1%}", f"{np.median(ratio):.1f}") if own.any() else (0, "", "")
        rows.append((name, *values))
    head = ("steps of random networks", "steps", "shorter code, lower entropy", "median overstatement, times")
    print(markdown(head, rows))


def steep_networks(number: int) -> None:
    """Twenty random bits, copied by the first layer; the second reads 14 of them through steep weights."""
    rows = []
    for i in range(number):
        rng = np.random.default_rng(i)
        layers = [
            (30 * rng.normal(size=(14, 64)), np.zeros(64)),
            (rng.normal(size=(64, 2 * WIDTH)), np.zeros(2 * WIDTH)),
        ]
        every = 2.0 * (np.arange(2**14)[:, None] >> np.arange(14) & 1) - 1
        # on for half of all inputs
        layers[1][1][:] = -np.median(np.maximum(every @ layers[0][0], 0) @ layers[1][0], axis=0)
        truth = entropy(tabulate(relu_states(every, layers), np.ones(len(every))).probabilities)
        inputs = rng.random((2000, 20)) < 0.5
        states = relu_states(2.0 * inputs[:, :14] - 1, layers)
        first = inputs[:, np.arange(2 * WIDTH) % 20]
        a, b = codes([first, states])
        z = (b - a).mean() / ((b - a).std() / np.sqrt(len(a)))
        rows.append((i, "20.0", f"{truth:.1f}", f"{a.mean():.1f}", f"{b.mean():.1f}", f"{z:.0f}"))
    print(markdown(("steep network", "H, first layer", "H, second", "code, first", "code, second", "z"), rows))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=224, help=f"random networks, a multiple of {AT_ONCE}")
    random_networks(parser.parse_args().networks)
    print()
    steep_networks(5)


if __name__ == "__main__":
    main()
