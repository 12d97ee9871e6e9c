"""From a reduced view of a broad object to its outline at native resolution."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.evidence import boundary_of
from segsem.segmentation.predictor import MaskPrediction
from segsem.segmentation.prior import CELL_PX
from segsem.segmentation.window import Window, lattice

HALO = 8
"""Windows along an outline count from this part of a frame (an eighth) inwards."""

SAME_OBJECT = 0.5
"""Two views show the same object where their masks agree by this (IoU)."""


def outline_windows(
    coarse: MaskArray, window: Window, shape: tuple[int, int], frame_px: int, reduction: float
) -> list[Window]:
    """Native windows that an outline passes through, those with most of it first.

    Parameters
    ----------
    coarse : (h, w) bool
        Mask of a reduced window, at the image's pixels.
    window : Window
        That window.
    shape : (int, int)
        (H, W) of the image.
    frame_px : int
        Side of the model's frame.
    reduction : float
        Image px per frame px of the reduced window: the outline may lie that many cells off.

    Returns
    -------
    list of Window
    """
    band = uncertain(coarse, reduction)
    found = []
    for native, core in lattice(shape, frame_px, frame_px // HALO):
        common = core.overlap(window)
        if common is None:
            continue
        length = int(np.count_nonzero(band[common.within(window).slices]))
        if length:
            found.append((length, native))
    return [native for _, native in sorted(found, key=lambda item: -item[0])]


def uncertain(coarse: MaskArray, reduction: float) -> MaskArray:
    """Where a reduced view may be wrong about its object: half a cell about its outline."""
    reach = max(round(CELL_PX * reduction / 2), 1)
    band = ndi.maximum_filter(boundary_of(coarse).astype(np.uint8), 2 * reach + 1)
    return np.asarray(band > 0)


def agreement(first: MaskArray, second: MaskArray) -> float:
    """Intersection over union; 1 where both are empty."""
    either = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / either if either else 1.0


def best_fitting(
    prediction: MaskPrediction, mask: MaskArray, uncertain_px: MaskArray
) -> FloatImage | None:
    """Choose the candidate most like the reduced view.

    Parameters
    ----------
    prediction : MaskPrediction
        The model's candidates in a native window.
    mask, uncertain_px : (h, w) bool
        The reduced view of that window, and where it may be wrong.

    Returns
    -------
    (h, w) float32 or None
        Its logits; None where every candidate contradicts what the reduced view is sure of.
    """
    agreements = [agreement(candidate, mask) for candidate in prediction.masks]
    best = int(np.argmax(agreements))
    sure = ~uncertain_px
    contradicted = agreement(prediction.masks[best][sure], mask[sure]) < SAME_OBJECT
    if contradicted and bool((mask & sure).any()):
        return None
    return np.asarray(prediction.logits[best])
