"""Networks of one shape are a job: trained by one program, measured in turn, each written as soon as it is done.

Which of them are ours is what a shard says, or the environment.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from jaxentropy.base.errors import InputError
from jaxentropy.datasets import Dataset, load
from jaxentropy.experiments.sweeps.grid import Network, guessed_seconds
from jaxentropy.experiments.sweeps.measure import measured, train_networks, trained_on
from jaxentropy.experiments.sweeps.store import Store

LARGEST_JOB = 8
_SLURM = "SLURM_ARRAY_TASK_"


class Outcome(NamedTuple):
    """What became of a network: ``reason`` is empty, or says why it failed."""

    key: str
    reason: str


def jobs_of(store: Store, keys: Sequence[str], workers: int = 1) -> list[list[str]]:
    """These networks in jobs of one shape each: enough for so many workers, and eight networks each at most."""
    largest = _largest(len(keys), workers)
    ordered = sorted(keys, key=lambda key: [str(part) for part in store.networks[key].shape])
    jobs = []
    for _, group in groupby(ordered, key=lambda key: store.networks[key].shape):
        same = list(group)
        pieces = math.ceil(len(same) / largest)
        cuts = [i * len(same) // pieces for i in range(pieces + 1)]
        jobs += [same[first:last] for first, last in pairwise(cuts)]
    return jobs


def share_of(store: Store, part: int, parts: int) -> list[str]:
    """The networks of one of the parts of a sweep: about as many as any other's, of as many kinds, and as costly.

    It depends on all networks of the sweep and on nothing else, whatever is done already and wherever it runs: all
    parts must divide alike. Networks of one shape stay together as far as that goes, for they share programs.
    """
    keys = list(store.networks)
    if part >= len(keys):
        return []
    parts = min(parts, len(keys))
    room = [len(keys) // parts + (i < len(keys) % parts) for i in range(parts)]
    cost, share = [0.0] * parts, []
    costs = {key: guessed_seconds(network) for key, network in store.networks.items()}
    # the costliest first, and among equals by their keys, which are hashes: no order of the settings' values is left
    for job in sorted(jobs_of(store, keys, parts), key=lambda job: (-costs[job[0]], job[0])):
        while job:
            to = max(range(parts), key=lambda i: (room[i], -cost[i]))
            dealt, job = job[: room[to]], job[room[to] :]
            room[to] -= len(dealt)
            cost[to] += len(dealt) * costs[dealt[0]]
            share += dealt if to == part else []
    return share


def _largest(networks: int, workers: int) -> int:
    return max(1, min(LARGEST_JOB, math.ceil(networks / max(1, workers))))


def run_job(store: Store, keys: Sequence[str], at_once: int = 1) -> list[Outcome]:
    """Train, measure and write these networks; those that fail are noted with the reason, and stop no other."""
    return list(_outcomes(store, keys, at_once))


def _outcomes(store: Store, keys: Sequence[str], at_once: int) -> Iterator[Outcome]:
    networks = [store.networks[key] for key in keys]
    try:
        whole, data, digest = _data(networks[0].dataset, networks[0].train_size)
        if digest != store.data[networks[0].dataset]:
            raise InputError(f"{networks[0].dataset} is other than when the sweep began")
        model, trained = train_networks(networks, data, at_once)
    except Exception as error:
        if len(keys) > 1:  # one of them may be the cause
            for key in keys:
                yield from _outcomes(store, [key], at_once)
            return
        yield _failed(store, keys[0], error)
        return
    for i, (key, network) in enumerate(zip(keys, networks, strict=True)):
        try:
            store.save(key, measured(network, model, whole, data, trained, i))
            yield Outcome(key, "")
        except Exception as error:
            yield _failed(store, key, error)


def _failed(store: Store, key: str, error: Exception) -> Outcome:
    text = " ".join(str(error).split())[:500]
    reason = text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
    store.save_failure(key, reason)
    return Outcome(key, reason)


@lru_cache(maxsize=4)
def _data(name: str, train_size: int) -> tuple[Dataset, Dataset, str]:
    """A data set, the same with the inputs that are trained on, and its fingerprint."""
    whole = load(name)
    return whole, trained_on(whole, train_size), whole.digest()


def digest_of(network: Network) -> str:
    """The fingerprint of its data."""
    return _data(network.dataset, network.train_size)[2]


def shard_of_environment(environment: Mapping[str, str]) -> tuple[int, int]:
    """(i, n) as a SLURM array or a Kubernetes indexed job tells it; (0, 1) if there is none.

    Raises:
        InputError: an index without a number of parts, or numbers that do not tell which part this is.
    """
    if f"{_SLURM}ID" in environment:
        return _shard_of_slurm(environment)
    if "JOB_COMPLETION_INDEX" in environment:
        return _number(environment, "JOB_COMPLETION_INDEX"), _number(environment, "JOB_COMPLETIONS")
    return 0, 1


def _shard_of_slurm(environment: Mapping[str, str]) -> tuple[int, int]:
    """Of an array that is a range, with or without a step; in a list no task knows which part it is."""
    index, count = _number(environment, f"{_SLURM}ID"), _number(environment, f"{_SLURM}COUNT")
    least, step = (_number(environment, f"{_SLURM}{name}", default) for name, default in (("MIN", 0), ("STEP", 1)))
    most = _number(environment, f"{_SLURM}MAX", least + (count - 1) * step)
    fits = step > 0 and (index - least) % step == 0 and (most - least) // step + 1 == count
    if not fits or not 0 <= (index - least) // step < count:
        raise InputError(
            f"{_SLURM}ID {index}, _MIN {least}, _MAX {most}, _STEP {step} and _COUNT {count} do not tell which part "
            "this is: an array must be a range, such as --array=0-15 or 0-30:2, for each task to know its part. Give "
            "--shard i/n (shard=(i, n)); or, to run some parts again, the whole range: what is done is passed over"
        )
    return (index - least) // step, count


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    if name not in environment and default is not None:
        return default
    if name not in environment:
        index = f"{_SLURM}ID" if name.startswith(_SLURM) else "JOB_COMPLETION_INDEX"
        raise InputError(f"{index} is set, but not {name}: set it to the number of parts, or give the shard as i/n")
    try:
        return int(environment[name])
    except ValueError:
        raise InputError(
            f"{name} is {environment[name]!r}; expected a whole number: correct it, or give the shard as i/n"
        ) from None


def checked_shard(shard: Any) -> tuple[int, int]:
    """(i, n) of a pair, or of text such as 0/4.

    Raises:
        InputError: neither, or no such part.
    """
    if isinstance(shard, str) and (written := re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", shard)):
        shard = int(written[1]), int(written[2])
    pair = shard if isinstance(shard, tuple | list) and len(shard) == 2 else (None, None)
    part, parts = (one if isinstance(one, int) and not isinstance(one, bool) else None for one in pair)
    if part is None or parts is None:
        raise InputError(f"shard {shard!r}: expected i/n, for example 0/4, or in Python (0, 4)")
    if parts < 1 or not 0 <= part < parts:
        raise InputError(f"shard {part}/{parts}: expected i/n with i from 0 to n - 1, for example 0/4 to 3/4")
    return part, parts
