"""What the decoders hand to the reader, and what they share."""

from __future__ import annotations

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from segsem.core.exceptions import InputError
from segsem.core.types import ImageArray

DECODER_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    SyntaxError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow and tifffile raise on damaged files: bad headers reach them as any of these."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded grey image.

    Attributes
    ----------
    data : (H, W) array
        Grey values: uint8, uint16 or float32.
    tags : dict
        TIFF tags by code, where a vendor hides its metadata.
    warnings : tuple of str
        What the decoder wants the user to know.
    """

    data: ImageArray
    tags: dict[int, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep what Pillow and tifffile warn and log about a file off the user's terminal.

    They report vendor tags that they do not know on every SEM image; what matters to the user
    becomes a warning of the `SEMImage` or an `InputError`.
    """
    thread = threading.get_ident()

    def is_foreign(record: logging.LogRecord) -> bool:
        return record.thread != thread

    loggers = [logging.getLogger(name) for name in ("tifffile", "PIL.TiffImagePlugin")]
    for logger in loggers:
        logger.addFilter(is_foreign)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_foreign)


def check_size(height: int, width: int, max_pixels: int) -> None:
    """Refuse images that are too large or too small to work on, before they are decoded.

    Parameters
    ----------
    height, width : int
        As the header says, in px.
    max_pixels : int
        Largest number of pixels.

    Raises
    ------
    InputError
        If the image is above `max_pixels` or below `MIN_SIDE_PX` on a side.
    """
    if height * width > max_pixels:
        msg = (
            f"has {width} x {height} px, above the limit of {max_pixels} pixels; "
            f"if it is a genuine image, allow it with --max-pixels {height * width}"
        )
        raise InputError(msg)
    if min(height, width) < MIN_SIDE_PX:
        msg = f"has only {width} x {height} px; an image needs at least {MIN_SIDE_PX} px a side"
        raise InputError(msg)


def one_line(error: BaseException) -> str:
    """Return the message of a decoder's error as one line of at most 160 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."


MIN_SIDE_PX = 16
