"""The loop of the engine's process: newest prediction first, errors as messages, end at EOF."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import BinaryIO

from segsem.core.exceptions import ModelError, SegSemError
from segsem.engine.messages import Message, ProtocolError, read_message, write_message
from segsem.engine.service import InferenceService, PredictorFactory

logger = logging.getLogger(__name__)

_OUT_OF_MEMORY = "out of memory"


class Server:
    """Answer requests from one stream on another until the first one ends.

    A reading thread sorts what comes in while the main thread computes: a prediction that was
    overtaken by a newer one is answered `stale` and never computed.
    """

    def __init__(self, requests: BinaryIO, answers: BinaryIO, factory: PredictorFactory) -> None:
        self._requests = requests
        self._answers = answers
        self._write_lock = threading.Lock()
        self._queue: deque[Message | None] = deque()
        self._arrived = threading.Condition()
        self._newest = 0
        self._load_error: str | None = None
        self._service = InferenceService(factory, self._notify)

    def run(self, *, exit_at_eof: bool = False) -> None:
        """Answer until the requests end.

        Parameters
        ----------
        exit_at_eof : bool
            End the process at once when the requests end, even while computing: nobody waits
            for the answer any more.
        """
        reader = threading.Thread(target=self._read, args=(exit_at_eof,), daemon=True)
        reader.start()
        while (request := self._next()) is not None:
            self._answer(request)

    def _read(self, exit_at_eof: bool) -> None:
        try:
            while (request := read_message(self._requests)) is not None:
                self._newest = max(self._newest, _generation(request))
                self._put(request)
        except (ProtocolError, OSError) as error:
            logger.warning("requests ended: %s", error)
        if exit_at_eof:
            os._exit(0)
        self._put(None)

    def _put(self, request: Message | None) -> None:
        with self._arrived:
            self._queue.append(request)
            self._arrived.notify()

    def _next(self) -> Message | None:
        with self._arrived:
            self._arrived.wait_for(lambda: len(self._queue) > 0)
            return self._queue.popleft()

    def _answer(self, request: Message) -> None:
        tags = {"id": request.header.get("id"), "generation": _generation(request)}
        if 0 < _generation(request) < self._newest:
            self._send(Message({**tags, "stale": True}))
            return
        try:
            answer = self._handle(request)
        except SegSemError as error:
            self._send(Message({**tags, "error": self._cause(request, str(error))}))
            return
        if request.header.get("request") == "load":
            self._load_error = None
        self._send(Message({**answer.header, **tags}, answer.arrays))

    def _cause(self, request: Message, error: str) -> str:
        """Say why the model is not there, rather than only that it is not."""
        if request.header.get("request") == "load":
            self._load_error = error
        return self._load_error or error

    def _handle(self, request: Message) -> Message:
        try:
            return self._service.handle(request)
        except (RuntimeError, MemoryError, ValueError, OSError, ImportError) as error:
            # torch reports nearly everything as RuntimeError, out of memory included.
            logger.exception("request failed")
            self._service.forget()
            raise ModelError(_remedy(error)) from error

    def _notify(self, state: str) -> None:
        self._send(Message({"state": state}))

    def _send(self, answer: Message) -> None:
        with self._write_lock:
            try:
                write_message(self._answers, answer)
            except OSError:
                # The other side is gone; the end of the requests follows.
                logger.warning("the answer could not be written")


def _generation(request: Message) -> int:
    value = request.header.get("generation", 0)
    return value if isinstance(value, int) else 0


def _remedy(error: BaseException) -> str:
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY in str(error).lower():
        return (
            "Not enough memory for this prediction: close other programs, prompt a smaller "
            "object, or choose a smaller model"
        )
    if isinstance(error, ImportError):
        return f"A package is missing ({first_line}): run `segsem doctor` to see what to install"
    return f"The model failed ({first_line}): run `segsem doctor`, or choose another model"
