"""Random rectilinear wiring on a lattice: line ends, L, T, crosses, combs, wide blocks."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import Polygon

from segsem.core.types import MaskArray
from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, box, draw_angle, place


def metal2d(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Wires along the edges of a lattice, so that no space is narrower than the lattice allows."""
    width = request.feature_px
    pitch_y = width * (1 + request.space_ratio * rng.uniform(1.0, 1.5))
    pitch_x = pitch_y * float(rng.choice([1.0, 1.5, 2.0]))
    half = request.half_extent
    columns, rows = int(2 * half / pitch_x) + 2, int(2 * half / pitch_y) + 2
    left = -half - rng.uniform(0, pitch_x)
    top = -half - rng.uniform(0, pitch_y)
    fill = rng.uniform(0.45, 0.75)
    along = _runs(rng, rows, columns, fill)
    across = rng.random((rows, columns)) < rng.uniform(0.03, 0.15)
    drawn = []
    for row, column in np.argwhere(along):
        x, y = left + column * pitch_x, top + row * pitch_y
        drawn.append(box(x, y, x + pitch_x + width, y + width))
    for row, column in np.argwhere(across):
        x, y = left + column * pitch_x, top + row * pitch_y
        drawn.append(box(x, y, x + width, y + pitch_y + width))
    drawn += _blocks(rng, (left, top), (pitch_x, pitch_y), (columns, rows), width)
    merged = polygons_of(shapely.union_all(drawn))
    placed = place(request, merged, draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.4 * width)))


def _runs(rng: np.random.Generator, rows: int, columns: int, fill: float) -> MaskArray:
    """Occupied lattice edges along the tracks: runs of geometric length, gaps of one or two."""
    stay, start = 0.82, 0.25 + 0.6 * fill
    state = rng.random(rows) < fill
    occupied = np.zeros((rows, columns), dtype=bool)
    for column in range(columns):
        draw = rng.random(rows)
        state = np.where(state, draw < stay, draw < start)
        occupied[:, column] = state
    return occupied


def _blocks(
    rng: np.random.Generator,
    origin: tuple[float, float],
    pitch: tuple[float, float],
    cells: tuple[int, int],
    width: float,
) -> list[Polygon]:
    """Now and then a pad or a power rail several tracks wide, on the lattice as well."""
    blocks = []
    for _ in range(int(rng.choice([0, 0, 1, 2]))):
        column, row = (int(rng.integers(0, count)) for count in cells)
        x, y = origin[0] + column * pitch[0], origin[1] + row * pitch[1]
        span_x, span_y = rng.integers(2, 6) * pitch[0], rng.integers(1, 4) * pitch[1]
        blocks.append(box(x, y, x + span_x + width, y + span_y + width))
    return blocks
