"""Grey-value profiles along contour normals, and the noise they carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import FloatArray, FloatImage, PointsRC

STEP_PX = 0.25
"""Distance of profile samples: crossings of the cubic spline are interpolated linearly between
them."""


@dataclass(frozen=True, slots=True)
class EdgeImage:
    """A grey image made ready for sub-pixel sampling.

    Attributes
    ----------
    grey : (H, W) float32
        Normalised grey values (0-255) without the data bar.
    coefficients : (H, W) float32
        Cubic B-spline coefficients of `grey`: linear interpolation would bias edges by their
        sub-pixel phase.
    noise : float
        Standard deviation of the pixel noise in grey levels.
    """

    grey: FloatImage
    coefficients: FloatImage
    noise: float


def prepare(grey: FloatImage) -> EdgeImage:
    """Prepare a normalised grey image for edge placement.

    Parameters
    ----------
    grey : (H, W) float array
        Normalised grey values (0-255), data bar cut off.
    """
    grey = np.ascontiguousarray(grey, dtype=np.float32)
    coefficients = ndi.spline_filter(grey, order=3, output=np.float32, mode="mirror")
    return EdgeImage(grey, np.asarray(coefficients), estimate_noise(grey))


def estimate_noise(grey: FloatImage) -> float:
    """Standard deviation of the pixel noise, robust against edges.

    Median absolute response of the difference of two Laplacians.

    References
    ----------
    J. Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding
    64(2), 1996; here with a median in place of the mean.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    response = ndi.convolve(np.asarray(grey, dtype=np.float32), kernel)[1:-1, 1:-1]
    if response.size == 0:
        return 0.0
    return float(np.median(np.abs(response)) / 0.6745 / 6.0)


def sample_offsets(reach_px: float, step_px: float = STEP_PX) -> FloatArray:
    """Offsets along the normal in px, symmetric about 0, feature side negative."""
    half = int(np.ceil(reach_px / step_px))
    return np.arange(-half, half + 1, dtype=np.float64) * step_px


def sample_profiles(
    image: EdgeImage, vertices_rc: PointsRC, normals_rc: PointsRC, offsets_px: FloatArray
) -> FloatArray:
    """Sample the image along normals.

    Parameters
    ----------
    image : EdgeImage
        Prepared image.
    vertices_rc, normals_rc : (K, 2) arrays
        Where, and in which direction.
    offsets_px : (T,) array
        Offsets along each normal.

    Returns
    -------
    (K, T) float64 array
        Grey values; NaN outside the image.
    """
    points = vertices_rc[:, None, :] + offsets_px[None, :, None] * normals_rc[:, None, :]
    rows, cols = points[..., 0], points[..., 1]
    height, width = image.grey.shape
    inside = (rows >= -0.5) & (rows <= height - 0.5) & (cols >= -0.5) & (cols <= width - 0.5)
    values = ndi.map_coordinates(
        image.coefficients, [rows, cols], order=3, mode="mirror", prefilter=False, output=np.float64
    )
    return np.where(inside, values, np.nan)


def average_along(profiles: FloatArray, sigma_points: float, closed: bool) -> FloatArray:
    """Average neighbouring profiles with a Gaussian, leaving out samples outside the image.

    Parameters
    ----------
    profiles : (K, T) array
        NaN where there is no value.
    sigma_points : float
        Gaussian sigma in contour points.
    closed : bool
        Whether the contour wraps around.

    Returns
    -------
    (K, T) array
        NaN where no neighbour has a value.
    """
    known = np.isfinite(profiles)
    mode = "wrap" if closed else "nearest"
    if sigma_points <= 0:
        return profiles
    if known.all():
        return np.asarray(ndi.gaussian_filter1d(profiles, sigma_points, axis=0, mode=mode))
    weight = ndi.gaussian_filter1d(known.astype(np.float64), sigma_points, axis=0, mode=mode)
    total = ndi.gaussian_filter1d(np.where(known, profiles, 0.0), sigma_points, axis=0, mode=mode)
    mean: FloatArray = np.full(profiles.shape, np.nan)
    np.divide(total, weight, out=mean, where=weight > 1e-3)
    return mean


def averaging_gain(sigma_points: float, step_px: float) -> float:
    """By how much `average_along` lowers white pixel noise (1 = not at all).

    Contour points closer than a pixel share pixels, so the sum runs over px, not over points.
    """
    sigma_px = sigma_points * step_px
    if sigma_px <= 0:
        return 1.0
    return float(min(1.0, 1.0 / np.sqrt(2.0 * np.sqrt(np.pi) * sigma_px)))
