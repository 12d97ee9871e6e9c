"""Order of requests, and what gives way to what."""

from __future__ import annotations

from typing import Any

import pytest

from segsem.engine.messages import Message
from segsem.engine.schedule import IDLE_WAITING, Interrupted, Schedule

PREDICT, WARM = "predict", "warm"


def ask(request: str, generation: int = 0, name: str = "") -> Message:
    return Message({"request": request, "generation": generation, "name": name})


@pytest.fixture
def schedule() -> Schedule:
    """A waiting prediction needs what is being encoded if it is called `same`."""
    return Schedule(lambda newer: newer.header["name"] == "same")


def stops(schedule: Schedule, inside: bool) -> bool:
    try:
        schedule.check(inside)
    except Interrupted:
        return True
    return False


def order(schedule: Schedule, count: int) -> list[Any]:
    taken = [schedule.next() for _ in range(count)]
    return [message and message.header["request"] for message in taken]


def test_what_somebody_waits_for_comes_first(schedule: Schedule) -> None:
    for name in ("prefetch", "image", "warm", "predict"):
        schedule.put(ask(name, 1))
    schedule.put(None)
    assert order(schedule, 5) == ["image", "predict", None, "prefetch", "warm"]


def test_a_newer_prediction_makes_the_older_stale(schedule: Schedule) -> None:
    first, second = ask(PREDICT, 1), ask(PREDICT, 2)
    schedule.put(first)
    assert not schedule.is_stale(first)
    schedule.put(second)
    assert schedule.is_stale(first)
    assert not schedule.is_stale(second)
    assert not schedule.is_stale(ask("stats"))


def test_a_cancel_is_no_request_and_makes_all_stale(schedule: Schedule) -> None:
    first, warm = ask(PREDICT, 1), ask(WARM, 1)
    schedule.put(first)
    schedule.put(warm)
    assert schedule.put(ask("cancel", 2)) == []
    assert schedule.is_stale(first)
    assert not schedule.is_stale(warm)
    assert order(schedule, 2) == ["predict", "warm"]


def test_idle_requests_are_cancelled_at_once(schedule: Schedule) -> None:
    schedule.put(ask(WARM, 1, "old"))
    schedule.put(ask(WARM, 2, "new"))
    dropped = schedule.put(ask("cancel_idle", 2))
    assert [message.header["name"] for message in dropped] == ["old"]
    assert order(schedule, 1) == ["warm"]


def test_too_many_idle_requests_drop_the_oldest(schedule: Schedule) -> None:
    dropped = [
        message.header["name"]
        for i in range(IDLE_WAITING + 2)
        for message in schedule.put(ask("prefetch", 1, str(i)))
    ]
    assert dropped == ["0", "1"]


@pytest.mark.parametrize("inside", [True, False])
def test_nothing_stops_without_a_reason(schedule: Schedule, inside: bool) -> None:
    assert not stops(schedule, inside)
    for request in (ask(PREDICT, 1), ask(WARM, 1), ask("load")):
        schedule.put(request)
        assert schedule.next() is request
        assert not stops(schedule, inside)
        schedule.put(ask("stats"))
        schedule.put(ask("image"))
        assert not stops(schedule, inside)
        order(schedule, 2)


@pytest.mark.parametrize(
    ("waiting", "between", "inside"),
    [
        (ask(PREDICT, 2, "same"), True, False),
        (ask(PREDICT, 2, "other"), True, True),
        (ask("cancel", 2), True, False),
        (ask("load"), False, False),
        (ask(WARM, 1), False, False),
    ],
)
def test_when_a_prediction_stops(
    schedule: Schedule, waiting: Message, between: bool, inside: bool
) -> None:
    schedule.put(ask(PREDICT, 1))
    schedule.next()
    schedule.put(waiting)
    assert (stops(schedule, False), stops(schedule, True)) == (between, inside)


@pytest.mark.parametrize(
    ("waiting", "between", "inside"),
    [
        (ask(PREDICT, 1, "same"), True, False),
        (ask(PREDICT, 1, "other"), True, True),
        (ask("load"), True, True),
        (ask("cancel_idle", 2), True, True),
        (ask("cancel", 2), False, False),
        (ask(WARM, 1), False, False),
    ],
)
def test_when_an_idle_request_stops(
    schedule: Schedule, waiting: Message, between: bool, inside: bool
) -> None:
    schedule.put(ask(WARM, 1))
    schedule.next()
    schedule.put(waiting)
    assert (stops(schedule, False), stops(schedule, True)) == (between, inside)


def test_an_interrupted_idle_request_goes_on_afterwards(schedule: Schedule) -> None:
    warm = ask(WARM, 1, "first")
    schedule.put(warm)
    schedule.put(ask(WARM, 1, "second"))
    assert schedule.next() is warm
    schedule.put(ask(PREDICT, 1, "other"))
    assert schedule.again(warm)
    assert order(schedule, 1) == ["predict"]
    assert schedule.next() is warm
    schedule.put(ask("cancel_idle", 2))
    assert not schedule.again(warm)
    assert not schedule.again(ask(PREDICT, 1))


def at(row: float, generation: int = 1) -> Message:
    return Message({"request": WARM, "generation": generation, "point_rc": [row, 0.0]})


def test_where_the_mouse_is_comes_before_other_idle_requests(schedule: Schedule) -> None:
    schedule.put(ask("prefetch", 1))
    assert schedule.next() is not None
    schedule.put(ask(WARM, 1))
    older, newer = at(1.0), at(2.0)
    assert schedule.put(older) == []
    # The running prefetch is not thrown away, but gives way at the next window.
    assert (stops(schedule, False), stops(schedule, True)) == (True, False)
    assert schedule.put(newer) == [older]
    assert schedule.next() is newer
    assert not stops(schedule, False)
    schedule.put(ask(PREDICT, 1, "other"))
    assert stops(schedule, True)
    assert not schedule.again(newer)
    assert order(schedule, 2) == ["predict", "warm"]


def test_where_the_mouse_was_is_cancelled_with_the_rest(schedule: Schedule) -> None:
    waiting = at(1.0)
    schedule.put(waiting)
    assert schedule.put(ask("cancel_idle", 2)) == [waiting]
