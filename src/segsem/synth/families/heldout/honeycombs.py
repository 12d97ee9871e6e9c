"""Honeycombs: hexagons set edge to edge, and islands of a hexagonal mesh.

Training has arrays of round or square dots, uneven polygons and networks of chance, neither
hexagons edge to edge nor a mesh with straight walls of one width.
"""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import Polygon

from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, draw_angle, place

_SQRT3 = float(np.sqrt(3.0))


def honeycomb(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Cells parted by gaps, or a mesh of walls, whole or broken into islands."""
    width = request.feature_px
    if rng.random() < 0.5:
        gap = width * max(request.space_ratio, 0.6) * rng.uniform(0.6, 1.2)
        cells = _cells(request, width * rng.uniform(1.2, 2.2), gap)
        kept = [hexagon for hexagon, _ in cells if rng.random() > 0.1]
        drawn = [Polygon(hexagon) for hexagon in kept]
    else:
        drawn = _mesh(rng, request, width)
    placed = place(request, drawn, draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.3 * width)))


def _mesh(rng: np.random.Generator, request: PatternRequest, width: float) -> list[Polygon]:
    """Walls around cells; pairs of rows and columns are left out, which makes islands."""
    hole = width * rng.uniform(1.0, 2.2)
    cells = _cells(request, hole, width)
    rows, cols = (int(n) for n in rng.integers(2, 5, 2))
    whole = rng.random() < 0.2
    walls = []
    for hexagon, (i, j) in cells:
        if whole or (i % (rows + 2) > 1 and j % (cols + 2) > 1):
            grown = Polygon(hexagon).buffer(width, join_style="mitre")
            walls.append((grown, Polygon(hexagon)))
    union = shapely.union_all([grown for grown, _ in walls])
    return polygons_of(union.difference(shapely.union_all([inner for _, inner in walls])))


def _cells(
    request: PatternRequest, flat_px: float, gap_px: float
) -> list[tuple[list[tuple[float, float]], tuple[int, int]]]:
    """Hexagons `flat_px` across their flats, `gap_px` apart, with row and column numbers."""
    pitch = flat_px + gap_px
    radius = flat_px / _SQRT3
    half = request.half_extent
    angles = np.deg2rad(np.arange(30, 390, 60))
    found = []
    rise = pitch * _SQRT3 / 2
    for i in range(-int(half / rise) - 1, int(half / rise) + 2):
        for j in range(-int(half / pitch) - 1, int(half / pitch) + 2):
            x, y = (j + 0.5 * (i % 2)) * pitch, i * rise
            corners = [(x + radius * np.cos(a), y + radius * np.sin(a)) for a in angles]
            found.append(([(float(u), float(v)) for u, v in corners], (i, j)))
    return found
