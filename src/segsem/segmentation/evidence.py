"""Cheap evidence that a mask's edge is right, before any contour is traced."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import FloatImage, MaskArray

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
        Mean of ``tanh |logit| / 4`` beside the edge; 0 for Sauvola.
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
    near = ndi.binary_dilation(boundary, iterations=BAND_PX + 1)
    ring = near & ~ndi.binary_dilation(boundary, iterations=BAND_PX - 1)
    if not ring.any():
        return float(np.mean(np.tanh(np.abs(logits) / 4.0)))
    return float(np.mean(np.tanh(np.abs(logits[ring]) / 4.0)))


def boundary_of(mask: MaskArray) -> MaskArray:
    """Pixels of a mask that touch the outside; the image border is not an edge."""
    eroded = ndi.binary_erosion(mask, border_value=1)
    return np.asarray(mask & ~eroded)


@dataclass(frozen=True, slots=True)
class EdgeMap:
    """Where a grey image has edges.

    Attributes
    ----------
    grad_r, grad_c : (H, W) float32
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


def edge_map(
    smoothed: FloatImage, sigma_px: float, noise: float, contrast: float, bright: bool
) -> EdgeMap:
    """Gradient of a smoothed image, and which slope counts as an edge in it.

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
    EdgeMap
    """
    sign = 1.0 if bright else -1.0
    grad_r = ndi.sobel(smoothed, axis=0, output=np.float32) * (sign / 8.0)
    grad_c = ndi.sobel(smoothed, axis=1, output=np.float32) * (sign / 8.0)
    # White noise under a Gaussian of sigma s has gradients of noise / (sqrt(8 pi) s^2).
    gradient_noise = noise / (np.sqrt(8.0 * np.pi) * max(sigma_px, 0.5) ** 2)
    least = max(MIN_EDGE_SLOPE * contrast, MIN_EDGE_NOISE * gradient_noise)
    return EdgeMap(np.asarray(grad_r), np.asarray(grad_c), float(least))


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
    best = ndi.maximum_filter(rise, size=2 * BAND_PX + 1)
    return np.asarray(best > edges.least)


def edge_share(mask: MaskArray, edges: EdgeMap, boundary: MaskArray) -> float:
    """Share of a boundary on which the image shows an edge; 1 where there is no boundary."""
    if not boundary.any():
        return 1.0
    return float(np.mean(edge_hits(mask, edges)[boundary]))


def boundary_agreement(mask: MaskArray, other: MaskArray, counted: MaskArray) -> float:
    """Share of the boundaries of two masks within 2 px of each other.

    Where neither has a boundary (the inside of a large feature), the share of equal pixels; where
    only one has, 0.

    Parameters
    ----------
    mask, other : (h, w) bool
        The masks.
    counted : (h, w) bool
        Where boundary counts; what it is compared with may lie anywhere.
    """
    first, second = boundary_of(mask), boundary_of(other)
    if not (first & counted).any() and not (second & counted).any():
        return float(np.mean(mask[counted] == other[counted]))
    if not first.any() or not second.any():
        return 0.0
    to_second = ndi.distance_transform_edt(~second)[first & counted]
    to_first = ndi.distance_transform_edt(~first)[second & counted]
    close = np.count_nonzero(to_second <= BOUNDARY_TOLERANCE_PX) + np.count_nonzero(
        to_first <= BOUNDARY_TOLERANCE_PX
    )
    return close / (len(to_second) + len(to_first))
