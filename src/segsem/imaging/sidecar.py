"""Text files that SEM software writes beside an image."""

from __future__ import annotations

import codecs
from pathlib import Path

from segsem.imaging.vendor.hitachi import parse_hitachi
from segsem.imaging.vendor.jeol import parse_jeol
from segsem.imaging.vendor.record import VendorRecord
from segsem.imaging.vendor.tescan import parse_tescan

# Vendor sidecars have a few kB; a large .txt of the same name is somebody's data.
_MAX_BYTES = 262_144


def sidecar_record(image_path: Path, stored_shape: tuple[int, int]) -> VendorRecord | None:
    """Read the metadata file beside an image.

    Looked for are `<stem>.txt` and `<name>.txt` (Hitachi, JEOL), `<stem>.hdr` and
    `<stem>-<suffix>.hdr` (TESCAN), in either case of the suffix.

    Parameters
    ----------
    image_path : Path
        The image.
    stored_shape : (int, int)
        Its (H, W).

    Returns
    -------
    VendorRecord or None
        None where no such file is there or none is a vendor's.
    """
    for path in _candidates(image_path):
        text = _read_text(path)
        record = None if text is None else parse_sidecar(text, stored_shape, path.name)
        if record is not None:
            return record
    return None


def parse_sidecar(text: str, stored_shape: tuple[int, int], name: str) -> VendorRecord | None:
    """Recognise a sidecar by its contents and parse it.

    Parameters
    ----------
    text : str
        The sidecar.
    stored_shape : (int, int)
        (H, W) of the image.
    name : str
        The sidecar's file name, for the source.

    Returns
    -------
    VendorRecord or None
        None where the text is no vendor's.
    """
    origin = f"sidecar {name}"
    return (
        parse_hitachi(text, stored_shape, origin)
        or parse_jeol(text, stored_shape, origin)
        or parse_tescan(text, stored_shape, origin)
    )


def decode_text(raw: bytes) -> str:
    """Decode ASCII, UTF-8, UTF-16 with or without a byte-order mark, or Latin-1."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    if raw[1:200:2].count(0) > len(raw[1:200:2]) // 2:
        return raw.decode("utf-16-le", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _candidates(image: Path) -> list[Path]:
    suffix = image.suffix.lstrip(".")
    names = [
        f"{image.stem}.txt",
        f"{image.stem}.TXT",
        f"{image.name}.txt",
        f"{image.stem}.hdr",
        f"{image.stem}.HDR",
        f"{image.stem}-{suffix}.hdr",
    ]
    return [image.with_name(name) for name in names]


def _read_text(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        return decode_text(path.read_bytes())
    except OSError:
        return None
