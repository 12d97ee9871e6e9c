"""Regions unlike the others of their image: bridged, broken or wrong ones stand out by size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LEAST_REGIONS = 8
"""Fewer say nothing about what is usual."""

LEAST_SPREAD = 0.02
"""Sizes within 2 % are alike, however even the others are."""

_MAD_TO_SIGMA = 1.4826


def robust_z(sizes: Mapping[int, float]) -> dict[int, float]:
    """Say how far each size is from the median, in robust standard deviations.

    Of logarithms, so that half and double are equally far; the spread is 1.4826 times the median
    absolute deviation, and not taken below 2 %.

    Parameters
    ----------
    sizes : mapping of region id to area or CD
        Positive; others are left out.

    Returns
    -------
    dict of int to float
        Signed; empty where fewer than 8 sizes are known.

    References
    ----------
    B. Iglewicz, D. Hoaglin, "How to Detect and Handle Outliers", ASQC Quality Press, 1993.
    """
    known = {key: float(size) for key, size in sizes.items() if size > 0 and np.isfinite(size)}
    if len(known) < LEAST_REGIONS:
        return {}
    logs = np.log(np.fromiter(known.values(), dtype=np.float64))
    from_median = logs - np.median(logs)
    spread = max(_MAD_TO_SIGMA * float(np.median(np.abs(from_median))), LEAST_SPREAD)
    return dict(zip(known, (from_median / spread).tolist(), strict=True))


def find_outliers(z_scores: Mapping[int, float], beyond: float) -> tuple[int, ...]:
    """Region ids whose robust z-score is beyond a limit, the farthest first."""
    far = [(-abs(z), key) for key, z in z_scores.items() if abs(z) > beyond]
    return tuple(key for _, key in sorted(far))
