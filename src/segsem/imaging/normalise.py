"""The 0-255 grey scale that SAM2 sees and that edges are measured on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatImage, ImageArray
from segsem.imaging.image import SEMImage

LOW_PERCENTILE = 0.1
HIGH_PERCENTILE = 99.9
"""Tails left out of the stretch: a few dead, hot or charged pixels must not set the contrast."""

_GREY_MAX = 255.0
_CHUNK_ROWS = 512


def grey_limits(image: SEMImage) -> tuple[float, float]:
    """Grey values of the file that become 0 and 255.

    They are percentiles of the valid rows only: text of a data bar would set them otherwise.
    They depend on nothing but the file's values, so never on a viewer's contrast.

    Parameters
    ----------
    image : SEMImage

    Returns
    -------
    low, high : float
        In the file's own units; equal for a constant image.
    """
    data = image.valid_data
    low, high = _percentiles(data, (LOW_PERCENTILE, HIGH_PERCENTILE))
    if high <= low:
        # Features smaller than the tails on a noise-free background.
        return float(data.min()), float(data.max())
    return low, high


def normalise(image: SEMImage) -> npt.NDArray[np.uint8]:
    """Stretch an image to uint8.

    Parameters
    ----------
    image : SEMImage

    Returns
    -------
    (H, W) uint8
        The whole image, data bar included; values beyond the limits are clipped. All zero for
        a constant image.
    """
    low, high = grey_limits(image)
    if high <= low:
        return np.zeros(image.shape, dtype=np.uint8)
    if image.data.dtype.kind == "u":
        levels = np.arange(np.iinfo(image.data.dtype).max + 1, dtype=np.float64)
        return np.asarray(_to_uint8(levels, low, high)[image.data])
    stretched = np.empty(image.shape, dtype=np.uint8)
    for start in range(0, image.shape[0], _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        stretched[rows] = _to_uint8(image.data[rows].astype(np.float64), low, high)
    return stretched


def normalise_float(image: SEMImage) -> FloatImage:
    """Stretch an image to the scale of `normalise`, neither rounded nor clipped.

    Edges are placed on it: 16-bit and float images keep their precision, and a rim brighter
    than the upper limit keeps its height.

    Parameters
    ----------
    image : SEMImage

    Returns
    -------
    (H, W) float32
        0 and 255 at `grey_limits`, beyond them where the image is. All zero for a constant
        image.
    """
    return stretched(image.data, *grey_limits(image))


def stretched(data: ImageArray, low: float, high: float) -> FloatImage:
    """Stretch a part of an image as `normalise_float` stretches the whole.

    Parameters
    ----------
    data : (h, w) array
        Grey values of the file.
    low, high : float
        What becomes 0 and 255: the whole image's `grey_limits`.

    Returns
    -------
    (h, w) float32
        All zero where the limits are equal.
    """
    if high <= low:
        return np.zeros(data.shape, dtype=np.float32)
    values: FloatImage = data.astype(np.float32)
    values -= np.float32(low)
    values *= np.float32(_GREY_MAX / (high - low))
    return values


def _to_uint8(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.uint8]:
    scaled = (values - low) * (_GREY_MAX / (high - low))
    return np.asarray(np.rint(np.clip(scaled, 0.0, _GREY_MAX)), dtype=np.uint8)


def _percentiles(data: ImageArray, percents: tuple[float, float]) -> tuple[float, float]:
    if data.dtype.kind != "u":
        low, high = np.percentile(data, percents)
        return float(low), float(high)
    # Counting levels is exact and, unlike sorting, takes no copy of a large image.
    counts = np.zeros(np.iinfo(data.dtype).max + 1, dtype=np.int64)
    for start in range(0, len(data), _CHUNK_ROWS):
        chunk = data[start : start + _CHUNK_ROWS]
        counts += np.bincount(chunk.ravel(), minlength=len(counts))
    cumulated = np.cumsum(counts)
    ranks = np.asarray(percents) / 100.0 * (data.size - 1)
    low, high = np.searchsorted(cumulated, ranks, side="right")
    return float(low), float(high)
