"""Reader of gauge tables."""

from __future__ import annotations

import csv
import math
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from segsem.core.exceptions import InputError
from segsem.metrology.gauges import Gauge, GaugeFrame, GaugeKind

REQUIRED = ("gauge", "kind", "x", "y")
OPTIONAL = ("frame", "x2", "y2", "nx", "ny", "width", "reference_nm", "image")
_LARGEST = 1e12
_Kind = TypeVar("_Kind", bound=StrEnum)


def read_gauges(path: Path | str) -> list[Gauge]:
    """Read a CSV of gauges.

    Columns `gauge` (its name), `kind` (`ep` or `cd`), `x`, `y`; for EP `nx`, `ny`, the normal from
    feature to background; for CD `x2`, `y2`, the other end of the cut line. Optional: `frame`
    (`design_nm`, the default, `image_nm`, `image_px`), `width`, `reference_nm`, `image`. All
    numbers of a row are in its frame and along its axes.

    Raises
    ------
    InputError
        If the file cannot be read, holds no gauge, or a row is not one; the message names it.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.reader(handle) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"Cannot read {path} as a table of gauges: {error}"
        raise InputError(msg) from error
    header = [name.strip().lower() for name in rows[0]] if rows else []
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        msg = (
            f"Expected {path} to be a table of gauges with the columns {', '.join(REQUIRED)} (and "
            f"{', '.join(OPTIONAL)}), but it lacks {', '.join(missing)}"
        )
        raise InputError(msg)
    if len(rows) < 2:
        msg = f"Expected gauges in {path}, but it holds none"
        raise InputError(msg)
    gauges = [
        _gauge(f"{path.name}, row {number}", header, row)
        for number, row in enumerate(rows[1:], start=2)
    ]
    twice, count = Counter(gauge.name for gauge in gauges).most_common(1)[0]
    if count > 1:
        msg = (
            f"{path.name}: expected a name of its own for each gauge, but got {twice!r} "
            f"{count} times"
        )
        raise InputError(msg)
    return gauges


def _gauge(where: str, header: list[str], row: list[str]) -> Gauge:
    if len(row) != len(header):
        msg = f"{where}: expected {len(header)} columns, but got {len(row)}"
        raise InputError(msg)
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
    if not cells["gauge"]:
        msg = f"{where}: expected a name in the column `gauge`, but it is empty"
        raise InputError(msg)
    kind = _choice(where, GaugeKind, "kind", cells["kind"])
    frame = _choice(where, GaugeFrame, "frame", cells.get("frame") or GaugeFrame.DESIGN_NM.value)
    start = _pair(where, cells, ("x", "y"))
    if kind is GaugeKind.CD:
        end = _pair(where, cells, ("x2", "y2"))
    else:
        normal = _pair(where, cells, ("nx", "ny"))
        length = math.hypot(*normal) or math.nan
        end = (start[0] + normal[0] / length, start[1] + normal[1] / length)
    if not math.isfinite(end[0]) or math.hypot(end[0] - start[0], end[1] - start[1]) < 1e-6:
        what = "a cut line" if kind is GaugeKind.CD else "a normal"
        msg = f"{where}: expected {what} that has a length, but it has none"
        raise InputError(msg)
    width = _number(where, "width", cells.get("width", "")) if cells.get("width") else 0.0
    if not 0.0 <= width <= 1e5:
        msg = f"{where}: expected a `width` from 0 to 100,000, but got {width:g}"
        raise InputError(msg)
    reference = cells.get("reference_nm", "")
    return Gauge(
        name=cells["gauge"],
        kind=kind,
        frame=frame,
        start_xy=start,
        end_xy=end,
        width=width,
        reference_nm=_number(where, "reference_nm", reference) if reference else math.nan,
        image_id=cells.get("image", ""),
    )


def _choice(where: str, kinds: type[_Kind], name: str, text: str) -> _Kind:
    try:
        return kinds(text.lower())
    except ValueError as error:
        known = ", ".join(kind.value for kind in kinds)
        msg = f"{where}: expected `{name}` out of {known}, but got {text!r}"
        raise InputError(msg) from error


def _pair(where: str, cells: dict[str, str], names: tuple[str, str]) -> tuple[float, float]:
    first, second = (_number(where, name, cells.get(name, "")) for name in names)
    return first, second


def _number(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and abs(value) < _LARGEST):
        msg = f"{where}: expected a number in `{name}`, but got {text[:40]!r}"
        raise InputError(msg)
    return value
