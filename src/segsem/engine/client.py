"""`EngineClient`: the engine's process seen from the GUI or the command line.

Nothing here blocks the caller, computes, or imports torch or Qt. Callbacks come from the
client's own reading thread; a GUI hands them to its own thread.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import ModelError
from segsem.engine.answers import Candidates, EngineState, ModelFacts, StaleAnswerError
from segsem.engine.messages import Message, ProtocolError, read_message, write_message
from segsem.engine.process import EngineProcess
from segsem.segmentation.prompts import Prompts

logger = logging.getLogger(__name__)

MAX_RESTARTS = 3
"""Deaths in a row without one answer between them; then the user must act."""

OnState = Callable[[EngineState, str], None]


class EngineClient:
    """Start the engine, ask it, and start it again when it dies.

    Parameters
    ----------
    model : str
        Name of the model, or a model's folder.
    on_state : callable, optional
        Called with each state and a message, from another thread.
    arguments : sequence of str
        More arguments for the engine's process.
    """

    def __init__(
        self, model: str, on_state: OnState | None = None, arguments: Sequence[str] = ()
    ) -> None:
        self.model = model
        self._on_state = on_state
        self._arguments = tuple(arguments)
        self._lock = threading.RLock()
        self._process: EngineProcess | None = None
        self._outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._pending: dict[int, tuple[Message, Future[Message]]] = {}
        self._ids = itertools.count(1)
        self._generation = 0
        self._images: dict[str, npt.NDArray[np.uint8]] = {}
        self._deaths = 0
        self._failed = False
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the engine; None while it is not started."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> Future[ModelFacts]:
        """Start the process and load the model."""
        with self._lock:
            self._closed = False
            self._launch()
        return self._load()

    def set_model(self, model: str) -> Future[ModelFacts]:
        """Load another model into the running engine."""
        self.model = model
        return self._load()

    def set_image(self, image_id: str, image: npt.NDArray[np.uint8]) -> None:
        """Send a (H, W) uint8 image; it is kept to be sent again to a restarted engine."""
        with self._lock:
            self._images = {image_id: image}
        self._submit(Message({"request": "image", "image_id": image_id}, {"image": image}))

    def predict(self, image_id: str, prompts: Prompts) -> Future[Candidates]:
        """Ask for masks; an earlier question that is still open becomes stale.

        Returns
        -------
        Future of Candidates
            Raises `StaleAnswerError` where a newer question overtook it, `ModelError` where the
            engine failed.
        """
        with self._lock:
            self._generation += 1
            generation = self._generation
        answer = self._submit(
            Message(
                {
                    "request": "predict",
                    "image_id": image_id,
                    "prompts": prompts.as_json(),
                    "generation": generation,
                }
            )
        )
        return _converted(answer, lambda message: self._candidates(message, generation))

    def cancel(self) -> None:
        """Make every open question stale."""
        with self._lock:
            self._generation += 1

    def stats(self) -> Future[dict[str, Any]]:
        """Ask how many images and embeddings the engine holds."""
        return _converted(self._submit(Message({"request": "stats"})), lambda m: m.header)

    def close(self) -> None:
        """End the process; open questions are cancelled."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
            pending, self._pending = self._pending, {}
            self._outbox.put(None)
        if process is not None:
            process.stop()
        for _, future in pending.values():
            future.cancel()
        self._tell(EngineState.STOPPED, "")

    def _load(self) -> Future[ModelFacts]:
        answer = self._submit(Message({"request": "load", "model": self.model}))
        return _converted(answer, self._loaded)

    def _loaded(self, message: Message) -> ModelFacts:
        facts = ModelFacts.from_message(message)
        self._tell(EngineState.READY, facts.name)
        return facts

    def _candidates(self, message: Message, generation: int) -> Candidates:
        if message.header.get("stale") or generation != self._generation:
            raise StaleAnswerError
        if "unknown_image" in message.header:
            msg = "The engine no longer has this image: open the image again"
            raise ModelError(msg)
        return Candidates.from_message(message)

    def _submit(self, request: Message) -> Future[Message]:
        future: Future[Message] = Future()
        with self._lock:
            if self._closed or self._process is None:
                future.set_exception(ModelError("The inference engine is not running: restart it"))
                return future
            request.header["id"] = next(self._ids)
            self._pending[request.header["id"]] = (request, future)
            self._outbox.put(request)
        return future

    def _launch(self) -> None:
        self._tell(EngineState.STARTING, "")
        process = EngineProcess(self._arguments)
        outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._process, self._outbox = process, outbox
        threading.Thread(target=self._write, args=(process, outbox), daemon=True).start()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _write(self, process: EngineProcess, outbox: queue.SimpleQueue[Message | None]) -> None:
        # A thread of its own: a large image takes time to cross, and the caller is the GUI.
        while (request := outbox.get()) is not None:
            try:
                write_message(process.requests, request)
            except (OSError, ValueError):
                logger.info("the engine is gone; its reader notices")
                return

    def _read(self, process: EngineProcess) -> None:
        try:
            while (answer := read_message(process.answers)) is not None:
                self._deaths = 0
                self._receive(answer)
        except (ProtocolError, OSError, ValueError) as error:
            logger.info("answers ended: %s", error)
        self._ended(process)

    def _receive(self, answer: Message) -> None:
        if "state" in answer.header:
            self._tell(EngineState(answer.header["state"]), self.model)
            return
        with self._lock:
            entry = self._pending.pop(answer.header.get("id", 0), None)
        if entry is None:
            return
        request, future = entry
        error = answer.header.get("error")
        if error is None:
            if self._failed and request.header["request"] == "predict":
                self._tell(EngineState.READY, self.model)
            _settle(future, answer)
            return
        self._tell(EngineState.FAILED, error)
        _settle(future, ModelError(error))

    def _ended(self, process: EngineProcess) -> None:
        with self._lock:
            if self._closed or self._process is not process:
                return
            self._deaths += 1
            self._outbox.put(None)
        words = process.last_words()
        process.stop()
        if self._deaths > MAX_RESTARTS:
            self._give_up(words)
            return
        logger.warning("the engine ended (%s) and is started again", words)
        self._restart()

    def _give_up(self, words: str) -> None:
        with self._lock:
            self._process = None
            pending, self._pending = self._pending, {}
        msg = f"The inference engine keeps ending ({words}): run `segsem doctor`"
        for _, future in pending.values():
            _settle(future, ModelError(msg))
        self._tell(EngineState.FAILED, msg)

    def _restart(self) -> None:
        """Load the model, send the images and ask again what was open."""
        with self._lock:
            if self._closed:
                return
            self._launch()
            pending = sorted(self._pending.items())
            self._pending = {}
            self._load()
            for image_id, image in self._images.items():
                self._submit(Message({"request": "image", "image_id": image_id}, {"image": image}))
            for request_id, (request, future) in pending:
                if request.header["request"] in ("predict", "stats"):
                    self._pending[request_id] = (request, future)
                    self._outbox.put(request)
                elif request.header["request"] == "load":
                    self._answer_with_next_load(future)

    def _answer_with_next_load(self, waiting: Future[Message]) -> None:
        _, newest = next(
            entry for entry in self._pending.values() if entry[0].header["request"] == "load"
        )
        newest.add_done_callback(lambda done: _settle(waiting, done.exception() or done.result()))

    def _tell(self, state: EngineState, message: str) -> None:
        self._failed = state is EngineState.FAILED
        if self._on_state is not None:
            self._on_state(state, message)


def _settle(future: Future[Any], outcome: Any) -> None:
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        # Cancelled by its owner while the answer was on its way.
        return


def _converted(source: Future[Message], convert: Callable[[Message], Any]) -> Future[Any]:
    """Give a future of the converted answer; an error stays an error."""
    target: Future[Any] = Future()

    def finish(done: Future[Message]) -> None:
        if done.cancelled():
            target.cancel()
            return
        error = done.exception()
        if error is not None:
            _settle(target, error)
            return
        try:
            _settle(target, convert(done.result()))
        except (ModelError, StaleAnswerError) as failure:
            _settle(target, failure)

    source.add_done_callback(finish)
    return target
