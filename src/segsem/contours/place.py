"""Sub-pixel placement: the image says where along its normals a traced contour lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from segsem.contours.border import end_at_border
from segsem.contours.coarse import (
    MIN_CONTRAST_NOISE,
    Fit,
    blur,
    coarse_base,
    edge_reach,
    fill,
    median_along,
)
from segsem.contours.edge_definition import RIM_REACH_PX, levels_around, locate, steepest
from segsem.contours.edges import fit_edges, inverse_fit
from segsem.contours.inverse import ImageModel
from segsem.contours.matched import Template, match
from segsem.contours.profiles import (
    STEP_PX,
    EdgeImage,
    average_along,
    averaging_gain,
    sample_offsets,
    sample_profiles,
)
from segsem.contours.trace import Polyline, normals_rc, smooth_along
from segsem.core.contour import PointFlag
from segsem.core.params import EdgeMethod, EdgeParams
from segsem.core.types import FloatArray, PointsRC

BORDER_PX = 4.0
"""Points nearer to the border than this are flagged: their profiles are cut off."""

TEMPLATE_SIGMA_PX = 20.0
"""How far the mean profile reaches along the edge, to which the edge definition is applied."""

FINE_SEARCH_PX = 3.0

CORNER_RADIUS_PX = 8.0


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A contour placed by the image; all arrays have one row for each point.

    Fields are those of `segsem.core.contour.Contour`. `unsmoothed_px` is None where the method
    keeps no raw positions.
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
    unsmoothed_px: FloatArray | None = None


def place(
    image: EdgeImage,
    line: Polyline,
    bright: bool,
    params: EdgeParams,
    model: ImageModel | None = None,
) -> PlacedLine:
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
    model : ImageModel, optional
        For the inverse line scan: what the image's edges have in common (`fit_edges`); this one
        contour alone decides where it is not given.

    Returns
    -------
    PlacedLine
        Where the image shows no edge, points stay on the (interpolated) course of their
        neighbours with NaN sigma and `LOW_SLOPE`.
    """
    moved = coarse_base(image, line, bright, params)
    if params.edge_method is EdgeMethod.INVERSE:
        model = model or fit_edges(image, [line], bright, params)
        fine = inverse_fit(image, moved, bright, params, model)
    else:
        fine = _match_fit(image, moved, bright, params)
    return _assemble(image, line, moved, fine)


def _match_fit(image: EdgeImage, base: Polyline, bright: bool, params: EdgeParams) -> Fit:
    """Place the edge by comparing each profile with the mean profile around it."""
    search = min(params.search_px, FINE_SEARCH_PX)
    offsets = sample_offsets(search + 2.0 + RIM_REACH_PX)
    raw = sample_profiles(image, base.vertices_rc, normals_rc(base), offsets)
    if not bright:
        raw = raw[:, ::-1]
    sigma_points = params.smooth_px / params.step_px
    profiles = average_along(raw, sigma_points, base.closed)
    mean = average_along(raw, TEMPLATE_SIGMA_PX / params.step_px, base.closed)
    rough = median_along(steepest(blur(mean, 1.0 / STEP_PX), offsets, search), base.closed)
    reach = edge_reach(mean, offsets, search)
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
    return Fit(position if bright else -position, slope, levels.contrast, sigma)


def _assemble(image: EdgeImage, line: Polyline, base: Polyline, fit: Fit) -> PlacedLine:
    shift, flags = fill(fit.shift_px, base.closed)
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
        unsmoothed_px=None if fit.unsmoothed_px is None else fit.unsmoothed_px[source],
    )


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
