"""Closed curves as dense polylines: sampling, normals, rounding, drift, clipping.

The polyline *is* the truth: images are rendered from the same vertices that are written out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from segsem.core.coordinates import arc_length_px, signed_area_rc, unit, xy_px_to_rc
from segsem.core.types import FloatArray, PointsRC

STEP_PX = 0.75
"""Spacing of the vertices that carry roughness."""

_ARC_SEGMENTS = 16
_TOLERANCE_PX = 0.004


@dataclass(frozen=True, slots=True)
class Curve:
    """One closed edge; the feature lies on its left in the layout frame (y up).

    Attributes
    ----------
    vertices_rc : (K, 2) float64
        The first vertex is not repeated.
    is_hole : bool
        Whether it bounds a hole of its feature.
    """

    vertices_rc: PointsRC
    is_hole: bool


def polygons_of(geometry: BaseGeometry) -> list[Polygon]:
    """All polygons of a geometry, empty ones left out."""
    parts = [geometry] if isinstance(geometry, Polygon) else list(getattr(geometry, "geoms", []))
    return [part for part in parts if isinstance(part, Polygon) and not part.is_empty]


def round_corners(polygons: list[Polygon], radius_px: float) -> list[Polygon]:
    """Union with convex and concave corners rounded; what is narrower than the arcs goes.

    Parameters
    ----------
    polygons : list of Polygon
        In (x, y) px.
    radius_px : float
        Radius of the arcs; 0 only unites.
    """
    merged: BaseGeometry = shapely.union_all(polygons)
    if radius_px > 0:
        for offset in (-radius_px, 2 * radius_px, -radius_px):
            # Offsetting multiplies vertices; this thins them far below what an image shows.
            merged = merged.buffer(offset, quad_segs=_ARC_SEGMENTS).simplify(_TOLERANCE_PX)
    return polygons_of(merged)


def curves_of(polygons: list[Polygon]) -> list[Curve]:
    """Evenly sampled curves of polygons in (x, y) px, y running down."""
    curves = []
    for polygon in polygons:
        rings = [polygon.exterior, *polygon.interiors]
        for index, ring in enumerate(rings):
            vertices = xy_px_to_rc(np.asarray(ring.coords)[:-1])
            is_hole = index > 0
            if (signed_area_rc(vertices) > 0) == is_hole:
                vertices = vertices[::-1].copy()
            curves.append(Curve(sample_closed(vertices, STEP_PX), is_hole))
    return curves


def sample_closed(vertices_rc: PointsRC, step_px: float) -> PointsRC:
    """Points at equal arc length on a closed polyline, about `step_px` apart."""
    ring = np.vstack([vertices_rc, vertices_rc[:1]])
    length = arc_length_px(ring)
    count = max(8, round(float(length[-1]) / step_px))
    at = np.arange(count) * (length[-1] / count)
    return np.stack([np.interp(at, length, ring[:, axis]) for axis in (0, 1)], axis=1)


def outward_normals(vertices_rc: PointsRC) -> FloatArray:
    """Unit normals (K, 2) from feature to background of an oriented closed curve."""
    tangent = unit(np.roll(vertices_rc, -1, axis=0) - np.roll(vertices_rc, 1, axis=0))
    # Left of the path in the y-up frame is (-dcol, drow) here; the background is on the right.
    return np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)


def turning_radius_px(vertices_rc: PointsRC) -> FloatArray:
    """Radius of curvature (K,) in px from the turning angle at each vertex; inf where straight."""
    step = np.roll(vertices_rc, -1, axis=0) - vertices_rc
    heading = np.arctan2(step[:, 0], step[:, 1])
    turn = np.angle(np.exp(1j * (heading - np.roll(heading, 1))))
    length = np.linalg.norm(step, axis=1)
    arc = 0.5 * (length + np.roll(length, 1))
    turns = np.abs(turn) > 1e-9
    radius = np.divide(arc, np.abs(turn), out=np.full(len(arc), np.inf), where=turns)
    return np.asarray(radius)


def drifted(curve: Curve, height_px: int, drift_rc_px: tuple[float, float]) -> Curve:
    """Move a curve as a slow stage drift does while the rows are scanned.

    The displacement grows smoothly from 0 at the first row to `drift_rc_px` at the last. It is
    part of the truth: the contour says where the edge *is in the image*.
    """
    progress = np.clip(curve.vertices_rc[:, 0] / height_px, -1.0, 2.0)
    shape = progress + 0.3 * np.sin(np.pi * progress)
    return Curve(curve.vertices_rc + shape[:, None] * np.asarray(drift_rc_px), curve.is_hole)


def clip_to_image(vertices_rc: PointsRC, shape: tuple[int, int]) -> list[tuple[PointsRC, bool]]:
    """Cut a closed curve at the image border.

    Parameters
    ----------
    vertices_rc : (K, 2) array
        Closed curve, first vertex not repeated.
    shape : (int, int)
        Image (H, W); it covers [-0.5, H-0.5] x [-0.5, W-0.5].

    Returns
    -------
    list of ((N, 2) array, bool)
        The stretches inside in the curve's direction, and whether each is the whole closed
        curve. Open stretches begin and end exactly on the border.
    """
    low = np.array([-0.5, -0.5])
    high = np.array([shape[0] - 0.5, shape[1] - 0.5])
    inside = np.all((vertices_rc > low) & (vertices_rc < high), axis=1)
    if inside.all():
        return [(vertices_rc, True)]
    if not inside.any():
        return []
    start = int(np.flatnonzero(~inside)[0])
    vertices = np.roll(vertices_rc, -start, axis=0)
    vertices = np.vstack([vertices, vertices[:1]])
    inside = np.append(np.roll(inside, -start), False)
    enters = np.flatnonzero(~inside[:-1] & inside[1:])
    leaves = np.flatnonzero(inside[:-1] & ~inside[1:])
    stretches = []
    for first, last in zip(enters, leaves, strict=True):
        entry = _border_point(vertices[first + 1], vertices[first], low, high)
        exit_ = _border_point(vertices[last], vertices[last + 1], low, high)
        stretch = np.vstack([entry, vertices[first + 1 : last + 1], exit_])
        stretches.append((stretch, False))
    return stretches


def _border_point(
    inner: FloatArray, outer: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    step = outer - inner
    bound = np.where(step > 0, high, low)
    share = np.divide(bound - inner, step, out=np.full(2, np.inf), where=step != 0)
    axis = int(np.argmin(share))
    point = inner + share[axis] * step
    point[axis] = bound[axis]
    return np.asarray(point, dtype=np.float64)
