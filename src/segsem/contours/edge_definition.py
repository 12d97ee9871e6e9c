"""Where on a profile the edge is: the definitions, free of images and contours.

All functions look at profiles whose material lies at the left (negative offsets) and whose
grey values fall to the right across the edge. The bright rim, where there is one, belongs to
the material.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.core.params import EdgeMethod, EdgeSide
from segsem.core.types import AnyFloats, FloatArray

RIM_REACH_PX = 10.0
"""How far behind the outer flank the rim's peak, and behind that the plateau, are looked for."""


@dataclass(frozen=True, slots=True)
class EdgeLevels:
    """Grey levels around the edge of each profile, (K,) arrays.

    Attributes
    ----------
    floor : (K,) array
        Lowest value on the background side.
    peak : (K,) array
        Highest value on the material side: the rim, or the plateau where there is no rim.
    """

    floor: FloatArray
    peak: FloatArray

    @property
    def half(self) -> FloatArray:
        """50 % between the local extremes."""
        return (self.floor + self.peak) / 2

    @property
    def contrast(self) -> FloatArray:
        """Peak minus floor."""
        return self.peak - self.floor


def falls(profiles: AnyFloats, offsets_px: FloatArray) -> AnyFloats:
    """Fall per px at each sample of (K, T) evenly spaced profiles; 0 where it is not known."""
    step = profiles.dtype.type(offsets_px[1] - offsets_px[0])
    fall = np.empty_like(profiles)
    np.subtract(profiles[:, :-2], profiles[:, 2:], out=fall[:, 1:-1])
    fall[:, 1:-1] *= profiles.dtype.type(0.5) / step
    fall[:, 0] = (profiles[:, 0] - profiles[:, 1]) / step
    fall[:, -1] = (profiles[:, -2] - profiles[:, -1]) / step
    fall[~np.isfinite(fall)] = 0.0
    return fall


def steepest(profiles: AnyFloats, offsets_px: FloatArray, search_px: float) -> FloatArray:
    """Offset in px of the steepest fall of each profile within the search distance.

    A slight preference for the middle (half as much at the ends) breaks ties between an edge and
    its neighbour's.

    Parameters
    ----------
    profiles : (K, T) array
        Material left; NaN outside the image.
    offsets_px : (T,) array
        Evenly spaced.
    search_px : float
        How far to look on either side.

    Returns
    -------
    (K,) array
        NaN where the profile has no fall at all.
    """
    fall = falls(profiles, offsets_px)
    preference = np.exp(-0.5 * (offsets_px / (0.85 * search_px)) ** 2)
    preference[np.abs(offsets_px) > search_px] = 0.0
    score = fall * preference.astype(fall.dtype)
    best = np.argmax(score, axis=1)
    rows = np.arange(len(profiles))
    inner = np.clip(best, 1, score.shape[1] - 2)
    left, mid, right = fall[rows, inner - 1], fall[rows, inner], fall[rows, inner + 1]
    curve = left - 2 * mid + right
    shift = np.zeros(len(profiles))
    np.divide(0.5 * (left - right), curve, out=shift, where=curve < 0)
    step = offsets_px[1] - offsets_px[0]
    position = offsets_px[inner] + np.clip(shift, -1, 1) * step
    return np.where(score[rows, best] > 0, position, np.nan)


def levels_around(
    profiles: AnyFloats, offsets_px: FloatArray, edge_px: FloatArray, reach_px: FloatArray | float
) -> EdgeLevels:
    """Read the local extremes on both sides of an edge.

    Parameters
    ----------
    profiles : (K, T) array
        Material left; NaN outside the image.
    offsets_px : (T,) array
        Offsets of the samples.
    edge_px : (K,) array
        Rough edge position on each profile.
    reach_px : (K,) array or float
        How far from the edge an extreme may lie.

    Returns
    -------
    EdgeLevels
        NaN where a side has no sample.
    """
    relative = _relative(profiles, offsets_px, edge_px)
    reach = _column(reach_px, profiles)
    low, high = profiles.dtype.type(-np.inf), profiles.dtype.type(np.inf)
    known = np.isfinite(profiles)
    left = known & (relative <= 0) & (relative >= -reach)
    right = known & (relative >= 0) & (relative <= reach)
    peak = np.where(left, profiles, low).max(axis=1).astype(np.float64)
    floor = np.where(right, profiles, high).min(axis=1).astype(np.float64)
    return EdgeLevels(
        np.where(np.isfinite(floor), floor, np.nan), np.where(np.isfinite(peak), peak, np.nan)
    )


def _relative(profiles: AnyFloats, offsets_px: FloatArray, edge_px: FloatArray) -> AnyFloats:
    dtype = profiles.dtype
    return np.asarray(offsets_px.astype(dtype)[None, :] - edge_px.astype(dtype)[:, None])


def _column(reach_px: FloatArray | float, profiles: AnyFloats) -> AnyFloats:
    return np.asarray(reach_px, dtype=profiles.dtype).reshape(-1, 1)


def crossing(
    profiles: AnyFloats, offsets_px: FloatArray, level: FloatArray, near_px: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Find where each profile falls through its level, nearest to a given place.

    Parameters
    ----------
    profiles : (K, T) array
        Material left; NaN outside the image.
    offsets_px : (T,) array
        Evenly spaced.
    level, near_px : (K,) arrays
        Level to cross and where to look.

    Returns
    -------
    position_px, slope : (K,) arrays
        Offset of the crossing and fall per px there (positive); NaN where there is none.
    """
    above = profiles - level.astype(profiles.dtype)[:, None]
    row, col = np.nonzero((above[:, :-1] >= 0) & (above[:, 1:] < 0))
    step = offsets_px[1] - offsets_px[0]
    start = above[row, col].astype(np.float64)
    drop = start - above[row, col + 1]
    at = offsets_px[col] + step * start / drop
    away = np.abs(at - near_px[row])
    # Of each row's crossings the nearest one; NaN as `near_px` sorts last.
    order = np.lexsort((away, row))
    first = order[np.append(True, np.diff(row[order]) > 0)] if len(order) else order
    first = first[np.isfinite(away[first])]
    position: FloatArray = np.full(len(profiles), np.nan)
    slope: FloatArray = np.full(len(profiles), np.nan)
    position[row[first]] = at[first]
    slope[row[first]] = drop[first] / step
    return position, slope


def locate(
    profiles: AnyFloats,
    offsets_px: FloatArray,
    levels: EdgeLevels,
    near_px: FloatArray,
    method: EdgeMethod,
    side: EdgeSide,
    reach_px: FloatArray | float,
) -> tuple[FloatArray, FloatArray]:
    """Apply an edge definition.

    Parameters
    ----------
    profiles : (K, T) array
        Material left.
    offsets_px : (T,) array
        Evenly spaced.
    levels : EdgeLevels
        Local extremes around the outer flank.
    near_px : (K,) array
        Rough position of the outer flank.
    method, side : EdgeMethod, EdgeSide
        The definition.
    reach_px : (K,) array or float
        How far from the rough position the steepest point may lie (twice that).

    Returns
    -------
    position_px, slope : (K,) arrays
        NaN where the definition has no answer. Where there is no rim, the inner flank is the
        outer one.
    """
    if method is EdgeMethod.MAX_SLOPE:
        outer = steepest_near(profiles, offsets_px, near_px, reach_px / 2)
        _, slope = crossing(profiles, offsets_px, levels.half, near_px)
    else:
        outer, slope = crossing(profiles, offsets_px, levels.half, near_px)
    if side is EdgeSide.OUTER:
        return outer, slope
    inner = _inner_flank(profiles, offsets_px, levels, outer)
    return (inner if side is EdgeSide.INNER else (inner + outer) / 2), slope


def steepest_near(
    profiles: AnyFloats, offsets_px: FloatArray, near_px: FloatArray, reach_px: FloatArray | float
) -> FloatArray:
    """Offset of the steepest fall within `reach_px` of a given place, to a fraction of a step."""
    fall = falls(profiles, offsets_px)
    close = np.abs(_relative(profiles, offsets_px, near_px)) <= _column(reach_px, profiles)
    fall = np.where(close, np.clip(fall, 0, None), 0).astype(np.float64)
    # The centroid of the upper half of the slope's peak is steadier than its single maximum.
    top = np.clip(fall - 0.5 * fall.max(axis=1, keepdims=True), 0, None)
    weight = top.sum(axis=1)
    position: FloatArray = np.full(len(profiles), np.nan)
    np.divide((top * offsets_px).sum(axis=1), weight, out=position, where=weight > 0)
    return position


def _inner_flank(
    profiles: AnyFloats,
    offsets_px: FloatArray,
    levels: EdgeLevels,
    outer_px: FloatArray,
) -> FloatArray:
    """50 % between the rim's peak and the plateau behind it; the outer flank if no rim."""
    reach_px = RIM_REACH_PX
    relative = offsets_px[None, :] - outer_px[:, None]
    rim = np.where((relative <= 0) & (relative >= -reach_px), profiles, -np.inf)
    peak_px = offsets_px[np.argmax(np.nan_to_num(rim, nan=-np.inf), axis=1)]
    behind = (offsets_px[None, :] <= peak_px[:, None]) & (
        offsets_px[None, :] >= (peak_px - reach_px)[:, None]
    )
    plateau = np.where(behind & np.isfinite(profiles), profiles, np.inf).min(axis=1)
    has_rim = levels.peak - plateau > 0.1 * levels.contrast
    level = (levels.peak + np.where(np.isfinite(plateau), plateau, 0.0)) / 2
    # Mirrored, the inner flank falls to the right like an outer one.
    position, _ = crossing(profiles[:, ::-1], -offsets_px[::-1], level, -peak_px)
    return np.where(has_rim & np.isfinite(position), -position, outer_px)
