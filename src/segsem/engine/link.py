"""`EngineLink`: the engine's process with its pipes, and what is open when it dies.

Nothing here blocks the caller, computes, or imports torch or Qt.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import ModelError, SegSemError
from segsem.engine.answers import EngineState, ModelFacts
from segsem.engine.messages import Message, ProtocolError, read_message, write_message
from segsem.engine.pending import (
    Later,
    OpenRequest,
    Pending,
    converted,
    is_worth_telling,
    settle,
    sort_survivors,
)
from segsem.engine.process import EngineProcess
from segsem.engine.requests import Request, is_question, kind

logger = logging.getLogger(__name__)

MAX_RESTARTS = 3
"""Deaths in a row without one answer between them; then the user must act."""

OnState = Callable[[EngineState, str], None]
Grey = npt.NDArray[np.uint8] | Callable[[], npt.NDArray[np.uint8]]
"""A (H, W) uint8 image, or what makes it: called in a thread of the client."""

_Outbox = queue.SimpleQueue[Message | None]


class EngineLink:
    """Start the engine, send it requests, and start it again when it dies.

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
        self.pace_s: tuple[float, float] | None = None
        """Seconds that the model takes for a window and for a prompt; None while unknown."""
        self._on_state = on_state
        self._arguments = tuple(arguments)
        self._lock = threading.RLock()
        self._process: EngineProcess | None = None
        self._outbox: _Outbox = queue.SimpleQueue()
        self._pending = Pending()
        self._generation = 0
        self._idle_generation = 1
        self._images: dict[str, Grey] = {}
        self._deadly: set[str] = set()
        self._windows: dict[str, list[int]] = {}
        self._deaths = 0
        self._failed = False
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the engine; None while it is not started."""
        process = self._process
        return None if process is None else process.pid

    def _load(self) -> Future[ModelFacts]:
        answer = self._submit(Message({"request": Request.LOAD, "model": self.model}))
        return converted(answer, self._loaded)

    def _loaded(self, message: Message) -> ModelFacts:
        facts = ModelFacts.from_message(message)
        self._tell(EngineState.READY, facts.name)
        return facts

    def _submit(
        self, request: Message, on_part: Callable[[Message], None] | None = None
    ) -> Future[Message]:
        with self._lock:
            future = self._pending.add(request, on_part)
            if self._closed or self._process is None:
                self._pending.take(request)
                future.set_exception(ModelError("The inference engine is not running: restart it"))
                return future
            self._outbox.put(request)
        return future

    def _send_only(self, request: Request, generation: int) -> None:
        if self._process is not None:
            self._outbox.put(Message({"request": request, "generation": generation}))

    def _launch(self) -> None:
        self._tell(EngineState.STARTING, "")
        process = EngineProcess(self._arguments)
        outbox: _Outbox = queue.SimpleQueue()
        self._process, self._outbox = process, outbox
        threading.Thread(target=self._write, args=(process, outbox), daemon=True).start()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _write(self, process: EngineProcess, outbox: _Outbox) -> None:
        # A thread of its own: a large image takes time to cross, and the caller is the GUI.
        while (request := outbox.get()) is not None:
            try:
                arrays = dict(request.arrays)
            except (SegSemError, MemoryError, OSError, ValueError) as error:
                self._refuse(request, error)
                continue
            try:
                write_message(process.requests, Message(request.header, arrays))
            except (OSError, ValueError):
                logger.info("the engine is gone; its reader notices")
                return

    def _refuse(self, request: Message, error: Exception) -> None:
        logger.warning("an image could not be prepared for the engine: %s", error)
        entry = self._pending.take(request)
        if entry is not None:
            settle(entry.future, ModelError(f"Cannot prepare the image: {error}"))

    def _read(self, process: EngineProcess) -> None:
        try:
            while (answer := read_message(process.answers)) is not None:
                self._receive(answer)
        except (ProtocolError, OSError, ValueError) as error:
            logger.info("answers ended: %s", error)
        self._ended(process)

    def _receive(self, answer: Message) -> None:
        if "state" in answer.header:
            self._tell(EngineState(answer.header["state"]), self.model)
            return
        if answer.header.get("partial"):
            self._pending.tell_part(answer)
            return
        entry = self._pending.take(answer)
        if entry is None:
            return
        if kind(entry.request) != Request.LOAD:
            # A model that loads and then kills the engine must not be loaded for ever.
            self._deaths = 0
        if "unknown_image" in answer.header and self._ask_with_image(entry):
            return
        error = answer.header.get("error")
        if error is None:
            self._note_pace(answer)
            if self._failed and is_question(entry.request):
                self._tell(EngineState.READY, self.model)
            settle(entry.future, answer)
            return
        if is_worth_telling(entry.request):
            self._tell(EngineState.FAILED, error)
        settle(entry.future, ModelError(error))

    def _note_pace(self, answer: Message) -> None:
        pace = answer.header.get("pace_s")
        if isinstance(pace, list) and len(pace) == 2:
            self.pace_s = float(pace[0]), float(pace[1])

    def _ask_with_image(self, entry: OpenRequest) -> bool:
        """Send the image that the engine dropped, and the question again."""
        image_id = str(entry.request.header.get("image_id"))
        with self._lock:
            image = self._images.get(image_id)
            if entry.resent or image is None or kind(entry.request) == Request.PREFETCH:
                return False
            entry.resent = True
            self._submit(with_image(Request.IMAGE, image_id, image))
            self._ask_again(entry)
        return True

    def _ask_again(self, entry: OpenRequest) -> None:
        self._pending.put_back(entry)
        self._outbox.put(entry.request)

    def _ended(self, process: EngineProcess) -> None:
        with self._lock:
            if self._closed or self._process is not process:
                return
            self._deaths += 1
            self._outbox.put(None)
        words = process.last_words()
        process.stop()
        if self._deaths > MAX_RESTARTS:
            self._give_up(f"The inference engine keeps ending ({words}): run `segsem doctor`")
            return
        logger.warning("the engine ended (%s) and is started again", words)
        self._restart(words)

    def _give_up(self, msg: str) -> None:
        with self._lock:
            self._process = None
            entries = self._pending.take_all()
        for entry in entries:
            settle(entry.future, ModelError(msg))
        self._tell(EngineState.FAILED, msg)

    def _restart(self, words: str) -> None:
        """Load the model, send the image and ask again what was open."""
        with self._lock:
            if self._closed:
                return
            try:
                self._launch()
            except ModelError as error:
                self._give_up(str(error))
                return
            survivors = sort_survivors(self._pending.take_all(), self._generation)
            self._deadly |= survivors.deadly
            loading = self._submit(Message({"request": Request.LOAD, "model": self.model}))
            for waiting in survivors.loads:
                loading.add_done_callback(_passed_on(waiting))
            converted(loading, self._loaded)
            for image_id, image in self._images.items():
                self._submit(with_image(Request.IMAGE, image_id, image))
            for entry in survivors.again:
                self._ask_again(entry)
        for entry in survivors.hopeless:
            settle(entry.future, ModelError(f"The inference engine ended on this prompt ({words})"))

    def _tell(self, state: EngineState, message: str) -> None:
        self._failed = state is EngineState.FAILED
        if self._on_state is not None:
            self._on_state(state, message)


def with_image(request: Request, image_id: str, image: Grey) -> Message:
    """Make a request that an image comes along with."""
    header = {"request": request, "image_id": image_id}
    if callable(image):
        return Message(header, Later("image", image))
    return Message(header, {"image": image})


def _passed_on(waiting: Future[Message]) -> Callable[[Future[Message]], None]:
    def pass_on(done: Future[Message]) -> None:
        if done.cancelled():
            waiting.cancel()
        else:
            settle(waiting, done.exception() or done.result())

    return pass_on
