"""The `.glp` clips of the ICCAD contests: RECT and PGON lines."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.types import PointsXY
from segsem.layout.layout import Layer, Layout

_IGNORED = {"BEGIN", "CNAME", "LEVEL", "CELL", "ENDMSG"}
_UNITS_NM = {"MICRON": 1e3, "NANOMETER": 1.0, "ANGSTROM": 0.1}
_SHAPES = {"RECT", "PGON"}


def read_glp(path: Path) -> Layout:
    """Read a `.glp` file; levels become layers 1/0, 2/0, ... with the level's name.

    ``EQUIV a b UNIT`` says that b database units are a UNIT. ``RECT N LEVEL x y w h`` is a
    rectangle by its lower-left corner, ``PGON N LEVEL x y x y ...`` a polygon.

    Raises
    ------
    InputError
        If a line is not of that kind; the message names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        msg = f"{path.name}: expected a .glp text file, but it is not text"
        raise InputError(msg) from error
    unit_nm, cell = 1.0, path.stem
    shapes: dict[str, list[PointsXY]] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split()
        where = f"{path.name}, line {number}"
        if not words or words[0] in _IGNORED:
            cell = words[1] if words[:1] == ["CELL"] and len(words) > 1 else cell
        elif words[0] == "EQUIV":
            unit_nm = _unit(where, words)
        elif words[0] in _SHAPES and len(words) > 3:
            shapes.setdefault(words[2], []).append(_shape(where, words[0], words[3:]))
        else:
            msg = f"{where}: expected RECT, PGON or EQUIV, but got {line.strip()[:40]!r}"
            raise InputError(msg)
    layers: dict[Layer, str] = {(i, 0): name for i, name in enumerate(shapes, start=1)}
    polygons = {key: [points * unit_nm for points in shapes[name]] for key, name in layers.items()}
    return Layout(path, polygons, cell, (cell,), unit_nm, layers)


def _unit(where: str, words: list[str]) -> float:
    numbers = _numbers(where, words[1:3])
    name = words[3].upper() if len(words) > 3 else ""
    if len(numbers) != 2 or min(numbers) <= 0 or name not in _UNITS_NM:
        msg = f"{where}: expected EQUIV a b UNIT with UNIT out of {', '.join(_UNITS_NM)}"
        raise InputError(msg)
    return numbers[0] / numbers[1] * _UNITS_NM[name]


def _shape(where: str, kind: str, words: list[str]) -> PointsXY:
    numbers = _numbers(where, words)
    if kind == "RECT":
        if len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
            msg = f"{where}: expected RECT x y width height above 0, but got {' '.join(words)}"
            raise InputError(msg)
        x, y, width, height = numbers
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        return np.array(corners, dtype=np.float64)
    if len(numbers) < 6 or len(numbers) % 2:
        msg = f"{where}: expected PGON with three or more x y pairs, but got {len(numbers)} numbers"
        raise InputError(msg)
    return np.array(numbers, dtype=np.float64).reshape(-1, 2)


def _numbers(where: str, words: list[str]) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        msg = f"{where}: expected numbers, but got {' '.join(words)[:40]!r}"
        raise InputError(msg) from error
    if not all(math.isfinite(number) and abs(number) < 1e15 for number in numbers):
        msg = f"{where}: expected finite numbers, but got {' '.join(words)[:40]!r}"
        raise InputError(msg)
    return numbers
