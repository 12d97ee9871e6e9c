"""Which request is next, and when the running one has to stop for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from segsem.engine.messages import Message
from segsem.engine.requests import (
    CANCELS,
    Request,
    generation,
    is_idle,
    is_pointed,
    is_question,
    kind,
)

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
        self._pointed: Message | None = None
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
            if request is None:
                self._queue.append(None)
                self._changed.notify()
                return []
            dropped = self._overtake(request)
            if kind(request) in CANCELS:
                return dropped
            if not is_idle(request):
                self._queue.append(request)
            elif is_pointed(request):
                dropped += [] if self._pointed is None else [self._pointed]
                self._pointed = request
            else:
                self._idle.append(request)
                dropped += [self._idle.popleft() for _ in range(len(self._idle) - IDLE_WAITING)]
            self._changed.notify()
            return dropped

    def again(self, request: Message) -> bool:
        """Put back an interrupted request, if it is still worth doing."""
        with self._changed:
            # Where the mouse was is of no interest any more.
            if not is_idle(request) or is_pointed(request) or self.is_stale(request):
                return False
            self._idle.appendleft(request)
            return True

    def next(self) -> Message | None:
        """Wait for the next request."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._pointed or self._idle)
            self._running = self._take()
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
                stop = self.is_stale(running) or self._has_to_wait(running)
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
        predictions = [request for request in waiting if is_question(request)]
        return bool(predictions) and not self._serves(predictions[-1])

    def _has_to_wait(self, running: Message) -> bool:
        if not is_idle(running):
            return False
        if self._pointed is not None and not is_pointed(running):
            return True
        return any(
            request is not None and (is_question(request) or kind(request) == Request.LOAD)
            for request in self._queue
        )

    def _take(self) -> Message | None:
        if self._queue:
            return self._queue.popleft()
        pointed, self._pointed = self._pointed, None
        return self._idle.popleft() if pointed is None else pointed

    def _overtake(self, request: Message) -> list[Message]:
        """Note a newer generation; gives the waiting idle requests that it cancels."""
        idle = is_idle(request)
        self._newest[idle] = max(self._newest[idle], generation(request))
        if kind(request) != Request.CANCEL_IDLE:
            return []
        stale = [waiting for waiting in self._idle if self.is_stale(waiting)]
        self._idle = deque(waiting for waiting in self._idle if not self.is_stale(waiting))
        if self._pointed is not None and self.is_stale(self._pointed):
            stale.append(self._pointed)
            self._pointed = None
        return stale
