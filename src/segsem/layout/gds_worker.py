"""The child process that lets gdstk at a file: ``python -m segsem.layout.gds_worker IN OUT``.

gdstk crashes (segmentation fault) on damaged files; the process that asked must not.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import gdstk
import numpy as np

from segsem.core.exceptions import InputError

_MAX_POLYGONS = 20_000_000
_MAX_MEMORY = 16 << 30


def flatten(path: Path, cell: str | None) -> dict[str, Any]:
    """Read a file and flatten one cell; paths become polygons.

    Returns
    -------
    dict
        `points` (N, 2) float64 in nm, `lengths` (P,) vertices per polygon, `layers` (P, 2), and
        `meta` (JSON: cell, cells, unit_nm).

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
    polygons = chosen.get_polygons()
    points = [np.asarray(polygon.points, dtype=np.float64) for polygon in polygons]
    flat = np.concatenate(points) * unit_nm if points else np.zeros((0, 2))
    if not np.isfinite(flat).all():
        msg = f"{path.name}: expected finite coordinates, but cell {chosen.name} has others"
        raise InputError(msg)
    layers = [(polygon.layer, polygon.datatype) for polygon in polygons]
    return {
        "points": flat,
        "lengths": np.array([len(part) for part in points], dtype=np.int64),
        "layers": np.array(layers, dtype=np.int64).reshape(-1, 2),
        "meta": json.dumps({"cell": chosen.name, "cells": list(cells), "unit_nm": unit_nm}),
    }


def _read(path: Path) -> Any:
    is_oasis = path.suffix.lower().startswith(".oas")
    try:
        library = gdstk.read_oas(str(path)) if is_oasis else gdstk.read_gds(str(path))
    except (RuntimeError, RuntimeWarning, OSError, ValueError) as error:
        msg = f"{path.name}: the layout is damaged or incomplete ({error})"
        raise InputError(msg) from error
    if not (math.isfinite(library.unit) and library.unit > 0):
        msg = f"{path.name}: expected a unit above 0 m, but got {library.unit}"
        raise InputError(msg)
    return library


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


def _limit_memory() -> None:
    """A damaged repetition count must not take the machine's memory."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        resource = importlib.import_module("resource")
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, hard))


def main(arguments: list[str]) -> int:
    """Write the flattened cell of arguments[0] to the .npz arguments[1]; 3 on bad input."""
    _limit_memory()
    warnings.simplefilter("error")
    try:
        flat = flatten(Path(arguments[0]), arguments[2] if len(arguments) > 2 else None)
    except (InputError, MemoryError) as error:
        sys.stdout.write(str(error) or "not enough memory")
        return InputError.exit_code
    np.savez(arguments[1], **flat)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
