"""`read_image`: any SEM image file to a `SEMImage`."""

from __future__ import annotations

import hashlib
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsem.core.exceptions import InputError
from segsem.core.types import PixelSize
from segsem.imaging import raster, tiff
from segsem.imaging.data_bar import find_data_bar
from segsem.imaging.decoded import Decoded, one_line
from segsem.imaging.image import SEMImage
from segsem.imaging.pixel_size import Scale, as_pixel_size, resolve_scale, tag_record
from segsem.imaging.sidecar import sidecar_record

if TYPE_CHECKING:
    from segsem.imaging.manifest import Manifest, ManifestRow

MAX_PIXELS = 178_956_970
"""Pillow's own guard against decompression bombs: about 13,000 x 13,000 px."""


def read_image(
    path: Path | str,
    *,
    pixel_size_nm: PixelSize | float | None = None,
    manifest: Manifest | None = None,
    max_pixels: int = MAX_PIXELS,
    page: int = 0,
) -> SEMImage:
    """Read a PNG, TIFF, JPEG or BMP file, its pixel size and its data bar.

    The kind is told by the file's first bytes, not by its name. Colour becomes luminance;
    orientation tags are not applied, since metadata and data bar refer to the stored rows.

    Parameters
    ----------
    path : path
        The file.
    pixel_size_nm : float or (float, float), optional
        In nm, (y, x) where not square; used where manifest, vendor tag and sidecar have none,
        compared with them where they have.
    manifest : Manifest, optional
        Its row for this file, if any, comes before all other sources.
    max_pixels : int
        Largest number of pixels, compared with the header before anything is decoded.
    page : int
        Page of a multipage file, from 0.

    Returns
    -------
    SEMImage

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, truncated, too large, too small, of an
        unsupported kind, or holds values that are not finite.
    """
    path = Path(path)
    user_nm = as_pixel_size(pixel_size_nm)
    try:
        with _open(path) as file:
            decoded = _decode(file, page, max_pixels)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except InputError as error:
        msg = f"{_shown(path)} {error}"
        raise InputError(msg) from error
    row = None if manifest is None else manifest.row_for(path)
    shape = decoded.data.shape[0], decoded.data.shape[1]
    scale = resolve_scale(
        None if row is None else row.pixel_size_nm,
        tag_record(decoded.tags, shape),
        sidecar_record(path, shape),
        user_nm,
    )
    return _assemble(path, sha256, decoded, scale, row)


def _assemble(
    path: Path, sha256: str, decoded: Decoded, scale: Scale, row: ManifestRow | None
) -> SEMImage:
    metadata: dict[str, Any] = dict(scale.metadata)
    if row is not None:
        if row.tone is not None:
            metadata["tone"] = row.tone.value
        metadata["groups"] = dict(row.groups)
    return SEMImage(
        data=decoded.data,
        name=path.stem,
        path=path,
        sha256=sha256,
        pixel_size_nm=scale.pixel_size_nm,
        pixel_size_source=scale.source,
        data_bar_row=find_data_bar(decoded.data, scale.scan_height_px),
        metadata=metadata,
        warnings=(*decoded.warnings, *scale.warnings),
    )


def _shown(path: Path) -> str:
    """Name of a file as one line that any terminal can print."""
    text = str(path).encode("utf-8", "replace").decode("utf-8")
    return " ".join(text.split()) or "''"


def _open(path: Path) -> BufferedReader:
    try:
        if path.is_dir():
            msg = "is a folder; expected an image file"
            raise InputError(msg)
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
