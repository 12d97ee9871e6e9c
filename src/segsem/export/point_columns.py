"""Columns of a point table: which, under which names; a template that other programs ask for."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsem.core.contour import Contour, Region
from segsem.core.coordinates import normal_rc_to_nm, rc_to_nm
from segsem.core.exceptions import InputError, UsageError
from segsem.core.extraction import Extraction
from segsem.core.files import atomic_path
from segsem.core.types import FloatArray
from segsem.export.cells import cell_name
from segsem.export.contours_csv import COLUMNS, SQUARE_PIXELS, contour_columns
from segsem.layout.registration import Place

DESIGN_COLUMNS = ("x_design_nm", "y_design_nm", "nx_design", "ny_design")
OWN_COLUMNS = ("cell", "status", "region_source", "region_confidence")
ALL_COLUMNS = (*COLUMNS, *DESIGN_COLUMNS, *OWN_COLUMNS)
TEXT_COLUMNS = ("image_id", "source", "flags", "cell", "status", "region_source")
WHOLE_COLUMNS = ("region_id", "contour_id", "point", "is_hole", "closed")

Places = Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class ColumnTemplate:
    """Which columns a point table has.

    Attributes
    ----------
    columns : tuple of (str, str)
        Name in the table, and the column it holds.

    Raises
    ------
    UsageError
        If a column is unknown, or a name occurs twice.
    """

    columns: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        unknown = [column for _, column in self.columns if column not in ALL_COLUMNS]
        if unknown or not self.columns:
            got = repr(unknown[0]) if unknown else "none"
            msg = f"Expected columns out of {', '.join(ALL_COLUMNS)}, but got {got}"
            raise UsageError(msg)
        names = [name for name, _ in self.columns]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            msg = f"Expected each column of the table once, but {twice[0]!r} occurs twice"
            raise UsageError(msg)

    @classmethod
    def parse(cls, text: str) -> ColumnTemplate:
        """Read `x=x_nm,y=y_nm,weight`: a name of one's own before the sign, or none."""
        words = [word.strip() for word in text.replace("\n", ",").split(",") if word.strip()]
        pairs = [word.rpartition("=")[::2] if "=" in word else (word, word) for word in words]
        return cls(tuple((name.strip(), column.strip()) for name, column in pairs))

    @classmethod
    def default(cls, *, design: bool = False) -> ColumnTemplate:
        """Give all columns of `contours.csv`, and those of the design where cells lie in it."""
        names = (*COLUMNS, *DESIGN_COLUMNS) if design else COLUMNS
        return cls(tuple((name, name) for name in names))


def read_template(text: str) -> ColumnTemplate:
    """Read a template, or the file that holds one.

    Raises
    ------
    InputError
        If the file cannot be read.
    UsageError
        If it asks for a column that there is not.
    """
    if not text.startswith("@"):
        return ColumnTemplate.parse(text)
    try:
        content = Path(text[1:]).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        msg = f"Cannot read the column template {text[1:]}: {error}"
        raise InputError(msg) from error
    lines = [line.split("#")[0] for line in content.splitlines()]
    return ColumnTemplate.parse("\n".join(lines))


def write_point_table(
    path: Path, extractions: Iterable[Extraction], template: ColumnTemplate, places: Places
) -> int:
    """Write the points of images as a CSV of the template's columns.

    Returns
    -------
    int
        Number of points.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    n_points = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([name for name, _ in template.columns])
        for columns in point_columns(extractions, places):
            rows = list(zip(*(columns(column) for _, column in template.columns), strict=True))
            writer.writerows(rows)
            n_points += len(rows)
    return n_points


def point_columns(
    extractions: Iterable[Extraction], places: Places
) -> Iterator[Callable[[str], list[str]]]:
    """Give contour by contour what looks a column up, as the texts that a table holds."""
    for extraction in extractions:
        place = places.get(extraction.image_id)
        for region in extraction.regions:
            for contour in region.contours:
                yield _Lookup(extraction, region, contour, place)


class _Lookup:
    def __init__(
        self, extraction: Extraction, region: Region, contour: Contour, place: Place | None
    ) -> None:
        self._columns = contour_columns(extraction, region, contour)
        confidence = float(region.confidence)
        own = {
            "cell": cell_name(extraction.image_id),
            "status": region.status.value,
            "region_source": region.source.value,
            "region_confidence": f"{confidence:.4f}" if np.isfinite(confidence) else "",
        }
        n_points = len(contour)
        self._columns |= {name: [text] * n_points for name, text in own.items()}
        self._columns |= _design_columns(extraction, contour, place)

    def __call__(self, column: str) -> list[str]:
        return self._columns[column]


def _design_columns(
    extraction: Extraction, contour: Contour, place: Place | None
) -> dict[str, list[str]]:
    if place is None or extraction.pixel_size_nm is None:
        return {name: [""] * len(contour) for name in DESIGN_COLUMNS}
    points = rc_to_nm(contour.vertices_rc, extraction.shape[0], extraction.pixel_size_nm)
    normals = normal_rc_to_nm(contour.normals_rc, extraction.pixel_size_nm or SQUARE_PIXELS)
    values: list[tuple[FloatArray, int]] = [
        *((column, 4) for column in place.to_design(points).T),
        *((column, 6) for column in (normals @ place.matrix().T).T),
    ]
    texts = [[f"{v:.{digits}f}" for v in (column + 0.0).tolist()] for column, digits in values]
    return dict(zip(DESIGN_COLUMNS, texts, strict=True))
