"""Lines and spaces, and lines with facing ends."""

from __future__ import annotations

import numpy as np

from segsem.synth.curves import round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, box, draw_angle, place


def line_space(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Parallel lines that cross the whole image."""
    width = request.feature_px
    pitch = width * (1 + request.space_ratio * rng.uniform(1.0, 1.8))
    half = request.half_extent
    starts = np.arange(-half - rng.uniform(0, pitch), half, pitch)
    drawn = [box(x, -half, x + width, half) for x in starts]
    lines = place(request, drawn, draw_angle(rng, request))
    return Pattern(lines, lines)


def line_end(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Parallel lines cut by gaps, the ends in a row, staggered or free."""
    width = request.feature_px
    pitch = width * (1 + request.space_ratio * rng.uniform(1.0, 1.6))
    gap = width * max(request.space_ratio, 0.7) * rng.uniform(1.0, 1.8)
    length = width * rng.uniform(4.0, 9.0)
    shift = float(rng.choice([0.0, 0.5, rng.uniform(0, 1)])) * (length + gap)
    free = rng.random() < 0.4
    half = request.half_extent
    first = -half - rng.uniform(0, pitch)
    polygons = []
    for number, x in enumerate(np.arange(first, half, pitch)):
        start = -half - (rng.uniform(0, length) if free else np.mod(number * shift, length + gap))
        for y in np.arange(start, half, length + gap):
            polygons.append(box(x, y, x + width, y + length))
    placed = place(request, polygons, draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.45 * width)))
