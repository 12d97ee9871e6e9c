"""One grey scale for all images: 0 to 255 from the sample's own grey values.

The stretch is read from the rows above the data bar, so that the bar's black and white do not
set it, and it never depends on a viewer's contrast.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatImage
from segsem.imaging.image import SEMImage

LOW_PERCENTILE, HIGH_PERCENTILE = 0.1, 99.9
"""A few dead or saturated pixels must not set the scale."""

HEADROOM = 64.0
"""Grey levels beyond 0-255 that are kept: clipping a bright rim would move its edge."""


def normalise_float(image: SEMImage) -> FloatImage:
    """Stretch the sample's grey values to 0-255 without rounding.

    Parameters
    ----------
    image : SEMImage
        Any dtype; 16-bit and float images keep their precision.

    Returns
    -------
    (H, W) float32
        0 and 255 at the 0.1th and 99.9th percentile of the rows above the data bar, within
        [-64, 319]; all 0 where the image has one grey value only.
    """
    low, high = np.percentile(image.valid_data, [LOW_PERCENTILE, HIGH_PERCENTILE])
    if not high > low:
        low, high = float(image.valid_data.min()), float(image.valid_data.max())
    if not high > low:
        return np.zeros(image.shape, dtype=np.float32)
    stretched = (image.data.astype(np.float64) - low) * (255.0 / (high - low))
    return np.asarray(np.clip(stretched, -HEADROOM, 255.0 + HEADROOM), dtype=np.float32)


def normalise(image: SEMImage) -> npt.NDArray[np.uint8]:
    """Stretch the sample's grey values to uint8, for SAM2 and for display.

    Returns
    -------
    (H, W) uint8
        `normalise_float`, rounded and clipped.
    """
    return np.clip(np.rint(normalise_float(image)), 0, 255).astype(np.uint8)
