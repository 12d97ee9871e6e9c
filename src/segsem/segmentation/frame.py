"""Where an image lies in a model's square frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.coordinates import resampled_rc
from segsem.core.types import FloatImage, PointsRC

FRAME_GRID_PX = 32
"""Frames are multiples of it: the coarsest features have one cell for so many px."""

SMALLEST_FRAME_PX = 128
"""Smaller images are padded to this: the smallest frame `segsem-nano` was trained on."""


LOGIT_STRIDE = 4
"""Frame px per cell of the model's logits."""

MARGIN_CELLS = 2
"""Kept around a mask: bilinear interpolation does not reach beyond."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A square frame that an image fills from the upper-left corner; the rest is padding.

    Attributes
    ----------
    side_px : int
        Side of the frame.
    shape : (int, int)
        (H, W) of the image in px.
    filled : (int, int)
        (h, w) that the image takes in the frame, in frame px.
    """

    side_px: int
    shape: tuple[int, int]
    filled: tuple[int, int]

    @property
    def scale_rc(self) -> tuple[float, float]:
        """Frame px per image px."""
        return self.filled[0] / self.shape[0], self.filled[1] / self.shape[1]

    def to_frame(self, points_rc: PointsRC) -> PointsRC:
        """Move (N, 2) image points into the frame."""
        return resampled_rc(points_rc, self.scale_rc)

    def place(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Resize an (H, W) image to the (h, w) that it takes in the frame."""
        if self.filled == self.shape:
            return np.ascontiguousarray(image)
        way = cv2.INTER_AREA if self.filled[0] < self.shape[0] else cv2.INTER_LINEAR
        resized = cv2.resize(image, self.filled[::-1], interpolation=way)
        return np.asarray(resized, dtype=np.uint8)

    def enlarge(self, logits: FloatImage) -> FloatImage:
        """Bring a model's logits (S/4, S/4) to the image's resolution (H, W), padding cut off."""
        height, width = self.filled
        side = (self.side_px, self.side_px)
        full = cv2.resize(logits, side, interpolation=cv2.INTER_LINEAR)[:height, :width]
        if self.filled == self.shape:
            return np.ascontiguousarray(full)
        full = cv2.resize(full, self.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(full, dtype=np.float32)

    def enlarge_around(self, logits: FloatImage) -> tuple[tuple[int, int], FloatImage]:
        """Bring only the part that holds a mask with all its edge to the image's resolution.

        Parameters
        ----------
        logits : (S/4, S/4) float32
            Positive inside the mask.

        Returns
        -------
        offset_rc : (int, int)
            Row and column of the part's first pixel in the image.
        part : (h, w) float32
            Equal to that part of `enlarge(logits)`, which is negative all around it. A single
            negative pixel where there is no mask.
        """
        rows = _span_of(np.any(logits > 0, axis=1))
        cols = _span_of(np.any(logits > 0, axis=0))
        if rows is None or cols is None:
            return (0, 0), np.full((1, 1), -1.0, dtype=np.float32)
        if self.filled != self.shape:
            parts = [
                _image_span(span, scale, size)
                for span, scale, size in zip((rows, cols), self.scale_rc, self.shape, strict=True)
            ]
            whole = self.enlarge(logits)
            return (parts[0].start, parts[1].start), whole[parts[0], parts[1]]
        top, bottom = _with_margin(rows, len(logits))
        left, right = _with_margin(cols, len(logits))
        size = ((right - left) * LOGIT_STRIDE, (bottom - top) * LOGIT_STRIDE)
        part = cv2.resize(logits[top:bottom, left:right], size, interpolation=cv2.INTER_LINEAR)
        # The outermost half cells were interpolated without their neighbours.
        row0, row1 = _exact_px(top, bottom, len(logits), self.filled[0])
        col0, col1 = _exact_px(left, right, len(logits), self.filled[1])
        first_row, first_col = top * LOGIT_STRIDE, left * LOGIT_STRIDE
        inner = part[row0 - first_row : row1 - first_row, col0 - first_col : col1 - first_col]
        return (row0, col0), np.ascontiguousarray(inner)


def choose_frame(shape: tuple[int, int], frame_px: int, *, fixed: bool) -> Frame:
    """Choose the frame of an image.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the image in px.
    frame_px : int
        The model's frame.
    fixed : bool
        The model knows no other frame: smaller images are enlarged, as SAM2's own predictor does.
        Otherwise smaller images keep their resolution, in the smallest frame that holds them.

    Returns
    -------
    Frame
        Larger images are reduced; the aspect is always kept.
    """
    longest = max(shape)
    if longest <= frame_px and not fixed:
        side = max(-(-longest // FRAME_GRID_PX) * FRAME_GRID_PX, SMALLEST_FRAME_PX)
        return Frame(min(side, frame_px), shape, shape)
    scale = frame_px / longest
    filled = (max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1))
    return Frame(frame_px, shape, filled)


def _span_of(present: npt.NDArray[np.bool_]) -> tuple[int, int] | None:
    """First and one past the last True."""
    found = np.flatnonzero(present)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else None


def _with_margin(span: tuple[int, int], cells: int) -> tuple[int, int]:
    return max(span[0] - MARGIN_CELLS, 0), min(span[1] + MARGIN_CELLS, cells)


def _exact_px(start: int, stop: int, cells: int, filled_px: int) -> tuple[int, int]:
    """Pixels of the cells [start, stop) that depend on no other cell, and lie in the image."""
    half = LOGIT_STRIDE // 2
    first = start * LOGIT_STRIDE + (half if start > 0 else 0)
    last = stop * LOGIT_STRIDE - (half if stop < cells else 0)
    return min(first, filled_px - 1), min(last, filled_px)


def _image_span(span: tuple[int, int], scale: float, size: int) -> slice:
    """Image px that cells [start, stop) may reach, where the image was resized for the frame."""
    first = math.floor((span[0] - MARGIN_CELLS) * LOGIT_STRIDE / scale) - 1
    last = math.ceil((span[1] + MARGIN_CELLS) * LOGIT_STRIDE / scale) + 1
    first = min(max(first, 0), size - 1)
    return slice(first, max(min(last, size), first + 1))
