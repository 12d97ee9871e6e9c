"""`labels.tif` and `confidence.tif`: regions and confidence as images of the stored size."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.core.files import atomic_path
from segsem.core.types import FloatImage, LabelArray

_DAMAGED = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""tifffile answers damaged files with many exception types."""


def write_labels(path: Path | str, extraction: Extraction) -> None:
    """Write the regions' ids as a compressed (H, W) TIFF, 0 being background.

    The smallest of uint16 and int32 that holds all ids is used.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    labels = extraction.labels()
    fits_uint16 = labels.max(initial=0) <= np.iinfo(np.uint16).max
    _write_tiff(path, labels.astype(np.uint16) if fits_uint16 else labels)


def write_confidence(path: Path | str, extraction: Extraction) -> None:
    """Write the confidence map as a compressed (H, W) float32 TIFF, NaN in the data bar.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    confidence = np.array(extraction.confidence_map, dtype=np.float32)
    top, bottom = extraction.valid_rows
    confidence[:top] = np.nan
    confidence[bottom:] = np.nan
    _write_tiff(path, confidence)


def read_labels(path: Path | str) -> LabelArray:
    """Read `labels.tif` as (H, W) int32.

    Raises
    ------
    InputError
        If the file is not a TIFF with one plane of whole numbers.
    """
    labels = _read_tiff(Path(path))
    if labels.dtype.kind not in "ui":
        msg = f"Expected whole numbers in {path}, but got {labels.dtype}"
        raise InputError(msg)
    return labels.astype(np.int32)


def read_confidence(path: Path | str) -> FloatImage:
    """Read `confidence.tif` as (H, W) float32.

    Raises
    ------
    InputError
        If the file is not a TIFF with one plane of floating-point numbers.
    """
    confidence = _read_tiff(Path(path))
    if confidence.dtype.kind != "f":
        msg = f"Expected floating-point numbers in {path}, but got {confidence.dtype}"
        raise InputError(msg)
    return confidence.astype(np.float32)


def _write_tiff(path: Path | str, array: npt.NDArray[np.generic]) -> None:
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, array, compression="zlib", metadata=None, software=False)


def _read_tiff(path: Path) -> npt.NDArray[np.generic]:
    try:
        array = np.asarray(tifffile.imread(path))
    except _DAMAGED as error:
        msg = f"Cannot read {path} as a TIFF: {error}"
        raise InputError(msg) from error
    if array.ndim != 2:
        msg = f"Expected {path} to have shape (H, W), but got {array.shape}"
        raise InputError(msg)
    return array
