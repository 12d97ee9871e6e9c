"""`contours.csv`: every contour point with its evidence, the lossless result of an extraction."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import StringIO
from itertools import chain
from pathlib import Path

import numpy as np

from segsem.core.contour import SOURCE_CODES, Contour, PointFlag, Region
from segsem.core.coordinates import (
    arc_length_px,
    nm_per_px_along,
    normal_rc_to_nm,
    rc_to_nm,
    rc_to_xy_px,
)
from segsem.core.extraction import Extraction
from segsem.core.files import atomic_path
from segsem.core.types import FloatArray, PixelSize

COLUMNS: tuple[str, ...] = (
    "image_id", "region_id", "contour_id", "point", "is_hole", "closed",
    "x_px", "y_px", "x_raw_px", "y_raw_px", "sigma_px",
    "x_nm", "y_nm", "nx", "ny", "s_nm", "sigma_nm", "offset_nm",
    "slope", "contrast", "weight", "confidence", "source", "flags",
)  # fmt: skip

UNSMOOTHED = "unsmoothed_px"
"""One more column, where the edge method keeps raw positions: `Contour.unsmoothed_px`."""

SMALLEST_SIGMA_PX = 1e-3
"""A standard error below it is not believed: weights stay finite on noise-free images."""

_PX_DECIMALS = 5
SQUARE_PIXELS: PixelSize = (1.0, 1.0)
"""Stands for an unknown pixel size where only directions are asked for."""

FLAG_SEPARATOR = "|"
SOURCE_NAMES = tuple(source.value for source in SOURCE_CODES)
FLAG_BITS = {flag.name.lower(): flag.value for flag in PointFlag if flag.name is not None}


def write_contours_csv(path: Path | str, extractions: Iterable[Extraction]) -> None:
    """Write the contour points of one or more images, one row a point.

    `x_px` and `y_px` are the column and the row (y runs down, pixel centres at integers), the
    nm columns are in the layout frame and stay empty where the pixel size is unknown. `nx, ny`
    is the unit normal from feature to background in the layout frame, y up, for square pixels
    where the pixel size is unknown. `weight` is 1/sigma² in 1/nm² (1/px² where the pixel size
    is unknown) and 0 where the image did not place the point. `flags` are words joined by `|`.
    Where the edge method keeps raw positions a last column, `unsmoothed_px`, says how far along
    the normal from the point the image alone puts the edge.

    Parameters
    ----------
    path : path
        The file.
    extractions : iterable of Extraction
        Taken one at a time.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    extractions, with_raw = _look_ahead(extractions)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        out.write(",".join((*COLUMNS, UNSMOOTHED) if with_raw else COLUMNS) + "\n")
        for extraction in extractions:
            image_id = _csv_field(extraction.image_id)
            for region in extraction.regions:
                for contour in region.contours:
                    head = f"{image_id},{region.region_id},{contour.contour_id}"
                    out.write(_contour_text(head, contour, extraction, with_raw))


def _look_ahead(extractions: Iterable[Extraction]) -> tuple[Iterable[Extraction], bool]:
    """Whether contours keep raw positions; the images of one file share their edge method."""
    rest = iter(extractions)
    seen: list[Extraction] = []
    for extraction in rest:
        seen.append(extraction)
        for region in extraction.regions:
            for contour in region.contours:
                return chain(seen, rest), contour.unsmoothed_px is not None
    return seen, False


def _contour_text(head: str, contour: Contour, extraction: Extraction, with_raw: bool) -> str:
    contour = _as_written(contour)
    n_points = len(contour)
    shape_flags = f"{int(contour.is_hole)},{int(contour.closed)}"
    columns: list[Sequence[str]] = [
        [f"{head},{point},{shape_flags}" for point in range(n_points)],
        *_pixel_columns(contour),
        *_nm_columns(contour, extraction.shape[0], extraction.pixel_size_nm),
        *_evidence_columns(contour, extraction.pixel_size_nm),
    ]
    if with_raw:
        raw = contour.unsmoothed_px
        columns.append([""] * n_points if raw is None else _decimals(raw, _PX_DECIMALS))
    return "".join(",".join(row) + "\n" for row in zip(*columns, strict=True))


def _pixel_columns(contour: Contour) -> list[list[str]]:
    x_px, y_px = rc_to_xy_px(contour.vertices_rc).T
    x_raw_px, y_raw_px = rc_to_xy_px(contour.raw_vertices_rc).T
    return [_decimals(v, _PX_DECIMALS) for v in (x_px, y_px, x_raw_px, y_raw_px, contour.sigma_px)]


def contour_columns(
    extraction: Extraction, region: Region, contour: Contour
) -> dict[str, list[str]]:
    """Give the columns of one contour by name, as the texts that the table holds."""
    contour = _as_written(contour)
    n_points = len(contour)
    head = [extraction.image_id, str(region.region_id), str(contour.contour_id)]
    shape = [str(int(contour.is_hole)), str(int(contour.closed))]
    columns: list[list[str]] = [
        *([text] * n_points for text in head),
        [str(point) for point in range(n_points)],
        *([text] * n_points for text in shape),
        *_pixel_columns(contour),
        *_nm_columns(contour, extraction.shape[0], extraction.pixel_size_nm),
        *_evidence_columns(contour, extraction.pixel_size_nm),
    ]
    return dict(zip(COLUMNS, columns, strict=True))


def _as_written(contour: Contour) -> Contour:
    # The nm columns follow from the px columns as written, so that a file that is read and
    # written again stays the same.
    return replace(
        contour,
        vertices_rc=np.round(contour.vertices_rc, _PX_DECIMALS),
        sigma_px=np.round(contour.sigma_px, _PX_DECIMALS),
    )


def _nm_columns(
    contour: Contour, height_px: int, pixel_size_nm: PixelSize | None
) -> list[list[str]]:
    normals_xy = normal_rc_to_nm(contour.normals_rc, pixel_size_nm or SQUARE_PIXELS)
    normal_columns = [_decimals(v, 6) for v in normals_xy.T]
    empty = [""] * len(contour)
    if pixel_size_nm is None:
        return [empty, empty, *normal_columns, empty, empty, empty]
    points_nm = rc_to_nm(contour.vertices_rc, height_px, pixel_size_nm)
    return [
        *(_decimals(v, 4) for v in points_nm.T),
        *normal_columns,
        _decimals(arc_length_px(points_nm), 4),
        _decimals(contour.sigma_px * nm_per_px_along(contour.normals_rc, pixel_size_nm), 4),
        _decimals(np.zeros(len(contour)) if contour.offset_nm is None else contour.offset_nm, 4),
    ]


def _evidence_columns(contour: Contour, pixel_size_nm: PixelSize | None) -> list[list[str]]:
    return [
        _decimals(contour.slope, 4),
        _decimals(contour.contrast, 4),
        [f"{value:.6g}" for value in _weights(contour, pixel_size_nm).tolist()],
        _decimals(contour.confidence, 4),
        [SOURCE_NAMES[code] for code in contour.source_code.tolist()],
        [_FLAG_TEXTS[flags] for flags in contour.flags.tolist()],
    ]


def _weights(contour: Contour, pixel_size_nm: PixelSize | None) -> FloatArray:
    sigma = np.maximum(contour.sigma_px, SMALLEST_SIGMA_PX)
    if pixel_size_nm is not None:
        sigma = sigma * nm_per_px_along(contour.normals_rc, pixel_size_nm)
    weights: FloatArray = np.zeros_like(sigma)
    np.divide(1.0, sigma**2, out=weights, where=np.isfinite(sigma) & (sigma > 0))
    return weights


def _decimals(values: FloatArray, digits: int) -> list[str]:
    # Rounding first and adding 0.0 keeps "-0.00000" out of the file.
    rounded = np.round(values, digits) + 0.0
    texts = [f"{value:.{digits}f}" for value in rounded.tolist()]
    if np.isfinite(rounded).all():
        return texts
    return [text if ok else "" for text, ok in zip(texts, np.isfinite(rounded), strict=True)]


def _flag_text(flags: int) -> str:
    return FLAG_SEPARATOR.join(name for name, bit in FLAG_BITS.items() if flags & bit)


_FLAG_TEXTS = tuple(_flag_text(flags) for flags in range(256))


def _csv_field(text: str) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="").writerow([text])
    return buffer.getvalue()
