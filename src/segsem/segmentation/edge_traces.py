"""Edges in the image that no contour follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.contour import Contour
from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.bands import Band, bands

SMOOTH_PX = 2.0
STRONG_SHARE = 0.5
"""An edge counts where its slope is this share of the median slope on the contours."""

NOISE_SIGMAS = 5.0
FOLLOWED_PX = 8
"""So far from a contour an edge belongs to it: a bright rim has two flanks."""

HALO_PX = 24
"""What a pixel's answer depends on: 8 px of Gaussian, 2 px of slope and ridge, contours."""


def unfollowed_edges(grey: FloatImage, noise: float, contours: Sequence[Contour]) -> MaskArray:
    """Mark edges that no contour follows, one pixel wide.

    Parameters
    ----------
    grey : (H, W) float32
        Normalised grey values.
    noise : float
        Standard deviation of the pixel noise.
    contours : sequence of Contour
        All contours of the image.

    Returns
    -------
    (H, W) bool
        Where the gradient is largest across the edge.
    """
    followed = _not_on(contours, grey.shape)
    on_contours = [slope[free == 0] for _, slope, free, _ in _band_by_band(grey, followed)]
    known = np.concatenate(on_contours)
    if len(known) == 0:
        return np.zeros(grey.shape, dtype=bool)
    # White noise under a Gaussian of sigma s has gradients of noise / (sqrt(8 pi) s^2).
    noise_slope = noise / (np.sqrt(8.0 * np.pi) * SMOOTH_PX**2)
    least = max(STRONG_SHARE * float(np.median(known)), NOISE_SIGMAS * noise_slope)
    marked = np.zeros(grey.shape, dtype=bool)
    for band, slope, free, ridge in _band_by_band(grey, followed):
        away = cv2.distanceTransform(free, cv2.DIST_L2, 3) > FOLLOWED_PX
        marked[band.rows] = (away & (slope > least) & ridge)[band.inner]
    return marked


def _not_on(contours: Sequence[Contour], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    free = np.ones(shape, dtype=np.uint8)
    for contour in contours:
        path = np.rint(contour.vertices_rc[:, ::-1]).astype(np.int32)
        cv2.polylines(free, [path.reshape(-1, 1, 2)], contour.closed, 0)
    return free


def _band_by_band(
    grey: FloatImage, free: npt.NDArray[np.uint8]
) -> Iterator[tuple[Band, FloatImage, npt.NDArray[np.uint8], MaskArray]]:
    """Slope, what is free of contours, and ridges of the slope; no array of the image's size."""
    for band in bands(len(grey), HALO_PX):
        seen = np.ascontiguousarray(grey[band.seen])
        smoothed = cv2.GaussianBlur(seen, (0, 0), SMOOTH_PX, borderType=cv2.BORDER_REPLICATE)
        d_row = cv2.Sobel(smoothed, cv2.CV_32F, 0, 1, scale=1 / 8)
        d_col = cv2.Sobel(smoothed, cv2.CV_32F, 1, 0, scale=1 / 8)
        slope = np.asarray(cv2.magnitude(d_row, d_col), dtype=np.float32)
        yield band, slope, free[band.seen], _is_ridge(slope, d_row, d_col)


def _is_ridge(slope: FloatImage, d_row: FloatImage, d_col: FloatImage) -> MaskArray:
    """Largest along the gradient's nearer axis."""
    along_rows = np.abs(d_row) > np.abs(d_col)
    tall = np.ones((3, 1), dtype=np.uint8)
    is_row = slope >= cv2.dilate(slope, tall)
    is_col = slope >= cv2.dilate(slope, tall.T)
    return np.asarray(np.where(along_rows, is_row, is_col))
