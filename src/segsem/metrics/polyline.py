"""Polylines as truth and as result: resampling, exact nearest points, which side is which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from segsem.core.contour import Contour
from segsem.core.coordinates import arc_length_px, unit
from segsem.core.types import FloatArray, MaskArray, PointsRC

IntArray = npt.NDArray[np.int64]

_PROBE_PX = 1.5


@dataclass(frozen=True, slots=True)
class Polyline:
    """A contour without its evidence.

    It runs so that the feature lies on the left as seen with y up, like `Contour`: outer
    contours counter-clockwise, holes clockwise.

    Attributes
    ----------
    vertices_rc : (K, 2) array
        (row, column) in px; the first vertex of a closed polyline is not repeated.
    closed : bool
        Whether the last vertex is joined to the first.

    Raises
    ------
    ValueError
        If the vertices are not finite numbers of that shape, or fewer than two.
    """

    vertices_rc: PointsRC
    closed: bool

    def __post_init__(self) -> None:
        vertices = np.asarray(self.vertices_rc)
        if vertices.ndim != 2 or vertices.shape[1:] != (2,) or len(vertices) < 2:
            msg = f"Expected `vertices_rc` of shape (K, 2) with K >= 2, but got {vertices.shape}"
            raise ValueError(msg)
        if not np.isfinite(vertices).all():
            msg = "Expected `vertices_rc` to be finite numbers, but some are not"
            raise ValueError(msg)

    @classmethod
    def from_contour(cls, contour: Contour) -> Polyline:
        """Take a contour's placed vertices."""
        return cls(contour.vertices_rc, contour.closed)

    @property
    def path_rc(self) -> PointsRC:
        """Vertices in order without repeats, the first one again at the end if closed."""
        path: PointsRC = np.asarray(self.vertices_rc, dtype=np.float64)
        if self.closed:
            path = np.vstack([path, path[:1]])
        moved = np.concatenate([[True], np.any(np.diff(path, axis=0) != 0, axis=1)])
        path = path[moved]
        return path


@dataclass(frozen=True, slots=True)
class Samples:
    """Points spread evenly along polylines, each standing for the same length.

    Attributes
    ----------
    points_rc : (N, 2) array
        (row, column) in px.
    direction_rc : (N, 2) array
        Unit direction of travel.
    line : (N,) array
        Index of the polyline.
    length_px : (N,) array
        Length that a point stands for.
    """

    points_rc: PointsRC
    direction_rc: PointsRC
    line: IntArray
    length_px: FloatArray


def sample(lines: Sequence[Polyline], step_px: float) -> Samples:
    """Spread points along polylines, in the middle of pieces of at most `step_px`.

    Parameters
    ----------
    lines : sequence of Polyline
        The polylines; those without length give no points.
    step_px : float
        Greatest distance of two points along the line.

    Returns
    -------
    Samples
        The points, polyline by polyline.
    """
    parts = [_sample_one(line.path_rc, index, step_px) for index, line in enumerate(lines)]
    return Samples(
        points_rc=np.concatenate([p.points_rc for p in parts] or [np.empty((0, 2))]),
        direction_rc=np.concatenate([p.direction_rc for p in parts] or [np.empty((0, 2))]),
        line=np.concatenate([p.line for p in parts] or [np.empty(0, dtype=np.int64)]),
        length_px=np.concatenate([p.length_px for p in parts] or [np.empty(0)]),
    )


def _sample_one(path_rc: PointsRC, index: int, step_px: float) -> Samples:
    length = arc_length_px(path_rc)
    n_pieces = int(np.ceil(length[-1] / step_px))
    if n_pieces == 0:
        empty = np.empty((0, 2))
        return Samples(empty, empty, np.empty(0, dtype=np.int64), np.empty(0))
    piece = length[-1] / n_pieces
    at = (np.arange(n_pieces) * 2 + 1) * (piece / 2)
    points = np.column_stack([np.interp(at, length, axis) for axis in path_rc.T])
    segment = np.clip(np.searchsorted(length, at, side="right") - 1, 0, len(path_rc) - 2)
    return Samples(
        points_rc=points,
        direction_rc=unit(np.diff(path_rc, axis=0))[segment],
        line=np.full(n_pieces, index, dtype=np.int64),
        length_px=np.full(n_pieces, piece),
    )


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest point on the target for each of N points.

    Attributes
    ----------
    point_rc : (N, 2) array
        The nearest point; NaN where there is no target.
    distance_px : (N,) array
        Its distance; infinite where there is no target.
    signed_px : (N,) array
        The distance, positive on the background's side.
    direction_rc : (N, 2) array
        Direction of travel of the target there.
    line : (N,) array
        Index of the target's polyline, -1 where there is none.
    arc_px : (N,) array
        Length along that polyline up to the nearest point.
    """

    point_rc: PointsRC
    distance_px: FloatArray
    signed_px: FloatArray
    direction_rc: PointsRC
    line: IntArray
    arc_px: FloatArray


class Target:
    """Polylines that distances are measured to, exactly: to their segments, not to samples.

    Parameters
    ----------
    lines : sequence of Polyline
        The polylines.
    """

    def __init__(self, lines: Sequence[Polyline]) -> None:
        paths = [line.path_rc for line in lines]
        self._start = np.concatenate([p[:-1] for p in paths] or [np.empty((0, 2))])
        self._step = np.concatenate([np.diff(p, axis=0) for p in paths] or [np.empty((0, 2))])
        counts = np.array([len(p) - 1 for p in paths], dtype=np.int64)
        self._line = np.repeat(np.arange(len(paths)), counts)
        self._arc = np.concatenate([arc_length_px(p)[:-1] for p in paths] or [np.empty(0)])
        self._before, self._after = _neighbours(counts, [line.closed for line in lines])
        ends = np.stack([self._start, self._start + self._step], axis=1)
        self._tree = shapely.STRtree(shapely.linestrings(ends) if len(ends) else [])

    def nearest(self, points_rc: PointsRC) -> Nearest:
        """Find the nearest point of the target for each point.

        Parameters
        ----------
        points_rc : (N, 2) array
            The points.

        Returns
        -------
        Nearest
            Nearest points with signed distances. At a vertex the side is told by the mean of
            the two segments' normals.
        """
        n_points = len(points_rc)
        if len(self._start) == 0 or n_points == 0:
            nowhere = np.full((n_points, 2), np.nan)
            infinite = np.full(n_points, np.inf)
            return Nearest(nowhere, infinite, infinite, nowhere, np.full(n_points, -1), infinite)
        index, segment = self._tree.query_nearest(shapely.points(points_rc), all_matches=False)
        segment = segment[np.argsort(index, kind="stable")]
        start, step = self._start[segment], self._step[segment]
        length = np.linalg.norm(step, axis=1)
        along = np.sum((points_rc - start) * step, axis=1) / length**2
        along = np.clip(along, 0.0, 1.0)
        foot = start + along[:, None] * step
        offset = points_rc - foot
        distance = np.linalg.norm(offset, axis=1)
        side = np.sum(offset * self._normal_at(segment, along), axis=1)
        return Nearest(
            point_rc=foot,
            distance_px=distance,
            signed_px=np.where(side < 0, -distance, distance),
            direction_rc=step / length[:, None],
            line=self._line[segment],
            arc_px=self._arc[segment] + along * length,
        )

    def _normal_at(self, segment: IntArray, along: FloatArray) -> PointsRC:
        normals = _right_hand_normals(self._step)
        neighbour = np.where(along == 0.0, self._before[segment], segment)
        neighbour = np.where(along == 1.0, self._after[segment], neighbour)
        total: PointsRC = normals[segment] + normals[neighbour]
        return total


def orient_by_mask(line: Polyline, mask: MaskArray) -> Polyline:
    """Turn a polyline so that the mask's True side lies on its left as seen with y up.

    Parameters
    ----------
    line : Polyline
        A polyline along an edge of the mask, in either direction.
    mask : (H, W) bool array
        True inside the features.

    Returns
    -------
    Polyline
        The same polyline, reversed if most of it ran the other way.
    """
    found = sample([line], 1.0)
    normal = _right_hand_normals(found.direction_rc)
    right, left = (_look_up(mask, found.points_rc + s * _PROBE_PX * normal) for s in (1, -1))
    if np.sum(right & ~left) > np.sum(left & ~right):
        return Polyline(line.vertices_rc[::-1].copy(), line.closed)
    return line


def _look_up(mask: MaskArray, points_rc: PointsRC) -> MaskArray:
    row, col = np.rint(points_rc).astype(np.int64).T
    height, width = mask.shape
    return np.asarray(mask[np.clip(row, 0, height - 1), np.clip(col, 0, width - 1)])


def _right_hand_normals(steps_rc: PointsRC) -> PointsRC:
    # With the feature on the left (y up), the right-hand normal points to the background;
    # turning (x, y) clockwise is (row, column) -> (column, -row).
    return unit(np.column_stack([steps_rc[:, 1], -steps_rc[:, 0]]))


def _neighbours(counts: IntArray, closed: Sequence[bool]) -> tuple[IntArray, IntArray]:
    before, after = [], []
    first = 0
    for count, is_closed in zip(counts.tolist(), closed, strict=True):
        index = np.arange(count)
        if is_closed and count > 0:
            before.append(first + (index - 1) % count)
            after.append(first + (index + 1) % count)
        else:
            before.append(first + np.maximum(index - 1, 0))
            after.append(first + np.minimum(index + 1, max(count - 1, 0)))
        first += count
    empty = [np.empty(0, dtype=np.int64)]
    return np.concatenate(before or empty), np.concatenate(after or empty)
