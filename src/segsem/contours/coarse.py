"""First pass of placement: take out what segmentation got wrong, averaging far along the edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.contours.edge_definition import RIM_REACH_PX, levels_around, locate, steepest
from segsem.contours.profiles import (
    STEP_PX,
    EdgeImage,
    average_along,
    averaging_gain,
    sample_offsets,
    sample_profiles,
)
from segsem.contours.trace import Polyline, normals_rc, resample, smooth_along
from segsem.core.contour import PointFlag
from segsem.core.params import EdgeMethod, EdgeParams, EdgeSide
from segsem.core.types import FloatArray

LEVEL_SIGMA_PX = 10.0
"""The extremes vary slowly along an edge, so they are read from profiles averaged this far:
extremes of noisy profiles are biased."""

MIN_CONTRAST_NOISE = 3.0
"""An edge whose contrast is below this many sigma of the averaged noise places nothing."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Shift of each point along its normal, with its evidence; (K,) arrays."""

    shift_px: FloatArray
    slope: FloatArray
    contrast: FloatArray
    sigma_px: FloatArray
    unsmoothed_px: FloatArray | None = None


def coarse_base(image: EdgeImage, line: Polyline, bright: bool, params: EdgeParams) -> Polyline:
    """Bring a traced contour near the outer flank of its edge.

    That flank is the one that shows, whatever the definition.

    Parameters
    ----------
    image : EdgeImage
        The prepared grey image.
    line : Polyline
        Traced contour.
    bright : bool
        Whether the feature is material.
    params : EdgeParams
        Distances.

    Returns
    -------
    Polyline
        Evenly sampled and smooth, so that its normals are steady.
    """
    base = resample(line, params.step_px)
    base = Polyline(smooth_along(base.vertices_rc, 1.5 / params.step_px, base.closed), base.closed)
    sigma_points = max(params.smooth_px, 2.5) * 1.5 / params.step_px
    outer = params.model_copy(update={"edge_side": EdgeSide.OUTER})
    found = _fit(image, base, bright, outer, sigma_points, params.search_px)
    shift, _ = fill(found.shift_px, base.closed)
    shift = smooth_along(shift, 1.5 / params.step_px, base.closed)
    moved = Polyline(base.vertices_rc + shift[:, None] * normals_rc(base), base.closed)
    moved = resample(moved, params.step_px)
    smooth = smooth_along(moved.vertices_rc, 2.0 / params.step_px, moved.closed)
    return Polyline(smooth, moved.closed)


def _fit(
    image: EdgeImage,
    base: Polyline,
    bright: bool,
    params: EdgeParams,
    sigma_points: float,
    search_px: float,
) -> Fit:
    """Locate the edge on each normal, as a shift along it."""
    # What the model places afterwards need not be found to a fraction of a pixel.
    step = 0.5 if params.edge_method is EdgeMethod.INVERSE else STEP_PX
    offsets = sample_offsets(search_px + 2.0 + RIM_REACH_PX, step)
    normals = normals_rc(base)
    raw = sample_profiles(image, base.vertices_rc, normals, offsets)
    if not bright:  # a gap's material lies outside it
        raw = raw[:, ::-1]
    profiles = average_along(raw, sigma_points, base.closed)
    wide = average_along(raw, LEVEL_SIGMA_PX / params.step_px, base.closed)
    rough = steepest(blur(profiles, 1.0 / step), offsets, search_px)
    rough = median_along(rough, base.closed)
    reach = edge_reach(wide, offsets, search_px)
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
    return Fit(position if bright else -position, slope, levels.contrast, sigma)


def edge_reach(wide: FloatArray, offsets: FloatArray, search_px: float) -> float:
    """How far the extremes lie from the edge: from the width of this contour's mean edge."""
    rough = steepest(blur(wide, 1.0 / (offsets[1] - offsets[0])), offsets, search_px)
    levels = levels_around(wide, offsets, rough, 8.0)
    fall = np.nanmax(np.nan_to_num(-np.gradient(wide, offsets, axis=1)), axis=1)
    good = (fall > 0) & np.isfinite(levels.contrast)
    if not good.any():
        return 4.0
    width = float(np.median(levels.contrast[good] / fall[good]))
    return float(np.clip(2.5 * width, 3.0, 12.0))


def fill(shift: FloatArray, closed: bool) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """Replace missing and outlying shifts by their neighbours' course, and flag them."""
    flags = np.zeros(len(shift), dtype=np.uint8)
    missing = ~np.isfinite(shift)
    flags[missing] |= np.uint8(PointFlag.LOW_SLOPE)
    if missing.all():
        return np.zeros(len(shift)), flags
    filled = _interpolate(shift, ~missing, closed)
    median = median_along(filled, closed, 15)
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


def median_along(values: FloatArray, closed: bool, size: int = 9) -> FloatArray:
    """Median filter along a contour; unknown values are interpolated first."""
    known = np.isfinite(values)
    if not known.any():
        return values
    filled = _interpolate(values, known, closed)
    return np.asarray(ndi.median_filter(filled, size, mode="wrap" if closed else "nearest"))


def blur(profiles: FloatArray, sigma_samples: float) -> FloatArray:
    """Smooth across the edge, for finding it, never for placing it."""
    known = np.isfinite(profiles)
    filled = np.where(known, profiles, np.nanmean(profiles) if known.any() else 0.0)
    smoothed = ndi.gaussian_filter1d(filled, sigma_samples, axis=1, mode="nearest")
    return np.where(known, smoothed, np.nan)
