"""What a whole image says about its features: tone, size, noise. Sauvola cannot do without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.filters import threshold_otsu
from skimage.measure import label, perimeter_crofton, regionprops

from segsem.core.params import Tone
from segsem.core.types import FloatImage, LabelArray, MaskArray
from segsem.segmentation.cleaning import area_by_label
from segsem.segmentation.edge_only import RimScene, find_rim_scene
from segsem.segmentation.rims import rim_ceiling, smoothed_noise
from segsem.segmentation.sauvola import margin, smooth

SMOOTHINGS_PX = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
"""Gaussian sigmas to try, in this order."""

GOOD_CONTRAST_NOISE = 14.0
"""Enough smoothing: the medians of the phases are this many sigma of the remaining noise apart."""

MIN_CONTRAST_NOISE = 6.0
"""Below this there are no two phases, only noise cut in half (medians 1.35 sigma apart)."""

MAX_SMOOTHING = 0.25
"""Largest smoothing sigma as a share of the narrower phase's width."""

DEFAULT_K = 0.2

MANY_MORE = 3.0
"""Gaps are the features where they are this many times as many separate pieces as the material."""

COMPACT = 0.9
"""Median area over convex area from which dark pieces are taken for holes."""

MOST_ASKED = 2000
"""Convex hulls are slow: of more dark pieces, this many are asked, evenly chosen."""


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Estimates from one image.

    Attributes
    ----------
    bright : bool
        Tone: whether features are brighter than their surroundings.
    bright_width_px, dark_width_px : float
        Mean width of the bright and the dark phase (twice area over boundary length).
    bright_share : float
        Share of the image that the bright phase covers.
    smooth_px : float
        Gaussian sigma that makes the image fit for thresholding.
    ceiling : float
        Grey level (of the smoothed image) at which bright rims are cut off.
    window_px : int
        Odd Sauvola window: more than a feature and its gap.
    rims : RimScene or None
        Where nothing but bright rims tells features and gaps apart.
    """

    bright: bool
    bright_width_px: float
    dark_width_px: float
    bright_share: float
    smooth_px: float
    ceiling: float
    window_px: int
    rims: RimScene | None = None

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
    rims = find_rim_scene(grey, noise)
    if rims is not None:
        return _scale_of_rims(rims, tone)
    best: _Trial | None = None
    for sigma in SMOOTHINGS_PX:
        trial = _try_smoothing(grey, noise, sigma)
        if trial is None:
            continue
        if best is not None and sigma > MAX_SMOOTHING * min(best.widths_px):
            break
        if best is None or trial.contrast_noise > best.contrast_noise:
            best = trial
        if best.contrast_noise >= GOOD_CONTRAST_NOISE:
            break
    if best is None or best.contrast_noise < MIN_CONTRAST_NOISE:
        return None
    return _measure(best, tone)


def _scale_of_rims(rims: RimScene, tone: Tone) -> FeatureScale:
    widths = phase_widths(rims.material)
    return FeatureScale(
        bright=_is_bright(rims.material, widths, tone),
        bright_width_px=widths[0],
        dark_width_px=widths[1],
        bright_share=rims.rim_share,
        smooth_px=rims.smooth_px,
        ceiling=float("inf"),
        window_px=window_for(*widths, rims.material.shape),
        rims=rims,
    )


def _is_bright(mask: MaskArray, widths_px: tuple[float, float], tone: Tone) -> bool:
    return guess_bright(mask, widths_px) if tone is Tone.AUTO else tone is not Tone.DARK


@dataclass(frozen=True, slots=True)
class _Trial:
    sigma: float
    ceiling: float
    flattened: FloatImage
    mask: MaskArray
    contrast_noise: float

    @property
    def widths_px(self) -> tuple[float, float]:
        return phase_widths(self.mask)


def _try_smoothing(grey: FloatImage, noise: float, sigma: float) -> _Trial | None:
    smoothed = smooth(grey, sigma)
    ceiling = rim_ceiling(smoothed)
    flattened = np.minimum(smoothed, ceiling)
    if float(np.ptp(flattened)) <= 0:
        return None
    mask = flattened > threshold_otsu(flattened)
    if not mask.any() or mask.all():
        return None
    contrast = float(np.median(flattened[mask]) - np.median(flattened[~mask]))
    ratio = contrast / max(smoothed_noise(noise, sigma), 1e-6)
    return _Trial(sigma, ceiling, flattened, mask, ratio)


def _measure(trial: _Trial, tone: Tone) -> FeatureScale | None:
    window = window_for(*trial.widths_px, trial.mask.shape)
    share = float(np.mean(trial.mask))
    mask = margin(trial.flattened, window, DEFAULT_K, bright=True, bright_share=share) > 0
    if not mask.any() or mask.all():
        return None
    widths = phase_widths(mask)
    return FeatureScale(
        bright=_is_bright(mask, widths, tone),
        bright_width_px=widths[0],
        dark_width_px=widths[1],
        bright_share=share,
        smooth_px=trial.sigma,
        ceiling=trial.ceiling,
        window_px=window_for(*widths, mask.shape),
    )


def phase_widths(mask: MaskArray) -> tuple[float, float]:
    """Mean widths in px of a phase and of the other one: twice the area over the boundary length.

    The image's border is no boundary: only edges between the phases count.

    References
    ----------
    Boundary length after Crofton, as in `skimage.measure.perimeter_crofton`.
    """
    area = int(np.count_nonzero(mask))
    # Each perimeter has the phase's share of the border; together they have all of it.
    both = perimeter_crofton(mask, directions=4) + perimeter_crofton(~mask, directions=4)
    border = perimeter_crofton(np.ones_like(mask), directions=4)
    boundary_px = max(0.5 * float(both - border), 1.0)
    return 2.0 * float(area) / boundary_px, 2.0 * float(mask.size - area) / boundary_px


def window_for(bright_px: float, dark_px: float, shape: tuple[int, ...]) -> int:
    """Odd Sauvola window for phases of these widths, at most the smaller side of the image."""
    window = round(2.0 * (bright_px + dark_px))
    return int(np.clip(window, 15, min(shape[0], shape[1]) - 1)) // 2 * 2 + 1


def guess_bright(mask: MaskArray, widths_px: tuple[float, float]) -> bool:
    """Guess the tone from the topology of the bright phase.

    Holes in a bright film are many compact dark pieces in one bright one. Everywhere else (lines
    and spaces, free-form shapes, where neither phase surrounds the other) material is bright.

    Parameters
    ----------
    mask : (H, W) bool
        Bright phase.
    widths_px : (float, float)
        Mean width of the bright and of the dark phase.

    Returns
    -------
    bool
        True where the features are bright.
    """
    labels, dark_pieces = _pieces(~mask, widths_px[1])
    if len(dark_pieces) <= MANY_MORE * max(len(_pieces(mask, widths_px[0])[1]), 1):
        return True
    asked = dark_pieces[:: -(-len(dark_pieces) // MOST_ASKED)]
    boxes = ndi.find_objects(labels)
    solidities = [_solidity(labels[boxes[number - 1]] == number) for number in asked]
    return float(np.median(solidities)) < COMPACT


def _pieces(mask: MaskArray, width_px: float) -> tuple[LabelArray, npt.NDArray[np.intp]]:
    """Label image, and the labels of pieces that are at least half the phase's width in size."""
    labels = label(mask)
    areas = area_by_label(labels, int(labels.max()))
    areas[0] = 0
    return labels, np.flatnonzero(areas >= max((0.5 * width_px) ** 2, 1.0))


def _solidity(piece: MaskArray) -> float:
    return float(regionprops(piece.astype(np.uint8))[0].solidity)
