"""Requests whose answers are awaited, and which of them a restarted engine is asked again."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy.typing as npt

from segsem.core.exceptions import SegSemError
from segsem.engine.answers import StaleAnswerError
from segsem.engine.messages import Message
from segsem.engine.requests import Request, is_idle, is_question, kind

MAX_DEATHS = 2
"""A prediction during which the engine died so often is not asked again: it may be the cause."""


@dataclass(slots=True)
class OpenRequest:
    """One request and who waits for it.

    Attributes
    ----------
    request : Message
    future : Future of Message
    deaths : int
        How often the engine died before it answered.
    resent : bool
        Whether its image was sent again for it already.
    on_part : callable or None
        Called with what is known before the whole answer is.
    """

    request: Message
    future: Future[Message]
    on_part: Callable[[Message], None] | None = None
    deaths: int = 0
    resent: bool = False


class Pending:
    """Open requests by their id."""

    def __init__(self) -> None:
        self._open: dict[int, OpenRequest] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def add(
        self, request: Message, on_part: Callable[[Message], None] | None = None
    ) -> Future[Message]:
        """Number a request and keep it until it is answered."""
        future: Future[Message] = Future()
        with self._lock:
            request.header["id"] = next(self._ids)
            self._open[request.header["id"]] = OpenRequest(request, future, on_part)
        return future

    def tell_part(self, answer: Message) -> None:
        """Hand on a part of an answer."""
        with self._lock:
            entry = self._open.get(answer.header.get("id", 0))
        if entry is not None and entry.on_part is not None:
            entry.on_part(answer)

    def put_back(self, entry: OpenRequest) -> None:
        """Wait for an answer once more."""
        with self._lock:
            self._open[entry.request.header["id"]] = entry

    def take(self, answer: Message) -> OpenRequest | None:
        """Return the request that is answered; it is no longer open."""
        with self._lock:
            return self._open.pop(answer.header.get("id", 0), None)

    def take_all(self) -> list[OpenRequest]:
        """Return all open requests, oldest first; none is open any more."""
        with self._lock:
            entries = [self._open[key] for key in sorted(self._open)]
            self._open.clear()
            return entries


@dataclass(frozen=True, slots=True)
class Survivors:
    """What becomes of open requests when the engine died.

    Attributes
    ----------
    again : list of OpenRequest
        To be asked again.
    loads : list of Future
        Answered by the load that a restart makes.
    hopeless : list of OpenRequest
        Predictions that the engine died of.
    deadly : set of str
        Images that it died of.
    """

    again: list[OpenRequest]
    loads: list[Future[Message]]
    hopeless: list[OpenRequest]
    deadly: set[str]


def sort_survivors(entries: list[OpenRequest], newest: int) -> Survivors:
    """Decide about open requests after a death; what nobody waits for is settled as stale.

    Parameters
    ----------
    entries : list of OpenRequest
    newest : int
        Generation of the newest prediction.
    """
    survivors = Survivors([], [], [], _encoded_for_nobody(entries))
    for entry in entries:
        what = kind(entry.request)
        if what == Request.LOAD:
            survivors.loads.append(entry.future)
        elif what == Request.STATS:
            survivors.again.append(entry)
        elif is_question(entry.request) and entry.request.header["generation"] == newest:
            entry.deaths += 1
            if entry.deaths < MAX_DEATHS:
                survivors.again.append(entry)
            else:
                survivors.hopeless.append(entry)
                survivors.deadly.add(str(entry.request.header["image_id"]))
        else:
            settle(entry.future, StaleAnswerError())
    return survivors


def _encoded_for_nobody(entries: list[OpenRequest]) -> set[str]:
    """Images that an engine was encoding for nobody when it died: the oldest such request's."""
    if any(not is_idle(entry.request) for entry in entries):
        return set()
    return {str(entry.request.header["image_id"]) for entry in entries[:1]}


class Later(Mapping[str, npt.NDArray[Any]]):
    """One array of a message that is made when it is written, not in the caller's thread."""

    def __init__(self, name: str, make: Callable[[], npt.NDArray[Any]]) -> None:
        self._name, self._make = name, make

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name != self._name:
            raise KeyError(name)
        return self._made

    def __iter__(self) -> Iterator[str]:
        return iter((self._name,))

    def __len__(self) -> int:
        return 1

    @cached_property
    def _made(self) -> npt.NDArray[Any]:
        return self._make()


def is_worth_telling(request: Message) -> bool:
    """Whether the user should hear that a request failed: somebody waits for its answer."""
    return not is_idle(request)


def settle(future: Future[Any], outcome: Any) -> None:
    """Give a future its result or error, unless its owner cancelled it meanwhile."""
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        return


def converted(source: Future[Message], convert: Callable[[Message], Any]) -> Future[Any]:
    """Give a future of the converted answer; an error stays an error."""
    target: Future[Any] = Future()

    def finish(done: Future[Message]) -> None:
        if done.cancelled():
            target.cancel()
            return
        error = done.exception()
        if error is not None:
            settle(target, error)
            return
        try:
            settle(target, convert(done.result()))
        except (SegSemError, StaleAnswerError) as failure:
            settle(target, failure)

    source.add_done_callback(finish)
    return target
