"""What a pen covers, and what painting and erasing do to a label image."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from segsem.core.types import FloatArray, LabelArray, MaskArray, PointsRC
from segsem.editing.window import Box, Slices, around


def stroke_window(path_rc: PointsRC, diameter_px: float, limits: Box) -> Slices:
    """Index of the smallest window that holds all that a stroke covers.

    Parameters
    ----------
    path_rc : (K, 2) array
        Where the pen went, K >= 1.
    diameter_px : float
        Of the round pen.
    limits : Box
        Part of the image that may be edited.
    """
    path = np.asarray(path_rc, dtype=np.float64).reshape(-1, 2)
    low, high = np.rint(path.min(axis=0)).astype(int), np.rint(path.max(axis=0)).astype(int)
    box = (int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1)
    return around([box], int(np.ceil(diameter_px / 2)), limits)


def stroke(path_rc: PointsRC, diameter_px: float, window: Slices) -> MaskArray:
    """Pixels that a round pen covers on its way.

    Parameters
    ----------
    path_rc : (K, 2) array
        Corners of the way in the image's frame, K >= 1; straight between them, so that a mouse
        that is told of seldom leaves no gaps.
    diameter_px : float
        Of the pen. Pixels are covered whose centre it passes over, and those that the corners
        lie in: a pen of 1 px draws a line without gaps.
    window : (slice, slice)
        Index of the window into the image.

    Returns
    -------
    (h, w) bool
        Of the window.
    """
    path = np.asarray(path_rc, dtype=np.float64).reshape(-1, 2)
    rows, cols = window
    covered = np.zeros((rows.stop - rows.start, cols.stop - cols.start), dtype=bool)
    limits = (rows.start, cols.start, rows.stop, cols.stop)
    for start, end in pairwise(path if len(path) > 1 else np.repeat(path, 2, axis=0)):
        part = stroke_window(np.stack([start, end]), max(diameter_px, 1.0), limits)
        here = _segment(start, end, max(diameter_px, 1.0) / 2, part)
        covered[_inside(part, window)] |= here
    at = np.rint(path).astype(int) - (rows.start, cols.start)
    at = at[np.all((at >= 0) & (at < covered.shape), axis=1)]
    covered[at[:, 0], at[:, 1]] = True
    return covered


def paint(labels: LabelArray, covered: MaskArray, object_id: int) -> LabelArray:
    """Add covered background to an object; other objects keep their pixels.

    Parameters
    ----------
    labels : (h, w) int32
    covered : (h, w) bool
    object_id : int
        An object that is there, or a new one.

    Returns
    -------
    (h, w) int32
        A new array.
    """
    return np.where(covered & (labels == 0), np.int32(object_id), labels)


def erase(labels: LabelArray, covered: MaskArray, object_id: int | None = None) -> LabelArray:
    """Take covered pixels from one object, or from all where none is named.

    Returns
    -------
    (h, w) int32
        A new array.
    """
    mine = labels > 0 if object_id is None else labels == object_id
    return np.where(covered & mine, np.int32(0), labels)


def _segment(start: FloatArray, end: FloatArray, radius_px: float, window: Slices) -> MaskArray:
    """Pixel centres within a radius of a straight piece."""
    rows = np.arange(window[0].start, window[0].stop, dtype=np.float64)[:, None] - start[0]
    cols = np.arange(window[1].start, window[1].stop, dtype=np.float64)[None, :] - start[1]
    step = end - start
    length2 = float(step @ step)
    along: FloatArray = np.zeros((rows.shape[0], cols.shape[1]))
    if length2 > 0:
        along = np.clip((rows * step[0] + cols * step[1]) / length2, 0.0, 1.0)
    distance2 = (rows - along * step[0]) ** 2 + (cols - along * step[1]) ** 2
    return np.asarray(distance2 <= radius_px**2 + 1e-9)


def _inside(part: Slices, window: Slices) -> Slices:
    rows, cols = (
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(part, window, strict=True)
    )
    return rows, cols
