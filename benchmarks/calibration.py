"""How often brackets and standard errors hold what they promise, on problems whose entropy is known exactly.

    python -m benchmarks.calibration             all 900 problems of tests/problems.py
    python -m benchmarks.calibration --thin 10   every tenth of each family

Prints Markdown tables: brackets by family, and what normal limits would say in their place; pairs of problems judged by
their brackets as if they were layers; Chao–Wang–Jost by label, and the other estimators where it is trusted.
``pytest -m calibration`` measures the same and asserts on it; docs/calibration.md says what is to be seen.
"""

import argparse
import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np

from jaxentropy.base.arrays import on_host
from jaxentropy.bounds.brackets import both_brackets
from jaxentropy.estimators import ESTIMATOR_NAMES, LABELS, estimate, label
from tests.problems import RARE_FAMILIES, Problem, rare_zoo, zoo

CONFIDENCE = 0.95
SEED = 2024
TRUSTED = LABELS[:2]
METHODS = ("chao_wang_jost", "miller_madow", "jackknife", "grassberger", "chao_shen", "nsb", "pitman_yor")
# problems are padded to few widths and stacked, so that few programs are compiled and none holds much memory
_WIDTHS, _AT_ONCE = (16, 32, 64, 128, 256, 512, 4096), 20
_SLOTS = (4, 16, 64, 256)
_TOLERANCE = 1e-6


class Held(NamedTuple):
    """Brackets of one family: how many hold the truth, on which side the others miss it, and how wide they are."""

    problems: int
    held: float
    lower_misses: int
    upper_misses: int
    median_width: float
    median_relative_width: float


class Judged(NamedTuple):
    """Pairs of problems, how many brackets decide, and how many of these decisions are wrong."""

    pairs: int
    certain: int
    wrong: int


class Told(NamedTuple):
    """Estimates under one label: how many come within 1.96 standard errors of the truth, and how near, in bits."""

    cells: int
    held: float
    median_error: float
    high_error: float


class Counts(NamedTuple):
    """Multiplicities of all samples, ``int[sample, slot]``, and their labels."""

    j: np.ndarray
    f: np.ndarray
    labels: np.ndarray


def draw(problems: Sequence[Problem], seed: int = SEED) -> list[np.ndarray]:
    """One sample of each problem, ``bool[n, d]``, by a generator of its own."""
    return [p.sample(np.random.default_rng([seed, *p.name.encode()])) for p in problems]


class Limits(NamedTuple):
    """Bounds on each problem's entropy, ``float64[problem]`` in bits; ``normal`` is for large samples only."""

    lower: np.ndarray
    upper: np.ndarray
    normal: np.ndarray


def bracketed(problems: Sequence[Problem], samples: Sequence[np.ndarray]) -> Limits:
    """The limits of each problem.

    Problems of equal n and of similar d are the classes of one layer, filled up with neurons that are always off.
    """
    alike = defaultdict(list)
    for i, p in enumerate(problems):
        alike[p.n, min(w for w in _WIDTHS if w >= p.d)].append(i)
    stacks = [
        (width, stack)
        for (_, width), own in sorted(alike.items())
        for stack in np.array_split(own, -(-len(own) // _AT_ONCE))
    ]

    def both(width_and_stack):
        width, stack = width_and_stack
        padded = [np.pad(samples[i], ((0, 0), (0, width - problems[i].d))) for i in stack]
        return both_brackets(padded, CONFIDENCE, seed=0)

    found = Limits(*np.full((3, len(problems)), np.nan))
    # most of the time goes into compiling, which takes one core and lets other threads run
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (_, stack), (any_size, large) in zip(stacks, pool.map(both, stacks), strict=True):
            found.lower[stack], found.upper[stack], found.normal[stack] = any_size.lower, any_size.upper, large.upper
    # a problem has no more bits than neurons; those that are always off do not count
    most = [p.d for p in problems]
    return found._replace(upper=np.fmin(found.upper, most), normal=np.fmin(found.normal, most))


def families(problems: Sequence[Problem]) -> dict[str, np.ndarray]:
    """Which problems belong to each family, and to all."""
    own = np.array([p.family for p in problems])
    return {name: own == name for name in dict.fromkeys(own.tolist())} | {"all": np.ones(len(own), bool)}


def richness(problems: Sequence[Problem]) -> dict[str, np.ndarray]:
    """Which problems have how much entropy, in multiples of log₂ n, the most that the plug-in can reach."""
    multiple = np.array([p.entropy_bits / math.log2(p.n) for p in problems])
    limits = {"H ≤ ½ log₂ n": (-1, 0.5), "to log₂ n": (0.5, 1), "to 2 log₂ n": (1, 2), "above": (2, math.inf)}
    return {words: (least < multiple) & (multiple <= most) for words, (least, most) in limits.items()}


def sizes(problems: Sequence[Problem]) -> dict[str, np.ndarray]:
    """Which problems have so many inputs."""
    own = np.array([p.n for p in problems])
    return {f"n = {n:,}": own == n for n in np.unique(own).tolist()}


def by_group(
    groups: Mapping[str, np.ndarray], problems: Sequence[Problem], lower: np.ndarray, upper: np.ndarray
) -> dict[str, Held]:
    """What became of the brackets of each group of problems."""
    truth = np.array([p.entropy_bits for p in problems])
    # written so that NaN is a miss
    above, below = ~(lower <= truth + _TOLERANCE), ~(upper >= truth - _TOLERANCE)
    with np.errstate(divide="ignore"):
        relative = (upper - lower) / truth
    found = {}
    for name, own in groups.items():
        held = 1 - float((above | below)[own].mean())
        widths = float(np.median((upper - lower)[own])), float(np.median(relative[own]))
        found[name] = Held(int(own.sum()), held, int(above[own].sum()), int(below[own].sum()), *widths)
    return found


def by_pair(
    groups: Mapping[str, np.ndarray], problems: Sequence[Problem], lower: np.ndarray, upper: np.ndarray
) -> dict[str, Judged]:
    """What becomes of pairs of problems of one group and as many inputs, if brackets that part decide their order."""
    truth, n = (np.array([getattr(p, name) for p in problems]) for name in ("entropy_bits", "n"))
    above = lower[:, None] > upper
    wrong = above & (truth[:, None] < truth)
    found = {}
    for name, own in groups.items():
        pairs = np.outer(own, own) & (n[:, None] == n)
        np.fill_diagonal(pairs, False)
        found[name] = Judged(int(pairs.sum()) // 2, int((above & pairs).sum()), int((wrong & pairs).sum()))
    return found


def count(samples: Sequence[np.ndarray]) -> Counts:
    """How often patterns were seen in each sample, and what an estimate from it is worth."""
    seen = []
    for states in samples:
        packed = np.ascontiguousarray(np.packbits(states, axis=1))
        times = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_counts=True)[1]
        seen.append(np.unique(times, return_counts=True))
    j, f = np.zeros((2, len(seen), max(len(times) for times, _ in seen)), int)
    for i, (times, patterns) in enumerate(seen):
        j[i, : len(times)], f[i, : len(times)] = times, patterns
    good_turing = 1 - (f * (j == 1)).sum(1) / (f * j).sum(1)
    return Counts(j, f, label(good_turing, (f * j * (j - 1) // 2).sum(1)))


def estimated(counts: Counts, method: str, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and their standard errors, ``float64[sample]`` in bits; NaN outside ``where``."""
    bits, errors = np.full((2, len(where)), np.nan)
    slots = (counts.f > 0).sum(1)
    for least, most in zip((0, *_SLOTS), _SLOTS, strict=False):
        own = np.flatnonzero(where & (least < slots) & (slots <= most))
        if own.size:
            j, f = (x[own, :most] for x in (counts.j, counts.f))
            bits[own], errors[own] = on_host(estimate, j, f, method=method)
    return bits, errors


def by_label(
    problems: Sequence[Problem],
    labels: np.ndarray,
    bits: np.ndarray,
    errors: np.ndarray,
    chosen: Sequence[str] = LABELS,
) -> dict[str, Told]:
    """What became of the estimates under each label."""
    off = np.abs(bits - [p.entropy_bits for p in problems])
    within = off <= 1.96 * errors + _TOLERANCE
    found = {}
    for name in chosen:
        if (own := labels == name).any():
            errors_told = (float(np.quantile(off[own], share)) for share in (0.5, 0.9))
            found[name] = Told(int(own.sum()), float(within[own].mean()), *errors_told)
    return found


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with its first column to the left and numbers to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def bracket_table(found: dict[str, Held], what: str) -> str:
    """``by_group`` in Markdown."""
    header = (what, "problems", "hold", "lower misses", "upper misses", "median width, bits", "median width / H")
    rows = [
        (
            name,
            h.problems,
            f"{h.held:.1%}",
            h.lower_misses,
            h.upper_misses,
            f"{h.median_width:.2f}",
            f"{h.median_relative_width:.2f}",
        )
        for name, h in found.items()
    ]
    return markdown(header, rows)


def pair_table(found: dict[str, Judged]) -> str:
    """``by_pair`` in Markdown."""
    return markdown(("family", "pairs", "for certain", "of these wrong"), [(name, *j) for name, j in found.items()])


def label_table(found: dict[str, Told], what: str = "label") -> str:
    """``by_label`` in Markdown."""
    header = (what, "cells", "within 1.96 SE", "median error, bits", "90th percentile")
    rows = [
        (name, t.cells, f"{t.held:.1%}", f"{t.median_error:.3f}", f"{t.high_error:.3f}") for name, t in found.items()
    ]
    return markdown(header, rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thin", type=int, default=1, help="take every so manyth problem of each family")
    thin = parser.parse_args().thin
    problems = zoo(thin=thin) + rare_zoo(thin=thin)
    samples = draw(problems)
    print(f"{len(problems)} problems, jax {jax.__version__}, numpy {np.__version__}", flush=True)
    limits = bracketed(problems, samples)
    for kind, upper in (("Brackets", limits.upper), ("Normal limits, for large samples only,", limits.normal)):
        print(f"\n{kind} at {CONFIDENCE:.0%}:")
        for what, groups in (("family", families), ("entropy", richness), ("inputs", sizes)):
            found = by_group(groups(problems), problems, limits.lower, upper)
            print(f"\n{bracket_table(found, what)}", flush=True)
        pairs = by_pair(families(problems), problems, limits.lower, upper)
        print(f"\nPairs of equally many inputs:\n\n{pair_table(pairs)}", flush=True)
    rare = np.isin([p.family for p in problems], [make.__name__ for make in RARE_FAMILIES])
    for what, own in ("families of rare patterns", rare), ("nine families", ~rare):
        chosen = [p for p, yes in zip(problems, own, strict=True) if yes]
        counts = count([s for s, yes in zip(samples, own, strict=True) if yes])
        bits, errors = estimated(counts, METHODS[0], np.ones(len(chosen), bool))
        told = by_label(chosen, counts.labels, bits, errors)
        print(f"\nChao–Wang–Jost by label, {what}:\n\n{label_table(told)}", flush=True)
    others = {}
    for method in METHODS:
        bits, errors = estimated(counts, method, np.isin(counts.labels, TRUSTED))
        for name, row in by_label(chosen, counts.labels, bits, errors, TRUSTED).items():
            others[f"{ESTIMATOR_NAMES[method]}, *{name}*"] = row
    print(f"\nAll estimators where they are trusted, nine families:\n\n{label_table(others, 'estimator')}")


if __name__ == "__main__":
    main()
