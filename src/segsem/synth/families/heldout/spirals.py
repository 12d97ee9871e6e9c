"""Spirals: round and square coils, with one arm or two.

Training's bands wander by chance; none winds around itself at one pitch.
"""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString, Polygon

from segsem.core.types import PointsXY
from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, draw_angle, place

_STEP_RAD = 0.03


def spirals(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """One coil that fills the image, or an array of coils of two or three turns."""
    width = request.feature_px
    pitch = width * (1 + max(request.space_ratio, 0.6) * rng.uniform(1.0, 1.4))
    arms = int(rng.choice([1, 2]))
    square = rng.random() < 0.5
    half = request.half_extent
    turns = rng.uniform(1.5, 3.2)
    if rng.random() < 0.25:
        turns = 1.2 * half / pitch / arms
    reach = pitch * arms * turns + pitch
    drawn: list[Polygon] = []
    if reach > half:
        drawn = _coil(rng.uniform(-80, 80, 2), pitch, width, turns, arms, square)
    else:
        step = 2 * reach + pitch
        for y in np.arange(-half + rng.uniform(0, step), half + reach, step):
            for x in np.arange(-half + rng.uniform(0, step), half + reach, step):
                drawn += _coil(np.array([x, y]), pitch, width, turns, arms, square)
    placed = place(request, drawn, draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.3 * width)))


def _coil(
    centre_xy: np.ndarray[tuple[int], np.dtype[np.float64]],
    pitch: float,
    width: float,
    turns: float,
    arms: int,
    square: bool,
) -> list[Polygon]:
    found = []
    for arm in range(arms):
        path = _square_path(pitch, turns, arms) if square else _round_path(pitch, turns, arms)
        angle = arm * 2 * np.pi / arms
        cos, sin = np.cos(angle), np.sin(angle)
        turned = path @ np.array([[cos, sin], [-sin, cos]]) + centre_xy
        style = "mitre" if square else "round"
        found.append(LineString(turned).buffer(width / 2, cap_style="flat", join_style=style))
    return [part for shape in found for part in polygons_of(shape)]


def _round_path(pitch: float, turns: float, arms: int) -> PointsXY:
    """Archimedean, from a pitch off the centre outwards."""
    angle = np.arange(0, 2 * np.pi * turns, _STEP_RAD)
    radius = pitch * (0.75 + arms * angle / (2 * np.pi))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _square_path(pitch: float, turns: float, arms: int) -> PointsXY:
    """Straight runs; opposite runs of one turn lie `arms` pitches further out."""
    points = []
    for quarter in range(int(4 * turns) + 1):
        reach = pitch * (0.75 + arms * quarter / 4)
        after = pitch * (0.75 + arms * (quarter + 1) / 4)
        # Corner between the run at distance `reach` on one side and the next at `after`.
        corner = [(reach, after), (-after, reach), (-reach, -after), (after, -reach)][quarter % 4]
        points.append(corner)
    return np.array(points, dtype=np.float64)
