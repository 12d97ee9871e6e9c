"""GDSII and OASIS through gdstk, with what gdstk does not check itself."""

from __future__ import annotations

import contextlib
import math
import struct
from pathlib import Path
from typing import Any

import gdstk
import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.types import PointsXY
from segsem.layout.layout import Layer, Layout

_MAX_POLYGONS = 20_000_000
_OASIS_MAGIC = b"%SEMI-OASIS\r\n"
_GDS_HEADER, _GDS_ENDLIB = 0x00, 0x04


def read_gds_oasis(path: Path, cell: str | None = None) -> Layout:
    """Read a GDSII or OASIS file and flatten one cell; paths become polygons.

    Raises
    ------
    InputError
        If the file is damaged, has no such cell, refers to itself, or explodes when flattened.
    """
    library = _read(path)
    cells = {item.name: item for item in library.cells if isinstance(item, gdstk.Cell)}
    chosen = _choose(path, library, cells, cell)
    _check_size(path, chosen)
    unit_nm = library.unit * 1e9
    found: dict[Layer, list[PointsXY]] = {}
    for polygon in chosen.get_polygons():
        points = np.asarray(polygon.points, dtype=np.float64) * unit_nm
        if not np.isfinite(points).all():
            msg = f"{path.name}: expected finite coordinates, but cell {chosen.name} has others"
            raise InputError(msg)
        found.setdefault((polygon.layer, polygon.datatype), []).append(points)
    return Layout(path, found, chosen.name, tuple(cells), unit_nm)


def _read(path: Path) -> Any:
    content = path.read_bytes()
    is_oasis = path.suffix.lower().startswith(".oas")
    if is_oasis:
        _check_oasis(path, content)
    else:
        _check_gds(path, content)
    try:
        library = gdstk.read_oas(str(path)) if is_oasis else gdstk.read_gds(str(path))
    except (RuntimeError, OSError, ValueError, MemoryError) as error:
        msg = f"{path.name}: the layout is damaged or incomplete ({error})"
        raise InputError(msg) from error
    if not (math.isfinite(library.unit) and library.unit > 0):
        msg = f"{path.name}: expected a unit above 0 m, but got {library.unit}"
        raise InputError(msg)
    return library


def _check_oasis(path: Path, content: bytes) -> None:
    if not content.startswith(_OASIS_MAGIC):
        msg = f"{path.name}: expected an OASIS file, but it does not begin like one"
        raise InputError(msg)
    # The END record fills the last 256 bytes of the file; a file cut short ends otherwise.
    if len(content) < len(_OASIS_MAGIC) + 256 or content[-256] != 2:
        msg = f"{path.name}: the OASIS file is damaged or incomplete (it has no end record)"
        raise InputError(msg)


def _check_gds(path: Path, content: bytes) -> None:
    """Walk the records: gdstk reads beyond a damaged record's end without a word."""
    position, kind = 0, -1
    while position + 4 <= len(content):
        length, kind = struct.unpack_from(">HB", content, position)
        if position == 0 and kind != _GDS_HEADER:
            msg = f"{path.name}: expected a GDSII file, but it does not begin like one"
            raise InputError(msg)
        if length < 4 or position + length > len(content):
            break
        if kind == _GDS_ENDLIB:
            return
        position += length
    msg = f"{path.name}: the GDSII file is damaged or incomplete (at byte {position})"
    raise InputError(msg)


def _choose(path: Path, library: Any, cells: dict[str, Any], name: str | None) -> Any:
    if name is not None:
        if name not in cells:
            msg = f"{path.name}: expected one of its cells ({_listed(cells)}), but got {name!r}"
            raise InputError(msg)
        _check_references(path, cells[name], ())
        return cells[name]
    for cell in cells.values():
        _check_references(path, cell, ())
    tops = [cell for cell in library.top_level() if isinstance(cell, gdstk.Cell)]
    if len(tops) != 1:
        names = _listed({cell.name: cell for cell in tops})
        msg = f"{path.name}: expected one top cell, but got {len(tops)} ({names}): name one"
        raise InputError(msg)
    return tops[0]


def _listed(cells: dict[str, Any]) -> str:
    names = list(cells)
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _check_references(path: Path, cell: Any, above: tuple[str, ...]) -> None:
    """Refuse a cell that holds itself, or one that is missing: gdstk would crash on the first."""
    if cell.name in above or len(above) > 100:
        msg = f"{path.name}: expected a hierarchy, but cell {cell.name} refers to itself"
        raise InputError(msg)
    for reference in {item.cell_name: item for item in cell.references}.values():
        if not isinstance(reference.cell, gdstk.Cell):
            msg = f"{path.name}: cell {cell.name} refers to {reference.cell_name}, not in the file"
            raise InputError(msg)
        _check_references(path, reference.cell, (*above, cell.name))


def _check_size(path: Path, cell: Any) -> None:
    counted: dict[str, float] = {}
    total = _count(cell, counted)
    if total > _MAX_POLYGONS:
        msg = (
            f"{path.name}: cell {cell.name} holds {total:.3g} polygons when flattened, more than "
            f"{_MAX_POLYGONS}: choose a smaller cell"
        )
        raise InputError(msg)


def _count(cell: Any, counted: dict[str, float]) -> float:
    if cell.name not in counted:
        own = [*cell.polygons, *cell.paths]
        total = float(sum(_repeats(item) for item in own))
        for item in cell.references:
            total += _repeats(item) * _count(item.cell, counted)
        counted[cell.name] = total
    return counted[cell.name]


def _repeats(item: Any) -> int:
    with contextlib.suppress(AttributeError, TypeError):
        return max(1, int(item.repetition.size or 1))
    return 1
