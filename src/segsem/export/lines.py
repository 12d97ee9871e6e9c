"""Anti-aliased lines at sub-pixel places on an RGB picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.types import PointsXY

RGBImage = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, red, green, blue."""

_SUB_PIXEL_BITS = 6


def draw_lines(
    canvas: RGBImage, lines_xy: Sequence[PointsXY], color: tuple[int, int, int], width_px: int
) -> None:
    """Draw open polylines into the picture itself.

    Parameters
    ----------
    canvas : (H, W, 3) uint8 array
        Changed in place.
    lines_xy : sequence of (K, 2) arrays
        In px of the picture, pixel centres at integers.
    color : (int, int, int)
        Red, green, blue.
    width_px : int
        Line width.
    """
    fixed = [np.rint(line * 2**_SUB_PIXEL_BITS).astype(np.int32) for line in lines_xy]
    cv2.polylines(canvas, fixed, False, color, width_px, cv2.LINE_AA, _SUB_PIXEL_BITS)
