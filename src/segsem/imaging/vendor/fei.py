"""FEI and Thermo Fisher: TIFF tags 34682 (Helios, xT), 34680 and 34681 (S-FEG, xP)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segsem.core.types import PixelSize
from segsem.imaging.vendor.record import (
    VendorRecord,
    fit_to_stored,
    parse_ini,
    rectangular,
    to_count,
    to_float,
)

TAGS = (34682, 34681, 34680)

Sections = Mapping[str, Mapping[str, Any]]

_BEAMS = ("EBeam", "IBeam")
_SCANS = ("Scan", "EScan", "IScan")


def parse_fei(tag: object, code: int, stored_shape: tuple[int, int]) -> VendorRecord | None:
    """Read pixel size and scan height of an FEI or Thermo Fisher image.

    Parameters
    ----------
    tag : object
        Value of the tag: text, or sections of keys as tifffile gives them.
    code : int
        The tag's number, for the source.
    stored_shape : (int, int)
        (H, W) of the file.

    Returns
    -------
    VendorRecord or None
        None where the tag is not FEI metadata.
    """
    sections = _sections(tag)
    if not sections:
        return None
    label = f"vendor tag FEI {code}"
    scan_shape = _scan_shape(sections)
    size, detail, warnings = _pixel_size(sections, scan_shape, stored_shape, label)
    source = f"{label} {detail}"
    full_shape = _full_shape(sections, scan_shape, stored_shape)
    size, resized = fit_to_stored(size, full_shape, stored_shape, source)
    scan_h = scan_shape[0] if scan_shape[1] == stored_shape[1] else None
    return VendorRecord(source, size, scan_h, _kept(sections), warnings + resized)


def _sections(tag: object) -> Sections:
    if isinstance(tag, bytes):
        tag = tag.decode("latin-1")
    if isinstance(tag, str):
        tag = parse_ini(tag)
    if not isinstance(tag, Mapping):
        return {}
    return {str(name): keys for name, keys in tag.items() if isinstance(keys, Mapping) and keys}


def _scan_shape(sections: Sections) -> tuple[int | None, int | None]:
    image = sections.get("Image", {})
    height = to_count(image.get("ResolutionY"))
    width = to_count(image.get("ResolutionX"))
    if width is None:
        width = to_count(sections.get("DataBar", {}).get("ScanResolution"))
    return height, width


def _full_shape(
    sections: Sections, scan_shape: tuple[int | None, int | None], stored_shape: tuple[int, int]
) -> tuple[int | None, int | None]:
    """Shape of the file as saved: with the data bar where the stored shape looks like it."""
    scan_h, scan_w = scan_shape
    bar = to_count(sections.get("PrivateFei", {}).get("DatabarHeight"))
    if scan_h is None or scan_w is None or bar is None:
        return scan_shape
    aspect = stored_shape[0] / stored_shape[1]
    with_bar = abs((scan_h + bar) / scan_w - aspect)
    return (scan_h + bar if with_bar < abs(scan_h / scan_w - aspect) else scan_h), scan_w


def _pixel_size(
    sections: Sections,
    scan_shape: tuple[int | None, int | None],
    stored_shape: tuple[int, int],
    label: str,
) -> tuple[PixelSize | None, str, tuple[str, ...]]:
    """Size of a scanned pixel, where it was found, and warnings."""
    warnings: tuple[str, ...] = ()
    for name, y_m, x_m in _candidates(sections, scan_shape, stored_shape):
        size, doubts = rectangular(y_m * 1e9, x_m * 1e9, f"{label} {name}")
        warnings += doubts
        if size is not None:
            return size, name, warnings
    return None, "without a pixel size", warnings


def _candidates(
    sections: Sections,
    scan_shape: tuple[int | None, int | None],
    stored_shape: tuple[int, int],
) -> list[tuple[str, float, float]]:
    """(name, y, x) sizes in m, the best first."""
    found: list[tuple[str, float, float]] = []
    scan_h, scan_w = scan_shape
    for name in _named_first(sections, "Scan", _SCANS):
        scan = sections.get(name, {})
        x_m, y_m = to_float(scan.get("PixelWidth")), to_float(scan.get("PixelHeight"))
        if x_m is not None:
            found.append((f"{name} PixelWidth", x_m if y_m is None else y_m, x_m))
    for name in _named_first(sections, "Beam", _BEAMS):
        beam = sections.get(name, {})
        hfw, vfw = to_float(beam.get("HFW")), to_float(beam.get("VFW"))
        if hfw is not None:
            x_m = hfw / (scan_w or stored_shape[1])
            y_m = x_m if vfw is None or scan_h is None else vfw / scan_h
            found.append((f"{name} HFW", y_m, x_m))
    hfw_um = to_float(sections.get("DataBar", {}).get("HFW"))
    if hfw_um is not None:
        x_m = hfw_um * 1e-6 / (scan_w or stored_shape[1])
        found.append(("HFW", x_m, x_m))
    return found


def _named_first(sections: Sections, key: str, names: tuple[str, ...]) -> list[str]:
    """`names` with the one that the image itself names (`[Beam] Scan=EScan`) in front."""
    named = str(sections.get("Beam", {}).get(key, ""))
    general = [name for name in names if name == "Scan"]
    rest = [name for name in names if name not in (named, "Scan")]
    # An ion-beam image also lists the electron beam: only fall back to it if none is named.
    return [*general, named] if named else [*general, *rest]


def _kept(sections: Sections) -> dict[str, Any]:
    wanted = (
        ("landing_energy_v", "Beam", "HV"),
        ("landing_energy_v", "DataBar", "EBeamHV"),
        ("detector", "Detectors", "Name"),
        ("detector", "DataBar", "Detector"),
        ("dwell_s", "Scan", "Dwelltime"),
        ("instrument", "System", "SystemType"),
        ("scan_rotation", "Beam", "ScanRotation"),
    )
    kept: dict[str, Any] = {"vendor": "FEI"}
    for name, section, key in wanted:
        value = sections.get(section, {}).get(key)
        if value not in (None, ""):
            kept.setdefault(name, str(value))
    return kept
