"""The inverse line scan on contours: model of the image, position, flank, curvature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from segsem.contours.chains import Chains
from segsem.contours.coarse import Fit, coarse_bases
from segsem.contours.image_model import fit_image_model, looks_differ
from segsem.contours.inverse import REFERENCE_SIGMA_PX, ImageModel, InverseFit, fit_contours
from segsem.contours.profiles import EdgeImage
from segsem.contours.scan import SEARCH_PX, Neighbours, Stretches, scan
from segsem.contours.sides import opposite_sides, side_of
from segsem.contours.trace import Polyline
from segsem.contours.trail import find_trail
from segsem.core.params import EdgeParams, EdgeSide
from segsem.core.types import FloatArray, PointsRC

MODEL_POINTS = 4000
"""So many points of contour tell the look of an image's edges."""

CURVATURE_SIGMA_PX = 3.0

FAR_PX = 1.0
"""Where the model's edge lies farther from the first pass than this, its profiles are read
about the model's edge: about the other one they would end too near."""


def fit_edges(
    image: EdgeImage, lines: Sequence[Polyline], bright: bool, params: EdgeParams
) -> ImageModel | None:
    """Estimate what the edges of an image have in common, for `place`.

    Parameters
    ----------
    image : EdgeImage
        The prepared grey image.
    lines : sequence of Polyline
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
    trail = find_trail(image, lines)
    if trail is None:
        return _model(_Near(image, Neighbours(lines), bright, params), lines)
    image = trail.removed_from(image)
    model = _model(_Near(image, Neighbours(lines), bright, params), lines)
    return None if model is None else replace(model, image=image)


def _model(near: _Near, lines: Sequence[Polyline]) -> ImageModel | None:
    """Look of the edges, and of either side of lines where it differs."""
    chosen = _selection(lines, near.params.step_px)
    chains, base = coarse_bases(near.image, chosen, near.bright, near.params)
    seen = near.stretches(chains, base)
    whole = near.model(seen, base)
    normal_rc = opposite_sides(lines)
    if whole is None or normal_rc is None:
        return whole
    side = np.array([side_of(line, normal_rc) for line in chosen])[chains.owner]
    if not looks_differ(near.image, seen, side):
        return whole
    return replace(whole, normal_rc=normal_rc, sides=near.sides(lines, normal_rc))


@dataclass(frozen=True, slots=True)
class _Near:
    """An image with all its edges."""

    image: EdgeImage
    neighbours: Neighbours
    bright: bool
    params: EdgeParams

    def stretches(self, chains: Chains, base: PointsRC) -> Stretches:
        scanned = scan(self.image, chains, base, self.bright, self.neighbours)
        return Stretches(chains, scanned, _bend(chains, base, self.bright), self.params.step_px)

    def model(self, seen: Stretches, base: PointsRC) -> ImageModel | None:
        """Look of these edges; seen anew where they lie far from the first pass."""
        model = fit_image_model(self.image, seen, self.neighbours)
        if model is None or abs(model.offset_px) < FAR_PX:
            return model
        chains = seen.chains
        moved = base + _outward(model.offset_px, self.bright) * chains.normals_rc(base)
        again = fit_image_model(self.image, self.stretches(chains, moved), self.neighbours)
        if again is None or abs(again.offset_px) > FAR_PX:
            return model
        return replace(again, offset_px=model.offset_px + again.offset_px)

    def sides(self, lines: Sequence[Polyline], normal_rc: FloatArray) -> dict[int, ImageModel]:
        """Look of either side of straight lines."""
        found: dict[int, ImageModel] = {}
        for side in (1, -1):
            own = [line for line in lines if side_of(line, normal_rc) == side]
            some = _selection(own, self.params.step_px)
            chains, base = coarse_bases(self.image, some, self.bright, self.params)
            model = self.model(self.stretches(chains, base), base)
            if model is not None:
                found[side] = model
        return found


def _outward(position_px: float, bright: bool) -> float:
    """Along normals, which point away from features, what is positive to the background."""
    return position_px if bright else -position_px


def inverse_fit(
    image: EdgeImage,
    chains: Chains,
    base: PointsRC,
    bright: bool,
    params: EdgeParams,
    model: ImageModel | None,
) -> Fit:
    """Place contours by the model; where there is none, nothing is placed."""
    if model is None:
        nothing = np.full(len(chains), np.nan)
        zero = np.zeros(len(chains))
        return Fit(nothing, zero, zero, nothing, nothing)
    image = image if model.image is None else model.image
    at = base + _outward(model.offset_px, bright) * chains.normals_rc(base)
    stretches = _Near(image, model.neighbours, bright, params).stretches(chains, at)
    found = fit_contours(stretches, model, np.zeros(len(chains)))
    return _as_fit(found, chains, at, bright, params, model)


def _as_fit(
    found: InverseFit,
    chains: Chains,
    base: PointsRC,
    bright: bool,
    params: EdgeParams,
    model: ImageModel,
) -> Fit:
    sign = 1.0 if bright else -1.0
    smooth = params.smooth_px > 0
    position = found.course_px if smooth else found.raw_px
    sigma = found.sigma_px if smooth else found.raw_sigma_px
    lost = found.lost | (np.abs(position) > SEARCH_PX + 1.0) | ~np.isfinite(sigma)
    edge = model.edge
    side = {EdgeSide.OUTER: 0.0, EdgeSide.INNER: 1.0, EdgeSide.MIDDLE: 0.5}[params.edge_side]
    # Of the edge as found: the first pass, from which it was measured, has rounder corners.
    seen = base + np.where(lost, 0.0, sign * found.course_px)[:, None] * chains.normals_rc(base)
    offset = side * edge.inner_px + sign * _blur_shift(chains, seen, edge.blur_px)
    shift = np.where(lost, np.nan, sign * (model.offset_px + position + offset))
    across = np.linspace(-15.0, 15.0, 121)
    contrast = found.gain * float(np.ptp(edge.profile(across)))
    at_edge = edge.parts_slope(np.array([side * edge.inner_px])) @ edge.heights
    slope = found.gain * abs(float(at_edge[0]))
    raw = sign * (found.raw_px - position)
    return Fit(shift, slope, contrast, np.where(lost, np.nan, sigma), np.where(lost, np.nan, raw))


def _bend(chains: Chains, base: PointsRC, bright: bool) -> FloatArray:
    """How far contours stand off their smooth reference, positive to the background."""
    smooth = chains.smooth(base, REFERENCE_SIGMA_PX)
    off = np.sum((base - smooth) * chains.normals_rc(base), axis=1)
    return np.asarray(off if bright else -off)


def _blur_shift(chains: Chains, base: PointsRC, blur_px: float) -> FloatArray:
    """How far outwards (of the feature) the edge lies from where blur moved it: blur² / (2 R).

    Blur spreads grey values as heat spreads: across an edge of curvature 1/R it moves every level
    by that much to the inner side, whatever the profile.
    """
    curvature = -chains.curvature(base, CURVATURE_SIGMA_PX)
    limit = 1.0 / (2.0 * blur_px)
    return np.asarray(0.5 * blur_px**2 * np.clip(curvature, -limit, limit))


def _selection(lines: Sequence[Polyline], step_px: float) -> list[Polyline]:
    """Enough of the lines to learn from, in a fixed random order."""
    chosen: list[Polyline] = []
    points = 0.0
    for index in np.random.default_rng(0).permutation(len(lines)):
        chosen.append(lines[index])
        points += len(lines[index].vertices_rc) / step_px
        if points >= MODEL_POINTS:
            break
    return chosen
