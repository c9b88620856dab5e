"""Work in processes of its own: for what must not share thread pools, memory or compiled programs with this one.

Imports no JAX, so that the libraries that are compared run in a process without it.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

import numpy as np

from benchmarks.data import Shape, few_causes
from benchmarks.peers import PEERS

P = ParamSpec("P")
T = TypeVar("T")
_data: dict[str, Any] = {}


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function of a module returns in a process that was started for it alone."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


class Libraries:
    """A process that holds the same activations and runs the ways of other libraries on them, one at a time.

    Their thread pools and JAX's would get in each other's way. Times are taken in there, so that sending the results
    back does not count.
    """

    def __init__(self, shape: Shape):
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_load, initargs=(shape,))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pool.shutdown()

    def call(self, name: str, inputs: int | None = None) -> tuple[float, Any]:
        """Seconds of one call of a peer on the first inputs (by default all), and what it returned."""
        return self._pool.submit(_run, name, inputs).result()


def _load(shape: Shape) -> None:
    _data["activations"], _data["labels"] = few_causes(shape)
    _data["classes"] = shape.classes


def _run(name: str, inputs: int | None) -> tuple[float, Any]:
    activations, labels = _data["activations"][:inputs], _data["labels"][:inputs]
    start = time.perf_counter()
    result = PEERS[name].run(activations, labels, _data["classes"])
    seconds = time.perf_counter() - start
    if isinstance(result, np.ndarray):
        return seconds, result
    return seconds, [(np.asarray(on), dict(patterns)) for on, patterns in result]
