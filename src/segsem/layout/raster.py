"""Designs as pixels: labels in an image's own grid, coverage in a coarse grid of the design."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from segsem.core.coordinates import nm_to_rc
from segsem.core.types import FloatImage, LabelArray, MaskArray, PointsRC
from segsem.layout.design import Design
from segsem.layout.registration import Registration


def design_labels(design: Design, registration: Registration, *, around_px: int = 0) -> LabelArray:
    """Draw a registered design into its image: pixels whose centre a feature covers.

    Parameters
    ----------
    design : Design
        Its features count from 1 in the order of `Design.polygons`.
    registration : Registration
        Where the image lies.
    around_px : int
        How far around the image to draw as well.

    Returns
    -------
    (H, W) int32
        0 is background; with `around_px` larger by that on each side.
    """
    height, width = registration.shape
    labels = np.zeros((height + 2 * around_px, width + 2 * around_px), dtype=np.int32)
    for number, part in enumerate(design.polygons, start=1):
        rings = [part.exterior, *part.interiors]
        _fill(
            labels,
            number,
            [
                registration.design_nm_to_rc(shapely.get_coordinates(ring)[:-1]) + around_px
                for ring in rings
            ],
        )
    return labels


def design_coverage(
    design: Design, corner_nm: tuple[float, float], shape: tuple[int, int], pitch_nm: float
) -> FloatImage:
    """Draw a design into a grid of its own: 1 where a feature covers a pixel's centre.

    Parameters
    ----------
    design : Design
        The features.
    corner_nm : (float, float)
        Lower-left corner of the grid.
    shape : (int, int)
        (H, W) of the grid.
    pitch_nm : float
        Its pixel size.
    """
    drawn = np.zeros(shape, dtype=np.int32)

    def to_rc(ring: Any) -> PointsRC:
        points = shapely.get_coordinates(ring)[:-1] - np.asarray(corner_nm)
        return nm_to_rc(points, shape[0], (pitch_nm, pitch_nm))

    for part in design.polygons:
        _fill(drawn, 1, [to_rc(ring) for ring in (part.exterior, *part.interiors)])
    return drawn.astype(np.float32)


def _fill(labels: LabelArray, number: int, rings_rc: list[PointsRC]) -> None:
    """Draw one feature, outline and holes, within its own window."""
    low = np.maximum(np.floor(rings_rc[0].min(axis=0)).astype(np.int64), 0)
    high = np.minimum(np.ceil(rings_rc[0].max(axis=0)).astype(np.int64) + 1, labels.shape)
    if np.any(high <= low):
        return
    window = _inside(
        [ring - low for ring in rings_rc], (int(high[0] - low[0]), int(high[1] - low[1]))
    )
    labels[low[0] : high[0], low[1] : high[1]][window] = number


def _inside(rings_rc: list[PointsRC], shape: tuple[int, int]) -> MaskArray:
    """Pixels whose centre lies within an odd number of rings, row by row of the pixels' centres.

    The time goes with the length of the rings, not with pixels times vertices: free-form shapes
    have tens of thousands of vertices.
    """
    start = np.concatenate([ring for ring in rings_rc])
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings_rc])
    first = np.ceil(np.minimum(start[:, 0], end[:, 0])).clip(0, shape[0]).astype(np.int64)
    stop = np.ceil(np.maximum(start[:, 0], end[:, 0])).clip(0, shape[0]).astype(np.int64)
    count = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(start)), count)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    share = (row - start[edge, 0]) / (end[edge, 0] - start[edge, 0])
    crossing = start[edge, 1] + share * (end[edge, 1] - start[edge, 1])
    col = np.ceil(crossing).clip(0, shape[1]).astype(np.int64)
    flips = np.bincount(row * (shape[1] + 1) + col, minlength=shape[0] * (shape[1] + 1))
    crossed = np.cumsum(flips.reshape(shape[0], -1)[:, :-1], axis=1)
    return np.asarray(crossed % 2 == 1)
