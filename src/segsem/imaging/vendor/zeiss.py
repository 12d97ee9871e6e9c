"""Zeiss SmartSEM: TIFF tag 34118, parsed by tifffile into (description, value, unit) tuples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from segsem.imaging.vendor.record import (
    VendorRecord,
    fit_to_stored,
    quantity_nm,
    square,
    to_count,
    to_float,
)

TAG = 34118

# SmartSEM states `ap_pixel_size` for its 1024 px wide frame store, whatever width was saved.
_FRAME_WIDTH_PX = 1024

# Values are shown with 4 digits: agreement is not better than this.
_DISAGREEMENT = 0.005

_KEPT = {
    "ap_mag": "magnification",
    "ap_wd": "working_distance",
    "ap_actualkv": "landing_energy",
    "ap_manualkv": "landing_energy",
    "dp_detector_channel": "detector",
    "sv_version": "software",
    "sv_serial_number": "instrument",
}


def parse_zeiss(tag: object, stored_shape: tuple[int, int]) -> VendorRecord | None:
    """Read the pixel size of a Zeiss image.

    `ap_image_pixel_size` is the size of a stored pixel. Where it is missing, the field of view
    `ap_width` over the stored width is; `ap_pixel_size` alone is on a 1024 px basis (5.8 nm for
    an image of 512 px means 11.65 nm).

    Parameters
    ----------
    tag : object
        Value of tag 34118 as tifffile gives it.
    stored_shape : (int, int)
        (H, W) of the file.

    Returns
    -------
    VendorRecord or None
        None where the tag is not Zeiss metadata.
    """
    if not isinstance(tag, Mapping):
        return None
    stored_w = stored_shape[1]
    width_nm = _length_nm(tag, "ap_width")
    by_width = None if width_nm is None else width_nm / stored_w
    image_nm = _sharpened(tag, _length_nm(tag, "ap_image_pixel_size"))
    frame_nm = _sharpened(tag, _length_nm(tag, "ap_pixel_size"))
    scale = _FRAME_WIDTH_PX / stored_w
    warnings: tuple[str, ...] = ()
    if image_nm is not None:
        source = f"vendor tag Zeiss {TAG} ap_image_pixel_size"
        size, warnings = square(image_nm, source)
        size, resized = fit_to_stored(size, _store_shape(tag), stored_shape, source)
        warnings += resized
    elif frame_nm is not None and (by_width is None or _agree(by_width, frame_nm * scale)):
        source = f"vendor tag Zeiss {TAG} ap_pixel_size x {_FRAME_WIDTH_PX}/{stored_w}"
        size, warnings = square(frame_nm * scale, source)
        if by_width is None and stored_w != _FRAME_WIDTH_PX:
            warnings += (f"{source} rests on that frame width alone; check the scale",)
    else:
        source = f"vendor tag Zeiss {TAG} ap_width / {stored_w} px"
        size, warnings = square(by_width, source)
    if size is not None and by_width is not None:
        warnings += _disagreement(size[1], by_width, source)
    return VendorRecord(source, size, None, _kept(tag), warnings)


def _entry(tag: Mapping[Any, Any], key: str) -> tuple[Any, ...]:
    entry = tag.get(key)
    return entry if isinstance(entry, tuple) else ()


def _length_nm(tag: Mapping[Any, Any], key: str) -> float | None:
    """Length of an entry; zero is what SmartSEM writes for "not set"."""
    entry = _entry(tag, key)
    if len(entry) < 2:
        return None
    length = quantity_nm(" ".join(str(part) for part in entry[1:3]))
    return None if length == 0 else length


def _sharpened(tag: Mapping[Any, Any], shown_nm: float | None) -> float | None:
    """Exact size in m from the unnamed block, where it agrees with the four digits shown."""
    block = tag.get("")
    if shown_nm is None or not isinstance(block, tuple) or len(block) < 4:
        return shown_nm
    exact_m = to_float(block[3])
    if exact_m is None or abs(exact_m * 1e9 - shown_nm) > 1e-3 * abs(shown_nm):
        return shown_nm
    return exact_m * 1e9


def _store_shape(tag: Mapping[Any, Any]) -> tuple[int | None, int | None]:
    """(H, W) of `Store resolution`, written as `1024 * 768`."""
    entry = _entry(tag, "dp_image_store")
    sides = re.findall(r"\d+", str(entry[1])) if len(entry) > 1 else []
    if len(sides) != 2:
        return None, None
    return to_count(sides[1]), to_count(sides[0])


def _agree(one_nm: float, other_nm: float) -> bool:
    return abs(one_nm - other_nm) <= _DISAGREEMENT * abs(other_nm)


def _disagreement(size_nm: float, by_width_nm: float, source: str) -> tuple[str, ...]:
    if _agree(by_width_nm, size_nm):
        return ()
    return (
        f"{source} gives {size_nm:.5g} nm/px, but the field of view in the same tag gives "
        f"{by_width_nm:.5g} nm/px; check the scale",
    )


def _kept(tag: Mapping[Any, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"vendor": "Zeiss"}
    for key, name in _KEPT.items():
        entry = _entry(tag, key)
        if len(entry) > 1:
            kept.setdefault(name, " ".join(str(part) for part in entry[1:3]))
    return kept
