"""Hitachi SEM: `PixelSize=` in nm, in a sidecar `.txt` or in the TIFF's XPComment."""

from __future__ import annotations

import re
from typing import Any

from segsem.imaging.vendor.record import (
    VendorRecord,
    fit_to_stored,
    parse_ini,
    square,
    to_count,
    to_float,
)

TAG = 40092

_KEPT = {
    "InstructName": "instrument",
    "SerialNumber": "serial_number",
    "SignalName": "detector",
    "AcceleratingVoltage": "landing_energy",
    "Magnification": "magnification",
    "WorkingDistance": "working_distance",
    "Condition": "condition",
}

# A note or a CSV beside the image may have one of these keys, but not two.
_MARKS = {"PixelSize", "DataSize", "SignalName", "MicronMarker", "InstructName", "ScanSpeed"}


def parse_hitachi(text: str, stored_shape: tuple[int, int], origin: str) -> VendorRecord | None:
    """Read the pixel size of a Hitachi image.

    Parameters
    ----------
    text : str
        The sidecar, whose first line `[SemImageFile]` may be missing, or the XPComment.
    stored_shape : (int, int)
        (H, W) of the file: with another `DataSize` the file is a resized copy.
    origin : str
        `vendor tag Hitachi 40092` or `sidecar NAME`, for the source.

    Returns
    -------
    VendorRecord or None
        None where the text is not Hitachi's.
    """
    sections = parse_ini(text)
    keys = sections.get("SemImageFile") or sections[""]
    if len(_MARKS & keys.keys()) < 2:
        return None
    source = f"{origin} PixelSize"
    size, warnings = square(to_float(keys.get("PixelSize")), source)
    size, resized = fit_to_stored(size, _data_shape(keys.get("DataSize")), stored_shape, source)
    return VendorRecord(source, size, None, _kept(keys), warnings + resized)


def xp_comment(tag: object) -> str:
    """Text of an XPComment, which Windows stores as UTF-16 bytes."""
    if isinstance(tag, str):
        return tag
    if isinstance(tag, tuple | list):
        if not all(isinstance(value, int) and 0 <= value < 256 for value in tag):
            return ""
        tag = bytes(tag)
    return tag.decode("utf-16-le", errors="replace") if isinstance(tag, bytes) else ""


def _data_shape(text: str | None) -> tuple[int | None, int | None]:
    """(H, W) of `DataSize=WxH`."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*[xX*]\s*(\d{1,9})\s*", text or "")
    if match is None:
        return None, None
    return to_count(match.group(2)), to_count(match.group(1))


def _kept(keys: dict[str, str]) -> dict[str, Any]:
    kept: dict[str, Any] = {"vendor": "Hitachi"}
    kept.update({name: keys[key] for key, name in _KEPT.items() if keys.get(key)})
    return kept
