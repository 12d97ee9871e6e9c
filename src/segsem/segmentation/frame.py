"""Where an image lies in a model's square frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.coordinates import resampled_rc
from segsem.core.types import PointsRC

FRAME_GRID_PX = 32
"""Frames are multiples of it: the coarsest features have one cell for so many px."""

SMALLEST_FRAME_PX = 128
"""Smaller images are padded to this: the smallest frame `segsem-nano` was trained on."""


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
