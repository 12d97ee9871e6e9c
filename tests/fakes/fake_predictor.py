"""A torch-free predictor for the real engine process: threshold and flood fill in the prompt."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.prompts import FOREGROUND, Prompts


class FakePredictor:
    """Bright parts that the prompts touch; three masks of growing size, best first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.weights_sha256 = "0" * 64
        self.frame_px = 256

    def encode(self, image: Any) -> ImageEmbedding:
        data = np.asarray(image)
        if data.max() == 13:
            msg = "CUDA out of memory. Tried to allocate 20.00 GiB"
            raise RuntimeError(msg)
        if data.max() == 14:
            # As the kernel does where memory runs out.
            os.kill(os.getpid(), signal.SIGKILL)
        # A library that prints must not break the messages.
        print("encoding", data.shape)  # noqa: T201
        return ImageEmbedding(data.shape, data.shape, data, self.weights_sha256)

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        bright = embedding.features > 128
        labels, _ = ndimage.label(bright)
        mask = np.zeros(embedding.shape, dtype=bool)
        if prompts.box_rc is not None:
            row0, col0, row1, col1 = (round(value) for value in prompts.box_rc)
            mask[row0 : row1 + 1, col0 : col1 + 1] = bright[row0 : row1 + 1, col0 : col1 + 1]
        for (row, col), label in zip(prompts.points_rc, prompts.point_labels, strict=True):
            part = labels == labels[round(row), round(col)]
            mask = mask | (part & bright) if label == FOREGROUND else mask & ~part
        masks = [mask, ndimage.binary_dilation(mask), ndimage.binary_erosion(mask)]
        logits = np.stack([np.where(m, 4.0, -4.0) for m in masks]).astype(np.float32)
        return MaskPrediction(logits, logits[:, ::4, ::4], np.float32([0.9, 0.7, 0.5]))

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        return [self.decode(embedding, one) for one in prompts]


def make(model: str) -> FakePredictor:
    """Factory for `--predictor fake_predictor:make`."""
    if model == "missing":
        raise OSError(2, "No such file or directory: 'missing'")
    gate = os.environ.get("SEGSEM_FAKE_GATE")
    while gate is not None and not Path(gate).exists():
        time.sleep(0.01)
    return FakePredictor(model)
