"""Tracing of float level fields into polylines, never of binary masks.

Tracing a thresholded mask adds noise by its pixels, tracing pixel centres adds a bias; the level
set of the float field has neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi
from skimage import measure

from segsem.core.coordinates import arc_length_px, signed_area_rc, unit
from segsem.core.types import FloatArray, FloatImage, PointsRC

MIN_LENGTH_PX = 4.0


@dataclass(frozen=True, slots=True)
class Polyline:
    """A traced edge with the feature on its left as seen with y up.

    Attributes
    ----------
    vertices_rc : (K, 2) array
        Vertices in px; a closed line does not repeat its first vertex.
    closed : bool
        False where the field of view cuts it.
    """

    vertices_rc: PointsRC
    closed: bool

    @property
    def is_hole(self) -> bool:
        """Whether it bounds a hole: a closed line that runs clockwise with y up."""
        return self.closed and signed_area_rc(self.vertices_rc) < 0


def trace(field: FloatImage, offset_rc: tuple[int, int] = (0, 0)) -> list[Polyline]:
    """Trace the zero level of a field that is positive inside features.

    Parameters
    ----------
    field : (h, w) float array
        Positive inside, negative outside; features are 4-connected, background 8-connected.
    offset_rc : (int, int)
        Row and column of `field[0, 0]` in the image.

    Returns
    -------
    list of Polyline
        In the image's frame, longest first. Lines that reach the border of the field are open.
    """
    lines = []
    # 'high': higher values lie on the left of the line with y up (tested).
    for vertices in measure.find_contours(
        np.asarray(field, dtype=np.float64), 0.0, fully_connected="low", positive_orientation="high"
    ):
        closed = len(vertices) > 3 and bool(np.all(vertices[0] == vertices[-1]))
        points = vertices[:-1] if closed else vertices
        if len(points) < 3 or arc_length_px(vertices)[-1] < MIN_LENGTH_PX:
            continue
        lines.append(Polyline(points + np.asarray(offset_rc, dtype=np.float64), closed))
    return sorted(lines, key=lambda line: -len(line.vertices_rc))


def resample(line: Polyline, step_px: float) -> Polyline:
    """Set vertices at equal arc length.

    Parameters
    ----------
    line : Polyline
        Any polyline.
    step_px : float
        Wanted distance; the true one divides the length evenly.

    Returns
    -------
    Polyline
        At least 4 vertices; the ends of an open line stay where they are.
    """
    vertices = line.vertices_rc
    if line.closed:
        vertices = np.concatenate([vertices, vertices[:1]])
    keep = np.concatenate([[True], np.any(np.diff(vertices, axis=0) != 0, axis=1)])
    vertices = vertices[keep]
    length = arc_length_px(vertices)
    count = max(4, round(length[-1] / step_px))
    at = np.linspace(0.0, length[-1], count + 1)
    if line.closed:
        at = at[:-1]
    rows = np.interp(at, length, vertices[:, 0])
    cols = np.interp(at, length, vertices[:, 1])
    return Polyline(np.stack([rows, cols], axis=1), line.closed)


def smooth_along(values: FloatArray, sigma_points: float, closed: bool) -> FloatArray:
    """Gaussian smoothing along a contour.

    Parameters
    ----------
    values : (K, ...) array
        Anything given point by point.
    sigma_points : float
        Sigma in points; 0 changes nothing.
    closed : bool
        Closed contours wrap around. Open ones are continued by point reflection at their ends,
        so that a straight line stays where it is.

    Returns
    -------
    (K, ...) array
    """
    values = np.asarray(values, dtype=np.float64)
    if sigma_points <= 0 or len(values) < 3:
        return values.copy()
    if closed:
        return np.asarray(ndi.gaussian_filter1d(values, sigma_points, axis=0, mode="wrap"))
    pad = min(len(values) - 1, int(np.ceil(4 * sigma_points)))
    head = 2 * values[:1] - values[pad:0:-1]
    tail = 2 * values[-1:] - values[-2 : -pad - 2 : -1]
    padded = np.concatenate([head, values, tail])
    smoothed = ndi.gaussian_filter1d(padded, sigma_points, axis=0, mode="nearest")
    return np.asarray(smoothed[pad : pad + len(values)])


def normals_rc(line: Polyline) -> PointsRC:
    """Unit normals from feature to background, as (row, column).

    The feature is on the left with y up, so the normal is the tangent (dr, dc) turned to its
    right: (dc, -dr).
    """
    vertices = line.vertices_rc
    if line.closed:
        tangents = np.roll(vertices, -1, axis=0) - np.roll(vertices, 1, axis=0)
    else:
        tangents = np.gradient(vertices, axis=0)
    return unit(np.stack([tangents[:, 1], -tangents[:, 0]], axis=1))
