"""Model-based inverse line scan: the edge of the model that explains a contour's profiles best.

The look of the edge (`ImageModel`) is known from the whole image. Along a contour its grey levels
may drift; they are fitted over a long stretch. What is left for each single profile is its
position, read with the weights that are best for the noise (the model's slope over the variance).
So a position is a linear function of the grey values at any noise: nothing is searched for, no
level crossed, and no outlier bred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from segsem.contours.edge_model import EdgeModel
from segsem.contours.regularise import regularise
from segsem.contours.scan import WINDOW_PX, Neighbours, Scan
from segsem.contours.trace import smooth_along
from segsem.core.types import FloatArray, MaskArray

LEVEL_SIGMA_PX = 20.0
"""Grey levels are fitted over this much of the contour (Gaussian)."""

LEVEL_SPREAD = 0.15
"""Of the contrast: how much the grey levels of a stretch may differ from the image's."""

ROUNDS = 3

REFERENCE_SIGMA_PX = 8.0
"""Regularisation is against a course this smooth, so that noise of the first pass goes too."""

SLOW_PX = 0.03
"""What varies slowly along an edge and no neighbour tells: charging, texture, the model itself.
Measured with `tools/measure_placement.py`."""

BEAM_SHARE = 0.8
"""Of the blur: smoothing along the contour that costs no detail."""

SMALL_SHIFTS_PX = (0.0, -0.5, 0.5, -1.0, 1.0, -1.5, 1.5, -2.0, 2.0)

MIN_SHOWN = 0.3
"""Share of the model's contrast that a stretch must show."""

MIN_SIGNIFICANCE = 4.0
"""Contrast of a stretch over its standard error below which there is no edge."""


@dataclass(frozen=True, slots=True)
class ImageModel:
    """What the edges of one image have in common.

    Attributes
    ----------
    edge : EdgeModel
        Their look.
    weight : (W,) array
        One over the noise variance at `WINDOW_PX`, times the sample distance: the information of
        one profile per px of edge.
    walk_px2 : float
        Variance of the edge's step along one px of contour: its roughness.
    scatter_px2 : float
        Variance of single raw positions beyond pixel noise (jitter of scan lines and the like).
    neighbours : Neighbours
        All edges of the image.
    """

    edge: EdgeModel
    weight: FloatArray
    walk_px2: float
    scatter_px2: float
    neighbours: Neighbours


@dataclass(frozen=True, slots=True)
class InverseFit:
    """Positions along the normals of one contour; (K,) arrays, positive to the background.

    Attributes
    ----------
    course_px, sigma_px : (K,) arrays
        Regularised position and its standard error.
    raw_px, raw_sigma_px : (K,) arrays
        Position of each profile alone; NaN where it shows nothing.
    gain : (K,) array
        Contrast of the stretch over that of the model.
    lost : (K,) bool
        No edge there.
    """

    course_px: FloatArray
    sigma_px: FloatArray
    raw_px: FloatArray
    raw_sigma_px: FloatArray
    gain: FloatArray
    lost: MaskArray


class Matcher:
    """Sums that the fit needs, prepared for one model."""

    def __init__(self, model: ImageModel) -> None:
        parts = model.edge.parts(WINDOW_PX)
        slope = model.edge.parts_slope(WINDOW_PX)
        #: Columns: the three parts, and what a shift by one px to the right adds.
        self.design = np.column_stack([parts, -slope @ model.edge.heights])
        self.heights = np.append(model.edge.heights, 0.0)
        self.weight = model.weight
        self._weighted = self.design * model.weight[:, None]
        products = self._weighted[:, :, None] * self.design[:, None, :]
        self._products = products.reshape(len(WINDOW_PX), -1)
        self.contrast = max(float(np.ptp(model.edge.profile(WINDOW_PX))), 1e-6)
        # How the shift's column grows with each of the parts.
        own = self._weighted[:, 3]
        self.of_parts = (own @ -slope) / max(float(own @ self.design[:, 3]), 1e-12)

    def moments(self, grey: FloatArray, known: FloatArray) -> FloatArray:
        """Weighted products (K, 4) of the profiles' difference from the model with the design."""
        return np.asarray((known * (grey - self.design @ self.heights)) @ self._weighted)

    def gram(self, known: FloatArray) -> FloatArray:
        """Weighted products (K, 4, 4) of the design with itself, where known."""
        return np.asarray((known @ self._products).reshape(-1, 4, 4))


def fit_contour(
    scanned: Scan,
    model: ImageModel,
    start_px: FloatArray,
    bend_px: FloatArray,
    closed: bool,
    step_px: float,
) -> InverseFit:
    """Positions of one contour.

    Parameters
    ----------
    scanned : Scan
        Its profiles.
    model : ImageModel
        The look of the image's edges.
    start_px : (K,) array
        Rough positions, within about a blur of the edge.
    bend_px : (K,) array
        How far the contour stands off a smooth course, against which the edge is regularised.
    closed : bool
        Whether the contour wraps around.
    step_px : float
        Distance of its points.
    """
    matcher = Matcher(model)
    course, bend = start_px, bend_px
    walk = model.walk_px2 * step_px + _bend_walk(bend_px, closed, step_px)
    if _is_small(closed, len(course), step_px):
        course = course + _common_shift(scanned, matcher, course)
    # What is masked hardly changes between rounds.
    _, first_known, _ = scanned.around(course)
    stretches = _Stretches(matcher, matcher.gram(first_known), closed, step_px)
    for _ in range(ROUNDS):
        grey, known, rest = scanned.around(course)
        moments, gram = matcher.moments(grey, known), matcher.gram(known)
        levels = stretches.levels(moments)
        gain = 1 + levels @ matcher.of_parts
        used = np.where(gain > MIN_SHOWN, gain, 1.0)
        energy = gram[:, 3, 3] * used**2
        moved = (moments[:, 3] - np.einsum("kj,kj->k", gram[:, 3, :3], levels)) * used
        seen = course - rest
        seen += np.divide(moved, energy, out=np.zeros_like(moved), where=energy > 0)
        lost = (gain < MIN_SHOWN) | (gain * np.sqrt(stretches.precision) < MIN_SIGNIFICANCE)
        variance = _variance(energy * step_px, lost) + model.scatter_px2
        course, sigma = regularise(seen + bend, 1.0 / variance, walk, closed)
        # The beam lets no finer detail through than this.
        course = smooth_along(course - bend, BEAM_SHARE * model.edge.blur_px / step_px, closed)
        # From now on against a smooth course of the edge itself, not of the first pass.
        bend = bend_px - smooth_along(course, REFERENCE_SIGMA_PX / step_px, closed)
    shown = np.isfinite(variance)
    return InverseFit(
        course,
        np.sqrt(sigma**2 + stretches.shared_px2 + SLOW_PX**2),
        np.where(shown, seen, np.nan),
        np.where(shown, np.sqrt(variance), np.nan),
        gain,
        lost,
    )


def _is_small(closed: bool, count: int, step_px: float) -> bool:
    """Whether a contour is one stretch."""
    return closed and count * step_px < 3 * LEVEL_SIGMA_PX


def _common_shift(scanned: Scan, matcher: Matcher, start_px: FloatArray) -> float:
    """Shift of a whole small feature at which the model, levels and all, fits best.

    Its first pass averaged around much of it, and may be farther off than a fit can pull.
    """
    best, least = 0.0, np.inf
    wanted = matcher.design @ matcher.heights
    for shift in SMALL_SHIFTS_PX:
        grey, known, _ = scanned.around(start_px + shift)
        squares = known * (grey - wanted) ** 2
        cost = float(np.sum(squares @ matcher.weight) / max(float(np.sum(known)), 1.0))
        if cost < least:
            best, least = shift, cost
    return best


def _variance(information: FloatArray, lost: MaskArray) -> FloatArray:
    """One over the information; infinite where there is none."""
    variance: FloatArray = np.full(len(information), np.inf)
    np.divide(1.0, information, out=variance, where=~lost & (information > 1e-9))
    return variance


def _bend_walk(bend_px: FloatArray, closed: bool, step_px: float) -> FloatArray:
    """Walk that the contour's own shape asks for: corners are not to be cut."""
    padded = np.pad(bend_px, 3, mode="wrap" if closed else "edge")
    steps = np.gradient(padded)[3:-3]
    return np.asarray(np.maximum(smooth_along(steps**2, 2.0 / step_px, closed), 0.0))


class _Stretches:
    """Grey levels over long stretches of one contour, with the shift left free.

    Attributes
    ----------
    precision : (K,) array
        One over the variance of the stretch's contrast in units of the model's.
    shared_px2 : (K,) array
        Variance that not knowing the levels adds to all positions of the stretch.
    """

    def __init__(self, matcher: Matcher, gram: FloatArray, closed: bool, step_px: float) -> None:
        count = len(gram)
        self._sigma = LEVEL_SIGMA_PX / step_px
        self._closed = closed
        self._whole = _is_small(closed, count, step_px)
        rows = min(2 * np.sqrt(np.pi) * self._sigma, float(count)) * step_px
        mean = self._mean(gram.reshape(count, -1)).reshape(-1, 4, 4)
        prior = np.zeros((4, 4))
        scale = np.array([matcher.contrast, matcher.contrast, 1.0]) * LEVEL_SPREAD
        prior[np.arange(3), np.arange(3)] = 1.0 / scale**2 / rows
        prior[3, 3] = 1e-9
        self._inverse = np.linalg.inv(mean + prior)
        alone = 1.0 / np.maximum(mean[:, 3, 3] + prior[3, 3], 1e-12)
        shared = np.clip((self._inverse[:, 3, 3] - alone) / rows, 0.0, 1.0)
        self.shared_px2 = np.broadcast_to(shared, (count,))
        self.precision = np.broadcast_to(_contrast_precision(matcher, mean, rows), (count,))

    def levels(self, moments: FloatArray) -> FloatArray:
        """Differences (K, 3) of the levels from the model's."""
        mean = self._mean(moments)
        levels = np.einsum("kij,kj->ki", self._inverse[:, :3], mean)
        return np.broadcast_to(levels, (len(moments), 3))

    def _mean(self, values: FloatArray) -> FloatArray:
        if self._whole:  # a small feature is one stretch
            return np.asarray(values.mean(axis=0, keepdims=True))
        return _local_mean(values, self._sigma, self._closed)


def _local_mean(values: FloatArray, sigma: float, closed: bool) -> FloatArray:
    return np.asarray(
        ndi.gaussian_filter1d(
            values, sigma, axis=0, mode="wrap" if closed else "reflect", truncate=3.0
        )
    )


def _contrast_precision(matcher: Matcher, gram: FloatArray, rows: float) -> FloatArray:
    """Information on a common factor of the difference of the model from its mean."""
    h = matcher.heights
    total = np.einsum("i,kij,j->k", h, gram, h)
    flat = np.array([1.0, 1.0, 0.0, 0.0])
    across = np.einsum("i,kij,j->k", h, gram, flat)
    weight = np.einsum("i,kij,j->k", flat, gram, flat)
    mean: FloatArray = np.zeros(len(gram))
    np.divide(across**2, weight, out=mean, where=weight > 0)
    return np.asarray(np.maximum(total - mean, 0.0) * rows)
