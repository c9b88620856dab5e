import threading

import pytest

from jaxentropy.base.together import together


def test_results_in_order_and_side_by_side():
    meet = threading.Barrier(2, timeout=30)

    def call(n):
        meet.wait()  # passes only if another call waits at the same time
        return n

    found = together({n: lambda n=n: call(n) for n in (3, 1, 2, 0)})
    assert list(found.items()) == [(3, 3), (1, 1), (2, 2), (0, 0)]
    assert together({"one": threading.current_thread}) == {"one": threading.current_thread()}


def test_an_error_waits_for_what_is_under_way_and_begins_nothing_more():
    begun, other = [], threading.Event()

    def fails():
        other.wait(30)
        raise ValueError("no")

    def writes():
        begun.append("writes")
        other.set()

    with pytest.raises(ValueError, match="no"):
        together({"fails": fails, "writes": writes, **{n: lambda n=n: begun.append(n) for n in range(3)}}, at_once=2)
    assert "writes" in begun
