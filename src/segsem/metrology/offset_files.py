"""`offset.json`, and the table of CDs that it is calibrated from."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from segsem.core.exceptions import InputError
from segsem.core.files import write_json
from segsem.metrology.offset import CdPairs, OffsetFile

FORMAT = "segsem-offset"
VERSION = 1
DEFAULT_LAYER = "default"
COLUMNS = ("measured_nm", "reference_nm")


def write_offset(path: Path | str, offset: OffsetFile) -> None:
    """Write `offset.json`."""
    write_json(path, offset.model_dump(mode="json"))


def read_offset(path: Path | str) -> OffsetFile:
    """Read and check an `offset.json`.

    Raises
    ------
    InputError
        If it cannot be read, is of another format or version, or holds something else.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"Cannot read {path} as JSON: {error}"
        raise InputError(msg) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        msg = f"Expected {path} to be a file of the format {FORMAT!r}, but it is not"
        raise InputError(msg)
    if content.get("version") != VERSION:
        msg = f"Expected {path} to be of version {VERSION}, but got {content.get('version')!r}"
        raise InputError(msg)
    try:
        return OffsetFile.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        msg = f"{path} is not a valid offset.json: {where}: {problem['msg']}"
        raise InputError(msg) from error


def read_cd_pairs(path: Path | str) -> dict[str, CdPairs]:
    """Read a CSV of `measured_nm`, `reference_nm` and, optionally, `layer`.

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, holds no pair, or something else than sizes.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.reader(handle) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"Cannot read {path} as a table of CDs: {error}"
        raise InputError(msg) from error
    header = [name.strip().lower() for name in rows[0]] if rows else []
    missing = [name for name in COLUMNS if name not in header]
    if missing or len(rows) < 2:
        lacks = f"it lacks {', '.join(missing)}" if missing else "it holds no pair"
        msg = f"Expected {path} to be a table of {', '.join(COLUMNS)} (and layer), but {lacks}"
        raise InputError(msg)
    found: dict[str, list[tuple[float, float]]] = {}
    for number, row in enumerate(rows[1:], start=2):
        name, pair = _pair(f"{path.name}, row {number}", header, row)
        found.setdefault(name, []).append(pair)
    return {name: _columns(pairs) for name, pairs in found.items()}


def _columns(pairs: Sequence[tuple[float, float]]) -> CdPairs:
    table = np.array(pairs, dtype=np.float64)
    return CdPairs(table[:, 0], table[:, 1])


def _pair(where: str, header: list[str], row: list[str]) -> tuple[str, tuple[float, float]]:
    if len(row) != len(header):
        msg = f"{where}: expected {len(header)} columns, but got {len(row)}"
        raise InputError(msg)
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
    values = []
    for name in COLUMNS:
        try:
            value = float(cells[name])
        except ValueError:
            value = math.nan
        if not 0 < value < 1e9:
            msg = f"{where}: expected a size above 0 nm in `{name}`, but got {cells[name][:40]!r}"
            raise InputError(msg)
        values.append(value)
    return cells.get("layer") or DEFAULT_LAYER, (values[0], values[1])
