"""Arrays of contact holes or pillars."""

from __future__ import annotations

import numpy as np
from shapely.geometry import Polygon

from segsem.synth.families.pattern import Pattern, PatternRequest, box, draw_angle, place

_VERTICES = 256


def contacts(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Square or staggered array; squares in the design print as (super)ellipses."""
    width = request.feature_px
    aspect = rng.uniform(1.15, 1.8) if rng.random() < 0.4 else 1.0
    height = width * aspect
    pitch_x = width * (1 + max(request.space_ratio, 0.5) * rng.uniform(1.0, 1.6))
    pitch_y = height + width * max(request.space_ratio, 0.5) * rng.uniform(1.0, 1.6)
    stagger = 0.5 if rng.random() < 0.35 else 0.0
    power = float(rng.choice([2.0, 2.0, 2.6, 4.0]))
    spread = rng.uniform(0.0, 0.03)
    half = request.half_extent
    origin = rng.uniform(0, 1, 2) * (pitch_x, pitch_y)
    drawn, printed = [], []
    for row, y in enumerate(np.arange(-half + origin[1], half, pitch_y)):
        for x in np.arange(-half + origin[0], half, pitch_x) + stagger * (row % 2) * pitch_x:
            drawn.append(box(x - width / 2, y - height / 2, x + width / 2, y + height / 2))
            scale = 1 + spread * rng.standard_normal()
            printed.append(superellipse(x, y, scale * width / 2, scale * height / 2, power))
    angle = draw_angle(rng, request)
    return Pattern(place(request, drawn, angle), place(request, printed, angle))


def superellipse(
    x: float, y: float, half_width: float, half_height: float, power: float
) -> Polygon:
    """``|u|^p + |v|^p = 1`` as a dense polygon whose vertices lie on the curve exactly."""
    angle = np.linspace(0, 2 * np.pi, _VERTICES, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    radius = (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1 / power)
    return Polygon(
        np.stack([x + half_width * radius * cos, y + half_height * radius * sin], axis=1)
    )
