"""Bright rims taken out before thresholding, so that the plateaus decide what is a feature.

An edge emits more electrons than the plateau behind it. Where the rim is much brighter than the
step between material and gap, any threshold from the mean separates rim from everything else.
"""

from __future__ import annotations

import numpy as np
from skimage.filters import threshold_multiotsu, threshold_otsu

from segsem.core.types import FloatImage

MAX_ROUNDS = 6
MAX_SHARE = 0.4
"""Rims cover less of an image than this."""

MIN_GAIN = 1.1
"""Cutting must make the two phases this much more separable, or it is left alone."""

BINS = 128

LEAST_VARIANCE = 1.0
"""Grey levels²: nobody sees more of a phase's evenness. Without it, the lower an image free of
noise is cut, the better its phases are told apart, down to nothing."""


def rim_ceiling(smoothed: FloatImage) -> float:
    """Grey level at which to cut off rims; the image's maximum where there are none.

    The brightest of three classes is cut down, step by step. The step at which what is left falls
    most clearly into two phases wins (Otsu's ratio of variances between and within classes).

    Parameters
    ----------
    smoothed : (H, W) float32
        Smoothed grey values.

    Returns
    -------
    float
        Grey level.

    References
    ----------
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9, 1979.
    """
    best_ceiling = ceiling = float(smoothed.max())
    best = _separability(smoothed)
    for _ in range(MAX_ROUNDS):
        clipped = np.minimum(smoothed, ceiling)
        try:
            _, ceiling = (float(t) for t in threshold_multiotsu(clipped, classes=3, nbins=BINS))
        except ValueError:  # fewer than three grey levels left
            break
        if float(np.mean(smoothed > ceiling)) > MAX_SHARE:
            break
        separability = _separability(np.minimum(smoothed, ceiling))
        if separability > MIN_GAIN * best:
            best, best_ceiling = separability, ceiling
    return best_ceiling


def _separability(grey: FloatImage) -> float:
    """Variance between the two phases over the variance within them, at Otsu's threshold."""
    if float(np.ptp(grey)) <= 0:
        return 0.0
    mask = grey > threshold_otsu(grey, nbins=BINS)
    share = float(np.mean(mask))
    if share in (0.0, 1.0):
        return 0.0
    bright, dark = grey[mask], grey[~mask]
    within = share * float(bright.var()) + (1 - share) * float(dark.var())
    between = share * (1 - share) * float(bright.mean() - dark.mean()) ** 2
    return between / (within + LEAST_VARIANCE)


def smoothed_noise(noise: float, sigma_px: float) -> float:
    """Noise that a Gaussian of `sigma_px` leaves of white pixel noise."""
    return noise if sigma_px < 0.3 else noise / (2.0 * np.sqrt(np.pi) * sigma_px)
