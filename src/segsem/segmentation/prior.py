"""What is known of an object before a window is asked: the window's `mask_input`."""

from __future__ import annotations

import cv2
import numpy as np

from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.predictor import MASK_THRESHOLD

CELL_PX = 4
"""Frame px per cell of a mask input."""

PRIOR_LOGIT = 6.0
"""Logit of what is known to be inside; the same below 0 outside; 0 where nothing is known."""


def mask_prior(
    logits: FloatImage,
    known: MaskArray | None,
    filled: tuple[int, int],
    cells: tuple[int, int],
) -> FloatImage:
    """Bring what is known of a window into the shape of a `Prompts.mask_input`.

    Parameters
    ----------
    logits : (h, w) float32
        In the window, positive inside the object.
    known : (h, w) bool or None
        Where they mean anything; None: everywhere.
    filled : (int, int)
        Part of the model's frame that the window fills, in frame px
        (`ImageEmbedding.frame_shape`).
    cells : (int, int)
        Shape of the mask input.

    Returns
    -------
    cells float32
        `PRIOR_LOGIT` times the share of the cell inside, from -1 to 1; 0 in cells that are not
        known as a whole, and where the window does not fill the frame.
    """
    share = np.tanh((logits - MASK_THRESHOLD) / 2.0).astype(np.float32)
    whole = np.ones(logits.shape, dtype=np.float32) if known is None else known.astype(np.float32)
    means = []
    for values in (share * whole, whole):
        if values.shape != filled:
            way = cv2.INTER_AREA if filled[0] < values.shape[0] else cv2.INTER_LINEAR
            values = cv2.resize(values, (filled[1], filled[0]), interpolation=way)
        frame = np.zeros((cells[0] * CELL_PX, cells[1] * CELL_PX), dtype=np.float32)
        frame[: filled[0], : filled[1]] = values
        means.append(frame.reshape(cells[0], CELL_PX, cells[1], CELL_PX).mean(axis=(1, 3)))
    return np.asarray(np.where(means[1] > 0.999, PRIOR_LOGIT * means[0], 0.0), dtype=np.float32)
