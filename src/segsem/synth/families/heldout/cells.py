"""Memory-like cells: mirrored copies of one cell with jogs, in one of three layers.

Training's wires have one width each and right angles only; here widths change along a shape,
jogs run at 45 degrees, and neighbours are mirror images.
"""

from __future__ import annotations

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, box, draw_angle, place


def cell_array(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """A layer of the cell, tiled with every other row and column mirrored."""
    unit = request.feature_px
    layer = int(rng.integers(0, 3))
    gap = max(request.space_ratio, 0.7) * rng.uniform(1.0, 1.3)
    shapes, size = (_active, _gate, _wiring)[layer](gap)
    half = request.half_extent / unit
    drawn: list[BaseGeometry] = []
    offset = rng.uniform(0, 1, 2) * size
    for j, y in enumerate(np.arange(-half - offset[1], half, size[1])):
        for i, x in enumerate(np.arange(-half - offset[0], half, size[0])):
            flip = (-1.0 if i % 2 else 1.0, -1.0 if j % 2 else 1.0)
            for shape in shapes:
                turned = affinity.scale(shape, *flip, origin=(size[0] / 2, size[1] / 2))
                drawn.append(affinity.translate(turned, x, y))
    merged = affinity.scale(shapely.union_all(drawn), unit, unit, origin=(0, 0))
    placed = place(request, polygons_of(merged), draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.35 * unit)))


def _active(gap: float) -> tuple[list[Polygon], tuple[float, float]]:
    """Strips that go from wide to narrow over a slanted jog, and short ones beside them."""
    wide, tall = 1.8, 9.0
    strip = Polygon(
        [(0, 0), (wide, 0), (wide, 3.4), (1.0, 4.2), (1.0, tall), (0, tall)],
    )
    x = wide + gap
    short = box(x, 1.2, x + 1.0, tall - 2.5)
    return [strip, short], (x + 1.0 + gap, tall)


def _gate(gap: float) -> tuple[list[Polygon], tuple[float, float]]:
    """Bars of different lengths; one carries a pad on its side."""
    long = box(gap / 2, gap / 2, 8.0 + gap / 2, 1.0 + gap / 2)
    pad = box(6.2 + gap / 2, gap / 2, 8.0 + gap / 2, 2.1 + gap / 2)
    y = 2.1 + 1.5 * gap
    left = box(gap / 2, y, 4.4, y + 1.0)
    right = box(4.4 + gap, y, 8.0 + gap / 2, y + 1.0)
    size = (8.0 + gap, y + 1.0 + gap / 2)
    return [*polygons_of(shapely.union_all([long, pad])), left, right], size


def _wiring(gap: float) -> tuple[list[Polygon], tuple[float, float]]:
    """Two Z-shaped wires with 45-degree jogs and a square island."""
    pitch, left = 1.0 + gap, 0.5 + gap / 2
    # On the cell's lower and upper side they meet their mirror images; on the left they must not.
    path = [(left, 0.5), (left, 3.0), (left + pitch, 3.0 + pitch), (left + pitch, 8.5)]
    first = LineString(path)
    second = affinity.translate(first, pitch * 1.45, 0)
    x = left + pitch * 2.45
    island = box(x + 0.6 + gap, 1.0, x + 2.2 + gap, 2.8)
    lower = box(x + 0.6 + gap, 3.2 + gap, x + 1.6 + gap, 8.6)
    wires = [wire.buffer(0.5, cap_style="square", join_style="mitre") for wire in (first, second)]
    return [*wires, island, lower], (x + 2.2 + 2 * gap, 9.0 + gap)
