"""Which request is next, and when the running one has to stop for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from segsem.engine.messages import Message
from segsem.engine.requests import CANCELS, Request, generation, is_idle, kind

IDLE_WAITING = 8
"""Prefetches that wait; older ones are dropped, with the images that they hold."""


class Interrupted(Exception):  # noqa: N818
    """The running request was overtaken, or gives way to one that somebody waits for."""


class Schedule:
    """Requests in the order in which they are answered; filled by one thread, read by another.

    Parameters
    ----------
    serves : callable
        Tells whether what is being encoded is what a waiting prediction needs as well.
    """

    def __init__(self, serves: Callable[[Message], bool]) -> None:
        self._serves = serves
        self._queue: deque[Message | None] = deque()
        self._idle: deque[Message] = deque()
        self._newest = {True: 0, False: 0}
        self._changed = threading.Condition()
        self._running: Message | None = None

    def put(self, request: Message | None) -> list[Message]:
        """Add a request; None: no more will come.

        Returns
        -------
        list of Message
            Requests that are dropped for it, and have to be answered so.
        """
        with self._changed:
            if request is not None:
                idle = is_idle(request)
                self._newest[idle] = max(self._newest[idle], generation(request))
                if kind(request) in CANCELS:
                    return self._take_stale()
                if idle:
                    self._idle.append(request)
                else:
                    self._queue.append(request)
            else:
                self._queue.append(None)
            self._changed.notify()
            too_many = len(self._idle) - IDLE_WAITING
            return [self._idle.popleft() for _ in range(too_many)]

    def again(self, request: Message) -> None:
        """Put back an interrupted idle request."""
        with self._changed:
            self._idle.appendleft(request)

    def next(self) -> Message | None:
        """Wait for the next request."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._idle)
            self._running = self._queue.popleft() if self._queue else self._idle.popleft()
            return self._running

    def is_stale(self, request: Message) -> bool:
        """Whether a newer request of its kind overtook this one."""
        return 0 < generation(request) < self._newest[is_idle(request)]

    def check(self, inside_encoding: bool) -> None:
        """Give way where that is due.

        An encoding that was begun is finished where the waiting prediction needs it too:
        otherwise quick clicks on one object would each begin it anew.

        Parameters
        ----------
        inside_encoding : bool
            Stopping now loses what was computed so far.

        Raises
        ------
        Interrupted
            If the running request has to stop.
        """
        with self._changed:
            running = self._running
            if running is None:
                return
            if inside_encoding:
                stop = self._is_useless(running)
            else:
                stop = self.is_stale(running) or (is_idle(running) and self._somebody_waits())
        if stop:
            raise Interrupted

    def _is_useless(self, running: Message) -> bool:
        idle = is_idle(running)
        if idle and self.is_stale(running):
            return True
        if not (idle or self.is_stale(running)):
            return False
        waiting = [request for request in self._queue if request is not None]
        if any(kind(request) == Request.LOAD for request in waiting):
            return True
        predictions = [request for request in waiting if kind(request) == Request.PREDICT]
        return bool(predictions) and not self._serves(predictions[-1])

    def _somebody_waits(self) -> bool:
        return any(
            request is not None and kind(request) in (Request.PREDICT, Request.LOAD)
            for request in self._queue
        )

    def _take_stale(self) -> list[Message]:
        stale = [request for request in self._idle if self.is_stale(request)]
        self._idle = deque(request for request in self._idle if not self.is_stale(request))
        return stale
