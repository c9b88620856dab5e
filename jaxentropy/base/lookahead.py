"""Work in flight: the next pieces are begun before the first one is waited for."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(begun: Iterable[T], pieces: int) -> Iterator[T]:
    """The same items in order, each after ``pieces`` further ones have been taken.

    ::

        for result in ahead((begin(x) for x in inputs), 1):  # while one is waited for, the next is under way
            result.wait()
    """
    waiting: deque[T] = deque()
    for item in begun:
        waiting.append(item)
        if len(waiting) > pieces:
            yield waiting.popleft()
    yield from waiting
