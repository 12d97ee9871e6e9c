"""What the engine does with a request: it holds the model, the images and the embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import ModelError, UsageError
from segsem.core.mask_patch import MaskPatch
from segsem.engine.cached_predictor import CachedPredictor, Checkpoint
from segsem.engine.embedding_store import MEBIBYTE, EmbeddingStore
from segsem.engine.foresight import Focus, focus_on_prompts, focus_on_window, likely_windows
from segsem.engine.lru import ByteLRU
from segsem.engine.mask_fields import mask_of, questions_of, taken_of, with_answers
from segsem.engine.messages import Message, ProtocolError
from segsem.engine.request_fields import (
    expected_box_of,
    image_id_of,
    image_of,
    point_of,
    prompts_of,
    window_of,
)
from segsem.engine.requests import Request, kind
from segsem.segmentation import native
from segsem.segmentation.many import answer_many
from segsem.segmentation.predictor import MASK_THRESHOLD, ImageEmbedding, Predictor
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import ObjectAnswer
from segsem.segmentation.repeat import ALL_TURNS, AS_IT_IS, find_repeats
from segsem.segmentation.repeat_refine import offered, refine_many
from segsem.segmentation.window import Window

IMAGES_BYTES = 512 * MEBIBYTE
"""Grey images kept: the one shown, those beside it, those shown before."""

WINDOW_MARGIN = 0.1
"""A cached window is used again while prompts stay this part of a frame inside it."""

PredictorFactory = Callable[[str], Predictor]
Notify = Callable[[str], None]
Report = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class Sight:
    """An image, and what is needed to ask for windows of it."""

    image: npt.NDArray[np.uint8]
    shape: tuple[int, int]
    predictor: CachedPredictor
    encode: Callable[[Window], ImageEmbedding]


class InferenceService:
    """Answer requests, one at a time.

    Parameters
    ----------
    factory : callable
        Makes a predictor from a model's name.
    store : EmbeddingStore
        Where embeddings are kept.
    notify : callable
        Told what is going on (`loading`, `encoding`, `ready`) before it takes time.
    checkpoint : callable
        Called before each step, with whether it lies inside an encoding; raises to end it.
    report : callable
        Told what is known of an answer before the whole is.
    """

    def __init__(
        self,
        factory: PredictorFactory,
        store: EmbeddingStore,
        notify: Notify = lambda state: None,
        checkpoint: Checkpoint = lambda inside: None,
        report: Report = lambda answer: None,
    ) -> None:
        self._factory, self._store = factory, store
        self._notify, self._checkpoint, self._report = notify, checkpoint, report
        self._quiet = False
        self._predictor: CachedPredictor | None = None
        self._images: ByteLRU[str, npt.NDArray[np.uint8]] = ByteLRU(IMAGES_BYTES)
        self._focus: Focus | None = None
        self._answered = 0
        self._handlers: dict[str, Callable[[Message], Message]] = {
            Request.HELLO: self._hello,
            Request.LOAD: self._load,
            Request.IMAGE: self._image,
            Request.PREDICT: self._answer_prompts,
            Request.PREDICT_MANY: self._answer_many,
            Request.REPEAT: self._repeat,
            Request.WARM: self._warm,
            Request.PREFETCH: self._prefetch,
            Request.STATS: self._stats,
        }

    def handle(self, request: Message) -> Message:
        """Answer one request.

        Raises
        ------
        SegSemError
            If it cannot be answered; the message is for the user.
        """
        asked = request.header.get("request")
        handler = self._handlers.get(str(asked))
        if handler is None:
            msg = f"Expected a request out of {', '.join(self._handlers)}, but got {asked!r}"
            raise UsageError(msg)
        answer = handler(request)
        pace = None if self._predictor is None else self._predictor.pace_s
        return answer if pace is None else Message({**answer.header, "pace_s": pace}, answer.arrays)

    def forget(self) -> None:
        """Drop all embeddings in memory, to give it back."""
        self._store.forget()

    def serves(self, newer: Message) -> bool:
        """Whether a waiting prediction needs what is being encoded."""
        focus, image_id = self._focus, newer.header.get("image_id")
        try:
            if kind(newer) == Request.PREDICT_MANY:
                asked = [question.prompts for question in questions_of(newer)]
            else:
                asked = [prompts_of(newer)]
        except (UsageError, ProtocolError):
            return False
        return focus is not None and any(focus.serves(image_id, prompts) for prompts in asked)

    def _hello(self, request: Message) -> Message:
        return Message({"model": self._predictor.name if self._predictor else None})

    def _load(self, request: Message) -> Message:
        self._notify("loading")
        # Let go of the old model first: the memory may not hold two.
        self._predictor = None
        self.forget()
        made = self._factory(str(request.header.get("model", "")))
        self._predictor = CachedPredictor(made, self._store, self._checkpoint, self._tell)
        return Message(
            {
                "model": made.name,
                "weights_sha256": made.weights_sha256,
                "frame_px": made.frame_px,
            }
        )

    def _image(self, request: Message) -> Message:
        image, image_id = image_of(request), image_id_of(request)
        self._images.put(image_id, image, image.nbytes)
        return Message({"image_id": image_id})

    def _answer_prompts(self, request: Message) -> Message:
        image_id, prompts = image_id_of(request), prompts_of(request)
        self._focus = focus_on_prompts(image_id, prompts, self._ready_predictor().frame_px)
        try:
            return self._predict(request)
        finally:
            self._focus = None

    def _answer_many(self, request: Message) -> Message:
        questions = questions_of(request)

        def answers(sight: Sight) -> Iterator[list[ObjectAnswer]]:
            yield from answer_many(sight.predictor, sight.encode, questions, sight.shape)

        return self._tell_parts(request, answers, {})

    def _repeat(self, request: Message) -> Message:
        known = mask_of(request)
        if known is None:
            msg = "Expected `mask`, the object whose others are wanted, but got none"
            raise UsageError(msg)
        turns = ALL_TURNS if request.header.get("turned") else AS_IT_IS
        facts: dict[str, object] = {}

        def answers(sight: Sight) -> Iterator[list[ObjectAnswer]]:
            taken = taken_of(request, sight.shape)
            found = find_repeats(sight.image, known, taken, turns)
            facts["threshold"] = found.threshold
            yield []
            yield from refine_many(sight.predictor, sight.encode, offered(found), sight.shape)

        return self._tell_parts(request, answers, facts)

    def _tell_parts(
        self,
        request: Message,
        answers: Callable[[Sight], Iterator[list[ObjectAnswer]]],
        facts: dict[str, object],
    ) -> Message:
        """Report answers as they come, with what is known of the whole by then."""
        image_id, predictor = image_id_of(request), self._ready_predictor()
        image = self._images.get(image_id)
        if image is None:
            return Message({"unknown_image": image_id})
        shape = (image.shape[0], image.shape[1])

        def encode(window: Window) -> ImageEmbedding:
            self._focus = focus_on_window(image_id, window, shape, predictor.frame_px)
            return self._embedding(predictor, image_id, image, window)

        try:
            for part in answers(Sight(image, shape, predictor, encode)):
                self._answered += len(part)
                self._report(with_answers({"image_id": image_id, **facts}, part))
        finally:
            self._focus = None
        return Message({"image_id": image_id, **facts})

    def _warm(self, request: Message) -> Message:
        point = point_of(request)
        if point is not None and request.header.get("show"):
            return self._hover(request, point)
        if request.header.get("box_rc") is not None:
            return self._expect(request)
        # Only of the image that is shown it is worth telling, not of wherever the mouse goes.
        return self._look_ahead(request, quiet=point is not None)

    def _hover(self, request: Message, point_rc: tuple[float, float]) -> Message:
        """Show what a click would give, as far as its first window goes."""
        image_id, predictor = image_id_of(request), self._ready_predictor()
        image = self._images.get(image_id)
        if image is None:
            return Message({"unknown_image": image_id})
        shape = (image.shape[0], image.shape[1])
        click = Prompts([point_rc], [1])
        window = self._window(click, shape, window_of(request))
        self._quiet = True
        try:
            self._focus = focus_on_window(image_id, window, shape, predictor.frame_px)
            embedding = self._embedding(predictor, image_id, image, window)
            prediction = predictor.decode(embedding, window.to_window(click))
        finally:
            self._focus, self._quiet = None, False
        (row, col), logits = prediction.around(0)
        offset = (window.row0 + row, window.col0 + col)
        mask = MaskPatch.of(logits > MASK_THRESHOLD, offset)
        answer = ObjectAnswer(0, (mask,), (float(prediction.iou_pred[0]),))
        return with_answers({"image_id": image_id}, [answer])

    def _expect(self, request: Message) -> Message:
        """Answer a box that is still being drawn, for nobody: what it needs is encoded then."""
        image_id, predictor = image_id_of(request), self._ready_predictor()
        image, prompts = self._images.get(image_id), expected_box_of(request)
        if image is None:
            return Message({"unknown_image": image_id})
        shape = (image.shape[0], image.shape[1])
        window = self._window(prompts, shape, window_of(request))
        self._focus, self._quiet = focus_on_prompts(image_id, prompts, predictor.frame_px), True
        try:
            for _ in native.answers(
                predictor,
                lambda wanted: self._embedding(predictor, image_id, image, wanted),
                prompts,
                shape,
                window,
            ):
                pass
        finally:
            self._focus, self._quiet = None, False
        return Message({"image_id": image_id})

    def _prefetch(self, request: Message) -> Message:
        image, image_id = image_of(request), image_id_of(request)
        if image_id not in self._images:
            if self._images.nbytes + image.nbytes > IMAGES_BYTES:
                # It must not push out the image that is shown.
                return Message({"unknown_image": image_id})
            self._images.put(image_id, image, image.nbytes)
        return self._look_ahead(request, quiet=True)

    def _look_ahead(self, request: Message, *, quiet: bool) -> Message:
        image_id, predictor = image_id_of(request), self._ready_predictor()
        image = self._images.get(image_id)
        if image is None:
            return Message({"unknown_image": image_id})
        shape, frame_px = (image.shape[0], image.shape[1]), predictor.frame_px
        self._quiet = quiet
        try:
            for window in likely_windows(shape, frame_px, point_of(request)):
                self._focus = focus_on_window(image_id, window, shape, frame_px)
                embedding = self._embedding(predictor, image_id, image, window)
                # The first decoding takes longest: what it sets up should be there, too.
                predictor.decode(embedding, window.to_window(_click_in(window)))
        finally:
            self._focus, self._quiet = None, False
        return Message({"image_id": image_id})

    def _predict(self, request: Message) -> Message:
        image_id = image_id_of(request)
        image = self._images.get(image_id)
        if image is None:
            # The client sends the image again when it reads this flag.
            return Message({"unknown_image": image_id})
        prompts = prompts_of(request)
        predictor = self._ready_predictor()
        shape = (image.shape[0], image.shape[1])
        window = self._window(prompts, shape, window_of(request))
        first: native.NativeAnswer | None = None

        def encode(wanted: Window) -> ImageEmbedding:
            nonlocal first
            if first is not None:
                # There is more to see: what the first window shows need not wait for it.
                part = replace(first, complete=False)
                self._report(_as_message(image_id, part, window))
                first = None
            return self._embedding(predictor, image_id, image, wanted)

        for answer in native.answers(
            predictor, encode, prompts, shape, window, known=mask_of(request)
        ):
            first = whole = answer
        self._answered += 1
        return _as_message(image_id, whole, window)

    def _stats(self, request: Message) -> Message:
        predictor = self._predictor
        return Message(
            {
                "images": len(self._images),
                "embeddings": self._store.count,
                "embedding_bytes": self._store.nbytes,
                "writes_waiting": self._store.writes_waiting,
                "encoded": predictor.encoded if predictor else 0,
                "read_from_disk": predictor.read_from_disk if predictor else 0,
                "answered": self._answered,
            }
        )

    def _ready_predictor(self) -> CachedPredictor:
        if self._predictor is None:
            msg = "Expected a loaded model, but none is: choose a model first"
            raise ModelError(msg)
        return self._predictor

    def _window(self, prompts: Prompts, shape: tuple[int, int], last: Window | None) -> Window:
        """Where to look first: in the window that was answered in last, if that will do.

        Further clicks on an object must neither move its windows nor encode them again. It is
        the client that remembers: an engine started anew gives the same answers.
        """
        frame_px = self._ready_predictor().frame_px
        begun = Prompts(prompts.points_rc[:1], prompts.point_labels[:1], prompts.box_rc)
        wanted = native.first_window(prompts, shape, frame_px)
        if last is None or not _lies_in(last, shape) or last.shape != wanted.shape:
            return wanted
        return last if last.contains(begun, WINDOW_MARGIN * frame_px) else wanted

    def _embedding(
        self, predictor: Predictor, image_id: str, image: npt.NDArray[np.uint8], window: Window
    ) -> ImageEmbedding:
        return predictor.encode(window.crop(image))

    def _tell(self, state: str) -> None:
        if not self._quiet:
            self._notify(state)


def _as_message(image_id: str, answer: native.NativeAnswer, first: Window) -> Message:
    header = {
        "image_id": image_id,
        "window": [first.row0, first.col0, first.row1, first.col1],
        "offset_rc": list(answer.offset_rc),
        "iou_pred": [float(value) for value in answer.iou_pred],
        "windows": answer.windows,
        "complete": answer.complete,
    }
    return Message(header, {"logits": answer.logits})


def _lies_in(window: Window, shape: tuple[int, int]) -> bool:
    return 0 <= window.row0 < window.row1 <= shape[0] and 0 <= window.col0 < window.col1 <= shape[1]


def _click_in(window: Window) -> Prompts:
    centre = (window.row0 + window.row1 - 1) / 2, (window.col0 + window.col1 - 1) / 2
    return Prompts([centre], [1])
