"""Sub-pixel placement: the image says where along its normals a traced contour lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy.spatial import cKDTree

from segsem.contours.border import end_at_border
from segsem.contours.edge_definition import RIM_REACH_PX, levels_around, locate, steepest
from segsem.contours.matched import Template, match
from segsem.contours.profiles import (
    EdgeImage,
    average_along,
    averaging_gain,
    sample_offsets,
    sample_profiles,
)
from segsem.contours.trace import Polyline, normals_rc, resample, smooth_along
from segsem.core.contour import PointFlag
from segsem.core.params import EdgeParams, EdgeSide
from segsem.core.types import FloatArray, PointsRC

BORDER_PX = 4.0
"""Points nearer to the border than this are flagged: their profiles are cut off."""

LEVEL_SIGMA_PX = 10.0
"""The extremes vary slowly along an edge, so they are read from profiles averaged this far:
extremes of noisy profiles are biased."""

TEMPLATE_SIGMA_PX = 20.0
"""How far the mean profile reaches along the edge, to which the edge definition is applied."""

FINE_SEARCH_PX = 3.0

MIN_CONTRAST_NOISE = 3.0
"""An edge whose contrast is below this many sigma of the averaged noise places nothing."""

CORNER_RADIUS_PX = 8.0


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A contour placed by the image; all arrays have one row for each point.

    Fields are those of `segsem.core.contour.Contour`.
    """

    vertices_rc: PointsRC
    raw_vertices_rc: PointsRC
    normals_rc: PointsRC
    closed: bool
    is_hole: bool
    sigma_px: FloatArray
    slope: FloatArray
    contrast: FloatArray
    flags: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Fit:
    shift_px: FloatArray
    slope: FloatArray
    contrast: FloatArray
    sigma_px: FloatArray


def place(image: EdgeImage, line: Polyline, bright: bool, params: EdgeParams) -> PlacedLine:
    """Move a traced contour onto the edge that the image shows.

    Two passes: the first takes out what segmentation got wrong, averaging far along the edge;
    the second, along the normals of the first, gives the precise place.

    Parameters
    ----------
    image : EdgeImage
        The prepared grey image.
    line : Polyline
        Traced contour.
    bright : bool
        Whether the feature is material (brighter, with the rim) or a gap in it.
    params : EdgeParams
        Edge definition and distances.

    Returns
    -------
    PlacedLine
        Where the image shows no edge, points stay on the (interpolated) course of their
        neighbours with NaN sigma and `LOW_SLOPE`.
    """
    base = resample(line, params.step_px)
    base = Polyline(smooth_along(base.vertices_rc, 1.5 / params.step_px, base.closed), base.closed)
    coarse_sigma = max(params.smooth_px, 2.5) * 1.5 / params.step_px
    # The first pass looks for the outer flank whatever the definition: it is the one that shows.
    outer = params.model_copy(update={"edge_side": EdgeSide.OUTER})
    coarse = _fit(image, base, bright, outer, coarse_sigma, params.search_px)
    shift, _ = _fill(coarse.shift_px, base.closed)
    shift = smooth_along(shift, 1.5 / params.step_px, base.closed)
    moved = Polyline(base.vertices_rc + shift[:, None] * normals_rc(base), base.closed)
    moved = resample(moved, params.step_px)
    moved = Polyline(
        smooth_along(moved.vertices_rc, 2.0 / params.step_px, moved.closed), moved.closed
    )
    fine = _match_fit(image, moved, bright, params)
    return _assemble(image, line, moved, fine)


def _fit(
    image: EdgeImage,
    base: Polyline,
    bright: bool,
    params: EdgeParams,
    sigma_points: float,
    search_px: float,
) -> _Fit:
    """Locate the edge on each normal, as a shift along it."""
    offsets = sample_offsets(search_px + 2.0 + RIM_REACH_PX)
    normals = normals_rc(base)
    raw = sample_profiles(image, base.vertices_rc, normals, offsets)
    if not bright:  # a gap's material lies outside it
        raw = raw[:, ::-1]
    profiles = average_along(raw, sigma_points, base.closed)
    wide = average_along(raw, LEVEL_SIGMA_PX / params.step_px, base.closed)
    rough = steepest(_blur(profiles, 1.0), offsets, search_px)
    rough = _median_along(rough, base.closed)
    reach = _edge_reach(wide, offsets, search_px)
    levels = levels_around(wide, offsets, rough, reach)
    noise = image.noise * averaging_gain(sigma_points, params.step_px)
    position, slope = locate(
        profiles, offsets, levels, rough, params.edge_method, params.edge_side, reach
    )
    allowed = reach if params.edge_side is EdgeSide.OUTER else reach + RIM_REACH_PX
    lost = (np.abs(position - rough) > allowed) | (
        levels.contrast < MIN_CONTRAST_NOISE * max(noise, 1e-6)
    )
    position = np.where(lost, np.nan, position)
    sigma = np.full(len(position), np.nan)
    np.divide(noise, slope, out=sigma, where=slope > 0)
    return _Fit(position if bright else -position, slope, levels.contrast, sigma)


def _match_fit(image: EdgeImage, base: Polyline, bright: bool, params: EdgeParams) -> _Fit:
    """Place the edge by comparing each profile with the mean profile around it."""
    search = min(params.search_px, FINE_SEARCH_PX)
    offsets = sample_offsets(search + 2.0 + RIM_REACH_PX)
    raw = sample_profiles(image, base.vertices_rc, normals_rc(base), offsets)
    if not bright:
        raw = raw[:, ::-1]
    sigma_points = params.smooth_px / params.step_px
    profiles = average_along(raw, sigma_points, base.closed)
    mean = average_along(raw, TEMPLATE_SIGMA_PX / params.step_px, base.closed)
    rough = _median_along(steepest(_blur(mean, 1.0), offsets, search), base.closed)
    reach = _edge_reach(mean, offsets, search)
    levels = levels_around(mean, offsets, rough, reach)
    edge, slope = locate(mean, offsets, levels, rough, params.edge_method, params.edge_side, reach)
    found = match(profiles, Template(mean, levels, edge), offsets, reach)
    noise = image.noise * averaging_gain(sigma_points, params.step_px)
    mean_noise = image.noise * averaging_gain(TEMPLATE_SIGMA_PX / params.step_px, params.step_px)
    position = edge + found.shift_px
    lost = (np.abs(edge - rough) > reach + RIM_REACH_PX) | (
        levels.contrast < MIN_CONTRAST_NOISE * max(noise, 1e-6)
    )
    position = np.where(lost, np.nan, position)
    contrast = np.where(levels.contrast > 0, levels.contrast, np.nan)
    # Of the profile against the mean one, and of the edge on the mean one.
    of_match = noise / contrast / np.sqrt(np.maximum(found.precision, 1e-9))
    of_mean = mean_noise / np.where(slope > 0, slope, np.nan)
    sigma = np.hypot(of_match, of_mean)
    return _Fit(position if bright else -position, slope, levels.contrast, sigma)


def _edge_reach(wide: FloatArray, offsets: FloatArray, search_px: float) -> float:
    """How far the extremes lie from the edge: from the width of this contour's mean edge."""
    rough = steepest(_blur(wide, 1.0), offsets, search_px)
    levels = levels_around(wide, offsets, rough, 8.0)
    fall = np.nanmax(np.nan_to_num(-np.gradient(wide, offsets, axis=1)), axis=1)
    good = (fall > 0) & np.isfinite(levels.contrast)
    if not good.any():
        return 4.0
    width = float(np.median(levels.contrast[good] / fall[good]))
    return float(np.clip(2.5 * width, 3.0, 12.0))


def _assemble(image: EdgeImage, line: Polyline, base: Polyline, fit: _Fit) -> PlacedLine:
    shift, flags = _fill(fit.shift_px, base.closed)
    vertices = base.vertices_rc + shift[:, None] * normals_rc(base)
    source, vertices = end_at_border(vertices, base.closed, image.grey.shape)
    placed = Polyline(vertices, base.closed)
    flags = flags[source] | _geometry_flags(placed, image.grey.shape)
    usable = (flags & np.uint8(PointFlag.LOW_SLOPE | PointFlag.OUTLIER)) == 0
    sigma = np.where(usable, fit.sigma_px[source], np.nan)
    raw_vertices = _nearest_on(line.vertices_rc, vertices)
    return PlacedLine(
        vertices_rc=vertices,
        raw_vertices_rc=raw_vertices,
        normals_rc=normals_rc(placed),
        closed=base.closed,
        is_hole=line.is_hole,
        sigma_px=sigma,
        slope=np.nan_to_num(fit.slope[source]),
        contrast=np.nan_to_num(fit.contrast[source]),
        flags=flags,
    )


def _fill(shift: FloatArray, closed: bool) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """Replace missing and outlying shifts by their neighbours' course, and flag them."""
    flags = np.zeros(len(shift), dtype=np.uint8)
    missing = ~np.isfinite(shift)
    flags[missing] |= np.uint8(PointFlag.LOW_SLOPE)
    if missing.all():
        return np.zeros(len(shift)), flags
    filled = _interpolate(shift, ~missing, closed)
    median = _median_along(filled, closed, 15)
    deviation = np.abs(filled - median)
    spread = 1.4826 * float(np.median(deviation[~missing]))
    outlier = ~missing & (deviation > max(4 * spread, 1.0))
    flags[outlier] |= np.uint8(PointFlag.OUTLIER)
    good = ~missing & ~outlier
    return _interpolate(shift, good, closed) if good.any() else filled, flags


def _interpolate(values: FloatArray, good: npt.NDArray[np.bool_], closed: bool) -> FloatArray:
    index = np.arange(len(values))
    period = len(values) if closed else None
    return np.asarray(np.interp(index, index[good], values[good], period=period))


def _median_along(values: FloatArray, closed: bool, size: int = 9) -> FloatArray:
    known = np.isfinite(values)
    if not known.any():
        return values
    filled = _interpolate(values, known, closed)
    return np.asarray(ndi.median_filter(filled, size, mode="wrap" if closed else "nearest"))


def _blur(profiles: FloatArray, sigma_px: float) -> FloatArray:
    """Smooth across the edge, for finding it, never for placing it."""
    known = np.isfinite(profiles)
    filled = np.where(known, profiles, np.nanmean(profiles) if known.any() else 0.0)
    smoothed = ndi.gaussian_filter1d(filled, sigma_px / 0.25, axis=1, mode="nearest")
    return np.where(known, smoothed, np.nan)


def _geometry_flags(line: Polyline, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    flags = np.zeros(len(line.vertices_rc), dtype=np.uint8)
    low = line.vertices_rc + 0.5
    high = np.asarray(shape, dtype=np.float64) - 0.5 - line.vertices_rc
    flags[np.minimum(low, high).min(axis=1) < BORDER_PX] |= np.uint8(PointFlag.BORDER)
    flags[_curvature(line) > 1.0 / CORNER_RADIUS_PX] |= np.uint8(PointFlag.CORNER)
    return flags


def _curvature(line: Polyline) -> FloatArray:
    """Magnitude of the curvature in 1/px, from normals smoothed over a few points."""
    normals = smooth_along(normals_rc(line), 2.0, line.closed)
    angle = np.arctan2(normals[:, 0], normals[:, 1])
    vertices = line.vertices_rc
    if line.closed:
        turn = np.roll(angle, -1) - np.roll(angle, 1)
        span = np.linalg.norm(np.roll(vertices, -1, 0) - np.roll(vertices, 1, 0), axis=1)
    else:
        turn = np.gradient(np.unwrap(angle)) * 2
        span = np.linalg.norm(np.gradient(vertices, axis=0), axis=1) * 2
    turn = np.angle(np.exp(1j * turn))
    return np.asarray(np.abs(turn) / np.maximum(span, 1e-6), dtype=np.float64)


def _nearest_on(line_rc: PointsRC, points_rc: PointsRC) -> PointsRC:
    """Nearest vertex of the traced line for each placed point."""
    _, index = cKDTree(line_rc).query(points_rc)
    return np.asarray(line_rc[index])
