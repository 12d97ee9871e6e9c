"""Work on one item after the other, with the next ones begun by other threads meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Helpers:
    """Threads that may work beside the caller's.

    Attributes
    ----------
    executor : Executor
    count : int
        Number of its threads.
    """

    executor: Executor
    count: int


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], helpers: Helpers | None
) -> Iterator[tuple[Item, Result]]:
    """Give each item with its result, in the order of the items.

    Parameters
    ----------
    work : callable
        Its result depends on its item alone.
    items : iterable
        Read in the caller's thread, at most two for each helper ahead: what lies in memory does
        not grow with their number.
    helpers : Helpers or None
        Who works; None: the caller, each item when it is asked for.

    Yields
    ------
    item, result
        What `work` raises comes out where its item's turn is.
    """
    if helpers is None:
        yield from ((item, work(item)) for item in items)
        return
    begun: deque[tuple[Item, Future[Result]]] = deque()
    for item in items:
        begun.append((item, helpers.executor.submit(work, item)))
        if len(begun) >= 2 * helpers.count:
            first, future = begun.popleft()
            yield first, future.result()
    for first, future in begun:
        yield first, future.result()
