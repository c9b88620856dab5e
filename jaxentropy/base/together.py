"""Independent work side by side."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


def together(work: Mapping[K, Callable[[], T]], at_once: int = 2) -> dict[K, T]:
    """What each of these calls returns, in their order; so many run at once, in threads.

    It pays for what mostly waits for a compiler that uses one core. If one fails, those under way are waited for, so
    that what they write is whole, the others are not begun, and the error is raised; an interruption waits for none.
    """
    if len(work) < 2:
        return {name: call() for name, call in work.items()}
    pool, wait = ThreadPoolExecutor(at_once), True
    futures = {pool.submit(call): name for name, call in work.items()}
    try:
        for future in as_completed(futures):
            future.result()
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
    return {name: future.result() for future, name in futures.items()}
