"""Arrays of features with holes: rings, frames, and frames of two windows."""

from __future__ import annotations

import numpy as np
from shapely.geometry import Polygon

from segsem.synth.curves import round_corners
from segsem.synth.families.contacts import superellipse
from segsem.synth.families.pattern import Pattern, PatternRequest, box, draw_angle, place


def frames(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Walls of the feature width around holes that are no narrower than the smallest space."""
    wall = request.feature_px
    hole = wall * max(request.space_ratio, 0.6) * rng.uniform(1.0, 1.6)
    gap = wall * max(request.space_ratio, 0.6) * rng.uniform(1.0, 1.6)
    side = hole + 2 * wall
    double = side + hole + wall
    half = request.half_extent
    first = -half - rng.uniform(0, side)
    polygons = []
    for y in np.arange(first, half, side + gap):
        x = -half - rng.uniform(0, side)
        while x < half:
            kind = rng.choice(["ring", "frame", "double"], p=[0.35, 0.4, 0.25])
            polygons.append(_one(str(kind), (x, y), wall, hole))
            x += gap + (double if kind == "double" else side)
    placed = place(request, polygons, draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.4 * wall, 0.4 * hole)))


def _one(kind: str, corner_xy: tuple[float, float], wall: float, hole: float) -> Polygon:
    x, y = corner_xy
    side = hole + 2 * wall
    if kind == "ring":
        middle = (x + side / 2, y + side / 2)
        outer = superellipse(*middle, side / 2, side / 2, 2.0)
        inner = superellipse(*middle, hole / 2, hole / 2, 2.0)
        return Polygon(outer.exterior.coords, [inner.exterior.coords])
    count = 2 if kind == "double" else 1
    steps = [number * (hole + wall) for number in range(count)]
    holes = [box(x + wall + s, y + wall, x + wall + s + hole, y + wall + hole) for s in steps]
    width = count * (hole + wall) + wall
    outline = box(x, y, x + width, y + side).exterior.coords
    return Polygon(outline, [window.exterior.coords for window in holes])
