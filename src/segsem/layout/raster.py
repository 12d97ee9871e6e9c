"""Designs as pixels: labels in an image's own grid, coverage in a coarse grid of the design."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from skimage.draw import polygon as draw_polygon

from segsem.core.coordinates import nm_to_rc
from segsem.core.types import FloatImage, LabelArray, PointsRC
from segsem.layout.design import Design
from segsem.layout.registration import Registration


def design_labels(design: Design, registration: Registration) -> LabelArray:
    """Draw a registered design into its image: pixels whose centre a feature covers.

    Parameters
    ----------
    design : Design
        Its features count from 1 in the order of `Design.polygons`.
    registration : Registration
        Where the image lies.

    Returns
    -------
    (H, W) int32
        0 is background.
    """
    labels = np.zeros(registration.shape, dtype=np.int32)
    for number, part in enumerate(design.polygons, start=1):
        _fill(
            labels,
            number,
            registration.design_nm_to_rc(shapely.get_coordinates(part.exterior)),
            [registration.design_nm_to_rc(shapely.get_coordinates(r)) for r in part.interiors],
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
        points = shapely.get_coordinates(ring) - np.asarray(corner_nm)
        return nm_to_rc(points, shape[0], (pitch_nm, pitch_nm))

    for part in design.polygons:
        _fill(drawn, 1, to_rc(part.exterior), [to_rc(ring) for ring in part.interiors])
    return drawn.astype(np.float32)


def _fill(labels: LabelArray, number: int, outer_rc: PointsRC, holes_rc: list[PointsRC]) -> None:
    """Draw one feature within its own window, so that its holes take nothing from others."""
    low = np.maximum(np.floor(outer_rc.min(axis=0)).astype(np.int64), 0)
    high = np.minimum(np.ceil(outer_rc.max(axis=0)).astype(np.int64) + 1, labels.shape)
    if np.any(high <= low):
        return
    window = np.zeros(tuple(high - low), dtype=bool)
    for ring, value in ((outer_rc, True), *((hole, False) for hole in holes_rc)):
        rows, cols = draw_polygon(ring[:, 0] - low[0], ring[:, 1] - low[1], window.shape)
        window[rows, cols] = value
    labels[low[0] : high[0], low[1] : high[1]][window] = number
