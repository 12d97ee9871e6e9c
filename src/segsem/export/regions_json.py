"""`regions.json`: what was found, how sure it is, and everything that led to it.

The file's schema is the pydantic models below; `version` grows when it changes, and older
versions stay readable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from segsem.core.contour import Region, ReviewStatus, Source
from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.core.files import write_json
from segsem.core.versioned_json import read_versioned

FORMAT = "segsem-regions"
VERSION = 1
READABLE_VERSIONS = (1,)

COORDINATES_NOTE = (
    "px: x is the column, y the row and runs down, a pixel's centre is at its integer index. "
    "nm: x = (col + 0.5) * px_x, y = (H - 0.5 - row) * px_y, y runs up, origin at the image's "
    "lower-left corner, H the stored height with the data bar."
)


class _Record(BaseModel):
    # Unknown names are kept out of the way rather than refused: a later minor addition must not
    # lock older installations out of a project.
    model_config = ConfigDict(frozen=True, extra="ignore")


class ContourRecord(_Record):
    """One contour: its points stand in `contours.csv` under the same id."""

    id: int
    is_hole: bool
    closed: bool
    points: int = Field(ge=0)


class RegionRecord(_Record):
    """One region without its mask (`labels.tif`) and its points (`contours.csv`)."""

    id: int = Field(ge=1)
    source: Source
    confidence: float | None = Field(ge=0.0, le=1.0)
    fallback_reason: str | None
    needs_human: bool
    status: ReviewStatus
    area_px: int = Field(ge=0)
    area_nm2: float | None
    bbox_rc: tuple[int, int, int, int]
    evidence: dict[str, float | None]
    prompts: dict[str, Any]
    flags: tuple[str, ...] = ()
    contours: tuple[ContourRecord, ...]


class RegionsFile(_Record):
    """The whole file."""

    format: Literal["segsem-regions"]
    version: Literal[1]
    image_id: str = Field(min_length=1)
    shape_px: tuple[int, int]
    valid_rows: tuple[int, int]
    pixel_size_nm: tuple[float, float] | None
    pixel_size_source: str | None
    provenance: dict[str, Any]
    warnings: tuple[str, ...]
    regions: tuple[RegionRecord, ...]


def regions_record(extraction: Extraction) -> dict[str, Any]:
    """Build the content of `regions.json` as plain JSON values.

    Values that JSON has no word for (NaN, infinity) become null.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "image_id": extraction.image_id,
        "shape_px": [int(n) for n in extraction.shape],
        "valid_rows": [int(row) for row in extraction.valid_rows],
        "pixel_size_nm": plain_json(extraction.pixel_size_nm),
        "pixel_size_source": extraction.pixel_size_source,
        "coordinates": COORDINATES_NOTE,
        "weight_unit": "1/px²" if extraction.pixel_size_nm is None else "1/nm²",
        "provenance": plain_json(extraction.provenance),
        "warnings": list(extraction.warnings),
        "regions": [_region_record(region, extraction) for region in extraction.regions],
    }


def write_regions_json(path: Path | str, extraction: Extraction) -> None:
    """Write `regions.json`.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    write_json(path, regions_record(extraction))


def read_regions_json(path: Path | str) -> RegionsFile:
    """Read and check `regions.json`.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    RegionsFile
        Its content.

    Raises
    ------
    InputError
        If it cannot be read, is of another format or a version that this program does not
        know, or does not hold what that version holds.
    """
    path = Path(path)
    remedy = "update segsem, or extract the image again"
    record = read_versioned(path, RegionsFile, FORMAT, READABLE_VERSIONS, remedy)
    try:
        _check_consistency(record)
    except ValueError as error:
        msg = f"{path} is not a valid regions.json: {error}"
        raise InputError(msg) from error
    return record


def plain_json(value: Any) -> Any:
    """Turn numpy values, paths, enums and non-finite numbers into what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_json(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if isinstance(value, np.generic):
        return plain_json(value.item())
    if isinstance(value, Enum):
        return plain_json(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, PurePath):
        return str(value)
    msg = f"Expected plain values in the provenance, but got {type(value).__name__}: {value!r}"
    raise TypeError(msg)


def _region_record(region: Region, extraction: Extraction) -> dict[str, Any]:
    area_nm2 = None
    if extraction.pixel_size_nm is not None:
        area_nm2 = region.area_px * extraction.pixel_size_nm[0] * extraction.pixel_size_nm[1]
    return {
        "id": int(region.region_id),
        "source": region.source.value,
        "confidence": plain_json(float(region.confidence)),
        "fallback_reason": region.fallback_reason,
        "needs_human": bool(region.needs_human),
        "status": region.status.value,
        "area_px": region.area_px,
        "area_nm2": area_nm2,
        "bbox_rc": [int(v) for v in region.bbox_rc],
        "evidence": plain_json(region.evidence),
        "prompts": plain_json(region.prompts),
        "flags": list(region.flags),
        "contours": [
            {
                "id": int(contour.contour_id),
                "is_hole": bool(contour.is_hole),
                "closed": bool(contour.closed),
                "points": len(contour),
            }
            for contour in region.contours
        ],
    }


def _check_consistency(record: RegionsFile) -> None:
    height, width = record.shape_px
    top, bottom = record.valid_rows
    if height < 1 or width < 1 or not 0 <= top <= bottom <= height:
        msg = f"image of {height} x {width} px with the valid rows {top} to {bottom}"
        raise ValueError(msg)
    if record.pixel_size_nm is not None and not all(
        math.isfinite(size) and size > 0 for size in record.pixel_size_nm
    ):
        msg = f"expected a positive pixel size, but got {record.pixel_size_nm}"
        raise ValueError(msg)
    ids = [region.id for region in record.regions]
    contour_ids = [contour.id for region in record.regions for contour in region.contours]
    if len(set(ids)) != len(ids) or len(set(contour_ids)) != len(contour_ids):
        msg = "a region or contour id occurs twice"
        raise ValueError(msg)
    for region in record.regions:
        row0, col0, row1, col1 = region.bbox_rc
        if not (0 <= row0 <= row1 <= height and 0 <= col0 <= col1 <= width):
            msg = f"region {region.id} lies outside the image: {region.bbox_rc}"
            raise ValueError(msg)
