"""Alignment marks: crosses, frames in frames, verniers, and text of straight strokes.

Training has L, T and U shapes of chance and crossing wires, but no frames within frames, no
verniers and no script; the text of its data bars is never an object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, box, draw_angle, place

Strokes: TypeAlias = tuple[tuple[tuple[float, float], ...], ...]

# On a grid of 2 x 4 units, y running down.
LETTERS: dict[str, Strokes] = {
    "A": (((0, 4), (0, 1), (1, 0), (2, 1), (2, 4)), ((0, 2.4), (2, 2.4))),
    "C": (((2, 0), (0, 0), (0, 4), (2, 4)),),
    "E": (((2, 0), (0, 0), (0, 4), (2, 4)), ((0, 2), (1.6, 2))),
    "F": (((2, 0), (0, 0), (0, 4)), ((0, 2), (1.6, 2))),
    "H": (((0, 0), (0, 4)), ((2, 0), (2, 4)), ((0, 2), (2, 2))),
    "K": (((0, 0), (0, 4)), ((2, 0), (0, 2), (2, 4))),
    "L": (((0, 0), (0, 4), (2, 4)),),
    "N": (((0, 4), (0, 0), (2, 4), (2, 0)),),
    "S": (((2, 0), (0, 0), (0, 2), (2, 2), (2, 4), (0, 4)),),
    "T": (((0, 0), (2, 0)), ((1, 0), (1, 4))),
    "X": (((0, 0), (2, 4)), ((2, 0), (0, 4))),
    "Z": (((0, 0), (2, 0), (0, 4), (2, 4)),),
    "0": (((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)),),
    "2": (((0, 0), (2, 0), (2, 2), (0, 2), (0, 4), (2, 4)),),
    "4": (((0, 0), (0, 2), (2, 2)), ((2, 0), (2, 4))),
    "7": (((0, 0), (2, 0), (0.6, 4)),),
}


def marks(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """A grid of marks of all kinds, or a page of text."""
    width = request.feature_px
    kinds: tuple[Callable[[np.random.Generator], BaseGeometry], ...]
    kinds = (_letter,) if rng.random() < 0.3 else (_letter, _cross, _frames, _vernier)
    half = request.half_extent
    # No drawing is larger than 9 x 9 units; two units part it from its neighbours.
    step = 11.0 * width if len(kinds) > 1 else 7.0 * width
    drawn: list[Polygon] = []
    for y in np.arange(-half - rng.uniform(0, step), half, step):
        for x in np.arange(-half - rng.uniform(0, step), half, step):
            shape = kinds[int(rng.integers(len(kinds)))](rng)
            scaled = affinity.scale(shape, width, width, origin=(0, 0))
            drawn += polygons_of(affinity.translate(scaled, x, y))
    placed = place(request, drawn, draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.35 * width)))


def _letter(rng: np.random.Generator) -> BaseGeometry:
    letter = LETTERS[str(rng.choice(sorted(LETTERS)))]
    # Two units per grid cell leave a unit of space between strokes of one unit.
    paths = [LineString([(1.6 * x, 1.3 * y) for x, y in stroke]) for stroke in letter]
    return shapely.union_all(
        [path.buffer(0.5, cap_style="square", join_style="mitre", mitre_limit=2) for path in paths]
    )


def _cross(rng: np.random.Generator) -> BaseGeometry:
    """A cross, at times within four corner brackets."""
    arm = rng.uniform(2.0, 3.4)
    cross = box(-arm, -0.5, arm, 0.5).union(box(-0.5, -arm, 0.5, arm))
    if rng.random() < 0.5:
        return affinity.rotate(cross, float(rng.choice([0.0, 45.0])), origin=(0, 0))
    bracket = box(1.6, 3.5, 4.5, 4.5).union(box(3.5, 1.6, 4.5, 4.5))
    turned = [affinity.rotate(bracket, 90.0 * k, origin=(0, 0)) for k in range(4)]
    short = box(-2.2, -0.5, 2.2, 0.5).union(box(-0.5, -2.2, 0.5, 2.2))
    return shapely.union_all([short, *turned])


def _frames(rng: np.random.Generator) -> BaseGeometry:
    """Box in box: a frame and a square or a smaller frame inside it, slightly off centre."""
    shift = rng.uniform(-0.4, 0.4, 2)
    outer = box(-4.5, -4.5, 4.5, 4.5).difference(box(-3.5, -3.5, 3.5, 3.5))
    inner: BaseGeometry = box(-2.0, -2.0, 2.0, 2.0)
    if rng.random() < 0.4:
        inner = inner.difference(box(-1.0, -1.0, 1.0, 1.0))
    return outer.union(affinity.translate(inner, *shift))


def _vernier(rng: np.random.Generator) -> BaseGeometry:
    """Two rows of ticks of slightly different pitch."""
    pitches = (2.0, 2.0 + rng.uniform(0.05, 0.25))
    ticks = []
    for row, pitch in enumerate(pitches):
        for k in range(-2, 3):
            long = 0.8 if k else 0.0
            low, high = (-4.4 + long, -0.6) if row == 0 else (0.6, 4.4 - long)
            ticks.append(box(k * pitch - 0.5, low, k * pitch + 0.5, high))
    return affinity.rotate(shapely.union_all(ticks), 90.0 * int(rng.integers(2)), origin=(0, 0))
