"""First pass of placement: take out what segmentation got wrong, averaging far along the edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from segsem.contours.chains import Blocks, Chains
from segsem.contours.edge_definition import (
    RIM_REACH_PX,
    EdgeLevels,
    falls,
    levels_around,
    locate,
    steepest,
)
from segsem.contours.fill import fill, median_along, median_of_each
from segsem.contours.profiles import (
    EdgeImage,
    average_along,
    average_blocks,
    averaging_gain,
    sample_offsets,
    sample_roughly,
)
from segsem.contours.trace import Polyline
from segsem.core.params import EdgeParams, EdgeSide
from segsem.core.types import AnyFloats, FloatArray, FloatImage, PointsRC

LEVEL_SIGMA_PX = 10.0
"""The extremes vary slowly along an edge, so they are read from profiles averaged this far:
extremes of noisy profiles are biased."""

MIN_CONTRAST_NOISE = 3.0
"""An edge whose contrast is below this many sigma of the averaged noise places nothing."""

STEP_PX = 0.5
"""Of samples: what is placed afterwards need not be found to a fraction of a pixel."""

PAIR_PX, QUAD_PX = 2.0, 4.0
"""Profiles this far apart are averaged before they are averaged farther: nothing on this scale
gets through that."""

FIRST_REACH_PX = 8.0


@dataclass(frozen=True, slots=True)
class Fit:
    """Shift of each point along its normal, with its evidence; (K,) arrays."""

    shift_px: FloatArray
    slope: FloatArray
    contrast: FloatArray
    sigma_px: FloatArray
    unsmoothed_px: FloatArray | None = None


def coarse_bases(
    image: EdgeImage, lines: Sequence[Polyline], bright: bool, params: EdgeParams
) -> tuple[Chains, PointsRC]:
    """Bring traced contours near the outer flank of their edges.

    That flank is the one that shows, whatever the definition.

    Parameters
    ----------
    image : EdgeImage
        The prepared grey image.
    lines : sequence of Polyline
        Traced contours.
    bright : bool
        Whether the features are material.
    params : EdgeParams
        Distances.

    Returns
    -------
    chains : Chains
    vertices_rc : (K, 2) array
        Evenly sampled and smooth, so that normals are steady.
    """
    step = params.step_px
    traced, vertices = Chains.of(lines)
    chains, vertices = traced.resampled(vertices, step)
    vertices = chains.smooth(vertices, 1.5 / step)
    shift = chains.smooth(_shift(image, chains, vertices, bright, params), 1.5 / step)
    moved = vertices + shift[:, None] * chains.normals_rc(vertices)
    chains, vertices = chains.resampled(moved, step)
    return chains, chains.smooth(vertices, 2.0 / step)


def _shift(
    image: EdgeImage, chains: Chains, vertices: PointsRC, bright: bool, params: EdgeParams
) -> FloatArray:
    """Locate the edge on each normal, as a shift along it."""
    step, search = params.step_px, params.search_px
    offsets = sample_offsets(search + 2.0 + RIM_REACH_PX, STEP_PX)
    raw = sample_roughly(image, vertices, chains.normals_rc(vertices), offsets)
    if not bright:  # a gap's material lies outside it
        raw = np.ascontiguousarray(raw[:, ::-1])
    sigma_points = max(params.smooth_px, 2.5) * 1.5 / step
    pairs, quads = chains.blocks(_points(PAIR_PX, step)), chains.blocks(_points(QUAD_PX, step))
    short = average_blocks(raw, pairs)
    profiles = average_along(short, pairs.chains, sigma_points / _points(PAIR_PX, step))
    wide = average_along(
        average_blocks(raw, quads), quads.chains, LEVEL_SIGMA_PX / step / _points(QUAD_PX, step)
    )
    rough = steepest(blur(profiles, 1.0 / STEP_PX), offsets, search)
    rough = median_along(pairs.chains, rough, 5)
    reach = edge_reach(wide, quads.chains, offsets, search)
    levels = _levels(wide, quads, pairs, rough, reach, offsets)
    noise = image.noise * averaging_gain(sigma_points, step)
    allowed = reach[pairs.chains.owner]
    position, _ = locate(
        profiles, offsets, levels, rough, params.edge_method, EdgeSide.OUTER, allowed
    )
    lost = (np.abs(position - rough) > allowed) | (
        levels.contrast < MIN_CONTRAST_NOISE * max(noise, 1e-6)
    )
    found, _ = fill(pairs.chains, np.where(lost, np.nan, position), 7)
    return pairs.spread(found if bright else -found)


def _levels(
    wide: FloatImage,
    quads: Blocks,
    pairs: Blocks,
    rough: FloatArray,
    reach: FloatArray,
    offsets: FloatArray,
) -> EdgeLevels:
    """Extremes of the widely averaged profiles, for each pair of points."""
    where = quads.mean(pairs.spread(rough))
    levels = levels_around(wide, offsets, where, reach[quads.chains.owner])
    of_pair = quads.of_point[pairs.first]
    return EdgeLevels(levels.floor[of_pair], levels.peak[of_pair])


def _points(length_px: float, step_px: float) -> int:
    return max(1, round(length_px / step_px))


def edge_reach(
    wide: AnyFloats, chains: Chains, offsets: FloatArray, search_px: float
) -> FloatArray:
    """How far (N,) extremes lie from the edge: from the width of each contour's mean edge."""
    rough = steepest(blur(wide, 1.0 / (offsets[1] - offsets[0])), offsets, search_px)
    levels = levels_around(wide, offsets, rough, FIRST_REACH_PX)
    fall = falls(wide, offsets).max(axis=1).astype(np.float64)
    good = (fall > 0) & np.isfinite(levels.contrast)
    width: FloatArray = np.full(len(fall), np.nan)
    np.divide(levels.contrast, fall, out=width, where=good)
    return np.nan_to_num(np.clip(2.5 * median_of_each(chains, width), 3.0, 12.0), nan=4.0)


def blur(profiles: AnyFloats, sigma_samples: float) -> FloatImage:
    """Smooth across the edge, for finding it, never for placing it."""
    known = np.isfinite(profiles)
    filled = np.asarray(profiles, dtype=np.float32)
    if not known.all():
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        mean = np.where(known, profiles, 0).sum(axis=1, keepdims=True) / count
        filled = np.where(known, profiles, mean).astype(np.float32)
    smoothed = cv2.GaussianBlur(
        filled,
        (2 * int(4 * sigma_samples + 0.5) + 1, 1),
        sigmaX=sigma_samples,
        borderType=cv2.BORDER_REPLICATE,
    )
    return np.asarray(np.where(known, smoothed, np.nan), dtype=np.float32)
