"""Candidate features of a whole image, from Sauvola's threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.measure import label as label_pieces

from segsem.core.params import SauvolaParams
from segsem.core.types import FloatImage, LabelArray, MaskArray
from segsem.segmentation.cleaning import CleaningRules, speck_area_px
from segsem.segmentation.edge_only import rim_field
from segsem.segmentation.evidence import EdgeField, edge_field
from segsem.segmentation.sauvola import margin, smooth
from segsem.segmentation.scale import FeatureScale


@dataclass(frozen=True, slots=True)
class Candidates:
    """What Sauvola sees.

    Attributes
    ----------
    labels : (H, W) int32
        One number for each 4-connected candidate, 0 elsewhere.
    field : (H, W) float32
        Signed margin over half the image's contrast, within [-1, 1]; positive inside.
    edges : EdgeField
        Where the image has edges.
    rules : CleaningRules
        What counts as a speck in this image.
    dropped : int
        Number of specks left out.
    """

    labels: LabelArray
    field: FloatImage
    edges: EdgeField
    rules: CleaningRules
    dropped: int


def find_candidates(
    grey: FloatImage,
    noise: float,
    scale: FeatureScale,
    params: SauvolaParams,
    min_area_px: int = 0,
) -> Candidates:
    """Threshold an image and clean up what comes out.

    Parameters
    ----------
    grey : (H, W) float32
        Normalised grey values (0-255) without the data bar.
    noise : float
        Standard deviation of the pixel noise.
    scale : FeatureScale
        Tone and sizes of this image.
    params : SauvolaParams
        0 in window or smoothing means: as `scale` says.
    min_area_px : int
        Smallest candidate; 0 = from the feature width.

    Returns
    -------
    Candidates
    """
    sigma = params.smooth_px or scale.smooth_px
    smoothed = smooth(grey, sigma)
    window = params.window_px or scale.window_px
    flattened = np.minimum(smoothed, scale.ceiling)
    bright = scale.bright or scale.rims is not None  # rims are bright, whatever the features
    field = margin(flattened, window | 1, params.k, bright, scale.bright_share)
    if scale.rims is not None:
        field = rim_field(field, scale.rims, scale.bright)
    mask = field > 0
    contrast = scale.rims.contrast if scale.rims is not None else _contrast(flattened, mask)
    del flattened
    edges = edge_field(smoothed, sigma, noise, contrast, scale.bright)
    # A hole may be as narrow as the features are, however broad the gaps between them.
    narrow_px = min(scale.feature_width_px, scale.gap_width_px)
    rules = CleaningRules(
        min_area_px or speck_area_px(scale.feature_width_px), speck_area_px(narrow_px)
    )
    cleaned, dropped = rules.clean(mask, edges)
    # In place: beside a large image there is no room for many of its size.
    field /= np.float32(max(0.5 * contrast, 1e-6))
    np.clip(field, -1.0, 1.0, out=field)
    changed = cleaned != mask
    field[changed & cleaned] = 0.05
    field[changed & ~cleaned] = -0.05
    labels = np.asarray(label_pieces(cleaned, connectivity=1), dtype=np.int32)
    return Candidates(labels, field, edges, rules, dropped)


def _contrast(smoothed: FloatImage, mask: MaskArray) -> float:
    if not mask.any() or mask.all():
        return 0.0
    return abs(float(np.median(smoothed[mask]) - np.median(smoothed[~mask])))
