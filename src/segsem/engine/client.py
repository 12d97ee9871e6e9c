"""`EngineClient`: what can be asked of the engine, seen from the GUI or the command line.

Nothing here blocks the caller, computes, or imports torch or Qt. Callbacks come from the
client's own reading thread; a GUI hands them to its own thread.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import ModelError
from segsem.core.mask_patch import MaskPatch
from segsem.core.types import BoxRC, MaskArray
from segsem.engine.answers import Candidates, EngineState, ModelFacts, StaleAnswerError
from segsem.engine.link import MAX_RESTARTS, EngineLink, Grey, OnState, with_image
from segsem.engine.mask_fields import BITS, TAKEN, answers_of, joined, placed, with_questions
from segsem.engine.messages import Message
from segsem.engine.pending import Later, converted
from segsem.engine.requests import Request
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import ObjectAnswer, Question

__all__ = ["MAX_RESTARTS", "EngineClient", "Grey", "OnState"]

OnPart = Callable[[Candidates], None]
OnRepeat = Callable[[list[ObjectAnswer], float], None]
OnAnswers = Callable[[list[ObjectAnswer]], None]


class EngineClient(EngineLink):
    """Ask the engine; it is started again when it dies.

    Parameters are those of `EngineLink`.
    """

    def start(self) -> Future[ModelFacts]:
        """Start the process and load the model."""
        with self._lock:
            self._closed = False
            self._launch()
        return self._load()

    def set_model(self, model: str) -> Future[ModelFacts]:
        """Load another model into the running engine."""
        self.model, self.pace_s = model, None
        return self._load()

    def set_image(self, image_id: str, image: Grey) -> None:
        """Send the image that is worked on; it is kept to be sent again to a restarted engine."""
        with self._lock:
            self._images = {image_id: image}
        self._submit(with_image(Request.IMAGE, image_id, image))

    def predict(
        self,
        image_id: str,
        prompts: Prompts,
        on_part: OnPart | None = None,
        known: MaskPatch | None = None,
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
        known : MaskPatch, optional
            A mask of the object in the image's frame; the prompts hold its box.

        Returns
        -------
        Future of Candidates
            Raises `StaleAnswerError` where a newer question overtook it, `ModelError` where the
            engine failed.
        """

        def part(message: Message) -> None:
            if on_part is not None:
                on_part(Candidates.from_message(message))

        # Where the last prompts were answered: further ones on an object stay in its windows.
        header = {"prompts": prompts.as_json(), "window": self._windows.get(image_id)}
        arrays = {}
        if known is not None:
            header["mask"], arrays[BITS] = placed(known), joined([known])
        request = Message({"request": Request.PREDICT, "image_id": image_id, **header}, arrays)
        return self._ask(request, part, self._candidates)

    def predict_many(
        self, image_id: str, questions: Sequence[Question], on_part: OnAnswers | None = None
    ) -> Future[list[ObjectAnswer]]:
        """Ask for many objects in one go; an earlier question that is still open becomes stale.

        Parameters
        ----------
        image_id : str
            As `set_image` named it.
        questions : sequence of Question
            In the image's frame.
        on_part : callable, optional
            Called with answers as they come, from another thread; not once a newer question was
            asked. An engine that is started anew begins again.

        Returns
        -------
        Future of list of ObjectAnswer
            By index of the question. Raises as that of `predict` does.
        """
        request = with_questions({"request": Request.PREDICT_MANY, "image_id": image_id}, questions)

        def part(answers: list[ObjectAnswer], header: dict[str, Any]) -> None:
            if on_part is not None:
                on_part(answers)

        return self._ask_many(request, part)

    def repeat(
        self,
        image_id: str,
        known: MaskPatch,
        taken: MaskArray | Callable[[], MaskArray] | None = None,
        *,
        turned: bool = False,
        on_part: OnRepeat | None = None,
    ) -> Future[list[ObjectAnswer]]:
        """Ask for the other instances of an object; an earlier open question becomes stale.

        Parameters
        ----------
        image_id : str
            As `set_image` named it.
        known : MaskPatch
            The object.
        taken : (H, W) bool or callable, optional
            Where objects are accepted already, of the image that the engine has; or what tells
            it, called in a thread of the client.
        turned : bool
            Find instances that are turned by quarters, or mirrored, too.
        on_part : callable, optional
            Called with answers as they come and the score that divides the object's kind from the
            rest, from another thread; first with no answers.

        Returns
        -------
        Future of list of ObjectAnswer
            Those of the object's kind first, each with `match`. Raises as that of `predict` does,
            and `ModelError` where the object is not one to look for.
        """
        header = {"request": Request.REPEAT, "image_id": image_id, "mask": placed(known)}
        arrays: Mapping[str, npt.NDArray[Any]] = {BITS: joined([known])}
        if taken is not None:

            def bits() -> npt.NDArray[np.uint8]:
                return np.packbits(taken() if callable(taken) else taken)

            arrays = ChainMap(dict(arrays), Later(TAKEN, bits))  # type: ignore[arg-type]
        request = Message({**header, "turned": turned}, arrays)

        def part(answers: list[ObjectAnswer], header: dict[str, Any]) -> None:
            if on_part is not None:
                on_part(answers, float(header["threshold"]))

        return self._ask_many(request, part)

    def hover(self, image_id: str, point_rc: tuple[float, float]) -> Future[ObjectAnswer | None]:
        """Ask what a click would give, while nothing else is to do; the newest place wins.

        Returns
        -------
        Future of ObjectAnswer or None
            The mask ranked first, as far as the window goes; None where the engine does not have
            the image. `StaleAnswerError` where something else was more urgent.
        """
        header = {"request": Request.WARM, "image_id": image_id, "point_rc": point_rc, "show": True}
        header |= {"window": self._windows.get(image_id), "generation": self._idle_generation}

        def answer(message: Message) -> ObjectAnswer | None:
            if message.header.get("stale"):
                raise StaleAnswerError
            answers = answers_of(message)
            return answers[0] if answers else None

        return converted(self._submit(Message(header)), answer)

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

    def warm_box(self, image_id: str, box_rc: BoxRC) -> Future[bool]:
        """Have encoded what a box needs that is being drawn; the newest one wins.

        Returns
        -------
        Future of bool
            As that of `warm`.
        """
        header: dict[str, Any] = {"request": Request.WARM, "image_id": image_id, "box_rc": box_rc}
        header |= {"window": self._windows.get(image_id), "generation": self._idle_generation}
        return self._submit_idle(Message(header))

    def prefetch(self, image_id: str, image: Grey) -> Future[bool]:
        """Have an image encoded that may be shown next, while nothing else is to do.

        Returns
        -------
        Future of bool
            Whether it is encoded; False where it is too large to be held beside the image shown.
            `StaleAnswerError` where it was cancelled.
        """
        request = with_image(Request.PREFETCH, image_id, image)
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

    def _ask(
        self,
        request: Message,
        on_part: Callable[[Message], None],
        convert: Callable[[Message], Any],
    ) -> Future[Any]:
        """Ask a question that overtakes the one before."""
        with self._lock:
            self._generation += 1
            generation = request.header["generation"] = self._generation

        def part(message: Message) -> None:
            if generation == self._generation:
                on_part(message)

        def whole(message: Message) -> Any:
            if message.header.get("stale") or generation != self._generation:
                raise StaleAnswerError
            if "unknown_image" in message.header:
                msg = "The engine no longer has this image: open the image again"
                raise ModelError(msg)
            return convert(message)

        return converted(self._submit(request, part), whole)

    def _ask_many(
        self,
        request: Message,
        on_part: Callable[[list[ObjectAnswer], dict[str, Any]], None],
    ) -> Future[list[ObjectAnswer]]:
        known: dict[int, ObjectAnswer] = {}

        def part(message: Message) -> None:
            answers = answers_of(message)
            known.update((answer.index, answer) for answer in answers)
            on_part(answers, message.header)

        return self._ask(request, part, lambda _last: [known[index] for index in sorted(known)])

    def _candidates(self, message: Message) -> Candidates:
        if "window" in message.header:
            self._windows[str(message.header["image_id"])] = message.header["window"]
        return Candidates.from_message(message)

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
