"""JEOL SEM: sidecar `.txt` of `$KEY value` lines; the scale bar gives the pixel size."""

from __future__ import annotations

import re
from typing import Any

from segsem.imaging.vendor.record import (
    VendorRecord,
    fit_to_stored,
    quantity_nm,
    square,
    to_count,
    to_float,
)

_LINE = re.compile(r"^\${1,2}([A-Z0-9_%]+)[ \t]*(.*?)\s*$", re.MULTILINE)

_KEPT = {
    "CM_INSTRUMENT": "instrument",
    "CM_SIGNAL_NAME": "detector",
    "CM_ACCEL_VOLT": "landing_energy_kv",
    "CM_MAG": "magnification",
    "SM_WD": "working_distance_mm",
}


def parse_jeol(text: str, stored_shape: tuple[int, int], origin: str) -> VendorRecord | None:
    """Read the pixel size of a JEOL image.

    A `CM_PIXEL_SIZE` with a unit stands; otherwise the scale bar, `SM_MICRON_MARKER` (a length)
    over `SM_MICRON_BAR` (whole pixels, so good to about half a pixel of its length).
    `CM_FULL_SIZE` is the scan: rows stored below it are the data bar.

    Parameters
    ----------
    text : str
        The sidecar.
    stored_shape : (int, int)
        (H, W) of the file.
    origin : str
        `sidecar NAME`, for the source.

    Returns
    -------
    VendorRecord or None
        None where the text is not JEOL's.
    """
    keys: dict[str, str] = {}
    for match in _LINE.finditer(text):
        keys.setdefault(match.group(1), match.group(2))
    if not any(key.startswith(("CM_", "SM_")) for key in keys):
        return None
    source, length_nm = _pixel_length(keys, origin)
    size, warnings = square(length_nm, source)
    scan_shape = _full_shape(keys)
    size, resized = fit_to_stored(size, scan_shape, stored_shape, source)
    scan_h = scan_shape[0] if scan_shape[1] == stored_shape[1] else None
    if scan_h is not None and scan_h >= stored_shape[0]:
        # The bar may as well be burnt into the picture: let the pixels decide.
        scan_h = None
    return VendorRecord(source, size, scan_h, _kept(keys), warnings + resized)


def _pixel_length(keys: dict[str, str], origin: str) -> tuple[str, float | None]:
    stated = quantity_nm(keys.get("CM_PIXEL_SIZE", ""))
    if stated is not None:
        return f"{origin} CM_PIXEL_SIZE", stated
    bar_px = to_float(keys.get("SM_MICRON_BAR"))
    marker_nm = quantity_nm(keys.get("SM_MICRON_MARKER", ""))
    if bar_px is None or bar_px <= 0 or marker_nm is None:
        return f"{origin} without a pixel size", None
    return f"{origin} SM_MICRON_MARKER / SM_MICRON_BAR", marker_nm / bar_px


def _full_shape(keys: dict[str, str]) -> tuple[int | None, int | None]:
    """(H, W) of `CM_FULL_SIZE W H`."""
    sides = keys.get("CM_FULL_SIZE", "").split()
    if len(sides) != 2:
        return None, None
    return to_count(sides[1]), to_count(sides[0])


def _kept(keys: dict[str, str]) -> dict[str, Any]:
    kept: dict[str, Any] = {"vendor": "JEOL"}
    kept.update({name: keys[key] for key, name in _KEPT.items() if keys.get(key)})
    return kept
