"""`EngineClient`: the engine's process seen from the GUI or the command line.

Nothing here blocks the caller, computes, or imports torch or Qt. Callbacks come from the
client's own reading thread; a GUI hands them to its own thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import ModelError, SegSemError
from segsem.engine.answers import Candidates, EngineState, ModelFacts, StaleAnswerError
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
from segsem.engine.requests import Request, kind
from segsem.segmentation.prompts import Prompts

logger = logging.getLogger(__name__)

MAX_RESTARTS = 3
"""Deaths in a row without one answer between them; then the user must act."""

OnState = Callable[[EngineState, str], None]
OnPart = Callable[[Candidates], None]
Grey = npt.NDArray[np.uint8] | Callable[[], npt.NDArray[np.uint8]]
"""A (H, W) uint8 image, or what makes it: called in a thread of the client."""

_Outbox = queue.SimpleQueue[Message | None]


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

    def set_image(self, image_id: str, image: Grey) -> None:
        """Send the image that is worked on; it is kept to be sent again to a restarted engine."""
        with self._lock:
            self._images = {image_id: image}
        self._submit(_with_image(Request.IMAGE, image_id, image))

    def predict(
        self, image_id: str, prompts: Prompts, on_part: OnPart | None = None
    ) -> Future[Candidates]:
        """Ask for masks; an earlier question that is still open becomes stale.

        Parameters
        ----------
        image_id : str
            As `set_image` named it.
        prompts : Prompts
            In the image's frame.
        on_part : callable, optional
            Called with what the first window shows where an object goes on beyond it, from
            another thread; not once a newer question was asked.

        Returns
        -------
        Future of Candidates
            Raises `StaleAnswerError` where a newer question overtook it, `ModelError` where the
            engine failed.
        """
        with self._lock:
            self._generation += 1
            generation = self._generation

        def part(message: Message) -> None:
            if on_part is not None and generation == self._generation:
                on_part(Candidates.from_message(message))

        header = {"request": Request.PREDICT, "image_id": image_id, "generation": generation}
        # Where the last prompts were answered: further ones on an object stay in its windows.
        header |= {"prompts": prompts.as_json(), "window": self._windows.get(image_id)}
        answer = self._submit(Message(header), part)
        return converted(answer, lambda message: self._candidates(message, generation))

    def cancel(self) -> None:
        """Make every open question stale, and end its computation at the next window."""
        with self._lock:
            self._generation += 1
            self._send_only(Request.CANCEL, self._generation)

    def warm(self, image_id: str, point_rc: tuple[float, float] | None = None) -> Future[bool]:
        """Have encoded what the next prompt will need, while nothing else is to do.

        Parameters
        ----------
        image_id : str
            As `set_image` named it.
        point_rc : (row, column), optional
            Where that prompt will be, e.g. under the mouse; else the middle and the whole image.

        Returns
        -------
        Future of bool
            Whether it is encoded. `StaleAnswerError` where it was cancelled.
        """
        header = {"request": Request.WARM, "image_id": image_id, "point_rc": point_rc}
        return self._submit_idle(Message({**header, "generation": self._idle_generation}))

    def prefetch(self, image_id: str, image: Grey) -> Future[bool]:
        """Have an image encoded that may be shown next, while nothing else is to do.

        Returns
        -------
        Future of bool
            Whether it is encoded; False where it is too large to be held beside the image shown.
            `StaleAnswerError` where it was cancelled.
        """
        request = _with_image(Request.PREFETCH, image_id, image)
        request.header["generation"] = self._idle_generation
        return self._submit_idle(request)

    def cancel_idle(self) -> None:
        """Drop every `warm` and `prefetch`; one that is being encoded stops half-way."""
        with self._lock:
            self._idle_generation += 1
            self._send_only(Request.CANCEL_IDLE, self._idle_generation)

    def stats(self) -> Future[dict[str, Any]]:
        """Ask how many images and embeddings the engine holds, and how it came by them."""
        return converted(self._submit(Message({"request": Request.STATS})), lambda m: m.header)

    def close(self) -> None:
        """End the process; open questions are cancelled."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
            self._outbox.put(None)
        if process is not None:
            process.stop()
        for entry in self._pending.take_all():
            entry.future.cancel()
        self._tell(EngineState.STOPPED, "")

    def _load(self) -> Future[ModelFacts]:
        answer = self._submit(Message({"request": Request.LOAD, "model": self.model}))
        return converted(answer, self._loaded)

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
        if "window" in message.header:
            self._windows[str(message.header["image_id"])] = message.header["window"]
        return Candidates.from_message(message)

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

    def _submit_idle(self, request: Message) -> Future[bool]:
        if request.header["image_id"] in self._deadly:
            # The engine died of it, most likely for lack of memory: only a prompt is worth that.
            refused: Future[bool] = Future()
            refused.set_result(False)
            return refused

        def done(answer: Message) -> bool:
            if answer.header.get("stale"):
                raise StaleAnswerError
            return "unknown_image" not in answer.header

        return converted(self._submit(request), done)

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
            if self._failed and kind(entry.request) == Request.PREDICT:
                self._tell(EngineState.READY, self.model)
            settle(entry.future, answer)
            return
        if is_worth_telling(entry.request):
            self._tell(EngineState.FAILED, error)
        settle(entry.future, ModelError(error))

    def _ask_with_image(self, entry: OpenRequest) -> bool:
        """Send the image that the engine dropped, and the question again."""
        image_id = str(entry.request.header.get("image_id"))
        with self._lock:
            image = self._images.get(image_id)
            if entry.resent or image is None or kind(entry.request) == Request.PREFETCH:
                return False
            entry.resent = True
            self._submit(_with_image(Request.IMAGE, image_id, image))
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
                self._submit(_with_image(Request.IMAGE, image_id, image))
            for entry in survivors.again:
                self._ask_again(entry)
        for entry in survivors.hopeless:
            settle(entry.future, ModelError(f"The inference engine ended on this prompt ({words})"))

    def _tell(self, state: EngineState, message: str) -> None:
        self._failed = state is EngineState.FAILED
        if self._on_state is not None:
            self._on_state(state, message)


def _with_image(request: Request, image_id: str, image: Grey) -> Message:
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
