"""One plane of numbers as a compressed TIFF: labels, confidence."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from segsem.core.exceptions import InputError
from segsem.core.files import atomic_path

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


def write_plane(path: Path | str, array: npt.NDArray[np.generic], description: str = "") -> None:
    """Write a (H, W) array atomically.

    Parameters
    ----------
    path : path
        The file.
    array : (H, W) array
    description : str
        ASCII text for the tag ImageDescription.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    tags: dict[str, Any] = {"description": description} if description else {}
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary, array, compression="zlib", metadata=None, software=False, **tags
        )


def read_plane(path: Path | str) -> npt.NDArray[np.generic]:
    """Read a (H, W) array.

    Raises
    ------
    InputError
        If the file is not a TIFF with one plane.
    """
    return read_described_plane(path)[0]


def plane_shape(path: Path | str) -> tuple[int, ...]:
    """Read the shape of a TIFF's first page; nothing is decoded.

    Raises
    ------
    InputError
        If the file is not a TIFF.
    """
    try:
        with tifffile.TiffFile(path) as file:
            return tuple(int(size) for size in file.pages[0].shape)
    except _DAMAGED as error:
        msg = f"Cannot read {path} as a TIFF: {error}"
        raise InputError(msg) from error


def read_described_plane(path: Path | str) -> tuple[npt.NDArray[np.generic], str]:
    """Read a (H, W) array and its ImageDescription, empty where there is none.

    Raises
    ------
    InputError
        If the file is not a TIFF with one plane.
    """
    try:
        with tifffile.TiffFile(path) as file:
            array, description = np.asarray(file.asarray()), str(file.pages[0].description)
    except _DAMAGED as error:
        msg = f"Cannot read {path} as a TIFF: {error}"
        raise InputError(msg) from error
    if array.ndim != 2:
        msg = f"Expected {path} to have shape (H, W), but got {array.shape}"
        raise InputError(msg)
    return array, description
