"""Reader of `contours.csv`: every row is checked, since the file may have been edited."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsem.core.contour import Contour
from segsem.core.coordinates import normal_nm_to_rc
from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray, PixelSize
from segsem.export.contours_csv import (
    COLUMNS,
    FLAG_BITS,
    FLAG_SEPARATOR,
    SOURCE_NAMES,
    SQUARE_PIXELS,
    UNSMOOTHED,
)

_SOURCE_CODE_OF = {name: code for code, name in enumerate(SOURCE_NAMES)}
_CONTOUR_KEY = ("image_id", "region_id", "contour_id", "is_hole", "closed")
_BEGINS_WITH = "image_id,region_id,"
_PORTION_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class ContourRows:
    """One contour as it was read, with the image and the region that it belongs to."""

    image_id: str
    region_id: int
    contour: Contour


def read_contours_csv(
    path: Path | str,
    pixel_size_nm: PixelSize | None,
    region_ids: Collection[int] | None = None,
) -> list[ContourRows]:
    """Read a file that :func:`write_contours_csv` wrote.

    Parameters
    ----------
    path : path
        The file.
    pixel_size_nm : (float, float) or None
        (y, x) pixel size of its images, as written in `regions.json`: normals are stored in the
        layout frame.
    region_ids : collection of int, optional
        Read these regions only, which is many times faster than reading all. Rows are then counted
        among those that were read.

    Returns
    -------
    list of ContourRows
        In the order of the file. Columns that other programs appended are ignored.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or holds something else than contours.
    """
    path = Path(path)
    found: list[ContourRows] = []
    first_row = 2
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            lines = handle if region_ids is None else _lines_of(handle, region_ids)
            rows = (row for row in csv.reader(lines) if row)
            header = _checked_header(path, next(rows, []))
            names = (*COLUMNS, UNSMOOTHED) if UNSMOOTHED in header else COLUMNS
            places = {name: header.index(name) for name in names}
            for chunk in _whole_contours(path, rows, header):
                columns = {name: [row[at] for row in chunk] for name, at in places.items()}
                found += _parse_contours(columns, pixel_size_nm or SQUARE_PIXELS, first_row)
                first_row += len(chunk)
        _check_ids(found)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"Cannot read {path} as a table of contour points: {error}"
        raise InputError(msg) from error
    except (ValueError, OverflowError) as error:
        msg = f"{path} is not a valid table of contour points: {error}"
        raise InputError(msg) from error
    return found if region_ids is None else [row for row in found if row.region_id in region_ids]


def _lines_of(lines: Iterable[str], region_ids: Collection[int]) -> Iterator[str]:
    """Leave out the lines of other regions, where that is seen without parsing them."""
    wanted, is_plain = {str(number) for number in region_ids}, False
    for number, line in enumerate(lines):
        if number == 0:
            is_plain = line.startswith(_BEGINS_WITH)
        begin = line.split(",", 2)
        if number == 0 or not is_plain or len(begin) < 3 or '"' in line or begin[1] in wanted:
            yield line


def _checked_header(path: Path, header: list[str]) -> list[str]:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        msg = (
            f"Expected {path} to be a contours.csv with the columns {', '.join(COLUMNS)}, "
            f"but it lacks {', '.join(missing)}"
        )
        raise InputError(msg)
    return header


def _whole_contours(
    path: Path, rows: Iterator[list[str]], header: list[str]
) -> Iterator[list[list[str]]]:
    """Take the rows in portions that end where a contour ends: text takes much memory."""
    key = [header.index(name) for name in _CONTOUR_KEY]
    portion: list[list[str]] = []
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            msg = (
                f"Expected {len(header)} columns in row {number} of {path}, but got {len(row)}; "
                "the file may be cut off"
            )
            raise InputError(msg)
        if len(portion) >= _PORTION_ROWS and any(row[at] != portion[-1][at] for at in key):
            yield portion
            portion = []
        portion.append(row)
    yield portion


def _parse_contours(
    columns: dict[str, list[str]], pixel_size_nm: PixelSize, first_row: int
) -> list[ContourRows]:
    numbers = {
        name: _floats(name, columns[name])
        for name in ("x_px", "y_px", "x_raw_px", "y_raw_px", "nx", "ny",
                     "sigma_px", "slope", "contrast", "confidence")
    }  # fmt: skip
    codes = np.array([_source_code(name) for name in columns["source"]], dtype=np.uint8)
    flags = np.array([_flag_bits(text) for text in columns["flags"]], dtype=np.uint8)
    normals_rc = normal_nm_to_rc(np.column_stack([numbers["nx"], numbers["ny"]]), pixel_size_nm)
    for name in ("x_px", "y_px", "x_raw_px", "y_raw_px"):
        if not np.isfinite(numbers[name]).all():
            msg = f"Expected a number in every row of `{name}`"
            raise ValueError(msg)
    # Without a pixel size the column is empty; without an offset it is 0 throughout.
    offset_nm = np.nan_to_num(_floats("offset_nm", columns["offset_nm"]))
    raw_px = _floats(UNSMOOTHED, columns[UNSMOOTHED]) if UNSMOOTHED in columns else None
    vertices_rc = np.column_stack([numbers["y_px"], numbers["x_px"]])
    raw_rc = np.column_stack([numbers["y_raw_px"], numbers["x_raw_px"]])
    integers = {name: _integers(name, columns[name]) for name in ("region_id", "contour_id")}
    truths = {name: _truths(name, columns[name]) for name in ("is_hole", "closed")}
    found = []
    for start, stop in _contour_spans(columns, first_row):
        span = slice(start, stop)
        contour = Contour(
            contour_id=integers["contour_id"][start],
            vertices_rc=vertices_rc[span],
            raw_vertices_rc=raw_rc[span],
            normals_rc=normals_rc[span],
            closed=truths["closed"][start],
            is_hole=truths["is_hole"][start],
            sigma_px=numbers["sigma_px"][span],
            slope=numbers["slope"][span],
            contrast=numbers["contrast"][span],
            confidence=numbers["confidence"][span],
            source_code=codes[span],
            flags=flags[span],
            unsmoothed_px=None if raw_px is None else raw_px[span],
            offset_nm=offset_nm[span] if offset_nm[span].any() else None,
        )
        image_id, region_id = columns["image_id"][start], integers["region_id"][start]
        found.append(ContourRows(image_id, region_id, contour))
    return found


def _contour_spans(columns: dict[str, list[str]], first_row: int) -> list[tuple[int, int]]:
    keys = list(zip(*(columns[name] for name in _CONTOUR_KEY), strict=True))
    starts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    spans = list(zip(starts, [*starts, len(keys)][1:], strict=True))
    expected = [str(point) for start, stop in spans for point in range(stop - start)]
    if columns["point"] != expected:
        row = next(i for i, pair in enumerate(zip(columns["point"], expected, strict=True))
                   if pair[0] != pair[1])  # fmt: skip
        msg = (
            f"expected point {expected[row]} in row {row + first_row}, "
            f"but got {columns['point'][row]!r}"
        )
        raise ValueError(msg)
    return spans


def _check_ids(found: list[ContourRows]) -> None:
    if len({(row.image_id, row.contour.contour_id) for row in found}) != len(found):
        msg = "a contour_id occurs twice in one image"
        raise ValueError(msg)


def _floats(name: str, texts: list[str]) -> FloatArray:
    try:
        return np.array([text or "nan" for text in texts], dtype=np.float64)
    except ValueError as error:
        msg = f"`{name}` holds something that is not a number ({error})"
        raise ValueError(msg) from error


def _source_code(name: str) -> int:
    if name not in _SOURCE_CODE_OF:
        msg = f"expected a source out of {', '.join(SOURCE_NAMES)}, but got {name!r}"
        raise ValueError(msg)
    return _SOURCE_CODE_OF[name]


def _flag_bits(text: str) -> int:
    names = text.split(FLAG_SEPARATOR) if text else []
    unknown = [name for name in names if name not in FLAG_BITS]
    if unknown:
        msg = f"expected flags out of {', '.join(FLAG_BITS)}, but got {unknown[0]!r}"
        raise ValueError(msg)
    return sum({FLAG_BITS[name] for name in names})


def _integers(name: str, texts: list[str]) -> list[int]:
    try:
        return [int(text) for text in texts]
    except ValueError as error:
        msg = f"`{name}` holds something that is not a whole number ({error})"
        raise ValueError(msg) from error


def _truths(name: str, texts: list[str]) -> list[bool]:
    wrong = set(texts) - {"0", "1"}
    if wrong:
        msg = f"expected 0 or 1 in `{name}`, but got {min(wrong)!r}"
        raise ValueError(msg)
    return [text == "1" for text in texts]
