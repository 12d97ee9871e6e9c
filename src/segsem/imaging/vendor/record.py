"""`VendorRecord`: what a vendor's metadata says, and the small parsers that all vendors share."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from segsem.core.types import PixelSize

NM_PER_UNIT = {
    "pm": 1e-3,
    "nm": 1.0,
    "um": 1e3,
    "µm": 1e3,
    "μm": 1e3,
    "mm": 1e6,
    "m": 1e9,
}

# Beyond these, a "pixel size" is a damaged or misread value.
MAX_PIXEL_SIZE_NM = 1e6

# Rounding of a scan size divided by a zoom.
_SCALE_TOLERANCE = 0.005

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class VendorRecord:
    """What one source of metadata says about an image.

    Attributes
    ----------
    source : str
        Named for the user, for example `vendor tag Zeiss 34118 ap_image_pixel_size`.
    pixel_size_nm : (float, float) or None
        (y, x); None where the source has none.
    scan_height_px : int or None
        Rows of the scan where the source says so: rows stored below it are the data bar.
    metadata : dict
        What is worth keeping, as plain JSON values.
    warnings : tuple of str
        What the user should know.
    """

    source: str
    pixel_size_nm: PixelSize | None = None
    scan_height_px: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def to_float(value: object) -> float | None:
    """Finite number in a value or at the start of its text; None where there is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        number = _as_float(value)
    else:
        match = _NUMBER.match(str(value).strip())
        number = _as_float(match.group()) if match else None
    return number if number is not None and math.isfinite(number) else None


def _as_float(value: str | float) -> float | None:
    try:
        return float(value)
    except (OverflowError, ValueError):
        return None


def to_count(value: object) -> int | None:
    """Positive whole number of pixels; None where there is none."""
    number = to_float(value)
    return int(number) if number is not None and 1 <= number < 2**31 else None


def quantity_nm(text: object) -> float | None:
    """Length with a unit, like `100nm` or `2.615 µm`, in nm; None where it is not one."""
    cleaned = str(text).strip()
    match = _NUMBER.match(cleaned)
    if match is None:
        return None
    scale = NM_PER_UNIT.get(cleaned[match.end() :].strip())
    number = to_float(match.group())
    return None if scale is None or number is None else number * scale


def is_plausible(size_nm: float | None) -> bool:
    """Whether a number can be a pixel size in nm."""
    return size_nm is not None and math.isfinite(size_nm) and 0 < size_nm <= MAX_PIXEL_SIZE_NM


def square(size_nm: float | None, source: str) -> tuple[PixelSize | None, tuple[str, ...]]:
    """Pixel size of square pixels, or None and a warning where it is implausible."""
    return rectangular(size_nm, size_nm, source)


def rectangular(
    size_y_nm: float | None, size_x_nm: float | None, source: str
) -> tuple[PixelSize | None, tuple[str, ...]]:
    """Pixel size (y, x) of two lengths, or None and a warning where one is implausible."""
    if size_y_nm is None or size_x_nm is None:
        return None, ()
    if is_plausible(size_y_nm) and is_plausible(size_x_nm):
        # Conversions between units leave digits that nobody measured.
        return (float(f"{size_y_nm:.12g}"), float(f"{size_x_nm:.12g}")), ()
    warning = f"{source} says {size_x_nm:g} nm/px, which cannot be; it is ignored"
    return None, (warning,)


def fit_to_stored(
    size_nm: PixelSize | None,
    scan_shape: tuple[int | None, int | None],
    stored_shape: tuple[int, int],
    source: str,
) -> tuple[PixelSize | None, tuple[str, ...]]:
    """Correct a pixel size for an image that was resized after the scan.

    Parameters
    ----------
    size_nm : (float, float) or None
        (y, x) for a pixel of the scan.
    scan_shape : (int or None, int or None)
        (H, W) of the scan, None where not known.
    stored_shape : (int, int)
        (H, W) of the file.
    source : str
        Named in the warning.

    Returns
    -------
    size_nm : (float, float) or None
        For a pixel of the file. None where the two shapes fit neither a crop of rows or
        columns, a data bar, nor a change of scale.
    warnings : tuple of str
    """
    scan_h, scan_w = scan_shape
    stored_h, stored_w = stored_shape
    if size_nm is None or scan_w is None:
        return size_nm, ()
    if scan_w == stored_w or scan_h == stored_h:
        return size_nm, ()
    ratio_x = scan_w / stored_w
    ratio_y = ratio_x if scan_h is None else scan_h / stored_h
    shapes = (
        f"{source} describes {scan_w} x {scan_h or '?'} px, the file has {stored_w} x {stored_h}"
    )
    if abs(ratio_y / ratio_x - 1) > max(_SCALE_TOLERANCE, 1 / min(stored_shape)):
        return None, (f"{shapes}: cropped or resized, so its pixel size is not used",)
    scaled = (size_nm[0] * ratio_y, size_nm[1] * ratio_x)
    return scaled, (f"{shapes}: taken as a resized copy, pixel size times {ratio_x:.4g}",)


def parse_ini(text: str) -> dict[str, dict[str, str]]:
    """Split `[section]` and `key=value` lines, tolerating anything else.

    Parameters
    ----------
    text : str
        Keys before the first section go to section `""`; of a repeated key the first stands.

    Returns
    -------
    dict of dict
        Section, key (both as written), value; all stripped.
    """
    sections: dict[str, dict[str, str]] = {}
    current = sections.setdefault("", {})
    for line in text.replace("\0", "\n").splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1].strip(), {})
        elif "=" in line:
            key, _, value = line.partition("=")
            current.setdefault(key.strip(), value.strip())
    return sections
