"""A predictor that encodes nothing twice, and that can be stopped between and within windows."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from segsem.core.exceptions import ModelError
from segsem.core.types import ImageArray
from segsem.engine.embedding_store import EmbeddingStore
from segsem.imaging.image import SEMImage
from segsem.segmentation.division import Divides, FrameDivision
from segsem.segmentation.predictor import (
    ImageEmbedding,
    Interruptible,
    MaskPrediction,
    Predictor,
    StoresEmbeddings,
)
from segsem.segmentation.prompts import Prompts

KEY_VERSION = 1

PACE_OF_LAST = 5
"""Encodings and decodings whose median is the model's pace."""

Checkpoint = Callable[[bool], None]
"""Called before each step, with whether it is inside an encoding; ends the work by raising."""


class CachedPredictor:
    """Another predictor, asked only for embeddings that are neither in memory nor on disk.

    Parameters
    ----------
    predictor : Predictor
        Embeddings go to disk if it is a `StoresEmbeddings`, and encoding can be stopped half-way
        if it is `Interruptible`.
    store : EmbeddingStore
    checkpoint : callable
        Called with False before each encoding and decoding, and with True within an encoding.
    notify : callable
        Told `encoding` before it takes time, and `ready` after.
    """

    def __init__(
        self,
        predictor: Predictor,
        store: EmbeddingStore,
        checkpoint: Checkpoint,
        notify: Callable[[str], None],
    ) -> None:
        self._predictor, self._store = predictor, store
        self._checkpoint, self._notify = checkpoint, notify
        self._storing = predictor if isinstance(predictor, StoresEmbeddings) else None
        self._kind = f"{predictor.name}:{predictor.weights_sha256}:{predictor.frame_px}"
        if self._storing is not None:
            self._kind = self._storing.embedding_kind
        if isinstance(predictor, Interruptible):
            predictor.set_checkpoint(lambda: checkpoint(True))
        self._encode_s: deque[float] = deque(maxlen=PACE_OF_LAST)
        self._decode_s: deque[float] = deque(maxlen=PACE_OF_LAST)
        self.encoded = 0
        self.read_from_disk = 0

    @property
    def name(self) -> str:
        """Model name, as in the registry."""
        return self._predictor.name

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights file."""
        return self._predictor.weights_sha256

    @property
    def frame_px(self) -> int:
        """Side of the model's square frame in px."""
        return self._predictor.frame_px

    @property
    def pace_s(self) -> tuple[float, float] | None:
        """Seconds that one window and one prompt take; None before both were measured."""
        if not self._encode_s or not self._decode_s:
            return None
        return statistics.median(self._encode_s), statistics.median(self._decode_s)

    def encode(self, image: SEMImage | ImageArray) -> ImageEmbedding:
        """Give the embedding of a window: from memory, from disk, or newly encoded."""
        self._checkpoint(False)
        if isinstance(image, SEMImage):
            return self._predictor.encode(image)
        window = np.ascontiguousarray(image)
        key = self._key(window)
        known = self._store.in_memory(key) or self._from_disk(key)
        if known is not None:
            return known
        self._notify("encoding")
        begun = time.perf_counter()
        try:
            made = self._predictor.encode(window)
        finally:
            self._notify("ready")
        self._encode_s.append(time.perf_counter() - begun)
        self.encoded += 1
        self._store.remember(key, made)
        storing = self._storing
        if storing is not None:
            self._store.store(key, lambda: storing.pack(made))
        return made

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        """Answer one prompt with three masks."""
        self._checkpoint(False)
        begun = time.perf_counter()
        answer = self._predictor.decode(embedding, prompts)
        self._decode_s.append(time.perf_counter() - begun)
        return answer

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        """Answer many independent prompts on one embedding."""
        self._checkpoint(False)
        return self._predictor.decode_batch(embedding, prompts)

    def divide(self, embedding: ImageEmbedding) -> FrameDivision | None:
        """Divide an encoded window, if the predictor can."""
        self._checkpoint(False)
        predictor = self._predictor
        return predictor.divide(embedding) if isinstance(predictor, Divides) else None

    def _key(self, window: ImageArray) -> str:
        # The window's values are normalised already, so that they stand for that step as well.
        digest = hashlib.sha256(f"{KEY_VERSION}|{self._kind}|{window.shape}|".encode())
        digest.update(window.data)
        return digest.hexdigest()

    def _from_disk(self, key: str) -> ImageEmbedding | None:
        if self._storing is None:
            return None
        packed = self._store.on_disk(key)
        if packed is None:
            return None
        try:
            embedding = self._storing.unpack(*packed)
        except ModelError:
            self._store.discard(key)
            return None
        self.read_from_disk += 1
        self._store.remember(key, embedding)
        return embedding
