"""Windows: the part of an image that a correction has to look at.

A window holds its object with room around it, except where the image ends: so an object that
reaches a window's edge goes on beyond it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segsem.core.types import MaskArray

Box = tuple[int, int, int, int]
"""First row, first column, and the row and column after the last."""

Slices = tuple[slice, slice]


def around(boxes: Iterable[Box], margin_px: int, limits: Box) -> Slices:
    """Index of a window around boxes.

    Parameters
    ----------
    boxes : iterable of Box
        At least one.
    margin_px : int
        Room on each side.
    limits : Box
        Part of the image that may be edited: without the data bar.

    Returns
    -------
    (slice, slice)
        Cut at the limits; empty where the boxes lie outside them.
    """
    row0, col0, row1, col1 = zip(*boxes, strict=True)
    top, left, bottom, right = limits
    rows = slice(max(min(row0) - margin_px, top), min(max(row1) + margin_px, bottom))
    cols = slice(max(min(col0) - margin_px, left), min(max(col1) + margin_px, right))
    return (
        slice(rows.start, max(rows.stop, rows.start)),
        slice(cols.start, max(cols.stop, cols.start)),
    )


def box_of(mask: MaskArray, offset_rc: tuple[int, int] = (0, 0)) -> Box:
    """Smallest box around a mask whose first pixel lies at `offset_rc`; all 0 where it is empty."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return (0, 0, 0, 0)
    row, col = offset_rc
    return (
        row + int(rows[0]),
        col + int(cols[0]),
        row + int(rows[-1]) + 1,
        col + int(cols[-1]) + 1,
    )


def placed(mask: MaskArray, offset_rc: tuple[int, int], window: Slices) -> MaskArray:
    """Put a mask whose first pixel lies at `offset_rc` into a window; what lies outside is lost."""
    rows, cols = window
    found = np.zeros((rows.stop - rows.start, cols.stop - cols.start), dtype=bool)
    row, col = offset_rc[0] - rows.start, offset_rc[1] - cols.start
    row0, col0 = max(row, 0), max(col, 0)
    row1 = max(min(row + mask.shape[0], found.shape[0]), row0)
    col1 = max(min(col + mask.shape[1], found.shape[1]), col0)
    found[row0:row1, col0:col1] = mask[row0 - row : row1 - row, col0 - col : col1 - col]
    return found
