"""The `d` attribute of an SVG path, as closed rings."""

from __future__ import annotations

import math
import re

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.types import PointsXY

_TOKEN = re.compile(r"\s*,?\s*([A-Za-z]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "Z": 0}
_CURVE_STEPS = 16


def path_rings(text: str, name: str) -> list[PointsXY]:
    """Rings (K, 2) of a path in (x, y), open subpaths closed as a fill does.

    Parameters
    ----------
    text : str
        The `d` attribute; commands M, L, H, V, C, Z in either case.
    name : str
        File name for messages.

    Raises
    ------
    InputError
        If there is another command, a number too few, or a point before the first M.
    """
    rings: list[list[complex]] = []
    at = start = 0j
    for command, numbers in _commands(text, name):
        absolute = command.upper()
        if absolute == "Z":
            at = start
            continue
        base = at if command.islower() else 0j
        points = _points(absolute, numbers, base, at, command.islower())
        if absolute == "M":
            start = points[0]
            rings.append([start])
        elif not rings:
            msg = f"{name}: expected a path that begins with M, but got {text[:30]!r}"
            raise InputError(msg)
        else:
            if at == start and len(rings[-1]) > 1:  # drawing on after Z begins a new ring
                rings.append([start])
            rings[-1].extend(points)
        at = points[-1]
    return [ring for ring in map(_ring, rings) if len(ring) >= 3]


def _commands(text: str, name: str) -> list[tuple[str, list[float]]]:
    """Split into single commands; repeated arguments repeat the command, after M they are L."""
    tokens = _tokens(text, name)
    commands: list[tuple[str, list[float]]] = []
    index, command = 0, ""
    while index < len(tokens):
        if tokens[index].isalpha():
            command, index = tokens[index], index + 1
        elif command.upper() in ("Z", ""):
            msg = f"{name}: expected a path command, but got the number {tokens[index]}"
            raise InputError(msg)
        count = _ARGUMENTS.get(command.upper())
        if count is None:
            msg = f"{name}: expected path commands {', '.join(_ARGUMENTS)}, but got {command!r}"
            raise InputError(msg)
        words = tokens[index : index + count]
        if len(words) < count or any(word.isalpha() for word in words):
            msg = f"{name}: expected {count} numbers after {command!r} in a path"
            raise InputError(msg)
        commands.append((command, [_number(word, name) for word in words]))
        index += count
        command = {"M": "L", "m": "l"}.get(command, command)
    return commands


def _tokens(text: str, name: str) -> list[str]:
    tokens, position = [], 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            msg = f"{name}: cannot read path data at {stripped[position : position + 20]!r}"
            raise InputError(msg)
        tokens.append(match.group(1))
        position = match.end()
    return tokens


def _number(word: str, name: str) -> float:
    value = float(word)
    if not (math.isfinite(value) and abs(value) < 1e12):
        msg = f"{name}: expected path coordinates below 1e12, but got {word[:40]}"
        raise InputError(msg)
    return value


def _points(
    command: str, numbers: list[float], base: complex, at: complex, relative: bool
) -> list[complex]:
    """New points of one command, absolute, as complex x + iy."""
    if command == "H":
        return [complex(base.real + numbers[0], at.imag)]
    if command == "V":
        return [complex(at.real, (base.imag if relative else 0.0) + numbers[0])]
    pairs = [base + complex(*numbers[i : i + 2]) for i in range(0, len(numbers), 2)]
    if command != "C":
        return pairs
    share = np.arange(1, _CURVE_STEPS + 1) / _CURVE_STEPS
    left = 1 - share
    curve = (
        left**3 * at
        + 3 * left**2 * share * pairs[0]
        + 3 * left * share**2 * pairs[1]
        + share**3 * pairs[2]
    )
    return [complex(point) for point in curve]


def _ring(points: list[complex]) -> PointsXY:
    ring = np.array([(point.real, point.imag) for point in points], dtype=np.float64)
    repeated = len(ring) > 1 and np.array_equal(ring[0], ring[-1])
    return ring[:-1] if repeated else ring
