"""Where on a profile the edge is: the definitions, free of images and contours.

All functions look at profiles whose material lies at the left (negative offsets) and whose
grey values fall to the right across the edge. The bright rim, where there is one, belongs to
the material.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.core.params import EdgeMethod, EdgeSide
from segsem.core.types import FloatArray

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


def steepest(profiles: FloatArray, offsets_px: FloatArray, search_px: float) -> FloatArray:
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
    fall = np.nan_to_num(-np.gradient(profiles, offsets_px, axis=1), nan=0.0)
    preference = np.exp(-0.5 * (offsets_px / (0.85 * search_px)) ** 2)
    score = np.where(np.abs(offsets_px) <= search_px, fall * preference, 0.0)
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
    profiles: FloatArray, offsets_px: FloatArray, edge_px: FloatArray, reach_px: float
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
    reach_px : float
        How far from the edge an extreme may lie.

    Returns
    -------
    EdgeLevels
        NaN where a side has no sample.
    """
    relative = offsets_px[None, :] - edge_px[:, None]
    known = np.isfinite(profiles)
    left = known & (relative <= 0) & (relative >= -reach_px)
    right = known & (relative >= 0) & (relative <= reach_px)
    peak = np.where(left, profiles, -np.inf).max(axis=1)
    floor = np.where(right, profiles, np.inf).min(axis=1)
    return EdgeLevels(
        np.where(np.isfinite(floor), floor, np.nan), np.where(np.isfinite(peak), peak, np.nan)
    )


def crossing(
    profiles: FloatArray, offsets_px: FloatArray, level: FloatArray, near_px: FloatArray
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
    above = profiles - level[:, None]
    falls = (above[:, :-1] >= 0) & (above[:, 1:] < 0)
    step = offsets_px[1] - offsets_px[0]
    drop = above[:, :-1] - above[:, 1:]
    fraction = np.zeros_like(drop)
    np.divide(above[:, :-1], drop, out=fraction, where=falls & (drop > 0))
    where = np.where(falls, offsets_px[None, :-1] + fraction * step, np.inf)
    best = np.argmin(np.abs(where - near_px[:, None]), axis=1)
    rows = np.arange(len(profiles))
    found = falls[rows, best]
    position = np.where(found, where[rows, best], np.nan)
    slope = np.where(found, drop[rows, best] / step, np.nan)
    return position, slope


def locate(
    profiles: FloatArray,
    offsets_px: FloatArray,
    levels: EdgeLevels,
    near_px: FloatArray,
    method: EdgeMethod,
    side: EdgeSide,
    reach_px: float,
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
    reach_px : float
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
    profiles: FloatArray, offsets_px: FloatArray, near_px: FloatArray, reach_px: float
) -> FloatArray:
    """Offset of the steepest fall within `reach_px` of a given place, to a fraction of a step."""
    fall = np.nan_to_num(-np.gradient(profiles, offsets_px, axis=1), nan=0.0)
    close = np.abs(offsets_px[None, :] - near_px[:, None]) <= reach_px
    fall = np.where(close, np.clip(fall, 0, None), 0.0)
    # The centroid of the upper half of the slope's peak is steadier than its single maximum.
    top = np.clip(fall - 0.5 * fall.max(axis=1, keepdims=True), 0, None)
    weight = top.sum(axis=1)
    position: FloatArray = np.full(len(profiles), np.nan)
    np.divide((top * offsets_px).sum(axis=1), weight, out=position, where=weight > 0)
    return position


def _inner_flank(
    profiles: FloatArray,
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
