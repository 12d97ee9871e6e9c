"""Signed edge placement error where contours cut the normals of the truth.

Distances to the nearest truth (:mod:`segsem.metrics.epe`) are asked at the contour's points and
so say nothing where there is no contour. Here every piece of truth is asked: where along its
normal does a contour of the same direction lie? There is one, or the piece is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from segsem.core.coordinates import box_outline_rc, unit
from segsem.core.types import FloatArray, MaskArray, PointsRC
from segsem.metrics.epe import EPEParams
from segsem.metrics.polyline import IntArray, Polyline, Samples, sample

_NORMAL_REACH_PX = 1.5
"""Normals come from the chord of this length to both sides: those of single segments of a rough
truth would swing by more than the edge does."""


@dataclass(frozen=True, slots=True)
class NormalEPE:
    """Errors at N points of the truth that counts, polyline by polyline.

    Attributes
    ----------
    points_rc, normals_rc : (N, 2) array
        Points of the truth, and its unit normals from feature to background.
    epe_px : (N,) array
        Where the nearest contour cuts the normal, positive outwards (the feature is too large);
        NaN where none does within reach.
    truth : (N,) array
        Index of the truth's polyline.
    arc_px : (N,) array
        Length along it.
    contour, vertex : (N,) array
        Index of the contour and of the vertex before the cut; -1 where there is none.
    step_px : (N,) array
        Length that a point stands for.
    reach_px : float
        Greatest distance that was looked at.
    """

    points_rc: PointsRC
    normals_rc: PointsRC
    epe_px: FloatArray
    truth: IntArray
    arc_px: FloatArray
    contour: IntArray
    vertex: IntArray
    step_px: FloatArray
    reach_px: float

    @property
    def found(self) -> MaskArray:
        """Which points have a contour."""
        return np.isfinite(self.epe_px)

    @property
    def completeness(self) -> float:
        """Share of the truth's length that has a contour; NaN without truth."""
        total = float(self.step_px.sum())
        return float(self.step_px[self.found].sum()) / total if total else float("nan")

    def feature_means_px(self, least_px: float) -> FloatArray:
        """Mean error of each truth polyline of which at least `least_px` was found."""
        found = self.found
        if not found.any():
            return np.empty(0)
        length = np.bincount(self.truth[found], self.step_px[found])
        total = np.bincount(self.truth[found], (self.epe_px * self.step_px)[found])
        enough = length >= least_px
        return np.asarray(total[enough] / length[enough])

    def penalised_px(self, extra_length_px: float = 0.0) -> FloatArray:
        """Absolute errors with the whole reach for what is missing, and for what is extra.

        Parameters
        ----------
        extra_length_px : float
            Length of contours that no truth is near (`EPESamples.extra_length_px`): as many
            points of the full reach are appended.
        """
        step = float(np.median(self.step_px)) if len(self.step_px) else 1.0
        extra = np.full(round(extra_length_px / step), self.reach_px)
        return np.concatenate([np.where(self.found, np.abs(self.epe_px), self.reach_px), extra])


def epe_along_normals(
    contours: Sequence[Polyline],
    truth: Sequence[Polyline],
    shape: tuple[int, int],
    *,
    valid_rows: tuple[int, int] | None = None,
    params: EPEParams | None = None,
) -> NormalEPE:
    """Cut the truth's normals with the contours of an image.

    Parameters
    ----------
    contours : sequence of Polyline
        Extracted contours. Those that run against the truth (feature and background
        exchanged) are not seen.
    truth : sequence of Polyline
        True contours.
    shape : (int, int)
        (H, W) of the image.
    valid_rows : (int, int), optional
        Half-open range of rows above the data bar; all rows by default.
    params : EPEParams, optional
        `margin_px`, `match_px` (reach to both sides) and `step_px` are used.

    Returns
    -------
    NormalEPE
        One entry for each `step_px` of truth at least `margin_px` from the border.
    """
    params = params or EPEParams()
    true = sample(truth, params.step_px)
    normals = _normals(true, truth, params.step_px)
    counts = _depth(true.points_rc, shape, valid_rows) >= params.margin_px
    points, normals = true.points_rc[counts], normals[counts]
    segments = segments_of(contours)
    ends = normals * params.match_px
    cut = cut_rays(points - ends, points + ends, segments, normals)
    nearest = cut.nearest_to(0.5, len(points))
    hit = nearest >= 0
    epe = np.full(len(points), np.nan)
    epe[hit] = (cut.along[nearest[hit]] - 0.5) * 2 * params.match_px
    contour, vertex = np.full((2, len(points)), -1, dtype=np.int64)
    contour[hit] = segments.line[cut.segment[nearest[hit]]]
    vertex[hit] = segments.vertex[cut.segment[nearest[hit]]]
    return NormalEPE(
        points_rc=points,
        normals_rc=normals,
        epe_px=epe,
        truth=true.line[counts],
        arc_px=_arcs(true)[counts],
        contour=contour,
        vertex=vertex,
        step_px=true.length_px[counts],
        reach_px=params.match_px,
    )


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of polylines, each with its polyline and the index of its first vertex."""

    start_rc: PointsRC
    step_rc: PointsRC
    line: IntArray
    vertex: IntArray


@dataclass(frozen=True, slots=True)
class Cuts:
    """Cuts of rays with segments: ray, segment, and position from 0 to 1 along the ray."""

    ray: IntArray
    segment: IntArray
    along: FloatArray

    def nearest_to(self, along: float, n_rays: int) -> IntArray:
        """Index of the cut of each ray that is nearest to a position on it; -1 where none is."""
        order = np.lexsort((np.abs(self.along - along), self.ray))
        chosen = np.full(n_rays, -1, dtype=np.int64)
        rays, first = np.unique(self.ray[order], return_index=True)
        chosen[rays] = order[first]
        return chosen


def segments_of(lines: Sequence[Polyline]) -> Segments:
    """List all segments that have a length."""
    starts, steps, index, vertex = [], [], [], []
    for number, line in enumerate(lines):
        path = np.asarray(line.vertices_rc, dtype=np.float64)
        if line.closed:
            path = np.vstack([path, path[:1]])
        step = np.diff(path, axis=0)
        kept = np.flatnonzero(np.any(step != 0, axis=1))
        starts.append(path[kept])
        steps.append(step[kept])
        index.append(np.full(len(kept), number, dtype=np.int64))
        vertex.append(kept.astype(np.int64))
    none, nothing = [np.empty((0, 2))], [np.empty(0, dtype=np.int64)]
    return Segments(
        np.concatenate(starts or none),
        np.concatenate(steps or none),
        np.concatenate(index or nothing),
        np.concatenate(vertex or nothing),
    )


def cut_rays(
    start_rc: PointsRC, end_rc: PointsRC, segments: Segments, normals_rc: PointsRC
) -> Cuts:
    """Cut rays with the segments whose own normal goes along with the one given for the ray."""
    nothing = np.empty(0, dtype=np.int64)
    if not len(segments.start_rc) or not len(start_rc):
        return Cuts(nothing, nothing, np.empty(0))
    ends = np.stack([segments.start_rc, segments.start_rc + segments.step_rc], axis=1)
    tree = shapely.STRtree(shapely.linestrings(ends))
    rays = shapely.linestrings(np.stack([start_rc, end_rc], axis=1))
    ray, segment = tree.query(rays, predicate="intersects")
    direction, step = (end_rc - start_rc)[ray], segments.step_rc[segment]
    across = _cross(direction, step)
    right_hand = np.column_stack([step[:, 1], -step[:, 0]])
    agrees = (np.sum(right_hand * normals_rc[ray], axis=1) > 0) & (across != 0)
    ray, segment, step, across = ray[agrees], segment[agrees], step[agrees], across[agrees]
    along = _cross(segments.start_rc[segment] - start_rc[ray], step) / across
    return Cuts(ray, segment, np.asarray(along))


def _cross(a: PointsRC, b: PointsRC) -> FloatArray:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _normals(true: Samples, truth: Sequence[Polyline], step_px: float) -> PointsRC:
    normals = np.empty_like(true.points_rc)
    for number in np.unique(true.line):
        own = np.flatnonzero(true.line == number)
        points = true.points_rc[own]
        index = np.arange(len(own))
        reach = max(1, round(_NORMAL_REACH_PX / step_px))
        if truth[number].closed:
            reach = min(reach, max(1, len(own) // 8))
            ahead, behind = (index + reach) % len(own), (index - reach) % len(own)
        else:
            ahead, behind = np.minimum(index + reach, len(own) - 1), np.maximum(index - reach, 0)
        chord = points[ahead] - points[behind]
        # A polyline of one sample has no chord.
        chord = np.where(np.any(chord != 0, axis=1)[:, None], chord, true.direction_rc[own])
        normals[own] = unit(np.column_stack([chord[:, 1], -chord[:, 0]]))
    return normals


def _arcs(true: Samples) -> FloatArray:
    total = np.cumsum(true.length_px) - true.length_px / 2
    first = np.searchsorted(true.line, true.line)
    start = (total - true.length_px / 2)[first] if len(total) else total
    return np.asarray(total - start)


def _depth(
    points_rc: PointsRC, shape: tuple[int, int], valid_rows: tuple[int, int] | None
) -> FloatArray:
    top, bottom = valid_rows or (0, shape[0])
    outline = box_outline_rc((top, 0, bottom, shape[1]))
    inside = np.minimum(points_rc - outline.min(axis=0), outline.max(axis=0) - points_rc)
    return np.asarray(inside.min(axis=1))
