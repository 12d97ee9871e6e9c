"""PNG, JPEG and BMP files, and the TIFF compressions that need libtiff, through Pillow."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from segsem.core.exceptions import InputError
from segsem.imaging.decoded import DECODER_ERRORS, Decoded, check_size, one_line, quiet_decoders
from segsem.imaging.grey import to_grey

SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")
FORMATS = ("PNG", "JPEG", "BMP")

_PNG_DEPTH_BYTE = 24
_PNG_COLOUR_BYTE = 25
_EXIF_ORIENTATION = 0x0112
_guard = threading.Lock()
_stderr_lock = threading.Lock()


def decode_raster(
    file: BinaryIO, max_pixels: int, *, formats: tuple[str, ...] = FORMATS, frame: int = 0
) -> Decoded:
    """Decode a file to grey with Pillow.

    Parameters
    ----------
    file : binary file
        Open and seekable.
    max_pixels : int
        Largest number of pixels, checked in the header.
    formats : tuple of str
        Pillow's names of the formats to try.
    frame : int
        Which image of the file, counted from 0.

    Returns
    -------
    Decoded

    Raises
    ------
    InputError
        If the file is damaged, truncated or too large; the message does not name the file.
    """
    try:
        with quiet_decoders():
            return _decode(file, max_pixels, formats, frame)
    except InputError:
        raise
    except DECODER_ERRORS as error:
        msg = f"is a truncated or damaged image ({one_line(error)}); copy it again from the tool"
        raise InputError(msg) from error


def _decode(file: BinaryIO, max_pixels: int, formats: tuple[str, ...], frame: int) -> Decoded:
    notes: list[str] = []
    with _open(file, formats) as image:
        n_frames = int(getattr(image, "n_frames", 1))
        if not 0 <= frame < n_frames:
            msg = f"has {n_frames} image(s), but image {frame} was asked for (counted from 0)"
            raise InputError(msg)
        check_size(image.height, image.width, max_pixels)
        is_png = image.format == "PNG"
        if is_png:
            # Only verify() compares the checksums; it leaves the image unusable.
            image.verify()
    with _open(file, formats) as image:
        if n_frames > 1:
            image.seek(frame)
        if image.format != "TIFF":
            notes += _notes(image, n_frames, frame)
        with _silent_libtiff(image.format == "TIFF"):
            samples = _samples(image)
    if is_png and _is_deep_colour_png(file):
        samples = _decode_deep_colour_png(file)
    data, warnings = to_grey(samples)
    return Decoded(data, {}, (*warnings, *notes))


@contextmanager
def _open(file: BinaryIO, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """Open with Pillow's own size guard lifted: `check_size` is ours, and may be raised."""
    file.seek(0)
    with _guard:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            image = Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    yield image


@contextmanager
def _silent_libtiff(is_tiff: bool) -> Iterator[None]:
    """Keep off the terminal what libtiff itself prints about a damaged file.

    It writes to the process's stderr from C, where no Python stream can catch it.
    """
    if not is_tiff or not _has_stderr():
        yield
        return
    with _stderr_lock, Path(os.devnull).open("wb") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _has_stderr() -> bool:
    """Whether the process has one: programs without a console may not."""
    try:
        os.fstat(2)
    except OSError:
        return False
    return True


def _notes(image: Image.Image, n_frames: int, frame: int) -> list[str]:
    notes = []
    if n_frames > 1:
        notes.append(f"the file holds {n_frames} images; image {frame + 1} is used")
    orientation = image.getexif().get(_EXIF_ORIENTATION)
    if orientation not in (None, 0, 1):
        # A camera turns pictures, an SEM does not: rows stay what the scan wrote.
        notes.append(f"EXIF orientation {orientation} is not applied: rows stay as stored")
    return notes


def _samples(image: Image.Image) -> npt.NDArray[Any]:
    """(H, W) or (H, W, S) samples, palettes and colour spaces resolved to RGB."""
    if image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    image.load()
    return np.asarray(image)


def _is_deep_colour_png(file: BinaryIO) -> bool:
    file.seek(0)
    header = file.read(_PNG_COLOUR_BYTE + 1)
    return header[_PNG_DEPTH_BYTE] == 16 and header[_PNG_COLOUR_BYTE] != 0


def _decode_deep_colour_png(file: BinaryIO) -> npt.NDArray[np.uint16]:
    """Decode with OpenCV, since Pillow cuts 16-bit colour down to 8 bits."""
    import cv2

    file.seek(0)
    encoded = np.frombuffer(file.read(), dtype=np.uint8)
    samples = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if samples is None:
        msg = "is a damaged 16-bit colour PNG; copy it again from the tool"
        raise InputError(msg)
    if samples.ndim == 3 and samples.shape[-1] >= 3:
        samples = samples[..., 2::-1]
    return np.asarray(samples)
