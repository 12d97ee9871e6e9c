"""The one module that adds half pixels, flips y and multiplies by the pixel size.

Image frame: (row, column), a pixel's centre at its integer index; the image covers
[-0.5, H-0.5] x [-0.5, W-0.5], H being the stored height with the data bar.

Layout frame: nm, x to the right, y up, origin at the image's lower-left corner.
"""

from __future__ import annotations

import numpy as np

from segsem.core.types import FloatArray, PixelSize, PointsRC, PointsXY


def rc_to_xy_px(points_rc: PointsRC) -> PointsXY:
    """Swap (row, column) into (x, y) in px, y still running down.

    Parameters
    ----------
    points_rc : (..., 2) array
        Points as (row, column) in px.

    Returns
    -------
    (..., 2) array
        Points as (x, y) in px.
    """
    return np.asarray(points_rc, dtype=np.float64)[..., ::-1].copy()


def rc_to_corner_xy_px(points_rc: PointsRC) -> PointsXY:
    """Turn (row, column) into (x, y) in px from the outer corner of the first pixel, as COCO does.

    The first pixel's centre is at (0.5, 0.5).
    """
    return rc_to_xy_px(points_rc) + 0.5


def xy_px_to_rc(points_xy_px: PointsXY) -> PointsRC:
    """Swap (x, y) in px, y running down, into (row, column)."""
    return np.asarray(points_xy_px, dtype=np.float64)[..., ::-1].copy()


def rc_to_nm(points_rc: PointsRC, height_px: int, pixel_size_nm: PixelSize) -> PointsXY:
    """Image points to layout coordinates.

    Parameters
    ----------
    points_rc : (..., 2) array
        Points as (row, column) in px.
    height_px : int
        Stored height of the image in px, data bar included.
    pixel_size_nm : (float, float)
        Pixel size (y, x) in nm.

    Returns
    -------
    (..., 2) array
        Points as (x, y) in nm: ``x = (col + 0.5) * px_x``, ``y = (H - 0.5 - row) * px_y``.
    """
    points = np.asarray(points_rc, dtype=np.float64)
    px_y, px_x = pixel_size_nm
    x_nm = (points[..., 1] + 0.5) * px_x
    y_nm = (height_px - 0.5 - points[..., 0]) * px_y
    return np.stack([x_nm, y_nm], axis=-1)


def nm_to_rc(points_xy_nm: PointsXY, height_px: int, pixel_size_nm: PixelSize) -> PointsRC:
    """Layout coordinates to image points: the inverse of :func:`rc_to_nm`."""
    points = np.asarray(points_xy_nm, dtype=np.float64)
    px_y, px_x = pixel_size_nm
    col = points[..., 0] / px_x - 0.5
    row = height_px - 0.5 - points[..., 1] / px_y
    return np.stack([row, col], axis=-1)


def resampled_rc(points_rc: PointsRC, scale_rc: tuple[float, float]) -> PointsRC:
    """Image points after the image was resized about its upper-left corner.

    Parameters
    ----------
    points_rc : (..., 2) array
        Points as (row, column) in px.
    scale_rc : (float, float)
        New size over old size, along rows and columns.
    """
    points = np.asarray(points_rc, dtype=np.float64)
    return (points + 0.5) * np.asarray(scale_rc, dtype=np.float64) - 0.5


def flip_y(points_xy: PointsXY, height: float) -> PointsXY:
    """Turn (..., 2) points of a drawing whose y runs down from its top edge to y up from below.

    Parameters
    ----------
    points_xy : (..., 2) array
        Points as (x, y), measured from the upper-left corner of the drawing.
    height : float
        Height of the drawing, in the same unit.
    """
    points = np.asarray(points_xy, dtype=np.float64)
    return np.stack([points[..., 0], height - points[..., 1]], axis=-1)


def direction_rc_to_nm(directions_rc: PointsRC, pixel_size_nm: PixelSize) -> PointsXY:
    """Directions tangent to a curve, from the image to the layout frame, length 1.

    Parameters
    ----------
    directions_rc : (..., 2) array
        Directions as (row, column) in px.
    pixel_size_nm : (float, float)
        Pixel size (y, x) in nm.

    Returns
    -------
    (..., 2) array
        Unit directions as (x, y) in the nm frame, y up.
    """
    directions = np.asarray(directions_rc, dtype=np.float64)
    px_y, px_x = pixel_size_nm
    return unit(np.stack([directions[..., 1] * px_x, -directions[..., 0] * px_y], axis=-1))


def normal_rc_to_nm(normals_rc: PointsRC, pixel_size_nm: PixelSize) -> PointsXY:
    """Normals from the image to the layout frame, length 1.

    A normal transforms with the inverse pixel size: with non-square pixels it would otherwise
    no longer be perpendicular to its edge.
    """
    normals = np.asarray(normals_rc, dtype=np.float64)
    px_y, px_x = pixel_size_nm
    return unit(np.stack([normals[..., 1] / px_x, -normals[..., 0] / px_y], axis=-1))


def normal_nm_to_rc(normals_xy: PointsXY, pixel_size_nm: PixelSize) -> PointsRC:
    """Normals from the layout frame to the image, length 1: the inverse of `normal_rc_to_nm`."""
    normals = np.asarray(normals_xy, dtype=np.float64)
    px_y, px_x = pixel_size_nm
    return unit(np.stack([-normals[..., 1] * px_y, normals[..., 0] * px_x], axis=-1))


def nm_per_px_along(normals_rc: PointsRC, pixel_size_nm: PixelSize) -> FloatArray:
    """How far an edge moves in nm when it is moved by 1 px along its image normal.

    Both distances are perpendicular to the edge, each in its own frame; with square pixels it is
    the pixel size.

    Parameters
    ----------
    normals_rc : (..., 2) array
        Unit normals as (row, column).
    pixel_size_nm : (float, float)
        Pixel size (y, x) in nm.

    Returns
    -------
    (...) array
        nm per px; NaN for a zero normal.
    """
    normals = np.asarray(normals_rc, dtype=np.float64)
    px_y, px_x = pixel_size_nm
    length = np.hypot(normals[..., 1] / px_x, normals[..., 0] / px_y)
    scale: FloatArray = np.full(length.shape, np.nan)
    np.divide(1.0, length, out=scale, where=length > 0)
    return scale


def box_outline_rc(box_rc: tuple[int, int, int, int]) -> PointsRC:
    """Outline of the pixels [r0, r1) x [c0, c1), along the pixels' outer edges.

    Parameters
    ----------
    box_rc : (r0, c0, r1, c1)
        Half-open box of pixel indices.

    Returns
    -------
    (4, 2) array
        Corners as (row, column), counter-clockwise in the layout frame, from the lower left.
    """
    row0, col0, row1, col1 = box_rc
    top, bottom, left, right = row0 - 0.5, row1 - 0.5, col0 - 0.5, col1 - 0.5
    return np.array([[bottom, left], [bottom, right], [top, right], [top, left]])


def rc_to_enlarged_rc(points_rc: PointsRC, factor: float) -> PointsRC:
    """Points of an image in the frame of the same image drawn `factor` times as large.

    Both images cover the same area, so that a pixel's centre moves with its pixel.
    """
    enlarged: PointsRC = (np.asarray(points_rc, dtype=np.float64) + 0.5) * factor - 0.5
    return enlarged


def unit(vectors: FloatArray) -> FloatArray:
    """Scale (..., 2) vectors to length 1; zero vectors stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: FloatArray = np.zeros_like(vectors, dtype=np.float64)
    np.divide(vectors, length, out=scaled, where=length > 0)
    return scaled


def signed_area_rc(vertices_rc: PointsRC) -> float:
    """Signed area in px² of a closed polygon (first vertex not repeated).

    Positive where the polygon runs counter-clockwise as seen in the layout frame (y up), which
    is how outer contours run; holes run the other way.
    """
    row, col = np.asarray(vertices_rc, dtype=np.float64).T
    y_up = -row
    return float(0.5 * np.sum(col * np.roll(y_up, -1) - np.roll(col, -1) * y_up))


def arc_length_px(vertices_rc: PointsRC) -> FloatArray:
    """Cumulated length in px at each vertex, 0 at the first.

    Parameters
    ----------
    vertices_rc : (K, 2) array
        Vertices as (row, column) in px.

    Returns
    -------
    (K,) array
        Length along the polyline from the first vertex.
    """
    steps = np.linalg.norm(np.diff(vertices_rc, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])
