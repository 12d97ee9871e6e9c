"""COCO polygons to masks and back: x right and y down from the image's corner, in px."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi
from skimage import measure

from segsem.core.coordinates import rc_to_corner_xy_px
from segsem.core.types import FloatArray, MaskArray


def fill_polygons(polygons: Sequence[FloatArray], shape: tuple[int, int]) -> MaskArray:
    """Rasterise polygons: a pixel is in where its centre lies in any of them.

    Parameters
    ----------
    polygons : sequence of (K, 2) arrays
        (x, y) from the outer corner of the first pixel, whose centre is at (0.5, 0.5). They may
        reach beyond the image. Each alone is filled by the even-odd rule.
    shape : (int, int)
        (H, W) of the image.
    """
    mask = np.zeros(shape, dtype=bool)
    for polygon in polygons:
        _fill(mask, np.asarray(polygon, dtype=np.float64))
    return mask


def polygons_of(mask: MaskArray) -> list[FloatArray] | None:
    """Outlines of a (H, W) mask that rasterise to the very same one; None where it has holes.

    They run half-way between the centres of the pixels on both sides.
    """
    if (ndi.binary_fill_holes(mask) != mask).any():
        return None
    padded = np.pad(mask, 1).astype(np.float64)
    lines = measure.find_contours(padded, 0.5, fully_connected="low")
    return [rc_to_corner_xy_px(line[:-1] - 1) for line in lines]


def _fill(mask: MaskArray, xy: FloatArray) -> None:
    """Set the pixels whose centre lies inside one polygon, row by row."""
    x0, y0 = xy[:, 0], xy[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    height, width = mask.shape
    first = max(int(np.ceil(y0.min() - 0.5)), 0)
    last = min(int(np.floor(y0.max() - 0.5)), height - 1)
    centres = np.arange(width) + 0.5
    for row in range(first, last + 1):
        y = row + 0.5
        # Half-open, so that a vertex at the centre's height counts once.
        crossing = (y0 <= y) != (y1 <= y)
        if not crossing.any():
            continue
        share = (y - y0[crossing]) / (y1[crossing] - y0[crossing])
        at = np.sort(x0[crossing] + share * (x1[crossing] - x0[crossing]))
        mask[row] |= np.searchsorted(at, centres, side="right") % 2 == 1
