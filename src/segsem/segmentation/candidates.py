"""Candidate features of a whole image, from Sauvola's threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi
from skimage.measure import label as label_pieces

from segsem.core.params import SauvolaParams
from segsem.core.types import FloatImage, LabelArray, MaskArray
from segsem.segmentation.evidence import EdgeMap, boundary_of, edge_hits, edge_map
from segsem.segmentation.sauvola import margin, smooth
from segsem.segmentation.scale import FeatureScale

SPECK_WIDTH = 0.3
"""Pieces smaller than the square of this fraction of the feature width are noise or debris."""

GHOST_SHARE = 0.4
"""A piece with an edge on less of its outline than this is shading, not a feature."""

MIN_SPECK_PX = 12
"""No feature of fewer px can be told from noise, whatever the others measure."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What Sauvola sees.

    Attributes
    ----------
    labels : (H, W) int32
        One number for each 4-connected candidate, 0 elsewhere.
    field : (H, W) float32
        Signed margin over half the image's contrast, within [-1, 1]; positive inside.
    edges : EdgeMap
        Where the image has edges.
    contrast : float
        Mean grey step between features and gaps.
    dropped : int
        Number of specks left out.
    """

    labels: LabelArray
    field: FloatImage
    edges: EdgeMap
    contrast: float
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
    raw = margin(flattened, window | 1, params.k, scale.bright, scale.bright_share)
    mask = raw > 0
    contrast = _contrast(flattened, mask)
    smallest = min_area_px or speck_area_px(scale.feature_width_px)
    cleaned, dropped = remove_specks(mask, smallest)
    # Filling holes of the size of specks must not fill the gaps of a fine pattern.
    cleaned = ~remove_specks(~cleaned, speck_area_px(scale.gap_width_px))[0]
    edges = edge_map(smoothed, sigma, noise, contrast, scale.bright)
    cleaned, ghosts = remove_ghosts(cleaned, edges)
    field = np.clip(raw / max(0.5 * contrast, 1e-6), -1.0, 1.0)
    field = np.where(cleaned == mask, field, np.where(cleaned, 0.05, -0.05))
    labels = np.asarray(label_pieces(cleaned, connectivity=1), dtype=np.int32)
    return Candidates(
        labels, np.asarray(field, dtype=np.float32), edges, contrast, dropped + ghosts
    )


def speck_area_px(width_px: float) -> int:
    """Area below which a piece is a speck, for a phase of this mean width."""
    return max(MIN_SPECK_PX, round((SPECK_WIDTH * width_px) ** 2))


def remove_specks(mask: MaskArray, smallest_px: int) -> tuple[MaskArray, int]:
    """Drop 4-connected pieces below an area.

    Returns
    -------
    mask : (H, W) bool
        Without the specks.
    dropped : int
        Their number.
    """
    labels, count = ndi.label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    keep = areas >= smallest_px
    keep[0] = False
    return np.asarray(keep[labels]), int(count - np.count_nonzero(keep))


def remove_ghosts(mask: MaskArray, edges: EdgeMap) -> tuple[MaskArray, int]:
    """Drop pieces, and fill holes, whose outline has no edge in the image.

    A threshold also cuts through broad shading; only an edge makes a feature.

    Parameters
    ----------
    mask : (H, W) bool
        Candidates.
    edges : EdgeMap
        Where the image has edges.

    Returns
    -------
    mask : (H, W) bool
        Without the ghosts.
    ghosts : int
        Their number.
    """
    hits = edge_hits(mask, edges)
    holes = _ghost_pieces(~mask, hits)
    pieces = _ghost_pieces(mask, hits)
    count = int(label_pieces(holes | pieces, connectivity=1, return_num=True)[1])
    return np.asarray((mask | holes) & ~pieces), count


def _ghost_pieces(phase: MaskArray, hits: MaskArray) -> MaskArray:
    labels, count = ndi.label(phase)
    boundary = boundary_of(phase)
    length = np.bincount(labels[boundary], minlength=count + 1)
    on_edge = np.bincount(labels[boundary & hits], minlength=count + 1)
    ghost = on_edge < GHOST_SHARE * length
    ghost[0] = False
    return np.asarray(ghost[labels])


def _contrast(smoothed: FloatImage, mask: MaskArray) -> float:
    if not mask.any() or mask.all():
        return 0.0
    return abs(float(np.median(smoothed[mask]) - np.median(smoothed[~mask])))
