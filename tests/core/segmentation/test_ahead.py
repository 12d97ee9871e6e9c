"""Work begun ahead of its turn comes out as if it had been done in turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from segsem.segmentation.ahead import Helpers, in_order


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    with ThreadPoolExecutor(2) as executor:
        yield Helpers(executor, 2)


def test_without_helpers_each_item_is_worked_on_in_its_turn() -> None:
    worked: list[int] = []
    found = in_order(lambda n: worked.append(n) or 10 * n, range(5), None)
    assert next(found) == (0, 0)
    assert worked == [0]
    assert list(found) == [(n, 10 * n) for n in range(1, 5)]


def test_results_come_in_the_order_of_the_items(helpers: Helpers) -> None:
    second_is_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second_is_done.wait(60)  # the first item ends last
        else:
            second_is_done.set()
        return 10 * number

    assert list(in_order(work, range(7), helpers)) == [(n, 10 * n) for n in range(7)]


def test_no_more_is_begun_than_the_helpers_need(helpers: Helpers) -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            read.append(number)
            yield number

    for number, _ in in_order(lambda n: n, items(), helpers):
        assert len(read) <= number + 4
    assert len(read) == 20


def test_an_error_comes_out_where_its_item_would(helpers: Helpers) -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    found = in_order(work, range(6), helpers)
    assert [next(found), next(found)] == [(0, 0), (1, 1)]
    with pytest.raises(ValueError, match="two"):
        next(found)
