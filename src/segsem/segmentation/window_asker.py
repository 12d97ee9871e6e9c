"""Asks a predictor for windows of an image, and counts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segsem.core.mask_patch import MaskPatch
from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction, Predictor
from segsem.segmentation.prior import PRIOR_LOGIT, mask_prior
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window

Encode = Callable[[Window], ImageEmbedding]

MAX_TURNS = 4
"""So many points are taken as corrections, one after the other; those before them together."""


@dataclass(slots=True)
class WindowAsker:
    """Asks for the windows of one prompt.

    Attributes
    ----------
    predictor : Predictor
    encode : callable
        Gives the embedding of a window.
    shape : (int, int)
        (H, W) of the image in px.
    limit : int
        Windows that may be asked for.
    asked : int
        Windows asked for so far.
    cells : (int, int)
        Shape of the last answer's low-resolution logits.
    """

    predictor: Predictor
    encode: Encode
    shape: tuple[int, int]
    limit: int
    asked: int = 0
    cells: tuple[int, int] = (0, 0)

    def ask(self, window: Window, prompts: Prompts) -> MaskPrediction:
        """Ask for a window, prompts in its frame."""
        return self._decode(self.encode(window), prompts)

    def _decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        self.asked += 1
        prediction = self.predictor.decode(embedding, prompts)
        self.cells = cells_of(prediction)
        return prediction

    def told(self, window: Window, prompts: Prompts, known: MaskPatch) -> Prompts:
        """Add a mask in the image's frame to prompts in a window's, as its mask input."""
        embedding = self.encode(window)
        prior = mask_of_window(known, window, embedding, self._cells(embedding, prompts))
        return replace(prompts, mask_input=prior)

    def _cells(self, embedding: ImageEmbedding, prompts: Prompts) -> tuple[int, int]:
        return embedding.cells or cells_of(self.predictor.decode(embedding, prompts))

    def ask_in_turn(self, window: Window, prompts: Prompts) -> MaskPrediction:
        """Ask point by point, each time with the logits of the answer before.

        Corrections follow on an answer: models are trained to see it with them. So the same
        points give the same answer, whatever else was asked in between.
        """
        count = len(prompts.points_rc)
        first = max(0 if prompts.box_rc is not None else 1, count - MAX_TURNS)
        previous: npt.NDArray[np.float32] | None = prompts.mask_input
        embedding = self.encode(window)
        for known in range(min(first, count), count):
            points, labels = prompts.points_rc[:known], prompts.point_labels[:known]
            turn = Prompts(points, labels, prompts.box_rc, previous)
            previous = self.predictor.decode(embedding, turn).low_res_logits[0]
        return self._decode(embedding, replace(prompts, mask_input=previous))

    def ask_knowing(
        self, window: Window, prompts: Prompts, logits: FloatImage, known: MaskArray | None
    ) -> MaskPrediction:
        """Ask with what is known of the window as mask input. All native windows are alike."""
        self.asked += 1
        embedding = self.encode(window)
        prior = mask_prior(logits, known, embedding.frame_shape, self.cells)
        told = Prompts(prompts.points_rc, prompts.point_labels, prompts.box_rc, prior)
        return self.predictor.decode(embedding, told)

    @property
    def spent(self) -> bool:
        """Whether no more windows may be asked for."""
        return self.asked >= self.limit


def cells_of(prediction: MaskPrediction) -> tuple[int, int]:
    """Shape of an answer's low-resolution logits."""
    height, width = prediction.low_res_logits.shape[1:]
    return height, width


def mask_of_window(
    known: MaskPatch, window: Window, embedding: ImageEmbedding, cells: tuple[int, int]
) -> FloatImage:
    """Bring a mask in the image's frame into a window, as a `Prompts.mask_input`."""
    mask = known.within(window.row0, window.col0, window.shape)
    # Far from 0, so that the prior is as sure as it can be.
    logits = np.where(mask, np.float32(4 * PRIOR_LOGIT), np.float32(-4 * PRIOR_LOGIT))
    return mask_prior(logits, None, embedding.frame_shape, cells)
