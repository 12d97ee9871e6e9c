"""Wiring of a redistribution layer: bundles of traces with 45 degree jogs and octagonal pads."""

from __future__ import annotations

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import substring

from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, draw_angle, place

_PAD = 0.78
"""Radius of a pad over the width of its trace."""


def octilinear(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Parallel traces that jog together by 45 degrees, cut by gaps, their ends on pads or not."""
    width = request.feature_px
    pitch = width * (1 + request.space_ratio * rng.uniform(1.0, 1.25))
    half = request.half_extent
    course = _course(rng, half, pitch)
    count = int(2 * half / pitch) + 2
    traces: list[BaseGeometry] = []
    pads: list[list[Polygon]] = []
    for number in range(-count // 2, count // 2 + 1):
        track = course.offset_curve(number * pitch, join_style="mitre", mitre_limit=8.0)
        runs, ends = _cut(rng, _lines_of(track), width)
        traces.append(shapely.union_all(runs))
        pads.append(ends)
    # Corners are rounded by offsets that would bridge anything closer than this.
    corner = min(request.corner_px, 0.3 * width)
    drawn = _with_pads(traces, pads, 2 * corner + 4)
    placed = place(request, polygons_of(shapely.union_all(drawn)), draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, corner))


def _course(rng: np.random.Generator, half: float, pitch: float) -> LineString:
    """Centre line of the bundle: straight, with jogs at 45 degrees, across the whole scene."""
    x, y = -half, rng.uniform(-0.5, 0.5) * pitch
    points = [(x, y)]
    while x < half:
        x += rng.uniform(2.0, 6.0) * pitch
        points.append((x, y))
        rise = rng.uniform(1.0, 3.5) * pitch
        x += rise
        y += rise * float(rng.choice([-1.0, 1.0])) if abs(y) < 2 * pitch else -np.sign(y) * rise
        points.append((x, y))
    points.append((x + pitch, y))
    return LineString(points)


def _lines_of(track: object) -> list[LineString]:
    parts = getattr(track, "geoms", [track])
    return [part for part in parts if isinstance(part, LineString) and not part.is_empty]


def _cut(
    rng: np.random.Generator, lines: list[LineString], width: float
) -> tuple[list[Polygon], list[Polygon]]:
    """Cut a trace into runs, and draw pads for some of their ends."""
    runs: list[Polygon] = []
    pads: list[Polygon] = []
    for line in lines:
        at = -rng.uniform(0, 6) * width
        while at < line.length:
            end = at + rng.uniform(4.0, 14.0) * width
            low, high = max(at, 0.0), min(end, line.length)
            if high - low > width:
                run = substring(line, low, high)
                runs += polygons_of(run.buffer(width / 2, cap_style="flat", join_style="mitre"))
                ends = [where for where in (at, end) if 0 <= where <= line.length]
                pads += [_pad(line, where, width) for where in ends if rng.random() < 0.6]
            at = end + rng.uniform(2.4, 3.4) * width
    return runs, pads


def _pad(line: LineString, at: float, width: float) -> Polygon:
    octagon = line.interpolate(at).buffer(_PAD * width / np.cos(np.pi / 8), 2)
    return affinity.rotate(octagon, 22.5)


def _with_pads(
    traces: list[BaseGeometry], pads: list[list[Polygon]], space: float
) -> list[BaseGeometry]:
    """Add the pads that keep their distance from every other trace and pad."""
    drawn = list(traces)
    for number, own in enumerate(pads):
        others = shapely.union_all(drawn[:number] + drawn[number + 1 :])
        kept = [pad for pad in own if pad.distance(others) >= space]
        drawn[number] = shapely.union_all([drawn[number], *kept])
    return drawn
