"""Which pixel size stands: manifest > vendor tag > sidecar > user, else unknown.

A TIFF's XResolution never counts: it is the print resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segsem.core.exceptions import CalibrationError
from segsem.core.types import PixelSize
from segsem.imaging.vendor import fei, hitachi, tescan, zeiss
from segsem.imaging.vendor.record import MAX_PIXEL_SIZE_NM, VendorRecord, is_plausible

DISAGREEMENT = 0.005
"""Two sources that differ by more are reported."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The pixel size that stands, and what came with it.

    Attributes
    ----------
    pixel_size_nm : (float, float) or None
        (y, x); None where no source has one.
    source : str or None
        Which source it is.
    scan_height_px : int or None
        Rows of the scan where a source says so.
    metadata : dict
        What vendor tag and sidecar say besides; the tag stands where both do.
    warnings : tuple of str
        Implausible values, resized copies, sources that disagree.
    """

    pixel_size_nm: PixelSize | None
    source: str | None
    scan_height_px: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def resolve_scale(
    manifest_nm: PixelSize | None,
    tag: VendorRecord | None,
    sidecar: VendorRecord | None,
    user_nm: PixelSize | None,
) -> Scale:
    """Choose among the sources and report those that disagree.

    A size given for a whole run (`--pixel-size`) fills gaps: it never silently rescales the one
    image of a folder that was taken at another magnification. To overrule a tool's own
    metadata, a manifest names the image.

    Parameters
    ----------
    manifest_nm, user_nm : (float, float) or None
        (y, x) in nm.
    tag, sidecar : VendorRecord or None
        What the file and its sidecar say.

    Returns
    -------
    Scale
    """
    records = [record for record in (tag, sidecar) if record is not None]
    sized = [(record.source, record.pixel_size_nm) for record in records]
    offers = [
        (source, size)
        for source, size in [("manifest", manifest_nm), *sized, ("user", user_nm)]
        if size is not None
    ]
    warnings = [warning for record in records for warning in record.warnings]
    if offers:
        warnings += [
            _disagreement(offers[0], other) for other in offers[1:] if _differ(offers[0], other)
        ]
    metadata: dict[str, Any] = {}
    for record in reversed(records):
        metadata.update(record.metadata)
    heights = [record.scan_height_px for record in records if record.scan_height_px is not None]
    source, size = offers[0] if offers else (None, None)
    return Scale(size, source, heights[0] if heights else None, metadata, tuple(warnings))


def tag_record(tags: Mapping[int, Any], stored_shape: tuple[int, int]) -> VendorRecord | None:
    """Parse the first vendor tag of a TIFF that is one.

    Parameters
    ----------
    tags : mapping of int to value
        TIFF tags by code.
    stored_shape : (int, int)
        (H, W) of the file.

    Returns
    -------
    VendorRecord or None
        None where no tag is a vendor's.
    """
    records = [zeiss.parse_zeiss(tags.get(zeiss.TAG), stored_shape)]
    records += [fei.parse_fei(tags.get(code), code, stored_shape) for code in fei.TAGS]
    comment = hitachi.xp_comment(tags.get(hitachi.TAG))
    records.append(
        hitachi.parse_hitachi(comment, stored_shape, f"vendor tag Hitachi {hitachi.TAG}")
    )
    text = tescan.tag_text(tags.get(tescan.TAG))
    records.append(tescan.parse_tescan(text, stored_shape, f"vendor tag TESCAN {tescan.TAG}"))
    found = [record for record in records if record is not None]
    sized = [record for record in found if record.pixel_size_nm is not None]
    return next(iter(sized or found), None)


def as_pixel_size(value: tuple[float, ...] | float | None) -> PixelSize | None:
    """Check a pixel size given by a person and make it (y, x).

    Parameters
    ----------
    value : float or (float, float) or None
        In nm; one number means square pixels.

    Returns
    -------
    (float, float) or None

    Raises
    ------
    CalibrationError
        If it is not one or two positive finite numbers up to `MAX_PIXEL_SIZE_NM`.
    """
    if value is None:
        return None
    try:
        sizes = (
            tuple(float(side) for side in value)
            if isinstance(value, tuple | list)
            else (float(value),) * 2
        )
    except (TypeError, ValueError, OverflowError):
        sizes = ()
    if len(sizes) != 2 or not all(is_plausible(side) for side in sizes):
        msg = (
            f"Expected a pixel size of more than 0 and at most {MAX_PIXEL_SIZE_NM:g} nm, "
            f"as one number or (y, x), but got {value!r}"
        )
        raise CalibrationError(msg)
    return sizes[0], sizes[1]


def _differ(one: tuple[str, PixelSize], other: tuple[str, PixelSize]) -> bool:
    return any(abs(a - b) > DISAGREEMENT * a for a, b in zip(one[1], other[1], strict=True))


def _disagreement(stands: tuple[str, PixelSize], other: tuple[str, PixelSize]) -> str:
    advice = "; to overrule the tool, give the size in a manifest" if other[0] == "user" else ""
    return (
        f"pixel size {_shown(stands[1])} from {stands[0]} stands, but {other[0]} says "
        f"{_shown(other[1])}{advice}"
    )


def _shown(size: PixelSize) -> str:
    y, x = size
    return f"{x:.5g} nm" if y == x else f"{x:.5g} x {y:.5g} nm (x, y)"
