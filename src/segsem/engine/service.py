"""What the engine does with a request: it holds the model, the images and the embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import InputError, ModelError, UsageError
from segsem.engine.lru import LRU
from segsem.engine.messages import Message
from segsem.segmentation.predictor import ImageEmbedding, Predictor
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window, window_for_prompts

IMAGES_KEPT = 4
EMBEDDINGS_KEPT = 24
"""A nano embedding of a 512-px frame is a few MB; a dozen windows is what one works in."""

WINDOW_MARGIN = 0.1
"""A cached window is used again while prompts stay this part of a frame inside it."""

MAX_GROWTHS = 2
"""How often a window is doubled for an object that reaches beyond it: at four times the frame an
outline is four times as coarse, and still whole."""

PredictorFactory = Callable[[str], Predictor]
Notify = Callable[[str], None]


class InferenceService:
    """Answer requests, one at a time.

    Parameters
    ----------
    factory : callable
        Makes a predictor from a model's name.
    notify : callable
        Told what is going on (`loading`, `encoding`, `ready`) before it takes time.
    """

    def __init__(self, factory: PredictorFactory, notify: Notify) -> None:
        self._factory = factory
        self._notify = notify
        self._predictor: Predictor | None = None
        self._images: LRU[str, npt.NDArray[np.uint8]] = LRU(IMAGES_KEPT)
        self._embeddings: LRU[tuple[str, Window], ImageEmbedding] = LRU(EMBEDDINGS_KEPT)
        self._last_window: dict[str, Window] = {}
        self._encoded = 0
        self._answered = 0
        self._handlers: dict[str, Callable[[Message], Message]] = {
            "hello": self._hello,
            "load": self._load,
            "image": self._image,
            "predict": self._predict,
            "stats": self._stats,
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
        """Drop all embeddings, to give memory back."""
        self._embeddings.clear()
        self._last_window.clear()

    def _hello(self, request: Message) -> Message:
        return Message({"model": self._predictor.name if self._predictor else None})

    def _load(self, request: Message) -> Message:
        self._notify("loading")
        self._predictor = self._factory(str(request.header.get("model", "")))
        self.forget()
        return Message(
            {
                "model": self._predictor.name,
                "weights_sha256": self._predictor.weights_sha256,
                "frame_px": self._predictor.frame_px,
            }
        )

    def _image(self, request: Message) -> Message:
        image = request.arrays.get("image")
        if image is None or image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
            msg = "Expected `image` to be a (H, W) uint8 array"
            raise InputError(msg)
        self._images.put(_image_id(request), image)
        return Message({"image_id": _image_id(request)})

    def _predict(self, request: Message) -> Message:
        image_id = _image_id(request)
        image = self._images.get(image_id)
        if image is None:
            # The client sends the image again when it reads this flag.
            return Message({"unknown_image": image_id})
        prompts = _prompts(request)
        predictor = self._ready_predictor()
        window = self._window(image_id, prompts, image.shape)
        embedding = self._embedding(predictor, image_id, image, window)
        answer = predictor.decode(embedding, window.to_window(prompts))
        for _ in range(MAX_GROWTHS):
            if prompts.box_rc is not None or not window.cuts(answer.best_mask, image.shape):
                break
            window = window.doubled(image.shape)
            embedding = self._embedding(predictor, image_id, image, window)
            answer = predictor.decode(embedding, window.to_window(prompts))
        self._last_window[image_id] = window
        self._answered += 1
        return Message(
            {
                "image_id": image_id,
                "offset_rc": [window.row0, window.col0],
                "iou_pred": [float(value) for value in answer.iou_pred],
            },
            {"logits": np.asarray(answer.logits, dtype=np.float32)},
        )

    def _stats(self, request: Message) -> Message:
        return Message(
            {
                "images": len(self._images),
                "embeddings": len(self._embeddings),
                "encoded": self._encoded,
                "answered": self._answered,
            }
        )

    def _ready_predictor(self) -> Predictor:
        if self._predictor is None:
            msg = "Expected a loaded model, but none is: choose a model first"
            raise ModelError(msg)
        return self._predictor

    def _window(self, image_id: str, prompts: Prompts, shape: tuple[int, ...]) -> Window:
        frame_px = self._ready_predictor().frame_px
        last = self._last_window.get(image_id)
        inside = last is not None and last.contains(prompts, WINDOW_MARGIN * frame_px)
        # Further clicks on an object must neither move its window nor encode again; the first
        # click on another object must not be answered in a window that an earlier one made large.
        if last is not None and inside and (len(prompts.points_rc) > 1 or _fits(last, frame_px)):
            wanted = window_for_prompts(prompts, (shape[0], shape[1]), frame_px)
            if max(wanted.shape) >= max(last.shape) or len(prompts.points_rc) > 1:
                return last
        return window_for_prompts(prompts, (shape[0], shape[1]), frame_px)

    def _embedding(
        self, predictor: Predictor, image_id: str, image: npt.NDArray[np.uint8], window: Window
    ) -> ImageEmbedding:
        embedding = self._embeddings.get((image_id, window))
        if embedding is None:
            self._notify("encoding")
            embedding = predictor.encode(np.ascontiguousarray(window.crop(image)))
            self._embeddings.put((image_id, window), embedding)
            self._encoded += 1
            self._notify("ready")
        return embedding


def _fits(window: Window, frame_px: int) -> bool:
    return max(window.shape) <= frame_px


def _image_id(request: Message) -> str:
    image_id = request.header.get("image_id")
    if not isinstance(image_id, str) or not image_id:
        msg = f"Expected `image_id` to be a text, but got {image_id!r}"
        raise UsageError(msg)
    return image_id


def _prompts(request: Message) -> Prompts:
    given: dict[str, Any] = request.header.get("prompts") or {}
    try:
        points = tuple((float(row), float(col)) for row, col in given.get("points_rc", ()))
        labels = tuple(int(label) for label in given.get("point_labels", ()))
        box = given.get("box_rc")
        if box is None:
            return Prompts(points, labels)
        row0, col0, row1, col1 = (float(value) for value in box)
        return Prompts(points, labels, (row0, col0, row1, col1))
    except (TypeError, ValueError) as error:
        msg = f"Cannot use these prompts: {error}"
        raise UsageError(msg) from error
