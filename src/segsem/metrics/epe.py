"""Signed edge placement error of extracted contours against exact truth.

Distances run from the extracted contour to the nearest point of the truth's own segments, so
that a smooth truth is measured along its normal. What distances cannot show is counted in length
beside them: truth without a contour, contours without truth, edges found twice, contours along
the image's border, contours that run the wrong way. A missing feature thus never scores 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsem.core.coordinates import box_outline_rc
from segsem.core.types import FloatArray, MaskArray, PointsRC
from segsem.metrics.polyline import IntArray, Nearest, Polyline, Samples, Target, sample


@dataclass(frozen=True, slots=True)
class EPEParams:
    """How contours are compared with truth.

    Attributes
    ----------
    margin_px : float
        Truth nearer to the border of the valid area does not count.
    match_px : float
        An edge that is farther from the truth is another edge: one is missing, one is extra.
    step_px : float
        Distance of the points that are compared.
    border_px : float
        A contour within it of the border and along it is taken for closed along the border.
    """

    margin_px: float = 4.0
    match_px: float = 5.0
    step_px: float = 0.5
    border_px: float = 1.0

    def __post_init__(self) -> None:
        for name in ("match_px", "step_px"):
            if not getattr(self, name) > 0:
                msg = f"Expected `{name}` to be positive, but got {getattr(self, name)}"
                raise ValueError(msg)
        if self.step_px > self.match_px:
            msg = f"Expected `step_px` of at most `match_px`, but got {self.step_px}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class EPESamples:
    """Comparison of one image, point by point.

    Attributes
    ----------
    points_rc : (N, 2) array
        Points on the extracted contours that lie near truth that counts.
    epe_px : (N,) array
        Signed error there, positive outwards (the feature is too large).
    contour, truth : (N,) arrays
        Index of the extracted contour and of the truth's polyline.
    length_px : (N,) array
        Length that a point stands for.
    truth_length_px : float
        Length of the truth that counts.
    missing_length_px : float
        Of it, without a contour within reach.
    extra_length_px : float
        Length of contours that no truth is within reach of.
    duplicate_length_px : float
        Length of truth that more than one contour follows, counted once for each contour beyond
        the first.
    border_length_px : float
        Length of contours that run along the border of the valid area without truth there.
    reversed_length_px : float
        Length of contours that follow the truth in the wrong direction: feature and background
        are exchanged.
    """

    points_rc: PointsRC
    epe_px: FloatArray
    contour: IntArray
    truth: IntArray
    length_px: FloatArray
    truth_length_px: float
    missing_length_px: float
    extra_length_px: float
    duplicate_length_px: float
    border_length_px: float
    reversed_length_px: float


def compare_contours(
    contours: Sequence[Polyline],
    truth: Sequence[Polyline],
    shape: tuple[int, int],
    *,
    valid_rows: tuple[int, int] | None = None,
    params: EPEParams | None = None,
) -> EPESamples:
    """Compare the contours of an image with its truth.

    Parameters
    ----------
    contours : sequence of Polyline
        Extracted contours.
    truth : sequence of Polyline
        True contours: all of them, those near the border too.
    shape : (int, int)
        (H, W) of the image.
    valid_rows : (int, int), optional
        Half-open range of rows above the data bar; all rows by default.
    params : EPEParams, optional
        How to compare.

    Returns
    -------
    EPESamples
        Signed errors, and the lengths that have no counterpart.
    """
    params = params or EPEParams()
    area = _Area(shape, valid_rows or (0, shape[0]))
    found = sample(contours, params.step_px)
    true = sample(truth, params.step_px)
    to_truth = Target(truth).nearest(found.points_rc)
    to_contours = Target(contours).nearest(true.points_rc)

    counts = area.depth(true.points_rc) >= params.margin_px
    near = to_truth.distance_px <= params.match_px
    missing = to_contours.distance_px > params.match_px
    missing |= _passed_over(true, to_truth, near, 2 * params.match_px)
    missing &= counts
    on_border = area.runs_along_border(found, params.border_px)
    on_border &= to_truth.distance_px > params.border_px
    extra = ~near & ~on_border & (area.depth(found.points_rc) >= params.margin_px)
    # Where no truth is within reach its nearest point may be NaN, which compares as False.
    rated = near & ~on_border & (area.depth(to_truth.point_rc) >= params.margin_px)
    backwards = rated & (np.sum(found.direction_rc * to_truth.direction_rc, axis=1) < 0)
    return EPESamples(
        points_rc=found.points_rc[rated],
        epe_px=to_truth.signed_px[rated],
        contour=found.line[rated],
        truth=to_truth.line[rated],
        length_px=found.length_px[rated],
        truth_length_px=float(true.length_px[counts].sum()),
        missing_length_px=float(true.length_px[missing].sum()),
        extra_length_px=float(found.length_px[extra].sum()),
        duplicate_length_px=_duplicate_length(found, to_truth, rated),
        border_length_px=float(found.length_px[on_border].sum()),
        reversed_length_px=float(found.length_px[backwards].sum()),
    )


class _Area:
    """The valid area of an image, along the outer edges of its pixels."""

    def __init__(self, shape: tuple[int, int], valid_rows: tuple[int, int]) -> None:
        outline = box_outline_rc((valid_rows[0], 0, valid_rows[1], shape[1]))
        self._low, self._high = outline.min(axis=0), outline.max(axis=0)

    def depth(self, points_rc: PointsRC) -> FloatArray:
        """Distance from the border, negative outside."""
        inside: FloatArray = np.minimum(points_rc - self._low, self._high - points_rc)
        return np.asarray(inside.min(axis=1))

    def runs_along_border(self, found: Samples, within_px: float) -> MaskArray:
        """Tell which points are near a border and move along it."""
        along = np.zeros(len(found.points_rc), dtype=bool)
        for axis in (0, 1):
            position = found.points_rc[:, axis]
            near = np.minimum(position - self._low[axis], self._high[axis] - position) <= within_px
            parallel = np.abs(found.direction_rc[:, axis]) < np.abs(found.direction_rc[:, 1 - axis])
            along |= near & parallel
        return along


def _passed_over(true: Samples, to_truth: Nearest, near: MaskArray, least_px: float) -> MaskArray:
    """Find long stretches of truth that are nearest to no point of any contour.

    The other edge of a thin line is within reach of a missing one, but it has a truth of its own
    that is nearer. Short stretches are passed over at every corner that was rounded.
    """
    if not len(true.line):
        return np.zeros(0, dtype=bool)
    step = true.length_px
    visited = np.zeros(len(true.line), dtype=bool)
    line = to_truth.line[near]
    start = np.searchsorted(true.line, line)
    count = np.searchsorted(true.line, line, side="right") - start
    own = np.minimum((to_truth.arc_px[near] / step[start]).astype(np.int64), count - 1)
    visited[start + own] = True
    # Runs of unvisited points, cut where a new polyline begins.
    new_run = np.concatenate([[True], (np.diff(visited) != 0) | (np.diff(true.line) != 0)])
    run = np.cumsum(new_run) - 1
    run_length = np.bincount(run, weights=step)
    return np.asarray(~visited & (run_length[run] > least_px))


def _duplicate_length(found: Samples, to_truth: Nearest, rated: MaskArray) -> float:
    # The truth is cut into pieces of about a pixel; a contour visits a piece or does not. Ends of
    # contours that meet share one piece, which is no duplicate: it takes two in a row.
    if not rated.any():
        return 0.0
    piece_px = 1.0
    piece = np.floor(to_truth.arc_px[rated] / piece_px).astype(np.int64)
    visits = np.unique(np.column_stack([to_truth.line[rated], piece, found.line[rated]]), axis=0)
    pieces, n_contours = np.unique(visits[:, :2], axis=0, return_counts=True)
    beyond = n_contours - 1
    neighbour = np.zeros(len(pieces), dtype=bool)
    in_row = (np.diff(pieces[:, 0]) == 0) & (np.diff(pieces[:, 1]) == 1)
    both = in_row & (beyond[:-1] > 0) & (beyond[1:] > 0)
    neighbour[:-1] |= both
    neighbour[1:] |= both
    return float(beyond[neighbour].sum() * piece_px)
