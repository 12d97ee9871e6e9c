"""Cheap evidence that a mask's edge is right, before any contour is traced."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.bands import bands, with_halo

BAND_PX = 2
"""Half width of the band around an edge in which evidence is read."""

STABILITY_OFFSET = 1.0
"""Logit offset of the stability score, as in SAM's automatic mask generator."""

MIN_EDGE_SLOPE = 0.03
"""Slope of an edge that counts, in units of the image's own contrast per px: a full step that is
smeared over 30 px."""

MIN_EDGE_NOISE = 3.5
"""Slope of an edge that counts, in sigma of the slopes that noise makes."""

BOUNDARY_TOLERANCE_PX = 2.0
"""Edges of two masks agree where they are at most this far apart."""

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=np.uint8)
"""A pixel and its four neighbours."""

HITS_REACH_PX = 9
"""How far `edge_hits` sees: 6 px of Gaussian, 1 px of gradient, 2 px of maximum."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a mask; every figure is in [0, 1], more is better.

    Attributes
    ----------
    iou_pred : float
        SAM2's own estimate; 0 for Sauvola.
    stability : float
        IoU of the masks cut at logit +1 and -1; 0 for Sauvola.
    decided : float
        Mean of ``tanh |logit| / 4`` beside the edge; for Sauvola ``tanh 2 |field|``.
    edge : float
        Share of the mask's boundary on which the image shows an edge of the right tone.
    agreement : float
        Share of the boundaries of this mask and of the other method's that lie within 2 px of
        each other.
    """

    iou_pred: float
    stability: float
    decided: float
    edge: float
    agreement: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name, rounded for files."""
        return {name: round(float(value), 4) for name, value in asdict(self).items()}


def stability_score(logits: FloatImage) -> float:
    """IoU between the masks cut at logits +1 and -1; 0 where both are empty.

    References
    ----------
    A. Kirillov et al., "Segment Anything", 2023, appendix B (stability score).
    """
    low = int(np.count_nonzero(logits > -STABILITY_OFFSET))
    high = int(np.count_nonzero(logits > STABILITY_OFFSET))
    return high / low if low else 0.0


def decidedness(logits: FloatImage, boundary: MaskArray) -> float:
    """Mean of ``tanh(|logit| / 4)`` in a band on both sides of the boundary, not on it."""
    box = box_around(boundary, BAND_PX + 2)
    if box is not None:
        near = _grown(boundary[box], BAND_PX + 1)
        ring = near & ~_grown(boundary[box], BAND_PX - 1)
        if ring.any():
            return float(np.mean(np.tanh(np.abs(logits[box][ring]) / 4.0)))
    return float(np.mean(np.tanh(np.abs(logits) / 4.0)))


def boundary_of(mask: MaskArray) -> MaskArray:
    """Pixels of a mask that touch the outside; the image border is not an edge."""
    pixels = np.asarray(mask, dtype=np.uint8)
    return np.asarray(cv2.erode(pixels, CROSS) < pixels)


def _grown(mask: MaskArray, steps: int) -> MaskArray:
    """Mask grown to its four neighbours, some times over."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), CROSS, iterations=steps) > 0)


def box_around(mask: MaskArray, halo_px: int) -> tuple[slice, slice] | None:
    """Smallest window around what is True, and a halo; None where nothing is."""
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return None
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return (
        with_halo(slice(int(rows[0]), int(rows[-1]) + 1), halo_px, mask.shape[0]),
        with_halo(slice(int(cols[0]), int(cols[-1]) + 1), halo_px, mask.shape[1]),
    )


@dataclass(frozen=True, slots=True)
class EdgeMap:
    """Where a window of a grey image has edges.

    Attributes
    ----------
    grad_r, grad_c : (h, w) float32
        Gradient of the smoothed image towards the features' side, in grey levels per px.
    least : float
        Slope that counts as an edge: above what noise makes, and above shading.
    """

    grad_r: FloatImage
    grad_c: FloatImage
    least: float

    def crop(self, window: tuple[slice, slice]) -> EdgeMap:
        """Return the part of a window, as a view."""
        return EdgeMap(self.grad_r[window], self.grad_c[window], self.least)


@dataclass(frozen=True, slots=True)
class EdgeField:
    """Where an image has edges; gradients are made window by window, to save two whole maps.

    Attributes
    ----------
    smoothed : (H, W) float32
        Grey values after smoothing, rims included.
    sign : float
        1 where features are bright, -1 where they are dark.
    least : float
        Slope that counts as an edge: above what noise makes, and above shading.
    """

    smoothed: FloatImage
    sign: float
    least: float

    def crop(self, window: tuple[slice, slice]) -> EdgeMap:
        """Gradients in a window, those of the whole image cut to it."""
        height, width = self.smoothed.shape
        rows, cols = with_halo(window[0], 1, height), with_halo(window[1], 1, width)
        seen = self.smoothed[rows, cols]
        inner = (
            slice(window[0].start - rows.start, window[0].stop - rows.start),
            slice(window[1].start - cols.start, window[1].stop - cols.start),
        )
        grad_r = ndi.sobel(seen, axis=0, output=np.float32)[inner] * (self.sign / 8.0)
        grad_c = ndi.sobel(seen, axis=1, output=np.float32)[inner] * (self.sign / 8.0)
        return EdgeMap(np.asarray(grad_r), np.asarray(grad_c), self.least)


def edge_field(
    smoothed: FloatImage, sigma_px: float, noise: float, contrast: float, bright: bool
) -> EdgeField:
    """Which slope of a smoothed image counts as an edge.

    Parameters
    ----------
    smoothed : (H, W) float32
        Grey values after a Gaussian of `sigma_px`, rims included.
    sigma_px : float
        That sigma.
    noise : float
        Standard deviation of the pixel noise before smoothing.
    contrast : float
        Mean step between features and gaps.
    bright : bool
        Tone of the features.

    Returns
    -------
    EdgeField
    """
    # White noise under a Gaussian of sigma s has gradients of noise / (sqrt(8 pi) s^2).
    gradient_noise = noise / (np.sqrt(8.0 * np.pi) * max(sigma_px, 0.5) ** 2)
    least = max(MIN_EDGE_SLOPE * contrast, MIN_EDGE_NOISE * gradient_noise)
    return EdgeField(smoothed, 1.0 if bright else -1.0, float(least))


def edge_hits(mask: MaskArray, edges: EdgeMap) -> MaskArray:
    """Where the image, at most 2 px away, shows an edge that rises towards the mask.

    Parameters
    ----------
    mask : (h, w) bool
        Inside of the feature.
    edges : EdgeMap
        Of the same window.

    Returns
    -------
    (h, w) bool
        Meaningful on and beside the mask's boundary only.
    """
    soft = ndi.gaussian_filter(mask.astype(np.float32), 1.5, mode="nearest")
    inward_r, inward_c = ndi.sobel(soft, axis=0), ndi.sobel(soft, axis=1)
    length = np.hypot(inward_r, inward_c) + 1e-6
    rise = (edges.grad_r * inward_r + edges.grad_c * inward_c) / length
    best = cv2.dilate(rise, np.ones((2 * BAND_PX + 1,) * 2, dtype=np.uint8))
    return np.asarray(best > edges.least)


def edge_hits_in_bands(mask: MaskArray, edges: EdgeField) -> MaskArray:
    """Give `edge_hits` of a whole (H, W) image, band by band."""
    hits = np.empty(mask.shape, dtype=bool)
    for band in bands(len(mask), HITS_REACH_PX):
        seen = (band.seen, slice(0, mask.shape[1]))
        hits[band.rows] = edge_hits(mask[seen], edges.crop(seen))[band.inner]
    return hits


def edge_share(mask: MaskArray, edges: EdgeMap, boundary: MaskArray) -> float:
    """Share of a boundary on which the image shows an edge; 1 where there is no boundary."""
    box = box_around(boundary, HITS_REACH_PX)
    if box is None:
        return 1.0
    return float(np.mean(edge_hits(mask[box], edges.crop(box))[boundary[box]]))


def boundary_agreement(
    mask: MaskArray,
    other: MaskArray,
    counted: MaskArray,
    tolerance_px: float = BOUNDARY_TOLERANCE_PX,
) -> float:
    """Share of the boundaries of two masks near each other.

    Where neither has a boundary (the inside of a large feature), the share of equal pixels; where
    only one has, 0.

    Parameters
    ----------
    mask, other : (h, w) bool
        The masks.
    counted : (h, w) bool
        Where boundary counts; what it is compared with may lie anywhere.
    tolerance_px : float
        How near.
    """
    first, second = boundary_of(mask), boundary_of(other)
    if not (first & counted).any() and not (second & counted).any():
        return float(np.mean(mask[counted] == other[counted]))
    if not first.any() or not second.any():
        return 0.0
    box = box_around(first | second, 0)
    if box is not None:
        first, second, counted = first[box], second[box], counted[box]
    disc = _disc(tolerance_px)
    near_first, near_second = (cv2.dilate(line.astype(np.uint8), disc) for line in (first, second))
    own, others = first & counted, second & counted
    close = np.count_nonzero(near_second[own]) + np.count_nonzero(near_first[others])
    return close / (np.count_nonzero(own) + np.count_nonzero(others))


def _disc(radius_px: float) -> npt.NDArray[np.uint8]:
    """Pixels at most so far from the middle one."""
    at = np.arange(-int(radius_px), int(radius_px) + 1)
    return np.asarray(at[:, None] ** 2 + at**2 <= radius_px**2, dtype=np.uint8)
