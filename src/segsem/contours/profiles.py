"""Grey-value profiles along contour normals, and the noise they carry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from scipy import ndimage as ndi
from scipy.interpolate import CubicSpline

from segsem.contours.chains import Blocks, Chains, Ends
from segsem.core.types import FloatArray, FloatImage, PointsRC

STEP_PX = 0.25
"""Distance of profile samples: crossings of the cubic spline are interpolated linearly between
them."""

_MOST_ROWS = 16384
_MOST_OF_REMAP = 32767
"""OpenCV's `remap` counts rows and columns in 16 bits."""


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
) -> FloatImage:
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
    (K, T) float32 array
        Grey values; NaN outside the image.
    """
    rows = vertices_rc[:, :1] + offsets_px * normals_rc[:, :1]
    cols = vertices_rc[:, 1:] + offsets_px * normals_rc[:, 1:]
    height, width = image.grey.shape
    values = ndi.map_coordinates(
        image.coefficients, [rows, cols], order=3, mode="mirror", prefilter=False, output=np.float32
    )
    outside = (rows < -0.5) | (rows > height - 0.5) | (cols < -0.5) | (cols > width - 0.5)
    if outside.any():
        values[outside] = np.nan
    return np.asarray(values, dtype=np.float32)


def refined(
    profiles: FloatImage, offsets_px: FloatArray, factor: int
) -> tuple[FloatImage, FloatArray]:
    """Cubic spline through the samples of (K, T) profiles, at a `factor` finer step.

    Returns
    -------
    profiles : (K, (T - 1) * factor + 1) float32 array
        A sample is unknown where one beside it is.
    offsets_px : ((T - 1) * factor + 1,) array
    """
    at = np.arange((len(offsets_px) - 1) * factor + 1) / factor
    offsets = offsets_px[0] + at * (offsets_px[1] - offsets_px[0])
    matrix = _spline_matrix(len(offsets_px), factor)
    known = np.isfinite(profiles)
    if known.all():
        return profiles @ matrix, offsets
    # Unknown samples take the value of the nearest known one, so that the spline stays calm.
    columns = np.arange(len(offsets_px))
    last = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    first = np.minimum.accumulate(np.where(known, columns, len(columns))[:, ::-1], axis=1)[:, ::-1]
    nearest = np.where(last >= 0, last, np.minimum(first, len(columns) - 1))
    filled = np.nan_to_num(np.take_along_axis(profiles, nearest, axis=1))
    fine = filled @ matrix
    low, high = np.floor(at).astype(int), np.ceil(at).astype(int)
    fine[~(known[:, low] & known[:, high])] = np.nan
    return fine, offsets


@cache
def _spline_matrix(count: int, factor: int) -> FloatImage:
    at = np.arange((count - 1) * factor + 1) / factor
    return np.asarray(CubicSpline(np.arange(count), np.eye(count))(at).T, dtype=np.float32)


def sample_roughly(
    image: EdgeImage, vertices_rc: PointsRC, normals_rc: PointsRC, offsets_px: FloatArray
) -> FloatImage:
    """Sample the image along normals by linear interpolation: for finding edges, not placing them.

    Returns
    -------
    (K, T) float32 array
        Grey values; NaN outside the image.
    """
    values = np.empty((len(vertices_rc), len(offsets_px)), dtype=np.float32)
    for start in range(0, len(vertices_rc), _MOST_ROWS):
        rows = slice(start, start + _MOST_ROWS)
        values[rows] = _linear(
            image.grey, *_points(vertices_rc[rows], normals_rc[rows], offsets_px)
        )
    return values


def _points(
    vertices_rc: PointsRC, normals_rc: PointsRC, offsets_px: FloatArray
) -> tuple[FloatImage, FloatImage]:
    vertices, normals = vertices_rc.astype(np.float32), normals_rc.astype(np.float32)
    offsets = offsets_px.astype(np.float32)
    rows = vertices[:, :1] + offsets * normals[:, :1]
    cols = vertices[:, 1:] + offsets * normals[:, 1:]
    return rows, cols


def _linear(grey: FloatImage, rows: FloatImage, cols: FloatImage) -> FloatImage:
    height, width = grey.shape
    if max(height, width) >= _MOST_OF_REMAP:
        points = [rows.astype(np.float64), cols.astype(np.float64)]
        values = ndi.map_coordinates(grey, points, order=1, mode="nearest", output=np.float32)
    else:
        values = cv2.remap(grey, cols, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    outside = (rows < -0.5) | (rows > height - 0.5) | (cols < -0.5) | (cols > width - 0.5)
    if outside.any():
        values[outside] = np.nan
    return np.asarray(values, dtype=np.float32)


def average_along(profiles: FloatImage, chains: Chains, sigma_points: float) -> FloatImage:
    """Average neighbouring profiles with a Gaussian, leaving out samples outside the image.

    Parameters
    ----------
    profiles : (K, T) array
        NaN where there is no value.
    chains : Chains
        The contours that the profiles are of.
    sigma_points : float
        Gaussian sigma in contour points.

    Returns
    -------
    (K, T) array
        NaN where no neighbour has a value.
    """
    if sigma_points <= 0:
        return profiles
    known = np.isfinite(profiles)
    if known.all():
        return chains.smooth(profiles, sigma_points, Ends.NEAREST)
    weight = chains.smooth(known.astype(profiles.dtype), sigma_points, Ends.NEAREST)
    total = chains.smooth(np.where(known, profiles, 0), sigma_points, Ends.NEAREST)
    mean = np.full_like(profiles, np.nan)
    np.divide(total, weight, out=mean, where=weight > 1e-3)
    return mean


def average_blocks(profiles: FloatImage, blocks: Blocks) -> FloatImage:
    """Average each block of neighbouring profiles, leaving out samples outside the image."""
    known = np.isfinite(profiles)
    if known.all():
        return blocks.mean(profiles)
    weight = blocks.mean(known.astype(profiles.dtype))
    total = blocks.mean(np.where(known, profiles, 0))
    mean = np.full_like(total, np.nan)
    np.divide(total, weight, out=mean, where=weight > 0)
    return mean


def averaging_gain(sigma_points: float, step_px: float) -> float:
    """By how much `average_along` lowers white pixel noise (1 = not at all).

    Contour points closer than a pixel share pixels, so the sum runs over px, not over points.
    """
    sigma_px = sigma_points * step_px
    if sigma_px <= 0:
        return 1.0
    return float(min(1.0, 1.0 / np.sqrt(2.0 * np.sqrt(np.pi) * sigma_px)))
