"""Sauvola's adaptive threshold, made fit for SEM images of any feature size.

In a window that shows no edge, a local threshold only separates noise from noise. There the
threshold is taken from the nearest windows that do show one.

References
----------
J. Sauvola and M. Pietikainen, "Adaptive document image binarization", Pattern Recognition 33,
225-236, 2000.
S. D. Yanowitz and A. M. Bruckstein, "A new method for image segmentation", Computer Vision,
Graphics, and Image Processing 46, 82-95, 1989 (threshold surface from the edges).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import FloatImage

R_GREY = 128.0
"""Sauvola's R: half the grey range of the normalised image."""

WHITE = 255.0

EDGE_POWER = 4
"""Windows count by the power of their deviation: one with twice the contrast counts 16 times."""


def smooth(grey: FloatImage, sigma_px: float) -> FloatImage:
    """Gaussian smoothing before thresholding; edges are placed on the unsmoothed image."""
    if sigma_px <= 0:
        return grey
    return np.asarray(ndi.gaussian_filter(grey, sigma_px, output=np.float32, mode="nearest"))


def local_moments(grey: FloatImage, window_px: int) -> tuple[FloatImage, FloatImage]:
    """Mean and standard deviation in a square window around each pixel.

    Parameters
    ----------
    grey : (H, W) float32
        Image.
    window_px : int
        Odd side of the window.

    Returns
    -------
    mean, deviation : (H, W) float32
        At the border the image is mirrored.
    """
    # Offsetting by the global mean keeps E[x^2] - E[x]^2 well conditioned in float32.
    centre = float(np.mean(grey))
    shifted = np.asarray(grey - centre, dtype=np.float32)
    size = (window_px, window_px)
    mean = cv2.boxFilter(shifted, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT_101)
    np.square(shifted, out=shifted)
    deviation = cv2.boxFilter(shifted, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT_101)
    np.square(mean, out=shifted)
    deviation -= shifted
    np.clip(deviation, 0.0, None, out=deviation)
    np.sqrt(deviation, out=deviation)
    mean += centre
    return mean, deviation


def threshold(grey: FloatImage, window_px: int, k: float) -> FloatImage:
    """Sauvola's threshold ``mean * (1 + k * (deviation / R - 1))``.

    Parameters
    ----------
    grey : (H, W) float32
        Grey values on the 0-255 scale.
    window_px : int
        Odd side of the window; larger than the features, or their insides fall out.
    k : float
        Weight of the deviation.

    Returns
    -------
    (H, W) float32
    """
    mean, deviation = local_moments(grey, window_px)
    return np.asarray(mean * (1.0 + k * (deviation / R_GREY - 1.0)), dtype=np.float32)


def margin(
    grey: FloatImage, window_px: int, k: float, bright: bool, bright_share: float
) -> FloatImage:
    """Signed distance of the grey value from the threshold: positive inside features.

    Sauvola's rule is made for few dark strokes on a bright page: it sets the threshold off the
    mean, away from the page. Where the bright phase is the smaller one, the image is inverted for
    it; else the threshold would lie in the noise of the dark phase. Where both phases are equally
    large, the mean lies midway already: `k` counts by how unequal they are.

    Parameters
    ----------
    grey : (H, W) float32
        Smoothed grey values, 0-255.
    window_px : int
        Odd side of the window.
    k : float
        Weight of the deviation.
    bright : bool
        Whether features are brighter than their surroundings; gap and material share one edge.
    bright_share : float
        Share of the image that the bright phase covers.

    Returns
    -------
    (H, W) float32
        In grey levels.
    """
    few_bright = bright_share < 0.5
    page = WHITE - grey if few_bright else grey
    mean, deviation = local_moments(page, window_px)
    weight = k * abs(1.0 - 2.0 * bright_share)
    factor = deviation / R_GREY
    factor -= 1.0
    factor *= weight
    factor += 1.0
    mean *= factor
    del factor
    surface = _spread_from_edges(mean, deviation, window_px)
    del mean, deviation
    difference = np.subtract(page, surface, out=surface)
    return difference if bright is not few_bright else np.negative(difference, out=difference)


def _spread_from_edges(local: FloatImage, deviation: FloatImage, window_px: int) -> FloatImage:
    """Average the threshold over two windows, those with edges counting most.

    Both arrays are used up: they hold something else afterwards.
    """
    weight = np.divide(deviation, max(float(deviation.max()), 1e-6), out=deviation)
    np.maximum(weight, 1e-2, out=weight)
    np.power(weight, EDGE_POWER, out=weight)
    # The surface is smooth over a window: computing it on a coarse grid changes nothing visible.
    factor = max(1, window_px // 16)
    small = (math.ceil(local.shape[1] / factor), math.ceil(local.shape[0] / factor))
    size = (local.shape[1], local.shape[0])
    weighted = np.multiply(weight, local, out=local)
    total = cv2.resize(weighted, small, interpolation=cv2.INTER_AREA)
    count = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
    sigma = window_px / 2 / factor
    total = ndi.gaussian_filter(total, sigma, mode="nearest")
    count = ndi.gaussian_filter(count, sigma, mode="nearest")
    return np.asarray(cv2.resize(total / count, size, interpolation=cv2.INTER_LINEAR))
