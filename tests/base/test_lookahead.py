"""Work in flight: what is begun when."""

import pytest

from jaxentropy.base.lookahead import ahead


@pytest.mark.parametrize("pieces", [0, 1, 2, 9])
@pytest.mark.parametrize("items", [0, 1, 5])
def test_items_come_in_order_each_after_some_further_ones(items, pieces):
    begun = []

    def work():
        for i in range(items):
            begun.append(i)
            yield i

    for i, item in enumerate(ahead(work(), pieces)):
        assert item == i
        assert len(begun) == min(i + pieces + 1, items)
    assert len(begun) == items
