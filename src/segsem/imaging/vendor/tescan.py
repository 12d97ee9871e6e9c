"""TESCAN: `[MAIN] PixelSizeX` in m, in TIFF tag 50431 or in a `.hdr` sidecar."""

from __future__ import annotations

from typing import Any

from segsem.imaging.vendor.record import VendorRecord, parse_ini, rectangular, to_count, to_float

TAG = 50431

_KEPT = {
    "Device": "instrument",
    "DeviceModel": "instrument",
    "SerialNumber": "serial_number",
    "Magnification": "magnification",
}


def parse_tescan(text: str, stored_shape: tuple[int, int], origin: str) -> VendorRecord | None:
    """Read pixel size and scan height of a TESCAN image.

    Parameters
    ----------
    text : str
        The sidecar, or the tag's text after its binary preview.
    stored_shape : (int, int)
        (H, W) of the file.
    origin : str
        `vendor tag TESCAN 50431` or `sidecar NAME`, for the source.

    Returns
    -------
    VendorRecord or None
        None where the text is not TESCAN's.
    """
    sections = parse_ini(text)
    # In the tag the first section may be glued to the binary before it.
    keys = sections.get("MAIN") or {
        key: value for section in sections.values() for key, value in section.items()
    }
    x_m = to_float(keys.get("PixelSizeX"))
    if x_m is None:
        return None
    y_m = to_float(keys.get("PixelSizeY"))
    source = f"{origin} PixelSizeX"
    size, warnings = rectangular((x_m if y_m is None else y_m) * 1e9, x_m * 1e9, source)
    strip = to_count(keys.get("ImageStripSize"))
    scan_h = None if strip is None or strip >= stored_shape[0] // 2 else stored_shape[0] - strip
    kept: dict[str, Any] = {"vendor": "TESCAN"}
    for key, name in _KEPT.items():
        if keys.get(key):
            kept.setdefault(name, keys[key])
    return VendorRecord(source, size, scan_h, kept, warnings)


def tag_text(tag: object) -> str:
    """Text of tag 50431, whatever type the file gives it."""
    if isinstance(tag, str):
        return tag
    if isinstance(tag, tuple | list):
        if not all(isinstance(value, int) and 0 <= value < 256 for value in tag):
            return ""
        tag = bytes(tag)
    return tag.decode("latin-1") if isinstance(tag, bytes) else ""
