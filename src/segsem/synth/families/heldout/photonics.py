"""Photonic circuits: ring and racetrack resonators on buses, S-bends, tapers with gratings.

Training has bands that wander and cross, never one that closes to a ring, a taper, or a fan of
curved bars.
"""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry

from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, draw_angle, place

_SEGMENTS = 48


def photonic(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Buses across the image, with resonators beside them, or couplers at their ends."""
    width = request.feature_px
    gap = max(width * max(request.space_ratio, 0.6) * rng.uniform(0.6, 1.0), 5.0)
    radius = width * rng.uniform(2.0, 4.0)
    half = request.half_extent
    step = 2 * width + 2 * gap + 2 * radius + width
    drawn: list[BaseGeometry] = []
    for y in np.arange(-half - rng.uniform(0, step), half, step):
        drawn += _bus(rng, float(y), width, gap, radius, half)
    parts = [part for shape in drawn for part in polygons_of(shape)]
    placed = place(request, parts, draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.25 * width)))


def _bus(
    rng: np.random.Generator, y: float, width: float, gap: float, radius: float, half: float
) -> list[BaseGeometry]:
    """One waveguide: straight with resonators above, or cut by couplers, or bending away."""
    kind = rng.choice(["resonators", "couplers", "bends"], p=[0.5, 0.25, 0.25])
    centre_y = y + width / 2 + gap + radius + width / 2
    if kind == "resonators":
        return [
            _band([(-half, y), (half, y)], width),
            *_row(rng, centre_y, width, gap, radius, half),
        ]
    if kind == "bends":
        return [_s_bends(rng, y, radius, half).buffer(width / 2, quad_segs=_SEGMENTS)]
    found: list[BaseGeometry] = []
    length = width * rng.uniform(8.0, 14.0)
    for x in np.arange(-half - rng.uniform(0, length), half, 2.4 * length):
        found += _coupler(float(x), y + radius, width, gap, length)
    return found


def _row(
    rng: np.random.Generator, y: float, width: float, gap: float, radius: float, half: float
) -> list[BaseGeometry]:
    found: list[BaseGeometry] = []
    x = -half - rng.uniform(0, 2 * radius)
    while x < half:
        straight = float(rng.choice([0.0, 0.0, 2.0])) * radius
        path = LineString([(x, y), (x + straight, y)]) if straight else Point(x, y)
        outer = path.buffer(radius + width / 2, quad_segs=_SEGMENTS)
        inner = path.buffer(radius - width / 2, quad_segs=_SEGMENTS)
        # Now and then a solid disc: a whispering-gallery resonator.
        found.append(outer if rng.random() < 0.2 else outer.difference(inner))
        x += straight + 2 * radius + width + gap * rng.uniform(1.0, 4.0)
    return found


def _s_bends(rng: np.random.Generator, y: float, radius: float, half: float) -> LineString:
    """Raised-cosine steps up and down."""
    at = np.arange(-half, half, 2.0)
    period = radius * rng.uniform(5.0, 9.0)
    rise = 0.5 * (1 - np.cos(2 * np.pi * (at + rng.uniform(0, period)) / period))
    return LineString(np.stack([at, y + 1.6 * radius * rise], axis=1))


def _coupler(x: float, y: float, width: float, gap: float, length: float) -> list[BaseGeometry]:
    """A waveguide that widens into a fan, and the curved bars of the grating in front of it."""
    wedge = Polygon(
        [
            (x, y - width / 2),
            (x, y + width / 2),
            (x + 0.7 * length, y + 1.6 * width),
            (x + 0.7 * length, y - 1.6 * width),
        ]
    )
    guide = _band([(x - 0.9 * length, y), (x, y)], width).union(wedge)
    found: list[BaseGeometry] = [guide]
    focus = Point(x, y)
    sector = Polygon([(x, y), (x + 3 * length, y + 5 * width), (x + 3 * length, y - 5 * width)])
    inner = 0.7 * length + gap + 0.4 * width
    while inner + width < 1.25 * length:
        ring = focus.buffer(inner + width, quad_segs=_SEGMENTS).difference(
            focus.buffer(inner, quad_segs=_SEGMENTS)
        )
        found.append(ring.intersection(sector))
        inner += width + gap
    return found


def _band(points: list[tuple[float, float]], width: float) -> Polygon:
    return LineString(points).buffer(width / 2, cap_style="flat")
