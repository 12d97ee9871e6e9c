"""Model-based inverse line scan: the edge of the model that explains a contour's profiles best.

The look of the edge (`ImageModel`) is known from the whole image. Along a contour its grey levels
may drift; they are fitted over a long stretch. What is left for each single profile is its
position, read with the weights that are best for the noise (the model's slope over the variance).
So a position is a linear function of the grey values at any noise: nothing is searched for, no
level crossed, and no outlier bred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from segsem.contours.chains import Chains, Ends
from segsem.contours.edge_model import EdgeModel
from segsem.contours.profiles import EdgeImage
from segsem.contours.regularise import regularise
from segsem.contours.scan import WINDOW_PX, Neighbours, Scan, Stretches
from segsem.contours.sides import side_of
from segsem.contours.trace import Polyline
from segsem.core.types import FloatArray, FloatImage, MaskArray

LEVEL_SIGMA_PX = 10.0
"""Grey levels are fitted over this much of the contour (Gaussian): around a contact a beam that
is not round and the trail of charging change them within that."""

LEVEL_BLOCK_PX = 4.0
"""Within so much of the contour they are the same."""

LEVEL_SPREAD = 0.03
"""Of the contrast: how much the grey levels of a stretch are thought to differ from the image's
before the image has told."""

SPREAD_STRETCHES = 10.0
"""That thought weighs as much as so many stretches of contour."""

MOST_SPREAD = 2 * LEVEL_SPREAD
"""What the image tells is believed up to here: levels free to be anything explain an edge away."""

SPREAD_ROUNDS = 3

LOOSE = 1e-9
"""Prior of the shift: none, but enough to invert."""

SMALL_PX = 60.0
"""A closed contour shorter than this is one stretch."""

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
    left : (W,) array
        What the model leaves of the mean profile at `WINDOW_PX`, in grey levels.
    offset_px : float
        Where the edges lie about the first pass of placement, median.
    normal_rc : (2,) array, optional
        Common normal of the lines whose two sides look different.
    sides : mapping of int to ImageModel
        The look of either side of them, by `side_of`.
    spread : (5,) array
        Standard deviation of the levels and ramps of stretches about the image's, over the
        contrast.
    image : EdgeImage, optional
        The image without the trail of charging, where it has one.
    """

    edge: EdgeModel
    weight: FloatArray
    walk_px2: float
    scatter_px2: float
    neighbours: Neighbours
    left: FloatArray
    offset_px: float = 0.0
    normal_rc: FloatArray | None = None
    sides: Mapping[int, ImageModel] = field(default_factory=dict)
    spread: FloatArray = field(default_factory=lambda: np.full(5, LEVEL_SPREAD))
    image: EdgeImage | None = None

    def side(self, line: Polyline) -> int:
        """Key of the look that an edge has in `sides`; 0 for that of all."""
        number = 0 if self.normal_rc is None else side_of(line, self.normal_rc)
        return number if number in self.sides else 0


@dataclass(frozen=True, slots=True)
class InverseFit:
    """Positions along the normals of contours; (K,) arrays, positive to the background.

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
    spread : (5,) array
        As in `ImageModel`: as these contours tell, where they were asked.
    """

    course_px: FloatArray
    sigma_px: FloatArray
    raw_px: FloatArray
    raw_sigma_px: FloatArray
    gain: FloatArray
    lost: MaskArray
    spread: FloatArray


class Matcher:
    """Sums that the fit needs, prepared for one model."""

    def __init__(self, model: ImageModel) -> None:
        parts = model.edge.parts(WINDOW_PX)
        slope = model.edge.parts_slope(WINDOW_PX)
        whole_slope = slope @ model.edge.heights + np.gradient(model.left, WINDOW_PX)
        #: Columns: the three parts, a ramp on either side, what a shift by 1 px to the right adds.
        reach = WINDOW_PX[-1]
        ramps = [np.minimum(WINDOW_PX, 0.0) / reach, np.maximum(WINDOW_PX, 0.0) / reach]
        self.design = np.column_stack([parts, *ramps, -whole_slope])
        self.heights = np.append(model.edge.heights, [0.0, 0.0, 0.0])
        #: Without what is left, edges that the model does not fit pull levels and shifts apart.
        self.expected = (parts @ model.edge.heights + model.left).astype(np.float32)
        self.weight = model.weight
        weighted = self.design * model.weight[:, None]
        products = weighted[:, :, None] * self.design[:, None, :]
        self._products = products.reshape(len(WINDOW_PX), -1)
        self._weights = weighted.astype(np.float32)
        both = [self.expected[:, None] * weighted, weighted * self.design[:, -1:]]
        self._expected_and_shift = np.column_stack(both).astype(np.float32)
        self.contrast = max(float(np.ptp(model.edge.profile(WINDOW_PX))), 1e-6)
        # How the shift's column grows with each of the parts.
        own = weighted[:, -1]
        of_parts = (own @ -slope) / max(float(own @ self.design[:, -1]), 1e-12)
        self.of_levels = np.append(of_parts, [0.0, 0.0])

    def moments(self, grey: FloatImage, known: MaskArray) -> tuple[FloatArray, FloatArray]:
        """Sums over profiles that are 0 where unknown.

        Returns
        -------
        moments : (K, C) array
            Weighted products of the profiles' difference from the model with the design.
        of_shift : (K, C) array
            Last rows of `gram`.
        """
        columns = self.design.shape[1]
        # One pass for both: what the model expects counts where a profile is known.
        sums = known.astype(np.float32) @ self._expected_and_shift
        moments = grey @ self._weights - sums[:, :columns]
        return moments.astype(np.float64), sums[:, columns:].astype(np.float64)

    def gram(self, known: MaskArray) -> FloatArray:
        """Weighted products (K, C, C) of the design with itself, where known."""
        columns = self.design.shape[1]
        sums = known.astype(np.float64) @ self._products
        return np.asarray(sums.reshape(-1, columns, columns))


def fit_contours(
    stretches: Stretches,
    model: ImageModel,
    start_px: FloatArray,
    *,
    rounds: int = ROUNDS,
    learn: bool = False,
) -> InverseFit:
    """Positions of the edges of contours.

    Parameters
    ----------
    stretches : Stretches
        Contours with their profiles.
    model : ImageModel
        The look of the image's edges.
    start_px : (K,) array
        Rough positions, within about a blur of the edge.
    rounds : int
        Of reading levels and positions.
    learn : bool
        Whether to ask how much grey levels vary along these contours.
    """
    matcher = Matcher(model)
    chains, scanned, step = stretches.chains, stretches.scanned, stretches.step_px
    course, bend = start_px, stretches.bend_px
    walk = model.walk_px2 * step + _bend_walk(chains, bend, step)
    course = course + _common_shift(stretches, matcher, course)
    levels_of = _Levels(matcher, stretches, model.spread)
    for number in range(rounds):
        last = number == rounds - 1
        grey, known, rest = scanned.around(course)
        moments, of_shift = matcher.moments(grey, known)
        levels = levels_of(moments, known)
        gain = 1 + levels @ matcher.of_levels
        used = np.where(gain > MIN_SHOWN, gain, 1.0)
        energy = of_shift[:, -1] * used**2
        moved = (moments[:, -1] - np.einsum("kj,kj->k", of_shift[:, :-1], levels)) * used
        seen = course - rest
        seen += np.divide(moved, energy, out=np.zeros_like(moved), where=energy > 0)
        lost = (gain < MIN_SHOWN) | (gain * np.sqrt(levels_of.precision) < MIN_SIGNIFICANCE)
        variance = _variance(energy * step, lost) + model.scatter_px2
        course, sigma = regularise(chains, seen + bend, 1.0 / variance, walk, with_sigma=last)
        # The beam lets no finer detail through than this.
        course = chains.smooth(course - bend, BEAM_SHARE * model.edge.blur_px / step)
        # From now on against a smooth course of the edge itself, not of the first pass.
        bend = stretches.bend_px - chains.smooth(course, REFERENCE_SIGMA_PX / step)
    shown = np.isfinite(variance)
    return InverseFit(
        course,
        np.sqrt(sigma**2 + levels_of.shared_px2 + SLOW_PX**2),
        np.where(shown, seen, np.nan),
        np.where(shown, np.sqrt(variance), np.nan),
        gain,
        lost,
        levels_of.learnt(moments) if learn else model.spread,
    )


def _are_small(chains: Chains, step_px: float) -> MaskArray:
    """Which contours (N,) are one stretch."""
    return np.asarray(chains.closed & (chains.counts * step_px < SMALL_PX))


def _common_shift(stretches: Stretches, matcher: Matcher, start_px: FloatArray) -> FloatArray:
    """Shift (K,) of whole small features at which the model, levels and all, fits best.

    Their first pass averaged around much of them, and may be farther off than a fit can pull.
    """
    chains = stretches.chains
    shift_px = np.zeros(len(chains))
    points = np.flatnonzero(_are_small(chains, stretches.step_px)[chains.owner])
    if len(points) == 0:
        return shift_px
    scanned = Scan(stretches.scanned.grey[points], stretches.scanned.known[points])
    _, owner = np.unique(chains.owner[points], return_inverse=True)
    wanted = matcher.expected
    weight = matcher.weight.astype(np.float32)
    costs = []
    for shift in SMALL_SHIFTS_PX:
        grey, known, _ = scanned.around(start_px[points] + shift)
        squares = np.bincount(owner, (known * (grey - wanted) ** 2) @ weight)
        costs.append(squares / np.maximum(np.bincount(owner, known.sum(axis=1)), 1.0))
    shift_px[points] = np.asarray(SMALL_SHIFTS_PX)[np.argmin(costs, axis=0)][owner]
    return shift_px


def _variance(information: FloatArray, lost: MaskArray) -> FloatArray:
    """One over the information; infinite where there is none."""
    variance: FloatArray = np.full(len(information), np.inf)
    np.divide(1.0, information, out=variance, where=~lost & (information > 1e-9))
    return variance


def _bend_walk(chains: Chains, bend_px: FloatArray, step_px: float) -> FloatArray:
    """Walk that the contour's own shape asks for: corners are not to be cut."""
    steps = 0.5 * (bend_px[chains.next_to(1)] - bend_px[chains.next_to(-1)])
    return np.asarray(np.maximum(chains.smooth(steps**2, 2.0 / step_px), 0.0))


class _Levels:
    """Grey levels over long stretches of contours, with the shift left free.

    Attributes
    ----------
    precision : (K,) array
        One over the variance of a stretch's contrast in units of the model's.
    shared_px2 : (K,) array
        Variance that not knowing the levels adds to all positions of a stretch.
    """

    precision: FloatArray
    shared_px2: FloatArray

    def __init__(self, matcher: Matcher, stretches: Stretches, spread: FloatArray) -> None:
        chains, step = stretches.chains, stretches.step_px
        self._matcher = matcher
        self._points = max(1, round(LEVEL_BLOCK_PX / step))
        self._blocks = chains.blocks(self._points)
        self._sigma = LEVEL_SIGMA_PX / step
        self._small = _are_small(chains, step)
        whole = 2 * np.sqrt(np.pi) * self._sigma
        self._rows = np.minimum(whole, chains.counts)[self._blocks.chains.owner] * step
        self._spread = spread
        self._gram = np.empty(0)
        self._inverse: FloatArray | None = None

    def __call__(self, moments: FloatArray, known: MaskArray) -> FloatArray:
        """Differences (K, 5) of the levels and ramps from the model's."""
        if self._inverse is None:  # what is masked hardly changes between rounds
            self._inverse = self._prepare(self._matcher.gram(known))
        mean = self._mean(moments)
        return self._blocks.spread(np.einsum("kij,kj->ki", self._inverse[:, :-1], mean))

    def _prepare(self, gram: FloatArray) -> FloatArray:
        mean = self._mean(gram.reshape(len(gram), -1)).reshape(-1, *gram.shape[1:])
        self._gram = mean
        inverse = self._inverse_with(self._spread)
        alone = 1.0 / np.maximum(mean[:, -1, -1] + LOOSE, 1e-12)
        shared = np.clip((inverse[:, -1, -1] - alone) / self._rows, 0.0, 1.0)
        self.shared_px2 = self._blocks.spread(shared)
        precision = _contrast_precision(self._matcher, mean, self._rows)
        self.precision = self._blocks.spread(precision)
        return inverse

    def _units(self) -> FloatArray:
        """What a spread of 1 is: grey levels, of the rim itself."""
        contrast = self._matcher.contrast
        return np.array([contrast, contrast, 1.0, contrast, contrast])

    def _inverse_with(self, spread: FloatArray) -> FloatArray:
        """Covariance (B, 6, 6) of levels, ramps and shift from one px of contour."""
        prior = 1.0 / (spread * self._units()) ** 2
        whole = self._gram.copy()
        for part, precision in enumerate(prior):
            whole[:, part, part] += precision / self._rows
        whole[:, -1, -1] += LOOSE
        return np.asarray(np.linalg.inv(whole))

    def learnt(self, moments: FloatArray) -> FloatArray:
        """Spread (5,) of levels and ramps that these stretches tell, by expectation-maximisation.

        The mean square of what was found and of what is not known of it is their variance; it
        is weighed against `LEVEL_SPREAD`, which wins where noise hides the levels.
        """
        mean = self._mean(moments)
        size = self._blocks.sizes.astype(np.float64)
        stretches = float(np.sum(size / np.maximum(self._rows, 1e-9)))
        spread = self._spread
        for _ in range(SPREAD_ROUNDS):
            inverse = self._inverse_with(spread)
            levels = np.einsum("kij,kj->ki", inverse[:, :-1], mean)
            unsure = np.diagonal(inverse, axis1=1, axis2=2)[:, :-1] / self._rows[:, None]
            square = np.average(levels**2 + unsure, axis=0, weights=size) / self._units() ** 2
            before = SPREAD_STRETCHES * LEVEL_SPREAD**2
            told = np.sqrt((stretches * square + before) / (stretches + SPREAD_STRETCHES))
            spread = np.minimum(told, MOST_SPREAD)
        return spread

    def _mean(self, values: FloatArray) -> FloatArray:
        """Local mean (B, ...) at each block; a small feature is one stretch."""
        chains = self._blocks.chains
        blocked = self._blocks.mean(values)
        mean = chains.smooth(blocked, self._sigma / self._points, Ends.MIRROR, truncate=3.0)
        if self._small.any():
            sums = np.add.reduceat(blocked * self._blocks.sizes[:, None], chains.starts[:-1])
            counts = np.add.reduceat(self._blocks.sizes, chains.starts[:-1])
            of_whole = (sums / counts[:, None])[chains.owner]
            mean = np.where(self._small[chains.owner][:, None], of_whole, mean)
        return mean


def _contrast_precision(matcher: Matcher, gram: FloatArray, rows: FloatArray) -> FloatArray:
    """Information on a common factor of the difference of the model from its mean."""
    h = matcher.heights
    total = np.einsum("i,kij,j->k", h, gram, h)
    flat = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    across = np.einsum("i,kij,j->k", h, gram, flat)
    weight = np.einsum("i,kij,j->k", flat, gram, flat)
    mean: FloatArray = np.zeros(len(gram))
    np.divide(across**2, weight, out=mean, where=weight > 0)
    return np.asarray(np.maximum(total - mean, 0.0) * rows)
