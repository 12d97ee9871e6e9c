"""`Manifest`: a CSV or JSON table that says what the images themselves do not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segsem.core.exceptions import CalibrationError, InputError
from segsem.core.params import Tone
from segsem.core.types import PixelSize
from segsem.imaging.decoded import one_line
from segsem.imaging.pixel_size import as_pixel_size
from segsem.imaging.sidecar import decode_text

SUFFIXES = (".csv", ".json")

_IMAGE_COLUMNS = ("image", "path", "file", "filename")
_SQUARE = "pixel_size_nm"
_BY_AXIS = ("px_y_nm", "px_x_nm")
_TONE = "tone"
_MAX_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What a manifest says about one image.

    Attributes
    ----------
    path : Path
        The image; relative names count from the manifest's folder.
    pixel_size_nm : (float, float) or None
        (y, x); None where the row has none.
    tone : Tone or None
        Features brighter or darker than their surroundings.
    groups : dict
        All other columns: wafer, site, tool, dose, focus and the like, as text.
    """

    path: Path
    pixel_size_nm: PixelSize | None = None
    tone: Tone | None = None
    groups: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Rows of a manifest file, found by the image's path."""

    path: Path
    rows: tuple[ManifestRow, ...]
    _by_path: dict[Path, ManifestRow] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_path = {row.path.resolve(): row for row in self.rows}
        object.__setattr__(self, "_by_path", by_path)

    def row_for(self, image: Path) -> ManifestRow | None:
        """Return the row of an image, by its place on disk; None where there is none."""
        return self._by_path.get(image.resolve())


def read_manifest(path: Path | str) -> Manifest:
    """Read a CSV or JSON manifest.

    Columns (CSV, with a header line, separated by comma, semicolon or tab) or keys (JSON: a
    list of objects, or such a list under `images`): `image` (or `path`); `pixel_size_nm`, or
    `px_x_nm` and `px_y_nm`; `tone` (`auto`, `bright`, `dark`); any others are groups. In JSON,
    `pixel_size_nm` may be `[y, x]`.

    Parameters
    ----------
    path : path
        The manifest.

    Returns
    -------
    Manifest

    Raises
    ------
    InputError
        If it cannot be read or a value is wrong; the message names the row and the column.
    """
    path = Path(path)
    text = _text(path)
    is_json = path.suffix.lower() == ".json"
    records = _json_records(path, text) if is_json else _csv_records(path, text)
    rows: list[ManifestRow] = []
    seen: dict[Path, str] = {}
    for place, record in records:
        row = _row(path, place, record)
        where = row.path.resolve()
        if where in seen:
            raise _error(path, place, f"names {row.path.name} again ({seen[where]} does already)")
        seen[where] = place
        rows.append(row)
    if not rows:
        msg = f"{path} lists no images; expected one row for each image under a header line"
        raise InputError(msg)
    return Manifest(path, tuple(rows))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            msg = f"{path} is too large for a manifest ({path.stat().st_size} bytes)"
            raise InputError(msg)
        return decode_text(path.read_bytes())
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as a manifest: {one_line(error)}"
        raise InputError(msg) from error


def _csv_records(path: Path, text: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="")
    try:
        names = [str(name).strip() for name in reader.fieldnames or ()]
        _check_header(path, names)
        reader.fieldnames = names
        for record in reader:
            place = f"row {reader.line_num}"
            if "" in record:
                raise _error(path, place, f"has more values than the {len(names)} columns")
            if any(record.values()):
                yield place, record
    except csv.Error as error:
        raise _error(path, f"row {reader.line_num}", f"is not CSV: {one_line(error)}") from error


def _check_header(path: Path, names: list[str]) -> None:
    if not set(names) & set(_IMAGE_COLUMNS):
        msg = (
            f"{path} has no column `image`: expected a header line with `image` and, for example, "
            f"`{_SQUARE}`, but got {', '.join(names[:8]) or 'nothing'}"
        )
        raise InputError(one_line_of(msg))
    if "" in names or len(set(names)) < len(names):
        msg = f"{path} has empty or repeated column names in its header line"
        raise InputError(msg)


def one_line_of(text: str) -> str:
    """Collapse white space, so that a message stays one line whatever a file holds."""
    return " ".join(text.split())


def _json_records(path: Path, text: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON: {one_line(error)}"
        raise InputError(msg) from error
    if isinstance(content, dict):
        content = content.get("images")
    if not isinstance(content, list):
        msg = f"{path} holds no list of images; expected [{{'image': ..., '{_SQUARE}': ...}}, ...]"
        raise InputError(msg)
    for number, record in enumerate(content, start=1):
        if not isinstance(record, dict):
            raise _error(path, f"entry {number}", "is not an object with an `image`")
        yield f"entry {number}", record


def _row(manifest: Path, place: str, record: Mapping[str, Any]) -> ManifestRow:
    column = next((name for name in _IMAGE_COLUMNS if _filled(record.get(name))), None)
    if column is None:
        raise _error(manifest, place, "names no image in column `image`")
    name = str(record[column]).strip()
    if "\0" in name:
        raise _error(manifest, f"{place}, column {column}", "holds a null character")
    return ManifestRow(
        path=manifest.parent / name,
        pixel_size_nm=_pixel_size(manifest, place, record),
        tone=_tone(manifest, place, record.get(_TONE)),
        groups={
            str(key): str(value).strip()
            for key, value in record.items()
            if key not in (*_IMAGE_COLUMNS, _SQUARE, *_BY_AXIS, _TONE) and _filled(value)
        },
    )


def _pixel_size(manifest: Path, place: str, record: Mapping[str, Any]) -> PixelSize | None:
    square = record.get(_SQUARE)
    by_axis = [record.get(name) for name in _BY_AXIS]
    if _filled(square):
        if any(_filled(value) for value in by_axis):
            raise _error(manifest, place, f"has both {_SQUARE} and px_x_nm or px_y_nm: keep one")
        return _checked(manifest, place, _SQUARE, square)
    if not any(_filled(value) for value in by_axis):
        return None
    sizes = []
    for name, value in zip(_BY_AXIS, by_axis, strict=True):
        if not _filled(value):
            raise _error(manifest, f"{place}, column {name}", "is empty: give both x and y")
        size = _checked(manifest, place, name, value)
        sizes.append(size[0])
    return sizes[0], sizes[1]


def _checked(manifest: Path, place: str, column: str, value: Any) -> PixelSize:
    try:
        as_given = tuple(value) if isinstance(value, list) else float(str(value).strip())
        size = as_pixel_size(as_given)
    except (CalibrationError, ValueError):
        size = None
    if size is None or (isinstance(value, list) and column != _SQUARE):
        detail = f"holds {value!r}; expected a positive number of nm such as 1.25"
        raise _error(manifest, f"{place}, column {column}", detail)
    return size


def _tone(manifest: Path, place: str, value: Any) -> Tone | None:
    if not _filled(value):
        return None
    try:
        return Tone(str(value).strip().lower())
    except ValueError:
        expected = ", ".join(tone.value for tone in Tone)
        detail = f"holds {str(value)!r}; expected one of {expected}"
        raise _error(manifest, f"{place}, column {_TONE}", detail) from None


def _filled(value: Any) -> bool:
    return value is not None and str(value).strip() != ""


def _error(manifest: Path, place: str, detail: str) -> InputError:
    return InputError(one_line_of(f"{manifest}, {place}: {detail}"))
