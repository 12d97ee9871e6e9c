"""`labels.tif` and `confidence.tif`: regions and confidence as images of the stored size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.core.types import FloatImage, LabelArray
from segsem.imaging.plane_tiff import read_plane, write_plane


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
    write_plane(path, labels.astype(np.uint16) if fits_uint16 else labels)


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
    write_plane(path, confidence)


def read_labels(path: Path | str) -> LabelArray:
    """Read `labels.tif` as (H, W) int32.

    Raises
    ------
    InputError
        If the file is not a TIFF with one plane of whole numbers.
    """
    labels = read_plane(path)
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
    confidence = read_plane(path)
    if confidence.dtype.kind != "f":
        msg = f"Expected floating-point numbers in {path}, but got {confidence.dtype}"
        raise InputError(msg)
    return confidence.astype(np.float32)
