"""How often the verdict decides where there is nothing to decide, and where there is.

    python -m benchmarks.verdicts            a few minutes
    python -m benchmarks.verdicts --quick    a fifth of the cells, without the largest problems

*Nulls* have layers of equal entropy; the share of cells that are decided all the same is the verdict's error. *Power*
is the share of cells that are found to fall, where layers do.
"""

import argparse
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import entr

import jaxentropy as je
from benchmarks.calibration import markdown

Rng = np.random.Generator
Layers = Callable[[Rng, int], dict[str, np.ndarray]]
"""The states of two layers for so many inputs."""


def bits(p: np.ndarray | float) -> np.ndarray:
    """Entropy of coins."""
    return (entr(p) + entr(1 - np.asarray(p))) / np.log(2)


def coins(rates: np.ndarray) -> Callable[[Rng, int], np.ndarray]:
    """Independent neurons."""
    return lambda rng, n: rng.random((n, len(rates)), dtype=np.float32) < rates


def judged(layers: Layers, n: int, classes: int, seeds: int, *, bounds: bool = False, salt: int = 0) -> je.Verdict:
    """The verdict on so many classes of n inputs each."""
    labels = np.arange(n * classes) % classes
    recordings = []
    for seed in range(seeds):
        states = layers(np.random.default_rng([seed, salt]), n * classes)
        recordings.append(je.Recording.from_activations(states, labels, meta={"seed": seed}))
    estimator = "chao_wang_jost" if bounds else "plugin"
    return je.verdict(je.profile(recordings, estimators=(estimator,), bounds=bounds, shuffles=0), estimator)


def decided(words: object, *chosen: str) -> float:
    """Share of the cells that have one of these words."""
    return float(np.isin(np.asarray(words), chosen).mean())


def pair(first: np.ndarray, second: np.ndarray) -> Layers:
    """Two layers of independent neurons with these rates."""
    return lambda rng, n: {"a": coins(first)(rng, n), "b": coins(second)(rng, n)}


def sparse_against_few(n: int, d: int, inputs: float) -> Layers:
    """All d neurons on for 0.3 (or so many) of n inputs; and a few of a middling rate, of the same mean entropy."""
    sparse = np.full(d, inputs / n)
    total = float(bits(sparse).sum())
    few = int(np.ceil(total / 0.9))
    rate = float(np.asarray(brentq(lambda p: few * float(bits(p)) - total, 1e-9, 0.5)))
    middling = np.where(np.arange(d) < few, rate, 0.0)
    return pair(middling, sparse)


def together(n: int, inputs: float) -> Layers:
    """32 neurons that switch together for so many of n inputs, which a sample may miss; 32 that do so one by one."""

    def layers(rng: Rng, total: int) -> dict[str, np.ndarray]:
        rate = inputs / n
        return {"a": np.repeat(rng.random((total, 1)) < rate, 32, axis=1), "b": rng.random((total, 32)) < rate}

    return layers


def neuron_nulls(quick: bool) -> list[tuple[object, ...]]:
    """Layers of equal mean entropy."""
    rows = []
    cells = 8 if quick else 40
    for n, d in ((400, 512), (400, 4096), (5000, 512), (5000, 4096)):
        if quick and n * d > 10**7:
            continue
        for inputs in (0.3, 1.0):
            for seeds in (1, 5):
                words = judged(sparse_against_few(n, d, inputs), n, min(cells, 20 if n > 400 else 40), seeds).table
                name = f"neurons on for {inputs} of {n:,} inputs, against few"
                rows.append(row(name, n, d, seeds, words.neuron))
    rng = np.random.default_rng(0)
    for n in (50, 400, 5000):
        cells = 40 if quick else 100 if n == 5000 else 1000
        rates = rng.uniform(0.05, 0.95, 128)
        words = judged(pair(rates, rng.permutation(rates)), n, cells, 1).table
        rows.append(row("the same rates in another order", n, 128, 1, words.neuron))
        rare = 10 ** rng.uniform(-4, -0.3, 512)
        words = judged(pair(rare, rng.permutation(rare)), n, cells, 1).table
        rows.append(row("rare and common neurons, in another order", n, 512, 1, words.neuron))
    for n in (50, 400, 5000):
        words = judged(together(n, 1.0), n, 40 if quick else 100, 1).table.neuron
        rows.append(row(f"neurons on for 1.0 of {n:,} inputs, all together, against one by one", n, 32, 1, words))
    return rows


def row(name: str, n: int, d: int, seeds: int, words: object) -> tuple[object, ...]:
    """Of neuron words."""
    cells = np.asarray(words).size
    return name, f"{n:,}", f"{d:,}", seeds, cells, f"{decided(words, 'falls', 'rises'):.1%}"


def power(quick: bool) -> list[tuple[object, ...]]:
    """Layers whose mean entropy falls by so many hundredths, from half a bit."""
    rows = []
    for n, d, falls in ((400, 128, (0.01, 0.03, 0.05, 0.07)), (5000, 128, (0.003, 0.005, 0.01, 0.02))):
        for fall in falls:
            rng = np.random.default_rng(1)
            rates = np.clip(rng.beta(0.6, 2.4, d), 0.003, 0.5)
            target = float(bits(rates).mean()) * (1 - fall)
            scale = float(np.asarray(brentq(lambda s, r=rates, t=target: float(bits(r * s).mean()) - t, 0.3, 1)))
            words = judged(pair(rates, rates * scale), n, 20 if quick else 100, 1, salt=int(1000 * fall)).table.neuron
            rows.append((f"{fall:.1%} of {float(bits(rates).mean()):.2f} bits", f"{n:,}", d, np.asarray(words).size,
                         f"{decided(words, 'falls'):.1%}", f"{decided(words, 'rises'):.1%}"))  # fmt: skip
    return rows


def uniform(patterns: int, d: int) -> Callable[[Rng, int], np.ndarray]:
    """Evenly from so many patterns."""
    codes = np.random.default_rng(patterns).random((patterns, d)) < 0.5
    return lambda rng, n: codes[rng.integers(0, patterns, n)]


def zipf(patterns: int, d: int) -> Callable[[Rng, int], np.ndarray]:
    """From so many patterns, the k-th with probability ∝ 1/k."""
    codes = np.random.default_rng(patterns).random((patterns, d)) < 0.5
    p = 1 / np.arange(1, patterns + 1)
    return lambda rng, n: codes[rng.choice(patterns, n, p=p / p.sum())]


def spikes(rate: float, d: int) -> Callable[[Rng, int], np.ndarray]:
    """Constant, but for random bits with this probability."""
    return lambda rng, n: (rng.random((n, d)) < 0.5) & (rng.random((n, 1)) < rate)


def pattern_nulls(quick: bool) -> list[tuple[object, ...]]:
    """Layers of equal pattern entropy, or of one that rises while most samples do not show it."""
    n, classes, rows = 100, 10 if quick else 100, []
    d = 512
    rare = {"a": uniform(5, d), "b": spikes(0.5 / n, d)}
    truth = float(bits(0.5 / n)) + 0.5 / n * d
    name = f"5 patterns, then a constant with random bits for 0.5 of {n} inputs: 2.32 → {truth:.2f} bits"
    cases: list[tuple[str, int, dict[str, Callable[[Rng, int], np.ndarray]]]] = [(name, n, rare)]
    for patterns, size in ((8, 400), (64, 1000)):
        both = {"a": uniform(patterns, 16), "b": uniform(patterns, 16)}
        cases.append((f"{patterns} equally likely patterns, twice", size, both))
    cases.append(("100 Zipf patterns, twice", 1000, {"a": zipf(100, 16), "b": zipf(100, 16)}))
    for name, size, makers in cases:

        def layers(rng, total, makers=makers):
            return {key: make(rng, total) for key, make in makers.items()}

        words = judged(layers, size, classes, 1, bounds=True).table.pattern
        rows.append((name, f"{size:,}", np.asarray(words).size,
                     f"{decided(words, 'falls for certain', 'rises for certain'):.1%}",
                     f"{decided(words, 'likely falls', 'likely rises'):.1%}"))  # fmt: skip
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer cells")
    quick = parser.parse_args().quick
    print("Neuron entropies that are equal:\n", flush=True)
    head = ("layers of equal entropy", "inputs a class", "neurons", "seeds", "cells", "decided")
    print(markdown(head, neuron_nulls(quick)), "\n\nNeuron entropies that fall:\n", flush=True)
    head = ("fall", "inputs a class", "neurons", "cells", "falls", "rises")
    print(markdown(head, power(quick)), "\n\nPattern entropies that do not fall:\n", flush=True)
    head = ("layers", "inputs a class", "cells", "for certain", "likely")
    print(markdown(head, pattern_nulls(quick)))


if __name__ == "__main__":
    main()
