"""Distances of mask boundaries: boundary F1, Hausdorff, HD95, in whole pixels.

Where the image's border cuts a region there is no boundary. For anything below a pixel, compare
contours with :mod:`segsem.metrics.epe`.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from segsem.core.types import FloatArray, MaskArray
from segsem.metrics.overlap import check_masks


def boundary_pixels(mask: MaskArray) -> MaskArray:
    """Pixels of a mask that touch its background (by an edge), the image's border not counting."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask, border_value=1))


def boundary_f1(preds: MaskArray, target: MaskArray, tolerance_px: float = 1.0) -> float:
    """Harmonic mean of the shares of either boundary that lie near the other one.

    Parameters
    ----------
    preds, target : (H, W) bool arrays
        What was found and what is true.
    tolerance_px : float
        Greatest distance that counts as near.

    Returns
    -------
    float
        0 to 1; 1 where neither has a boundary, 0 where only one has.

    Raises
    ------
    ValueError
        If they are not bool arrays of one shape, or the tolerance is negative.

    References
    ----------
    G. Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013.
    """
    if not tolerance_px >= 0:
        msg = f"Expected `tolerance_px` of at least 0, but got {tolerance_px}"
        raise ValueError(msg)
    from_preds, from_target = _boundary_distances(preds, target)
    if from_preds.size == 0 or from_target.size == 0:
        return float(from_preds.size == from_target.size)
    precision = float(np.mean(from_preds <= tolerance_px))
    recall = float(np.mean(from_target <= tolerance_px))
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def hausdorff(preds: MaskArray, target: MaskArray, percentile: float = 100.0) -> float:
    """Greatest distance from a point of either boundary to the other boundary.

    Parameters
    ----------
    preds, target : (H, W) bool arrays
        What was found and what is true.
    percentile : float
        100 for the Hausdorff distance, 95 for HD95: the percentile is taken in each direction,
        then the greater of both.

    Returns
    -------
    float
        In px; 0 where neither has a boundary, infinite where only one has.

    Raises
    ------
    ValueError
        If they are not bool arrays of one shape, or it is no percentile.
    """
    if not 0 <= percentile <= 100:
        msg = f"Expected `percentile` between 0 and 100, but got {percentile}"
        raise ValueError(msg)
    from_preds, from_target = _boundary_distances(preds, target)
    if from_preds.size == 0 or from_target.size == 0:
        return 0.0 if from_preds.size == from_target.size else float("inf")
    return float(max(np.percentile(d, percentile) for d in (from_preds, from_target)))


def hd95(preds: MaskArray, target: MaskArray) -> float:
    """95th percentile of the boundary distances; see :func:`hausdorff`."""
    return hausdorff(preds, target, 95.0)


def _boundary_distances(preds: MaskArray, target: MaskArray) -> tuple[FloatArray, FloatArray]:
    check_masks(preds, target)
    edge_preds, edge_target = boundary_pixels(preds), boundary_pixels(target)
    return _distances(edge_preds, edge_target), _distances(edge_target, edge_preds)


def _distances(of: MaskArray, to: MaskArray) -> FloatArray:
    if not to.any():
        return np.full(int(np.count_nonzero(of)), np.inf)
    distance: FloatArray = np.asarray(ndimage.distance_transform_edt(~to), dtype=np.float64)
    return distance[of]
