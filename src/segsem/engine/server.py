"""The loop of the engine's process: newest prediction first, errors as messages, end at EOF."""

from __future__ import annotations

import logging
import os
import threading
from typing import BinaryIO

from segsem.core.exceptions import ModelError, SegSemError
from segsem.engine import memory
from segsem.engine.embedding_store import EmbeddingStore
from segsem.engine.messages import Message, ProtocolError, read_message, write_message
from segsem.engine.requests import Request, generation, is_idle, kind
from segsem.engine.schedule import Interrupted, Schedule
from segsem.engine.service import InferenceService, PredictorFactory

logger = logging.getLogger(__name__)


class Server:
    """Answer requests from one stream on another until the first one ends.

    A reading thread sorts what comes in while the main thread computes: a prediction that was
    overtaken by a newer one is answered `stale`, and its computation ends at the next window.

    Parameters
    ----------
    requests, answers : binary streams
    factory : callable
        Makes a predictor from a model's name.
    store : EmbeddingStore
        Where embeddings are kept.
    """

    def __init__(
        self,
        requests: BinaryIO,
        answers: BinaryIO,
        factory: PredictorFactory,
        store: EmbeddingStore,
    ) -> None:
        self._requests = requests
        self._answers = answers
        self._write_lock = threading.Lock()
        self._load_error: str | None = None
        self._schedule = Schedule(lambda newer: self._service.serves(newer))
        self._running: Message | None = None
        self._service = InferenceService(
            factory, store, self._notify, self._schedule.check, self._send_part
        )

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
        while (request := self._schedule.next()) is not None:
            self._answer(request)

    def _read(self, exit_at_eof: bool) -> None:
        try:
            while (request := read_message(self._requests)) is not None:
                for dropped in self._schedule.put(request):
                    self._send_stale(dropped)
        except (ProtocolError, OSError) as error:
            logger.warning("requests ended: %s", error)
        if exit_at_eof:
            os._exit(0)
        self._schedule.put(None)

    def _answer(self, request: Message) -> None:
        if self._schedule.is_stale(request):
            self._send_stale(request)
            return
        self._running = request
        try:
            answer = self._handle(request)
        except Interrupted:
            if not self._schedule.again(request):
                self._send_stale(request)
            return
        except SegSemError as error:
            self._send(Message({**_tags(request), "error": self._cause(request, str(error))}))
            return
        if kind(request) == Request.LOAD:
            self._load_error = None
        self._send(Message({**answer.header, **_tags(request)}, answer.arrays))

    def _cause(self, request: Message, error: str) -> str:
        """Say why the model is not there, rather than only that it is not."""
        if kind(request) == Request.LOAD:
            self._load_error = error
        return self._load_error or error

    def _handle(self, request: Message) -> Message:
        """Answer a request, once more after giving memory back where that ran out."""
        try:
            return self._service.handle(request)
        except (Interrupted, SegSemError) as error:
            if not memory.is_out_of_memory(error):
                raise
        except Exception as error:
            logger.exception("request failed")
            if not memory.is_out_of_memory(error):
                raise ModelError(_remedy(error)) from error
        # Outside the handlers: there, the traceback still holds the tensors of the failed try.
        self._give_memory_back()
        if not is_idle(request):
            try:
                return self._service.handle(request)
            except Interrupted:
                raise
            except Exception:
                logger.exception("request failed again with all caches empty")
            self._give_memory_back()
        is_load = kind(request) == Request.LOAD
        raise ModelError(memory.REMEDY_FOR_MODEL if is_load else memory.REMEDY)

    def _give_memory_back(self) -> None:
        self._service.forget()
        memory.release()

    def _notify(self, state: str) -> None:
        self._send(Message({"state": state}))

    def _send_part(self, answer: Message) -> None:
        if self._running is not None and not self._schedule.is_stale(self._running):
            header = {**answer.header, **_tags(self._running), "partial": True}
            self._send(Message(header, answer.arrays))

    def _send_stale(self, request: Message) -> None:
        self._send(Message({**_tags(request), "stale": True}))

    def _send(self, answer: Message) -> None:
        with self._write_lock:
            try:
                write_message(self._answers, answer)
            except OSError:
                # The other side is gone; the end of the requests follows.
                logger.warning("the answer could not be written")


def _tags(request: Message) -> dict[str, object]:
    return {"id": request.header.get("id"), "generation": generation(request)}


def _remedy(error: BaseException) -> str:
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, ImportError):
        return f"A package is missing ({first_line}): run `segsem doctor` to see what to install"
    return f"The model failed ({first_line}): run `segsem doctor`, or choose another model"
