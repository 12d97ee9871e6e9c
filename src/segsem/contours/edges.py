"""The inverse line scan on contours: model of the image, position, flank, curvature."""

from __future__ import annotations

import numpy as np

from segsem.contours.coarse import Fit, coarse_base
from segsem.contours.image_model import Stretch, fit_image_model
from segsem.contours.inverse import (
    REFERENCE_SIGMA_PX,
    ImageModel,
    InverseFit,
    fit_contour,
)
from segsem.contours.profiles import EdgeImage
from segsem.contours.scan import SEARCH_PX, Neighbours, scan
from segsem.contours.trace import Polyline, normals_rc, smooth_along
from segsem.core.params import EdgeParams, EdgeSide
from segsem.core.types import FloatArray

MODEL_POINTS = 4000
"""So many points of contour tell the look of an image's edges."""

CURVATURE_SIGMA_PX = 3.0


def fit_edges(
    image: EdgeImage, lines: list[Polyline], bright: bool, params: EdgeParams
) -> ImageModel | None:
    """Estimate what the edges of an image have in common, for `place`.

    Parameters
    ----------
    image : EdgeImage
        The prepared grey image.
    lines : list of Polyline
        All traced contours; each also bounds its neighbours' profiles.
    bright : bool
        Whether features are material.
    params : EdgeParams
        Distances.

    Returns
    -------
    ImageModel or None
        None where the image shows too little edge.
    """
    if not lines:
        return None
    neighbours = Neighbours(lines)
    stretches = []
    for line in _selection(lines, params.step_px):
        base = coarse_base(image, line, bright, params)
        scanned = scan(image, base, bright, neighbours)
        start = np.zeros(len(base.vertices_rc))
        stretches.append(Stretch(scanned, start, _bend(base, bright), base.closed))
    return fit_image_model(image, stretches, neighbours, params.step_px)


def inverse_fit(
    image: EdgeImage, base: Polyline, bright: bool, params: EdgeParams, model: ImageModel | None
) -> Fit:
    """Place one contour by the model; where there is none, nothing is placed."""
    count = len(base.vertices_rc)
    if model is None:
        nothing = np.full(count, np.nan)
        return Fit(nothing, np.zeros(count), np.zeros(count), nothing, nothing)
    scanned = scan(image, base, bright, model.neighbours)
    start = np.zeros(count)
    found = fit_contour(scanned, model, start, _bend(base, bright), base.closed, params.step_px)
    return _as_fit(found, base, bright, params, model)


def _as_fit(
    found: InverseFit, base: Polyline, bright: bool, params: EdgeParams, model: ImageModel
) -> Fit:
    sign = 1.0 if bright else -1.0
    smooth = params.smooth_px > 0
    position = found.course_px if smooth else found.raw_px
    sigma = found.sigma_px if smooth else found.raw_sigma_px
    lost = found.lost | (np.abs(position) > SEARCH_PX + 1.0) | ~np.isfinite(sigma)
    edge = model.edge
    side = {EdgeSide.OUTER: 0.0, EdgeSide.INNER: 1.0, EdgeSide.MIDDLE: 0.5}[params.edge_side]
    offset = side * edge.inner_px + sign * _blur_shift(base, edge.blur_px)
    shift = np.where(lost, np.nan, sign * (position + offset))
    across = np.linspace(-15.0, 15.0, 121)
    contrast = found.gain * float(np.ptp(edge.profile(across)))
    at_edge = edge.parts_slope(np.array([side * edge.inner_px])) @ edge.heights
    slope = found.gain * abs(float(at_edge[0]))
    raw = sign * (found.raw_px - position)
    return Fit(shift, slope, contrast, np.where(lost, np.nan, sigma), np.where(lost, np.nan, raw))


def _bend(base: Polyline, bright: bool) -> FloatArray:
    """How far a contour stands off its smooth reference, positive to the background."""
    smooth = smooth_along(base.vertices_rc, REFERENCE_SIGMA_PX, base.closed)
    off = np.sum((base.vertices_rc - smooth) * normals_rc(base), axis=1)
    return np.asarray(off if bright else -off)


def _blur_shift(base: Polyline, blur_px: float) -> FloatArray:
    """How far outwards (of the feature) the edge lies from where blur moved it: blur² / (2 R).

    Blur spreads grey values as heat spreads: across an edge of curvature 1/R it moves every level
    by that much to the inner side, whatever the profile.
    """
    normals = smooth_along(normals_rc(base), CURVATURE_SIGMA_PX, base.closed)
    angle = np.arctan2(normals[:, 0], normals[:, 1])
    vertices = base.vertices_rc
    if base.closed:
        turn = np.angle(np.exp(1j * (np.roll(angle, -1) - np.roll(angle, 1))))
        span = np.linalg.norm(np.roll(vertices, -1, 0) - np.roll(vertices, 1, 0), axis=1)
    else:
        turn = np.gradient(np.unwrap(angle))
        span = np.linalg.norm(np.gradient(vertices, axis=0), axis=1)
    curvature = -turn / np.maximum(span, 1e-6)
    limit = 1.0 / (2.0 * blur_px)
    return np.asarray(0.5 * blur_px**2 * np.clip(curvature, -limit, limit))


def _selection(lines: list[Polyline], step_px: float) -> list[Polyline]:
    """Enough of the lines to learn from, in a fixed random order."""
    chosen: list[Polyline] = []
    points = 0.0
    for index in np.random.default_rng(0).permutation(len(lines)):
        chosen.append(lines[index])
        points += len(lines[index].vertices_rc) / step_px
        if points >= MODEL_POINTS:
            break
    return chosen
