"""`read_image`: any SEM image file to a `SEMImage`."""

from __future__ import annotations

import hashlib
from io import BufferedReader
from pathlib import Path

from segsem.core.exceptions import InputError
from segsem.core.types import PixelSize
from segsem.imaging import raster, tiff
from segsem.imaging.decoded import Decoded, one_line
from segsem.imaging.image import SEMImage

MAX_PIXELS = 178_956_970
"""Pillow's own guard against decompression bombs: about 13,000 x 13,000 px."""


def read_image(
    path: Path | str,
    *,
    pixel_size_nm: PixelSize | float | None = None,
    max_pixels: int = MAX_PIXELS,
    page: int = 0,
) -> SEMImage:
    """Read a PNG, TIFF, JPEG or BMP file."""
    path = Path(path)
    try:
        with _open(path) as file:
            decoded = _decode(file, page, max_pixels)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except InputError as error:
        msg = f"{path} {error}"
        raise InputError(msg) from error
    size = (
        (pixel_size_nm, pixel_size_nm) if isinstance(pixel_size_nm, int | float) else pixel_size_nm
    )
    return SEMImage(
        data=decoded.data,
        name=path.stem,
        path=path,
        sha256=sha256,
        pixel_size_nm=size,
        pixel_size_source=None if size is None else "user",
        warnings=decoded.warnings,
    )


def _open(path: Path) -> BufferedReader:
    if path.is_dir():
        msg = "is a folder; expected an image file"
        raise InputError(msg)
    try:
        if not path.exists():
            msg = "does not exist; check the name"
            raise InputError(msg)
        if not path.is_file():
            msg = "is not a regular file; expected an image file"
            raise InputError(msg)
        return path.open("rb")
    except (OSError, ValueError) as error:
        msg = f"cannot be opened: {one_line(error)}"
        raise InputError(msg) from error


def _decode(file: BufferedReader, page: int, max_pixels: int) -> Decoded:
    head = file.read(16)
    file.seek(0)
    if not head:
        msg = "is empty (0 bytes); copy it again from the tool"
        raise InputError(msg)
    if head.startswith(tiff.SIGNATURES):
        return tiff.decode_tiff(file, page, max_pixels)
    if head.startswith(raster.SIGNATURES):
        return raster.decode_raster(file, max_pixels, frame=page)
    msg = "is not a PNG, TIFF, JPEG or BMP image, whatever its name says"
    raise InputError(msg)
