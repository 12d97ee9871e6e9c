"""TIFF files: tifffile decodes what it can by itself, Pillow's libtiff the other compressions."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile

from segsem.core.exceptions import InputError
from segsem.core.types import ImageArray
from segsem.imaging.decoded import DECODER_ERRORS, Decoded, check_size, one_line, quiet_decoders
from segsem.imaging.grey import apply_palette, to_grey
from segsem.imaging.raster import decode_raster

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

VENDOR_TAGS = (34118, 34680, 34681, 34682, 40092, 50431)
"""Zeiss, FEI (S-FEG, S-FEG, Helios), XPComment (Hitachi), TESCAN."""

# Without the optional imagecodecs, tifffile decodes only these.
_NATIVE_COMPRESSIONS = {1, 8, 32946}
_ORIENTATION = 274


def decode_tiff(file: BinaryIO, page: int, max_pixels: int) -> Decoded:
    """Decode one page of a TIFF file to grey.

    Parameters
    ----------
    file : binary file
        Open and seekable.
    page : int
        Counted from 0.
    max_pixels : int
        Largest number of pixels, checked in the header.

    Returns
    -------
    Decoded

    Raises
    ------
    InputError
        If the file is damaged, truncated, too large or of an unsupported kind; the message
        does not name the file.
    """
    try:
        with quiet_decoders(), tifffile.TiffFile(file) as tiff:
            return _decode_page(tiff, file, page, max_pixels)
    except InputError:
        raise
    except DECODER_ERRORS as error:
        msg = f"is a damaged TIFF ({one_line(error)}); copy it again from the tool"
        raise InputError(msg) from error


def _decode_page(tiff: tifffile.TiffFile, file: BinaryIO, page: int, max_pixels: int) -> Decoded:
    n_pages = len(tiff.pages)
    if not 0 <= page < n_pages:
        msg = f"has {n_pages} page(s), but page {page} was asked for (counted from 0)"
        raise InputError(msg)
    first = tiff.pages[page].aspage()
    check_size(first.imagelength, first.imagewidth, max_pixels)
    _check_kind(first)
    _check_complete(first, tiff.filehandle.size)
    if int(first.compression) in _NATIVE_COMPRESSIONS:
        data, warnings = _to_grey(first, first.asarray())
    else:
        data, warnings = _decode_compressed(first, file, page, max_pixels)
    if data.shape != (first.imagelength, first.imagewidth):
        msg = f"decodes to {data.shape}, not to the {first.shape} that its header says"
        raise InputError(msg)
    notes = list(warnings)
    if n_pages > 1:
        notes.append(f"multipage TIFF: page {page + 1} of {n_pages} is used")
    orientation = _tag(first, _ORIENTATION)
    if orientation not in (None, 1):
        # Vendor metadata, data bar and scan directions refer to the stored rows and columns.
        notes.append(f"TIFF orientation {orientation} is not applied: rows stay as stored")
    tags = {code: _tag(first, code) for code in VENDOR_TAGS if code in first.tags}
    return Decoded(data, tags, tuple(notes))


def _tag(page: tifffile.TiffPage, code: int) -> Any:
    """Value of a tag; None where it is missing or cannot be parsed."""
    try:
        return page.tags[code].value
    except DECODER_ERRORS:
        return None


def _check_kind(page: tifffile.TiffPage) -> None:
    if page.dtype is None or page.dtype.kind not in "biuf":
        kind = "unknown" if page.dtype is None else str(page.dtype)
        msg = f"holds samples of type {kind}; expected integer or real grey values"
        raise InputError(msg)
    if page.imagedepth != 1:
        msg = f"holds a volume of {page.imagedepth} planes; expected one image"
        raise InputError(msg)


def _check_complete(page: tifffile.TiffPage, file_size: int) -> None:
    """Refuse missing strips and tiles, which tifffile would fill with zeros."""
    n_expected = int(np.prod(page.chunked))
    n_present = min(len(page.dataoffsets), len(page.databytecounts))
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))[:n_expected]
    missing = sum(offset <= 0 or count <= 0 for offset, count in segments)
    missing += max(0, n_expected - n_present)
    cut = sum(offset + count > file_size for offset, count in segments)
    if missing or cut:
        msg = (
            f"is truncated: {missing + cut} of its {n_expected} strips or tiles are missing "
            "or end after the file; copy it again from the tool"
        )
        raise InputError(msg)


def _to_grey(
    page: tifffile.TiffPage, samples: npt.NDArray[Any]
) -> tuple[ImageArray, tuple[str, ...]]:
    if page.axes == "SYX":
        samples = np.moveaxis(samples, 0, -1)
    photometric = int(page.photometric)
    if photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        return apply_palette(samples, np.asarray(page.colormap, dtype=np.uint16))
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        return to_grey(_inverted(samples, page.bitspersample))
    return to_grey(samples)


def _inverted(samples: npt.NDArray[Any], bits: int) -> npt.NDArray[Any]:
    if samples.dtype == np.bool_:
        return ~samples
    if samples.dtype.kind == "u":
        return np.asarray(samples.dtype.type(2**bits - 1) - samples)
    return -samples


def _decode_compressed(
    page: tifffile.TiffPage, file: BinaryIO, index: int, max_pixels: int
) -> tuple[ImageArray, tuple[str, ...]]:
    """Decode through libtiff; fall back to tifffile, which may have imagecodecs beside it."""
    # libtiff by way of Pillow would cut 16-bit colour down to 8 bits.
    deep_colour = page.samplesperpixel > 1 and page.dtype is not None and page.dtype.itemsize > 1
    if not deep_colour:
        try:
            decoded = decode_raster(file, max_pixels, formats=("TIFF",), frame=index)
        except InputError:
            pass
        else:
            return decoded.data, decoded.warnings
    try:
        return _to_grey(page, page.asarray())
    except DECODER_ERRORS as error:
        msg = (
            f"cannot be decoded (compression {page.compression.name}, {page.dtype}: "
            f"{one_line(error)}); copy it again or save it uncompressed"
        )
        raise InputError(msg) from error
