"""Mean profiles that a flake beside an edge does not change."""

from __future__ import annotations

import numpy as np

from segsem.core.types import FloatArray, FloatImage, MaskArray

BLOCK = 16
"""Profiles of which the mean is taken before the median."""

DEPENDENT_ROWS = 1.5
"""A median of means of blocks is worth that much less than the mean."""

MIN_NOISE = 0.3
"""Grey levels: what rounding to whole ones leaves."""


def robust_mean(grey: FloatImage, known: MaskArray) -> FloatArray:
    """Median of the means of blocks of neighbouring profiles: a flake does not count."""
    blocks = max(1, len(grey) // BLOCK)
    edges = np.linspace(0, len(grey), blocks + 1).astype(int)[:-1]
    total = np.add.reduceat(grey * known, edges, axis=0, dtype=np.float64)
    count = np.add.reduceat(known, edges, axis=0, dtype=np.float64)
    means: FloatArray = np.full(total.shape, np.nan)
    np.divide(total, count, out=means, where=count >= 0.5 * count.max())
    seen = np.isfinite(means).any(axis=0)
    mean: FloatArray = np.full(grey.shape[1], np.nan)
    mean[seen] = np.nanmedian(means[:, seen], axis=0)
    return mean


def mean_with_error(
    grey: FloatImage, known: MaskArray, noise: float
) -> tuple[FloatArray, FloatArray]:
    """Robust mean (W,) of profiles, and the variance (W,) that pixel noise leaves in it."""
    count = np.maximum(known.sum(axis=0) / DEPENDENT_ROWS, 1.0)
    return robust_mean(grey, known), np.asarray(max(noise, MIN_NOISE) ** 2 / count)
