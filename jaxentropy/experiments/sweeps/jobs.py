"""Networks of one shape are a job: trained by one program, measured in turn, each written as soon as it is done."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from jaxentropy.base.errors import InputError
from jaxentropy.datasets import Dataset, load
from jaxentropy.experiments.sweeps.grid import Network
from jaxentropy.experiments.sweeps.measure import measured, train_networks, trained_on
from jaxentropy.experiments.sweeps.store import Store

LARGEST_JOB = 8


class Outcome(NamedTuple):
    """What became of a network: ``reason`` is empty, or says why it failed."""

    key: str
    reason: str


def jobs_of(store: Store, keys: Sequence[str], largest: int = LARGEST_JOB) -> list[list[str]]:
    """These networks in jobs: those of one shape together, so many at most."""
    ordered = sorted(keys, key=lambda key: [str(part) for part in store.networks[key].shape])
    jobs = []
    for _, group in groupby(ordered, key=lambda key: store.networks[key].shape):
        same = list(group)
        jobs += [same[i : i + largest] for i in range(0, len(same), largest)]
    return jobs


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
