"""Medians along contours, and what stands where the image says nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.contours.chains import Chains, Ends
from segsem.core.contour import PointFlag
from segsem.core.types import FloatArray, MaskArray

OUTLIER_SPREADS = 4.0
LEAST_OUTLIER_PX = 1.0


def fill(
    chains: Chains, shift: FloatArray, size: int = 15
) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """Replace missing and outlying shifts by their neighbours' course, and flag them.

    Parameters
    ----------
    chains : Chains
        The contours.
    shift : (K,) array
        NaN where missing.
    size : int
        Points of the median that outliers are told by.

    Returns
    -------
    filled : (K,) array
        0 along contours that have no shift at all.
    flags : (K,) uint8
    """
    flags = np.zeros(len(shift), dtype=np.uint8)
    missing = ~np.isfinite(shift)
    flags[missing] |= np.uint8(PointFlag.LOW_SLOPE)
    filled = interpolate(chains, shift, ~missing)
    deviation = np.abs(filled - _median_filter(chains, filled, size))
    spread = 1.4826 * median_of_each(chains, np.where(missing, np.nan, deviation))[chains.owner]
    most = np.maximum(OUTLIER_SPREADS * np.nan_to_num(spread), LEAST_OUTLIER_PX)
    outlier = ~missing & (deviation > most)
    if not outlier.any():
        return filled, flags
    flags[outlier] |= np.uint8(PointFlag.OUTLIER)
    return interpolate(chains, filled, ~missing & ~outlier), flags


def interpolate(chains: Chains, values: FloatArray, good: MaskArray) -> FloatArray:
    """Linear interpolation along each contour over points that are not good.

    Contours with no good point stay as they are, with 0 for NaN.
    """
    filled = values.copy()
    lacking = np.unique(chains.owner[~good])
    for contour in lacking:
        rows = slice(int(chains.starts[contour]), int(chains.starts[contour + 1]))
        known = good[rows]
        if not known.any():
            filled[rows] = np.nan_to_num(values[rows])
            continue
        index = np.arange(len(known))
        period = len(known) if chains.closed[contour] else None
        filled[rows] = np.interp(index, index[known], values[rows][known], period=period)
    return filled


def median_along(chains: Chains, values: FloatArray, size: int = 9) -> FloatArray:
    """Median filter along contours; unknown values are interpolated first.

    Along contours where nothing is known, NaN stays.
    """
    known = np.isfinite(values)
    filtered = _median_filter(chains, interpolate(chains, values, known), size)
    if not known.all():
        any_known = np.bincount(chains.owner[known], minlength=len(chains.counts)) > 0
        filtered[~any_known[chains.owner]] = np.nan
    return filtered


def median_of_each(chains: Chains, values: FloatArray) -> FloatArray:
    """Median (N,) of each contour's known values; NaN where there are none."""
    known = np.isfinite(values)
    owner, seen = chains.owner[known], values[known]
    ordered = seen[np.lexsort((seen, owner))]
    counts = np.bincount(owner, minlength=len(chains.counts))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    medians: FloatArray = np.full(len(counts), np.nan)
    some = counts > 0
    low = starts[some] + (counts[some] - 1) // 2
    high = starts[some] + counts[some] // 2
    medians[some] = 0.5 * (ordered[low] + ordered[high])
    return medians


def _median_filter(chains: Chains, values: FloatArray, size: int) -> FloatArray:
    padded, inner = chains.padded(values, size // 2 + 1, Ends.NEAREST)
    return np.asarray(ndi.median_filter(padded, size, mode="nearest")[inner])
