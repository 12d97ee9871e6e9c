"""`offset.json`, and the table of CDs that it is calibrated from."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.files import write_json
from segsem.core.versioned_json import read_versioned
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
    return read_versioned(
        Path(path), OffsetFile, FORMAT, (VERSION,), "update segsem, or fit the offset again"
    )


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
