"""What the edges of an image have in common, estimated from the image: look, noise, roughness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage as ndi

from segsem.contours.chains import Chains, IndexArray
from segsem.contours.inverse import ImageModel, fit_contours
from segsem.contours.model_fit import ModelFit, fit_model
from segsem.contours.profiles import EdgeImage
from segsem.contours.robust_mean import DEPENDENT_ROWS, mean_with_error, robust_mean
from segsem.contours.scan import STEP_PX, WINDOW_PX, Neighbours, Stretches
from segsem.core.types import FloatArray, FloatImage, MaskArray

ROUNDS = 3
MIN_POINTS = 12
SATURATED = (0.5, 254.5)
MAX_SATURATED = 0.02
"""A distance where more of the samples are clipped does not count."""

FIRST_WALK_PX2 = 0.02
MAX_WALK_PX2 = 0.5
MIN_WALK_PX2 = 0.0114
MIN_WALK_OF_NOISE = 0.071
"""Even where noise hides it, an edge is taken for this rough: the smaller of px² and of the
variance of raw positions."""

WALK_OF_SEEN = 1.4
"""The beam smooths roughness along the edge: what is there over what is seen (measured with
`tools/measure_placement.py` at blurs of 1.2 and 2.2 px)."""

LAGS = (2, 3, 4, 5, 6)

LEFT_SIGMA_PX = 0.75
"""What the model leaves is smoothed across the edge: it is broader than the beam, noise is not."""
LEFT_GAIN = 0.3
"""Of the noise's variance, what that smoothing lets through."""

LOOK_DIFFERENCE = 0.02
"""Of the contrast, root mean square: above it the two sides of lines have a look each."""

NORMAL_MEDIAN = 0.4549
"""Median of the square of a normal variable: corners are few, so medians do not see them."""


def fit_image_model(
    image: EdgeImage, stretches: Stretches, neighbours: Neighbours
) -> ImageModel | None:
    """Estimate the look of an image's edges in rounds of fitting and placing.

    Parameters
    ----------
    image : EdgeImage
        For its noise.
    stretches : Stretches
        Contours, or a selection of them.
    neighbours : Neighbours
        All edges.

    Returns
    -------
    ImageModel or None
        None where there are too few profiles.
    """
    chains = stretches.chains
    if len(chains) < MIN_POINTS:
        return None
    position = np.zeros(len(chains))
    model: ImageModel | None = None
    fitted: ModelFit | None = None
    for number in range(ROUNDS):
        last = number == ROUNDS - 1
        fitted, weight, left = _look(image, stretches, position, fitted)
        if model is None:
            model = ImageModel(fitted.model, weight, FIRST_WALK_PX2, 0.0, neighbours, left)
        else:
            model = replace(model, edge=fitted.model, weight=weight, left=left)
        scatter = model.scatter_px2
        # What is only a start for the next round need not be quite there.
        found = fit_contours(
            stretches,
            model,
            position + fitted.edge_px,
            rounds=ROUNDS if last else ROUNDS - 1,
            learn=not last,
        )
        position = found.course_px
        raw, sigma = found.raw_px + stretches.bend_px, found.raw_sigma_px
        walk, scatter = _roughness(
            [raw[rows] for rows in chains.slices()],
            [sigma[rows] for rows in chains.slices()],
            scatter,
            stretches.step_px,
        )
        offset = float(np.median(position))
        model = replace(
            model, walk_px2=walk, scatter_px2=scatter, offset_px=offset, spread=found.spread
        )
    return model


def looks_differ(image: EdgeImage, stretches: Stretches, side: IndexArray) -> bool:
    """Whether the mean profiles of two sides differ by more than levels and a shift.

    Parameters
    ----------
    image : EdgeImage
        For its noise.
    stretches : Stretches
        Edges of both.
    side : (K,) array of int
        1 and -1; other points do not count.
    """
    grey, known, _ = stretches.scanned.around(np.zeros(len(stretches.chains)))
    means, errors = [], []
    for number in (1, -1):
        rows = side == number
        if rows.sum() < MIN_POINTS:
            return False
        mean, error = mean_with_error(grey[rows], known[rows], image.noise)
        means.append(mean)
        errors.append(error)
    seen_both = np.isfinite(means[0]) & np.isfinite(means[1])
    if seen_both.sum() < len(WINDOW_PX) // 2:
        return False
    a, b = means[0][seen_both], means[1][seen_both]
    middle = 0.5 * (a + b)
    inner = np.where(WINDOW_PX[seen_both] < 0, 1.0, 0.0)
    design = np.column_stack([np.ones(len(a)), inner, middle, np.gradient(middle)])
    rest = a - b - design @ np.linalg.lstsq(design, a - b, rcond=None)[0]
    noise = float(np.mean((errors[0] + errors[1])[seen_both]))
    contrast = max(float(np.ptp(middle)), 1e-6)
    return float(np.mean(rest**2)) - 2.0 * noise > (LOOK_DIFFERENCE * contrast) ** 2


def _look(
    image: EdgeImage, stretches: Stretches, position: FloatArray, before: ModelFit | None
) -> tuple[ModelFit, FloatArray, FloatArray]:
    """Edge model of the aligned mean profile, weights of its distances, and what it leaves."""
    grey, known, off = stretches.scanned.around(position)
    rest = float(np.mean(off))
    mean = robust_mean(grey, known)
    clipped = ((grey <= SATURATED[0]) | (grey >= SATURATED[1])) & known
    count = known.sum(axis=0).astype(np.float64)
    share = clipped.sum(axis=0) / np.maximum(count, 1)
    usable = np.isfinite(mean) & (share <= MAX_SATURATED)
    noise = _noise_variance(image, stretches.chains, grey, known, mean)
    error = np.where(usable, np.sqrt(noise / np.maximum(count / DEPENDENT_ROWS, 1)), np.inf)
    fitted = fit_model(np.where(usable, mean, np.nan), WINDOW_PX - rest, error, before)
    left = _left(fitted, WINDOW_PX - rest, np.where(usable, mean, np.nan), error)
    return fitted, np.where(share <= MAX_SATURATED, STEP_PX / noise, 0.0), left


def _left(
    fitted: ModelFit, offsets_px: FloatArray, mean: FloatArray, error: FloatArray
) -> FloatArray:
    """What the model leaves of the mean profile at `WINDOW_PX`, as far as it is not noise."""
    at = offsets_px - fitted.edge_px
    known = np.isfinite(mean)
    if known.sum() < 5:
        return np.zeros(len(WINDOW_PX))
    rest = mean[known] - fitted.model.profile(at[known])
    rest = ndi.gaussian_filter1d(rest, LEFT_SIGMA_PX / STEP_PX, mode="nearest")
    noise = float(np.mean(error[known] ** 2)) * LEFT_GAIN
    share = max(0.0, 1.0 - noise / max(float(np.mean(rest**2)), 1e-12))
    return np.asarray(share * np.interp(WINDOW_PX, at[known], rest))


def _noise_variance(
    image: EdgeImage, chains: Chains, grey: FloatImage, known: MaskArray, mean: FloatArray
) -> FloatArray:
    """Noise variance (W,) at each distance: a line in the mean grey value (shot noise).

    Its course is read from differences of neighbouring profiles, its height from the image: the
    spline between pixels lowers the noise of single samples.
    """
    base = max(image.noise, 0.3) ** 2
    both = known[2:] & known[:-2] & (chains.owner[2:] == chains.owner[:-2])[:, None]
    steps = np.where(both, np.abs(grey[2:] - grey[:-2]), np.float32(np.nan))
    seen = np.isfinite(mean) & (np.isfinite(steps).sum(axis=0) >= 30)
    if seen.sum() < 5:
        return np.full(len(mean), base)
    spread = np.nanmedian(steps[:, seen], axis=0).astype(np.float64) ** 2
    slope, level = np.polyfit(mean[seen], spread, 1)
    if slope <= 0:
        return np.full(len(mean), base)
    usual = float(np.median(image.grey[::7, ::7]))
    floor = 0.2 * float(np.median(spread))
    at = np.maximum(level + slope * np.where(np.isfinite(mean), mean, usual), floor)
    return np.asarray(base * at / max(level + slope * usual, floor))


def _roughness(
    raw: list[FloatArray], raw_sigma: list[FloatArray], scatter: float, step_px: float
) -> tuple[float, float]:
    """Walk and scatter from second differences of raw positions.

    ``E (r[i - k] - 2 r[i] + r[i + k])² = 6 (noise + scatter) + 2 walk k`` for a random walk seen
    through noise: neighbours far enough apart to share no pixel, near enough to lie on one
    course, whose curves second differences hardly see.
    """
    excess = [_excess(raw, raw_sigma, scatter, lag) for lag in LAGS]
    known = np.isfinite(excess)
    lags = np.asarray(LAGS, dtype=np.float64)
    if known.sum() < 3:
        return WALK_OF_SEEN * FIRST_WALK_PX2, 0.0
    at = 2.0 * step_px * lags[known]
    over = np.asarray(excess)[known]
    slope, level = np.polyfit(at, over, 1)
    if level < 0:  # all of it is walk
        slope, level = float(np.sum(at * over) / np.sum(at**2)), 0.0
    noise = float(np.nanmedian(np.concatenate(raw_sigma) ** 2))
    walk = float(np.clip(slope, min(MIN_WALK_PX2, MIN_WALK_OF_NOISE * noise), MAX_WALK_PX2))
    return WALK_OF_SEEN * walk, max(float(level) / 6.0, 0.0)


def _excess(raw: list[FloatArray], raw_sigma: list[FloatArray], scatter: float, lag: int) -> float:
    """Mean square of second differences beyond pixel noise, px²; NaN where there are too few."""
    squares, noise = [np.empty(0)], [np.empty(0)]
    for r, s in zip(raw, raw_sigma, strict=True):
        if len(r) > 2 * lag:
            ahead, mid, behind = r[2 * lag :], r[lag:-lag], r[: -2 * lag]
            v = s**2 - scatter
            squares.append((ahead - 2 * mid + behind) ** 2)
            noise.append(v[2 * lag :] + 4 * v[lag:-lag] + v[: -2 * lag])
    square, expected = np.concatenate(squares), np.concatenate(noise)
    good = np.isfinite(square) & np.isfinite(expected)
    if good.sum() < MIN_POINTS:
        return float("nan")
    ratio = float(np.median(square[good] / expected[good])) / NORMAL_MEDIAN
    return (ratio - 1.0) * float(np.median(expected[good]))
