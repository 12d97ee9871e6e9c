"""`summary.csv`: one row for each image of a batch."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from segsem.core.contour import Source
from segsem.core.extraction import Extraction
from segsem.core.files import write_text
from segsem.export.regions_json import plain_json
from segsem.export.selection import is_undecided

OK = "ok"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """What became of one image; None is an empty cell.

    Attributes
    ----------
    image_id, status : str
        The image; `ok` or `failed`.
    regions, sam2, sauvola, manual, mixed, needs_human : int
        Number of regions, by source, and of those that wait for a decision.
    contour_points : int
        Number of contour points.
    area_fraction : float
        Share of the valid area that the regions cover.
    mean_confidence : float
        Mean over the regions.
    pixel_size_y_nm, pixel_size_x_nm : float
        Pixel size.
    pixel_size_source, tone : str
        Where the pixel size comes from; tone of the features.
    snr, seconds : float
        Signal-to-noise ratio; time taken.
    warnings, error : str
        What the user should know, joined by `; `; why it failed.
    """

    image_id: str
    status: str
    regions: int | None = None
    sam2: int | None = None
    sauvola: int | None = None
    manual: int | None = None
    mixed: int | None = None
    needs_human: int | None = None
    contour_points: int | None = None
    area_fraction: float | None = None
    mean_confidence: float | None = None
    pixel_size_y_nm: float | None = None
    pixel_size_x_nm: float | None = None
    pixel_size_source: str | None = None
    tone: str | None = None
    snr: float | None = None
    seconds: float | None = None
    warnings: str = ""
    error: str = ""


def summary_row(extraction: Extraction, seconds: float | None = None) -> SummaryRow:
    """Sum up one image; tone and snr are taken from the provenance.

    Parameters
    ----------
    extraction : Extraction
        Its result.
    seconds : float, optional
        Time taken.

    Returns
    -------
    SummaryRow
        The row.
    """
    counts = Counter(region.source for region in extraction.regions)
    confidences = [region.confidence for region in extraction.regions]
    top, bottom = extraction.valid_rows
    valid_px = (bottom - top) * extraction.shape[1]
    area_px = int(np.count_nonzero(extraction.labels()[top:bottom]))
    px_y, px_x = extraction.pixel_size_nm or (None, None)
    tone = extraction.provenance.get("tone")
    snr = plain_json(extraction.provenance.get("snr"))
    return SummaryRow(
        image_id=extraction.image_id,
        status=OK,
        regions=len(extraction.regions),
        sam2=counts[Source.SAM2],
        sauvola=counts[Source.SAUVOLA],
        manual=counts[Source.MANUAL],
        mixed=counts[Source.MIXED],
        needs_human=sum(is_undecided(region) for region in extraction.regions),
        contour_points=sum(len(c) for region in extraction.regions for c in region.contours),
        area_fraction=area_px / valid_px if valid_px else None,
        mean_confidence=float(np.mean(confidences)) if confidences else None,
        pixel_size_y_nm=px_y,
        pixel_size_x_nm=px_x,
        pixel_size_source=extraction.pixel_size_source,
        tone=None if tone is None else str(tone),
        snr=float(snr) if isinstance(snr, (int, float)) else None,
        seconds=seconds,
        warnings="; ".join(extraction.warnings),
    )


def failed_row(image_id: str, error: str, seconds: float | None = None) -> SummaryRow:
    """Sum up an image that failed."""
    return SummaryRow(image_id=image_id, status=FAILED, seconds=seconds, error=error)


def write_summary(path: Path | str, rows: Iterable[SummaryRow]) -> None:
    """Write `summary.csv`, in the order of the rows.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in fields(SummaryRow)])
    for row in rows:
        writer.writerow([_cell(value) for value in asdict(row).values()])
    write_text(path, buffer.getvalue())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if np.isfinite(value) else ""
    # One line for each image, whatever an error message holds.
    return " ".join(str(value).split()) if isinstance(value, str) else str(value)
