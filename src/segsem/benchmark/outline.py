"""From a click to the outline that is drawn: ours, and the same with SAM2's own predictor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from segsem.benchmark.subject import Subject
from segsem.contours.trace import Polyline, trace
from segsem.core.types import FloatImage
from segsem.segmentation.frame import Frame
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.prompts import Prompts

Outline = Callable[[], list[Polyline]]

DISC_SHARE = 0.125
"""Radius of the stand-in, in frames: an object that one would click on."""

LOGIT_PER_CELL = 2.0


def our_outline(
    subject: Subject, predictor: Any, embedding: ImageEmbedding, prompts: Prompts
) -> Outline:
    """Decode, enlarge the part around the best mask, trace it.

    The answer of random weights is noise, whose outline nobody ever draws: it is decoded, and
    then a disc is enlarged and traced in its place.
    """

    def outline() -> list[Polyline]:
        answer: MaskPrediction = predictor.decode(embedding, prompts)
        if subject.trained:
            offset_rc, part = answer.around(0)
        else:
            frame: Frame = embedding.features.frame
            offset_rc, part = frame.enlarge_around(disc(answer.low_res_logits.shape[-1]))
        return trace(part, offset_rc)

    return outline


def their_outline(subject: Subject, official: Any, prompts: Prompts) -> Outline:
    """Predict, which enlarges all masks to the image, and trace the best one."""
    side = len(subject.image)
    stand_in = Frame(subject.frame_px, (side, side), (subject.frame_px,) * 2).enlarge(
        disc(subject.frame_px // 4)
    )

    def outline() -> list[Polyline]:
        logits, scores, _ = official.predict(prompts.points_rc, prompts.point_labels)
        best = logits[int(np.argmax(scores))]
        return trace(best if subject.trained else stand_in)

    return outline


def disc(cells: int) -> FloatImage:
    """Low-resolution logits (cells, cells) of a disc in the middle."""
    axis = np.arange(cells, dtype=np.float32) - (cells - 1) / 2
    radius = np.hypot(axis[:, None], axis[None, :])
    return np.asarray(LOGIT_PER_CELL * (DISC_SHARE * cells - radius), dtype=np.float32)
