"""What the engine does with a request: it holds the model, the images and the embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import ModelError, UsageError
from segsem.engine.cached_predictor import CachedPredictor, Checkpoint
from segsem.engine.embedding_store import MEBIBYTE, EmbeddingStore
from segsem.engine.lru import ByteLRU
from segsem.engine.messages import Message
from segsem.engine.request_fields import image_id_of, image_of, point_of, prompts_of
from segsem.engine.requests import Request
from segsem.segmentation import native
from segsem.segmentation.predictor import ImageEmbedding, Predictor
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window, window_for_prompts

IMAGES_BYTES = 512 * MEBIBYTE
"""Grey images kept: the one shown, those beside it, those shown before."""

SAME_WINDOW = 0.25
"""Prompts nearer than this part of a frame are taken to need the same window: its grid."""

WINDOW_MARGIN = 0.1
"""A cached window is used again while prompts stay this part of a frame inside it."""

PredictorFactory = Callable[[str], Predictor]
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Focus:
    """What is being encoded: prompts of this image within (r0, c0, r1, c1) need it, too."""

    image_id: str
    box_rc: tuple[float, float, float, float]


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
    """

    def __init__(
        self,
        factory: PredictorFactory,
        store: EmbeddingStore,
        notify: Notify = lambda state: None,
        checkpoint: Checkpoint = lambda inside: None,
    ) -> None:
        self._factory, self._store = factory, store
        self._notify, self._checkpoint = notify, checkpoint
        self._quiet = False
        self._predictor: CachedPredictor | None = None
        self._images: ByteLRU[str, npt.NDArray[np.uint8]] = ByteLRU(IMAGES_BYTES)
        self._last_window: dict[str, Window] = {}
        self._focus: _Focus | None = None
        self._answered = 0
        self._handlers: dict[str, Callable[[Message], Message]] = {
            Request.HELLO: self._hello,
            Request.LOAD: self._load,
            Request.IMAGE: self._image,
            Request.PREDICT: self._answer_prompts,
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
        kind = request.header.get("request")
        handler = self._handlers.get(str(kind))
        if handler is None:
            msg = f"Expected a request out of {', '.join(self._handlers)}, but got {kind!r}"
            raise UsageError(msg)
        return handler(request)

    def forget(self) -> None:
        """Drop all embeddings in memory, to give it back."""
        self._store.forget()
        self._last_window.clear()

    def serves(self, newer: Message) -> bool:
        """Whether a waiting prediction needs what is being encoded."""
        focus = self._focus
        if focus is None or focus.image_id != newer.header.get("image_id"):
            return False
        try:
            row, col = _centre(prompts_of(newer))
        except UsageError:
            return False
        top, left, bottom, right = focus.box_rc
        return top <= row <= bottom and left <= col <= right

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
        centre = _centre(prompts)
        reach = self._ready_predictor().frame_px * SAME_WINDOW
        self._focus = _Focus(image_id, _around(centre, reach))
        try:
            return self._predict(request)
        finally:
            self._focus = None

    def _warm(self, request: Message) -> Message:
        image_id, predictor = image_id_of(request), self._ready_predictor()
        image = self._images.get(image_id)
        if image is None:
            return Message({"unknown_image": image_id})
        point, frame_px = point_of(request), predictor.frame_px
        for window in _likely_windows((image.shape[0], image.shape[1]), frame_px, point):
            self._focus = _Focus(image_id, _needing(window, image.shape, frame_px))
            try:
                self._embedding(predictor, image_id, image, window)
            finally:
                self._focus = None
        return Message({"image_id": image_id})

    def _prefetch(self, request: Message) -> Message:
        image, image_id = image_of(request), image_id_of(request)
        if image_id not in self._images:
            if self._images.nbytes + image.nbytes > IMAGES_BYTES:
                # It must not push out the image that is shown.
                return Message({"unknown_image": image_id})
            self._images.put(image_id, image, image.nbytes)
        self._quiet = True
        try:
            return self._warm(request)
        finally:
            self._quiet = False

    def _predict(self, request: Message) -> Message:
        image_id = image_id_of(request)
        image = self._images.get(image_id)
        if image is None:
            # The client sends the image again when it reads this flag.
            return Message({"unknown_image": image_id})
        prompts = prompts_of(request)
        predictor = self._ready_predictor()
        shape = (image.shape[0], image.shape[1])
        window = self._window(image_id, prompts, shape)
        answer = native.answer(
            predictor,
            lambda wanted: self._embedding(predictor, image_id, image, wanted),
            prompts,
            shape,
            window,
        )
        self._last_window[image_id] = window
        self._answered += 1
        return Message(
            {
                "image_id": image_id,
                "offset_rc": list(answer.offset_rc),
                "iou_pred": [float(value) for value in answer.iou_pred],
                "windows": answer.windows,
                "complete": answer.complete,
            },
            {"logits": answer.logits},
        )

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

    def _window(self, image_id: str, prompts: Prompts, shape: tuple[int, int]) -> Window:
        frame_px = self._ready_predictor().frame_px
        last = self._last_window.get(image_id)
        # Further clicks on an object must neither move its windows nor encode them again.
        begun = Prompts(prompts.points_rc[:1], prompts.point_labels[:1], prompts.box_rc)
        wanted = native.first_window(prompts, shape, frame_px)
        if (
            last is not None
            and last.shape == wanted.shape
            and last.contains(begun, WINDOW_MARGIN * frame_px)
        ):
            return last
        return wanted

    def _embedding(
        self, predictor: Predictor, image_id: str, image: npt.NDArray[np.uint8], window: Window
    ) -> ImageEmbedding:
        return predictor.encode(window.crop(image))

    def _tell(self, state: str) -> None:
        if not self._quiet:
            self._notify(state)


def _likely_windows(
    shape: tuple[int, int], frame_px: int, point_rc: tuple[float, float] | None
) -> list[Window]:
    """Windows that the first prompt may need: about the mouse, or the middle and the whole."""
    middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    first = window_for_prompts(Prompts([point_rc or middle], [1]), shape, frame_px)
    whole = Window(0, 0, *shape)
    return [first] if point_rc is not None or first == whole else [first, whole]


def _needing(
    window: Window, shape: tuple[int, ...], frame_px: int
) -> tuple[float, float, float, float]:
    if window.shape == shape[:2]:
        if max(window.shape) > frame_px:
            # Only prompts that no other window holds need the whole of a large image.
            return _around((-np.inf, -np.inf), 0.0)
        return _around((0.0, 0.0), np.inf)
    centre = (window.row0 + window.row1) / 2, (window.col0 + window.col1) / 2
    return _around(centre, frame_px * SAME_WINDOW)


def _centre(prompts: Prompts) -> tuple[float, float]:
    points = [np.asarray(prompts.points_rc, dtype=float).reshape(-1, 2)]
    if prompts.box_rc is not None:
        points.append(np.asarray(prompts.box_rc, dtype=float).reshape(2, 2))
    stacked = np.concatenate(points)
    row, col = (stacked.min(axis=0) + stacked.max(axis=0)) / 2
    return float(row), float(col)


def _around(centre_rc: tuple[float, float], reach: float) -> tuple[float, float, float, float]:
    row, col = centre_rc
    return row - reach, col - reach, row + reach, col + reach
