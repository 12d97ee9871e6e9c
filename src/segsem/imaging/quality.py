"""How good an image is to measure on: noise, blur and saturation."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from segsem.core.types import FloatImage, ImageArray
from segsem.imaging.image import SEMImage

MAX_SNR = 1000.0
"""Reported for images without noise."""

_MAX_SIDE_PX = 4096
_SCALE_PX = 2.0
# White noise of sigma 1 through a Gaussian derivative: 1 / (sqrt(8 pi) scale^2).
_GRADIENT_NOISE = 1.0 / (np.sqrt(8.0 * np.pi) * _SCALE_PX**2)
_GRADIENT_SIGMAS = 5.0
_STRONG_PART = 0.5
_HIGH_PART = 0.85
_SAME_DARKNESS = 0.1
_ALIGN_PX = 1.5
_MIN_EDGES = 20
_MAX_EDGES = 2000
_REACH_PX = 12.0
_STEP_PX = 0.25
_TANGENT_PX = 3
_QUARTERS_PER_SIGMA = 1.349
_QUANTISATION = 1.0 / np.sqrt(12.0)
_MAD_TO_SIGMA = 1.4826
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32) / 6.0
_PLATEAU = 4.0
_NO_NOISE = 1e-3


@dataclass(frozen=True, slots=True)
class ImageQuality:
    """Quality of the valid rows.

    Attributes
    ----------
    snr : float or None
        Edge-peak signal-to-noise ratio: height of the edge's peak (rim, or plateau where there
        is no rim) above the dark side next to it, over the sigma of the noise of one pixel. At
        most `MAX_SNR`; None where the image has no edges.
    blur_px : float or None
        Sigma of the Gaussian that would blur a step as wide as the dark flank of the edges is
        between 25 % and 75 % of its height. It holds the beam, the pixel and the edge's own
        width together. None where the image has no edges.
    saturated_fraction : float
        Part of the pixels at either end of the data type or of a clipped range.
    """

    snr: float | None
    blur_px: float | None
    saturated_fraction: float


def image_quality(image: SEMImage) -> ImageQuality:
    """Measure SNR, blur and saturation on the rows above the data bar.

    The noise is Immerkaer's: the median absolute response to a mask that no plane and few edges
    answer to, clipped pixels left out. Up to 2000 edge points are taken where the gradient is
    strong; profiles along the gradient, averaged over 7 px along the edge and aligned at half
    height, the inner flanks of rims left out, give one median profile, on which height and blur
    are read. Of an image larger than 4096 px a side the middle is measured.

    On rendered steps of SNR 4 to 20 and blur 0.7 to 4 px the SNR is within 8 % and the blur
    within 15 % of the truth.

    Parameters
    ----------
    image : SEMImage

    Returns
    -------
    ImageQuality

    References
    ----------
    Immerkaer, Fast noise variance estimation, CVIU 64 (1996) 300.
    """
    data = _middle(image.valid_data)
    grey = data.astype(np.float32)
    noise = noise_sigma(grey)
    saturated = _saturated_fraction(data, noise)
    profile = _edge_profile(grey, noise)
    if profile is None:
        return ImageQuality(None, None, saturated)
    height, blur_px = _height_and_blur(profile)
    floor = _QUANTISATION if data.dtype.kind == "u" else 0.0
    snr = height / max(noise, floor, height / MAX_SNR)
    return ImageQuality(min(MAX_SNR, float(snr)), blur_px, saturated)


def noise_sigma(grey: FloatImage) -> float:
    """Robust sigma of white noise.

    Parameters
    ----------
    grey : (H, W) float32
        At least 3 px a side.

    Returns
    -------
    float
        In grey levels; 0 where every pixel is clipped or the image has no noise.
    """
    response = np.abs(cv2.filter2D(grey, cv2.CV_32F, _IMMERKAER))[1:-1, 1:-1]
    clipped = (grey == grey.min()) | (grey == grey.max())
    usable = ~ndimage.binary_dilation(clipped, np.ones((3, 3)))[1:-1, 1:-1]
    if not usable.any():
        return 0.0
    return _MAD_TO_SIGMA * float(np.median(response[usable]))


def _middle(data: ImageArray) -> ImageArray:
    rows, cols = (slice(max(0, (n - _MAX_SIDE_PX) // 2), None) for n in data.shape)
    return data[rows, cols][:_MAX_SIDE_PX, :_MAX_SIDE_PX]


def _saturated_fraction(data: ImageArray, noise: float) -> float:
    low, high = float(data.min()), float(data.max())
    level = 1.0 if data.dtype.kind == "u" else noise / 16.0
    if low == high and data.dtype.kind != "u":
        return 0.0
    # Without noise every flat part is a plateau, clipped or not.
    may_be_clipped = noise > max(level / 2, _NO_NOISE * (high - low))
    n_saturated = 0
    for end, inwards in ((low, level), (high, -level)):
        n_at_end = int(np.count_nonzero(data == end))
        if _is_type_limit(data, end) or (may_be_clipped and _is_plateau(data, end, inwards)):
            n_saturated += n_at_end
    return min(1.0, n_saturated / data.size)


def _is_type_limit(data: ImageArray, value: float) -> bool:
    if data.dtype.kind != "u":
        return False
    limits = np.iinfo(data.dtype)
    return int(value) in (limits.min, limits.max)


def _is_plateau(data: ImageArray, end: float, inwards: float) -> bool:
    """Whether far more pixels stand at the end of the range than next to it."""
    first, last = min(end, end + inwards), max(end, end + inwards)
    n_at_end = int(np.count_nonzero(data == end))
    n_next = int(np.count_nonzero((data >= first) & (data <= last))) - n_at_end
    return bool(n_at_end > 1 and n_at_end > _PLATEAU * max(1, n_next))


def _edge_profile(grey: FloatImage, noise: float) -> npt.NDArray[np.float64] | None:
    """Median profile across the strong edges, rising, half height in its middle."""
    d_row = ndimage.gaussian_filter(grey, _SCALE_PX, order=(1, 0))
    d_col = ndimage.gaussian_filter(grey, _SCALE_PX, order=(0, 1))
    points = _edge_points(np.hypot(d_row, d_col), noise)
    if len(points) < _MIN_EDGES:
        return None
    normals = np.stack([d_row[tuple(points.T)], d_col[tuple(points.T)]], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    # The first profiles are only there to find the half height.
    profiles = _sample(grey, points.astype(np.float64), normals, _REACH_PX)
    # Aligning noise would sharpen the median: the half height is sought on smooth profiles.
    shift = _half_height_shift(ndimage.gaussian_filter1d(profiles, _ALIGN_PX / _STEP_PX, axis=1))
    inside = np.abs(shift) <= 2 * _SCALE_PX
    if np.count_nonzero(inside) < _MIN_EDGES:
        return None
    aligned = points[inside] + shift[inside, None] * normals[inside]
    profiles = _sample(grey, aligned, normals[inside], _REACH_PX)
    profiles = profiles[_is_outer_flank(profiles)]
    if len(profiles) < _MIN_EDGES:
        return None
    heights = np.ptp(profiles, axis=1)
    highest = heights >= _HIGH_PART * np.percentile(heights, 90)
    return np.asarray(np.median(profiles[highest], axis=0))


def _is_outer_flank(profiles: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether a rising profile comes from the darker of the two sides of its peak.

    The inner flank of a bright rim rises from the feature's body and falls to the background.
    """
    smooth = ndimage.gaussian_filter1d(profiles, _ALIGN_PX / _STEP_PX, axis=1)
    middle = profiles.shape[1] // 2
    excess = smooth[:, :middle].min(axis=1) - smooth[:, middle:].min(axis=1)
    # Beyond a narrow feature the next space begins, as dark as the one before it.
    return np.asarray(excess <= _SAME_DARKNESS * np.ptp(smooth, axis=1))


def _edge_points(gradient: FloatImage, noise: float) -> npt.NDArray[np.intp]:
    """(N, 2) rows and columns where the gradient is strong and largest among its neighbours."""
    margin = int(np.ceil(_REACH_PX)) + _TANGENT_PX
    inner = gradient[margin:-margin, margin:-margin]
    if inner.size == 0:
        return np.empty((0, 2), dtype=np.intp)
    strong = _STRONG_PART * float(np.percentile(inner, 99.5))
    floor = _GRADIENT_SIGMAS * _GRADIENT_NOISE * noise
    largest = ndimage.maximum_filter(gradient, size=5)[margin:-margin, margin:-margin]
    is_edge = (inner == largest) & (inner > max(floor, strong)) & (inner > 0)
    points = np.argwhere(is_edge) + margin
    return points[:: max(1, -(-len(points) // _MAX_EDGES))]


def _sample(
    grey: FloatImage,
    points: npt.NDArray[np.float64],
    normals: npt.NDArray[np.float32],
    reach_px: float,
) -> npt.NDArray[np.float64]:
    """(N, K) profiles along the normals, averaged over a few px along the edge."""
    along = np.arange(-reach_px, reach_px + _STEP_PX / 2, _STEP_PX)
    total = np.zeros((len(points), len(along)))
    tangents = np.stack([-normals[:, 1], normals[:, 0]], axis=-1)
    for offset in range(-_TANGENT_PX, _TANGENT_PX + 1):
        start = points + offset * tangents
        rows = start[:, :1] + along * normals[:, :1]
        cols = start[:, 1:] + along * normals[:, 1:]
        total += cv2.remap(
            grey,
            cols.astype(np.float32),
            rows.astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
    return total / (2 * _TANGENT_PX + 1)


def _half_height_shift(profiles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where each profile crosses half of its height nearest to its middle, in px."""
    middle = profiles.shape[1] // 2
    low = profiles[:, : middle + 1].min(axis=1, keepdims=True)
    high = profiles[:, middle:].max(axis=1, keepdims=True)
    above = profiles - (low + high) / 2
    rises = (above[:, :-1] < 0) & (above[:, 1:] >= 0)
    distance = np.where(rises, np.abs(np.arange(rises.shape[1]) + 0.5 - middle), np.inf)
    nearest = distance.argmin(axis=1)
    rows = np.arange(len(profiles))
    before, after = above[rows, nearest], above[rows, nearest + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = nearest + before / (before - after)
    shift = (crossing - middle) * _STEP_PX
    return np.asarray(np.where(rises.any(axis=1), shift, np.inf))


def _height_and_blur(profile: npt.NDArray[np.float64]) -> tuple[float, float]:
    middle = len(profile) // 2
    low = float(profile[: middle + 1].min())
    high = float(profile[middle:].max())
    height = high - low
    rises = np.flatnonzero(profile >= low + 0.75 * height)
    upper = _crossing(profile, int(rises[rises >= middle][0]), low + 0.75 * height)
    falls = np.flatnonzero(profile <= low + 0.25 * height)
    lower = _crossing(profile, int(falls[falls <= middle][-1]) + 1, low + 0.25 * height)
    return height, (upper - lower) * _STEP_PX / _QUARTERS_PER_SIGMA


def _crossing(profile: npt.NDArray[np.float64], index: int, level: float) -> float:
    """Fractional index between `index - 1` and `index` at which the profile has `level`."""
    before, after = float(profile[index - 1]), float(profile[index])
    return float(index) if after == before else index - 1 + (level - before) / (after - before)
