"""Times that can be compared: all ways of a section are called in turn, round after round.

A machine whose speed drifts, or that is shared, slows all ways of a round alike. So ratios are taken within each round,
and their median is what is reported. Every other round goes backwards, so that no way always follows the same one.
"""

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import jax
from tqdm import tqdm

Way = Callable[[], float]
"""Does its work once and says how many seconds that took."""
Times = dict[str, list[float]]
"""Seconds of each way, round after round; of a way that is timed once, of the first round only."""


def timed(function: Callable[[], object]) -> Way:
    """A way that times a function of this process, and waits for what JAX has promised."""

    def way() -> float:
        start = time.perf_counter()
        jax.block_until_ready(function())
        return time.perf_counter() - start

    return way


def interleaved(
    ways: Mapping[str, Way], rounds: int, title: str, once: Collection[str] = (), warm: Collection[str] = ()
) -> Times:
    """Seconds of all ways, after a call of each that does not count.

    Args:
        ways: by name.
        rounds: how often each is timed.
        title: of the progress bar on standard error.
        once: ways that are so slow that they are timed in the first round only, and not called before.
        warm: ways that the caller has warmed up already.
    """
    times: Times = {name: [] for name in ways}
    with tqdm(total=(len(ways) - len(once)) * rounds + len(once), desc=title, leave=False) as bar:
        for name, way in ways.items():
            if name not in once and name not in warm:
                way()
        for r in range(rounds):
            for name in list(ways) if r % 2 == 0 else reversed(list(ways)):
                if r == 0 or name not in once:
                    times[name].append(ways[name]())
                    bar.update()
    return times


def ratios(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """a to b in each round; if one of them was timed once, its ratio to the other's median or the reverse."""
    if len(a) == len(b):
        return [x / y for x, y in zip(a, b, strict=True)]
    return [statistics.median(a) / statistics.median(b)]


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Median of the rounds' ratios of a to b."""
    return statistics.median(ratios(a, b))


def fastest(times: Times, names: Collection[str]) -> str:
    """The one of these with the smallest median."""
    return min(names, key=lambda name: statistics.median(times[name]))


def span(values: Sequence[float], scale: float = 1, digits: int = 1) -> str:
    """The smallest and the largest, as it stands in tables."""
    if len(values) == 1:
        return "once"
    return f"{scale * min(values):.{digits}f} – {scale * max(values):.{digits}f}"


def milliseconds(values: Sequence[float]) -> list[str]:
    """Median and span in ms, two cells of a table."""
    median = 1e3 * statistics.median(values)
    digits = 0 if median >= 100 else 1 if median >= 1 else 3
    return [f"{median:.{digits}f}", span(values, 1e3, digits)]
