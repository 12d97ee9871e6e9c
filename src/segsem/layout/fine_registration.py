"""Fine registration: contour points are laid onto the design's edges by least squares.

Only the distance along the design's normal counts (Chen and Medioni, Image Vis. Comput. 10, 145,
1992), so that points may slide along straight edges; large distances weigh less and less (Tukey's
biweight), so that defects and flakes pull at nothing. One mean distance is fitted beside the
position: lines that are printed too wide everywhere move no design.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from segsem.core.types import FloatArray, MaskArray, PointsXY
from segsem.layout.design import DesignEdges
from segsem.layout.registration import Place

ROUNDS = 30
AGREES = 0.7
"""Least cosine of the angle between a contour's and the design's normal."""

ONE_SIDED = 0.95
"""Where nearly all normals point one way, a mean distance is no other thing than a shift."""

LOOSE = 5e-3
"""A direction along which the normals hold less than this share of their length is not told."""

_BIWEIGHT = 4.685
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class EdgePoints:
    """Points of contours in the image's nm frame, with unit normals from feature to background."""

    points_nm: PointsXY
    normals_xy: PointsXY


@dataclass(frozen=True, slots=True)
class Fine:
    """Result of the fit.

    Attributes
    ----------
    place : Place
        Improved.
    residual_nm : (N,) array
        Of the points used, along the design's normals, mean taken off.
    mean_nm : float
        That mean, positive outwards.
    undetermined_xy : (float, float) or None
        Unit direction in the design that no normal points along.
    """

    place: Place
    residual_nm: FloatArray
    mean_nm: float
    undetermined_xy: tuple[float, float] | None

    @property
    def rms_nm(self) -> float:
        """Root of the mean square of the residuals."""
        return float(np.sqrt(np.mean(self.residual_nm**2))) if len(self.residual_nm) else np.nan


def fit_fine(
    edges: DesignEdges,
    contour: EdgePoints,
    start: Place,
    *,
    reach_nm: float,
    least_reach_nm: float,
    fit_scale: bool,
) -> Fine:
    """Improve a place until it stands still.

    Parameters
    ----------
    edges : DesignEdges
        The design; its corners are left out.
    contour : EdgePoints
        Found edges.
    start : Place
        Within about `reach_nm` of the truth.
    reach_nm : float
        How far a point may be from its edge at first; the reach then follows the spread.
    least_reach_nm : float
        It does not fall below.
    fit_scale : bool
        Fit the scale as well.
    """
    straight = ~edges.corner
    points, normals = edges.points_nm[straight], edges.normals_xy[straight]
    nothing = Fine(start, np.empty(0), float("nan"), None)
    if not len(points) or not len(contour.points_nm):
        return nothing
    tree = cKDTree(points)
    place, reach, mean = start, reach_nm, 0.0
    result = nothing
    for _ in range(ROUNDS):
        moved = place.to_design(contour.points_nm)
        turned = contour.normals_xy @ place.matrix().T
        near, index = tree.query(moved, distance_upper_bound=reach + abs(mean))
        pairs = _Pairs.of(moved, turned, points, normals, np.isfinite(near), index)
        pairs = pairs.within(mean, reach)
        if len(pairs.distance_nm) < 12:
            return nothing
        step = _solve(pairs, place, fit_scale)
        place, mean = step.applied(place), step.mean_nm
        sigma = _MAD_TO_SIGMA * float(np.median(np.abs(step.residual_nm)))
        reach = max(least_reach_nm, min(reach, _BIWEIGHT * sigma))
        result = Fine(place, step.residual_nm, mean, _loose_direction(pairs.normals_xy))
        if step.size_nm < 1e-4 * least_reach_nm and reach <= max(least_reach_nm, 5 * sigma):
            break
    return result


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Contour points and the design's edge beside each."""

    points_nm: PointsXY
    normals_xy: PointsXY
    distance_nm: FloatArray

    @classmethod
    def of(
        cls,
        moved: PointsXY,
        turned: PointsXY,
        points: PointsXY,
        normals: PointsXY,
        near: MaskArray,
        index: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    ) -> _Pairs:
        own = np.flatnonzero(near)
        beside = normals[index[own]]
        agrees = np.sum(turned[own] * beside, axis=1) > AGREES
        own, beside = own[agrees], beside[agrees]
        distance = np.sum((moved[own] - points[index[own]]) * beside, axis=1)
        return cls(moved[own], beside, distance)

    def within(self, mean_nm: float, reach_nm: float) -> _Pairs:
        kept = np.abs(self.distance_nm - mean_nm) <= reach_nm
        return _Pairs(self.points_nm[kept], self.normals_xy[kept], self.distance_nm[kept])


@dataclass(frozen=True, slots=True)
class _Step:
    """One improvement, about the place's position."""

    shift_nm: FloatArray
    turn_rad: float
    growth: float
    mean_nm: float
    residual_nm: FloatArray
    size_nm: float

    def applied(self, place: Place) -> Place:
        return replace(
            place,
            position_nm=(
                place.position_nm[0] - float(self.shift_nm[0]),
                place.position_nm[1] - float(self.shift_nm[1]),
            ),
            rotation_deg=place.rotation_deg - float(np.degrees(self.turn_rad)),
            scale=place.scale * (1.0 - self.growth),
        )


def _solve(pairs: _Pairs, place: Place, fit_scale: bool) -> _Step:
    """Weighted least squares for shift, turn, growth and mean distance."""
    normals = pairs.normals_xy
    arm = pairs.points_nm - place.position_nm
    radius = max(float(np.sqrt(np.mean(np.sum(arm**2, axis=1)))), 1e-9)
    around = np.column_stack([-arm[:, 1], arm[:, 0]])
    columns = [normals[:, 0], normals[:, 1], np.sum(normals * around, axis=1) / radius]
    if fit_scale:
        columns.append(np.sum(normals * arm, axis=1) / radius)
    one_sided = float(np.linalg.norm(normals.mean(axis=0))) > ONE_SIDED
    if not one_sided:
        columns.append(np.ones(len(normals)))
    matrix = np.column_stack(columns)
    weight = np.ones(len(normals))
    solution = np.zeros(matrix.shape[1])
    for _ in range(3):
        root = np.sqrt(weight)
        solution = np.linalg.lstsq(
            matrix * root[:, None], pairs.distance_nm * root, rcond=np.sqrt(LOOSE) / 4
        )[0]
        left = pairs.distance_nm - matrix @ solution
        sigma = _MAD_TO_SIGMA * float(np.median(np.abs(left)))
        ratio = left / max(_BIWEIGHT * sigma, 1e-9)
        weight = np.where(np.abs(ratio) < 1, (1 - ratio**2) ** 2, 0.0)
        if not weight.any():
            weight = np.ones(len(normals))
            break
    growth = float(solution[3]) / radius if fit_scale else 0.0
    turn = float(solution[2]) / radius
    return _Step(
        shift_nm=solution[:2],
        turn_rad=turn,
        growth=growth,
        mean_nm=0.0 if one_sided else float(solution[-1]),
        residual_nm=left[weight > 0],
        size_nm=float(np.abs(solution[: len(columns) - (not one_sided)]).sum()),
    )


def _loose_direction(normals_xy: PointsXY) -> tuple[float, float] | None:
    values, vectors = np.linalg.eigh(normals_xy.T @ normals_xy / len(normals_xy))
    if values[0] >= LOOSE:
        return None
    x, y = vectors[:, 0]
    # One name for a direction and its opposite.
    sign = 1.0 if (x, y) > (-x, -y) else -1.0
    return float(sign * x), float(sign * y)
