"""What a whole image says about its features: tone, size, noise. Sauvola cannot do without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.filters import threshold_otsu
from skimage.measure import label, perimeter_crofton, regionprops
from skimage.measure._regionprops import RegionProperties

from segsem.core.params import Tone
from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.sauvola import margin, smooth

MANY_MORE = 3.0
"""Gaps are the features where they are this many times as many separate pieces as the material."""

COMPACT = 0.9
"""Median area over convex area from which dark pieces are taken for holes."""


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Estimates from one image.

    Attributes
    ----------
    bright : bool
        Tone: whether features are brighter than their surroundings.
    bright_width_px, dark_width_px : float
        Mean width of the bright and the dark phase (twice area over boundary length).
    smooth_px : float
        Gaussian sigma that makes the image fit for thresholding.
    window_px : int
        Odd Sauvola window: more than a feature and its gap.
    """

    bright: bool
    bright_width_px: float
    dark_width_px: float
    smooth_px: float
    window_px: int

    @property
    def feature_width_px(self) -> float:
        """Mean width of the features in px."""
        return self.bright_width_px if self.bright else self.dark_width_px

    @property
    def gap_width_px(self) -> float:
        """Mean width of what lies between the features in px."""
        return self.dark_width_px if self.bright else self.bright_width_px


def estimate_scale(grey: FloatImage, noise: float, tone: Tone) -> FeatureScale | None:
    """Estimate tone, feature size and smoothing of an image.

    Parameters
    ----------
    grey : (H, W) float32
        Normalised grey values (0-255) without the data bar.
    noise : float
        Standard deviation of the pixel noise in grey levels.
    tone : Tone
        The user's word; `auto` asks the image.

    Returns
    -------
    FeatureScale or None
        None where the image shows no two phases at all.
    """
    sigma = smoothing_for(grey, noise)
    if sigma is None:
        return None
    smoothed = smooth(grey, sigma)
    mask = smoothed > threshold_otsu(smoothed)
    bright_width, dark_width = phase_width(mask), phase_width(~mask)
    window = window_for(bright_width, dark_width, grey.shape)
    mask = margin(smoothed, window, 0.1, bright=True) > 0
    if not mask.any() or mask.all():
        return None
    bright_width, dark_width = phase_width(mask), phase_width(~mask)
    window = window_for(bright_width, dark_width, grey.shape)
    bright = tone is not Tone.DARK if tone is not Tone.AUTO else guess_bright(mask)
    return FeatureScale(bright, bright_width, dark_width, sigma, window)


def smoothing_for(grey: FloatImage, noise: float) -> float | None:
    """Choose the Gaussian sigma (px) at which the two phases stand apart from the noise.

    Returns
    -------
    float or None
        None where even the widest smoothing leaves one phase only.
    """
    for sigma in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0):
        smoothed = smooth(grey, sigma)
        cut = threshold_otsu(smoothed) if float(np.ptp(smoothed)) > 0 else None
        if cut is None:
            return None
        mask = smoothed > cut
        if not mask.any() or mask.all():
            return None
        contrast = float(smoothed[mask].mean() - smoothed[~mask].mean())
        # White noise after a Gaussian of sigma s: noise / (2 sqrt(pi) s).
        if contrast > 12.0 * noise / (2.0 * np.sqrt(np.pi) * sigma):
            return sigma
    return None


def phase_width(mask: MaskArray) -> float:
    """Mean width of a phase in px: twice its area over the length of its boundary.

    The image's border is no boundary: only edges between the phases count.

    References
    ----------
    Boundary length after Crofton, as in `skimage.measure.perimeter_crofton`.
    """
    area = float(np.count_nonzero(mask))
    # Each perimeter has the phase's share of the border; together they have all of it.
    both = perimeter_crofton(mask, directions=4) + perimeter_crofton(~mask, directions=4)
    border = perimeter_crofton(np.ones_like(mask), directions=4)
    return 2.0 * area / max(0.5 * float(both - border), 1.0)


def window_for(bright_px: float, dark_px: float, shape: tuple[int, ...]) -> int:
    """Odd Sauvola window for phases of these widths, at most the smaller side of the image."""
    window = round(2.0 * (bright_px + dark_px))
    return int(np.clip(window, 15, min(shape[0], shape[1]) - 1)) // 2 * 2 + 1


def guess_bright(mask: MaskArray) -> bool:
    """Guess the tone from the topology of the bright phase.

    Holes in a bright film are many compact dark pieces in one bright one. Everywhere else (lines
    and spaces, free-form shapes, where neither phase surrounds the other) material is bright.

    Parameters
    ----------
    mask : (H, W) bool
        Bright phase.

    Returns
    -------
    bool
        True where the features are bright.
    """
    dark_pieces = _pieces(~mask)
    if len(dark_pieces) <= MANY_MORE * max(len(_pieces(mask)), 1):
        return True
    return float(np.median([piece.solidity for piece in dark_pieces])) < COMPACT


def _pieces(mask: MaskArray) -> list[RegionProperties]:
    """Pieces that are more than specks: at least half the phase's width in size."""
    smallest = (0.5 * phase_width(mask)) ** 2
    return [piece for piece in regionprops(label(mask)) if piece.area >= smallest]
