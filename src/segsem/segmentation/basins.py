"""Basins of a landscape: parts of an image between its edges, however faint an edge is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.morphology import local_minima, reconstruction
from skimage.segmentation import watershed

from segsem.core.types import FloatImage

SMOOTHING = 0.7
"""Standard deviation in px of the smoothing before heights are taken for a landscape."""

MOST_ROUNDS = 256
ROUNDS_AT_ONCE = 8
SMALL = 256
"""A small landscape fills up quicker by rounds over all of it than in the order of its heights."""

_NEIGHBOURS = np.ones((3, 3), dtype=np.uint8)


def basins(heights: FloatImage, depths: Sequence[float]) -> npt.NDArray[np.int64]:
    """Number the basins that are deep enough, and share all pixels among them.

    Parameters
    ----------
    heights : (H, W) float32
        Smoothed by `SMOOTHING` before.
    depths : sequence of float
        A basin shallower than this belongs to its neighbour.

    Returns
    -------
    (L, H, W) int64
        From 1 on; one map for each of the L depths.

    References
    ----------
    Meyer, "Topographic distance and watershed lines", Signal Processing 38, 1994; Najman and
    Schmitt, "Geodesic saliency of watershed contours", IEEE PAMI 18, 1996, for depths of basins.
    """
    found = np.empty((len(depths), *heights.shape), dtype=np.int64)
    # Watershed ends the process on what is not a number.
    smooth = ndi.gaussian_filter(np.nan_to_num(heights, nan=1.0), SMOOTHING)
    for level, depth in enumerate(depths):
        markers, count = ndi.label(local_minima(filled(smooth, depth), connectivity=1))
        if count == 0:  # flat: one basin
            markers[:] = 1
        found[level] = watershed(smooth, markers)
    return found


def filled(heights: FloatImage, depth: float) -> FloatImage:
    """Fill basins up to their lowest pass, but by no more than a depth.

    Parameters
    ----------
    heights : (H, W) float32
        Finite.
    depth : float

    Returns
    -------
    (H, W) float32
        What skimage's `reconstruction` of ``heights + depth`` over `heights` gives, to the bit.

    References
    ----------
    Vincent, "Morphological grayscale reconstruction in image analysis", IEEE TIP 2, 1993.
    """
    level = heights + np.float32(depth)
    if max(heights.shape) <= SMALL:
        for _ in range(MOST_ROUNDS // ROUNDS_AT_ONCE):
            before = level
            for _ in range(ROUNDS_AT_ONCE):
                level = np.maximum(cv2.erode(level, _NEIGHBOURS), heights)
            if np.array_equal(level, before):
                return level
    # Where water has a long way to go: from wherever it has come to.
    return np.asarray(reconstruction(level, heights, method="erosion"))
