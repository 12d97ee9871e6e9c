"""Samples of any kind to one grey channel of uint8, uint16 or float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import InputError
from segsem.core.types import ImageArray

# Rec. 601 luma, what SEM software and Pillow use to write a coloured image as grey.
LUMA = (0.299, 0.587, 0.114)

# A grey JPEG stored as YCbCr decodes with channels up to a few levels apart.
GREY_TOLERANCE = 4


def to_grey(samples: npt.NDArray[Any]) -> tuple[ImageArray, tuple[str, ...]]:
    """Reduce (H, W) or (H, W, S) samples to one grey channel.

    Grey stored as RGB or RGBA comes out unchanged; alpha is dropped; truly coloured pixels
    become their luminance, with a warning.

    Parameters
    ----------
    samples : (H, W) or (H, W, S) array
        S = 1 grey, 2 grey and alpha, 3 RGB, 4 or more RGB with extra samples.

    Returns
    -------
    data : (H, W) array of uint8, uint16 or float32
    warnings : tuple of str

    Raises
    ------
    InputError
        If the samples are complex, not numbers, not finite, or not one image.
    """
    if samples.ndim == 3 and samples.shape[-1] in (1, 2):
        samples = samples[..., 0]
    if samples.ndim == 2:
        return to_supported_dtype(samples), ()
    if samples.ndim != 3 or samples.shape[-1] < 3:
        msg = f"holds an array of shape {samples.shape}, not one grey or RGB image"
        raise InputError(msg)
    rgb = samples[..., :3]
    if bool(np.all(rgb == rgb[..., :1])):
        return to_supported_dtype(rgb[..., 0]), ()
    return _luminance(rgb)


def _luminance(rgb: npt.NDArray[Any]) -> tuple[ImageArray, tuple[str, ...]]:
    checked = to_supported_dtype(rgb)
    spread = np.ptp(checked.astype(np.float32), axis=-1)
    luma = checked.astype(np.float64) @ np.asarray(LUMA)
    if checked.dtype.kind == "u":
        luma = np.rint(luma)
    tolerance = GREY_TOLERANCE if checked.dtype == np.uint8 else 0
    warnings: tuple[str, ...] = ()
    n_coloured = int(np.count_nonzero(spread > tolerance))
    if n_coloured:
        warnings = (f"colour image ({n_coloured} coloured pixels); its luminance is used",)
    return luma.astype(checked.dtype), warnings


def to_supported_dtype(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Bring samples to uint8, uint16 or float32 without losing grey levels.

    Parameters
    ----------
    samples : array
        1-bit becomes 0 and 255; signed and wide integers become uint16 where they fit and
        float32 where not; floats become float32.

    Returns
    -------
    array of uint8, uint16 or float32, native byte order, C-contiguous

    Raises
    ------
    InputError
        If the samples are complex, not numbers, or not finite.
    """
    if samples.dtype == np.bool_:
        return np.where(samples, np.uint8(255), np.uint8(0))
    if samples.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("="))
    if samples.dtype.kind in "iu":
        fits = samples.size == 0 or (samples.min() >= 0 and samples.max() <= 65535)
        return np.ascontiguousarray(samples, dtype=np.uint16 if fits else np.float32)
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(samples, dtype=np.float32)
        n_bad = int(values.size - np.count_nonzero(np.isfinite(values)))
        if n_bad:
            msg = (
                f"holds {n_bad} values that are NaN or infinite (of {values.size}); "
                "expected finite grey values, so replace or mask them first"
            )
            raise InputError(msg)
        return values
    msg = f"holds samples of type {samples.dtype}; expected integer or real grey values"
    raise InputError(msg)


def apply_palette(
    indices: npt.NDArray[Any], palette: npt.NDArray[np.uint16]
) -> tuple[ImageArray, tuple[str, ...]]:
    """Look grey values up in a colour map.

    Parameters
    ----------
    indices : (H, W) integer array
        Index of each pixel.
    palette : (3, N) uint16
        TIFF colour map, 16 bits a channel.

    Returns
    -------
    data : (H, W) uint8
    warnings : tuple of str

    Raises
    ------
    InputError
        If an index lies outside the colour map.
    """
    # Some writers store 8-bit values in the 16-bit map.
    table = (palette >> 8 if palette.max(initial=0) > 255 else palette).astype(np.uint8).T
    if indices.size and int(indices.max()) >= len(table):
        msg = f"has palette index {int(indices.max())}, but its palette has {len(table)} colours"
        raise InputError(msg)
    return to_grey(table[indices])
