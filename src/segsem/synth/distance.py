"""Exact signed distance from points to closed curves."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from segsem.core.coordinates import unit
from segsem.core.types import FloatArray, PointsRC
from segsem.synth.curves import Curve

_DENSE_PX = 0.5
_CHUNK = 1 << 18


class CurveDistance:
    """Signed distance to a set of oriented closed curves, positive inside the features.

    The nearest vertex of the densified curves is found by a k-d tree; the distance is that to the
    two segments which meet there. Vertices half a pixel apart make this the distance to the
    polyline itself.

    Parameters
    ----------
    curves : list of Curve
        At least one.
    """

    def __init__(self, curves: list[Curve]) -> None:
        dense = [_densified(curve.vertices_rc) for curve in curves]
        self._points = np.vstack(dense)
        self._next = np.vstack([np.roll(points, -1, axis=0) for points in dense])
        self._previous = np.vstack([np.roll(points, 1, axis=0) for points in dense])
        self._tree = cKDTree(self._points, leafsize=24)

    def __call__(self, points_rc: PointsRC) -> FloatArray:
        """Signed distances (N,) in px of points (N, 2)."""
        out = np.empty(len(points_rc))
        for start in range(0, len(points_rc), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            out[chunk] = self._chunk(points_rc[chunk])
        return out

    def _chunk(self, points_rc: PointsRC) -> FloatArray:
        _, index = self._tree.query(points_rc)
        corner = self._points[index]
        offset = points_rc - corner
        ahead = self._next[index] - corner
        behind = corner - self._previous[index]
        along_ahead = np.clip(_dot(offset, ahead) / _dot(ahead, ahead), 0.0, 1.0)
        along_behind = np.clip(_dot(offset, behind) / _dot(behind, behind), -1.0, 0.0)
        gap_ahead = np.linalg.norm(offset - along_ahead[:, None] * ahead, axis=1)
        gap_behind = np.linalg.norm(offset - along_behind[:, None] * behind, axis=1)
        # Beyond a corner both feet are the corner itself; there the mean direction decides.
        side_ahead, side_behind = _left(ahead, offset), _left(behind, offset)
        side = np.where(gap_ahead < gap_behind, side_ahead, side_behind)
        at_corner = (along_ahead == 0) & (along_behind == 0)
        mean_direction = unit(ahead[at_corner]) + unit(behind[at_corner])
        side[at_corner] = _left(mean_direction, offset[at_corner])
        sign = np.where(side >= 0, 1.0, -1.0)
        return np.asarray(sign * np.minimum(gap_ahead, gap_behind))


def _densified(vertices_rc: PointsRC) -> PointsRC:
    """Split segments longer than half a pixel; all vertices stay, so the polyline is the same."""
    ahead = np.roll(vertices_rc, -1, axis=0) - vertices_rc
    length = np.linalg.norm(ahead, axis=1)
    keep = length > 1e-9
    vertices, ahead, length = vertices_rc[keep], ahead[keep], length[keep]
    parts = np.maximum(1, np.ceil(length / _DENSE_PX).astype(np.intp))
    segment = np.repeat(np.arange(len(parts)), parts)
    first = np.repeat(np.cumsum(parts) - parts, parts)
    share = (np.arange(len(segment)) - first) / parts[segment]
    return np.asarray(vertices[segment] + share[:, None] * ahead[segment])


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("ij,ij->i", a, b))


def _left(direction_rc: FloatArray, offset_rc: FloatArray) -> FloatArray:
    """Positive where `offset` is on the left of `direction` in the layout frame (y up)."""
    return np.asarray(direction_rc[:, 0] * offset_rc[:, 1] - direction_rc[:, 1] * offset_rc[:, 0])
