"""Basins of a landscape: parts of an image between its edges, however faint an edge is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.morphology import local_minima, reconstruction
from skimage.segmentation import watershed

from segsem.core.types import FloatImage

SMOOTHING = 0.7
"""Standard deviation in px of the smoothing before heights are taken for a landscape."""


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
        filled = reconstruction(smooth + depth, smooth, method="erosion")
        markers, count = ndi.label(local_minima(filled, connectivity=1))
        if count == 0:  # flat: one basin
            markers[:] = 1
        found[level] = watershed(smooth, markers)
    return found
