"""Where a region hangs together by a thread: a bridge that no edge follows, or a line that pinches.

Placement draws both flanks of a bridge to the nearest edges, or to each other: what is left of it
is a thread of a few px, with a contour that lies on edges nearly all along. Confidence looks at
shares of the contour and can't see it; its width can't be overlooked.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segsem.core.types import FloatImage, MaskArray

WIDTHS_PX = (2, 3, 5, 7)
"""A neck is looked for in these steps; one of w px is (w + 1) / 2 deep where it is deepest."""

SLIM = 4.0
"""The parts on both sides are at least so many times as deep as the neck."""


@dataclass(frozen=True, slots=True)
class Neck:
    """A neck of a region.

    Attributes
    ----------
    place_rc : (int, int)
        Its middle, in px of the mask.
    width_px : int
        So wide, or less.
    """

    place_rc: tuple[int, int]
    width_px: int


def find_neck(mask: MaskArray) -> Neck | None:
    """Find the thinnest neck between two parts of a region that are much wider.

    A region has a neck of width w where it falls apart once all is taken off that is no wider
    than w, and at least two of the parts are four times as deep.

    Parameters
    ----------
    mask : (H, W) bool
        The region; where it touches the array's border, it is taken to go on.

    Returns
    -------
    Neck or None
    """
    if mask.size == 0:
        return None
    padded = np.pad(mask.astype(np.uint8), 1, mode="edge")
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), dtype=np.float32)
    deepest = float(depth.max())
    for width in WIDTHS_PX:
        half = (width + 1) / 2
        if deepest < SLIM * half:
            return None
        parts = _parts(depth, half)
        if len(parts) > 1:
            row, col = _between(parts, depth, half)
            return Neck((row - 1, col - 1), width)
    return None


def _parts(depth: FloatImage, half: float) -> list[MaskArray]:
    """Parts deeper than a neck that are much wider than it."""
    n_parts, labels = cv2.connectedComponents((depth > half).astype(np.uint8), connectivity=8)
    if n_parts < 3:  # the background is one of them
        return []
    peaks = np.zeros(n_parts, dtype=np.float32)
    np.maximum.at(peaks, labels.ravel(), depth.ravel())
    wide = np.flatnonzero(peaks[1:] >= SLIM * half) + 1
    return [np.asarray(labels == number) for number in wide]


def _between(parts: list[MaskArray], depth: FloatImage, half: float) -> tuple[int, int]:
    """The place in the neck that is nearest to a part and to the others."""
    one = parts[0]
    others = np.any(parts[1:], axis=0)
    away = [cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, 5)
            for part in (one, others)]  # fmt: skip
    cost = np.where((depth > 0) & (depth <= half), np.maximum(*away), np.inf)
    row, col = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return int(row), int(col)
