"""Bullseyes: concentric rings and gratings, whole or cut into arcs.

Training's features are lines, wires, discs, polygons, wandering bands and level sets of noise;
none is a ring around another.
"""

from __future__ import annotations

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, box, place

_SEGMENTS = 64


def rings(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """One large bullseye, or an array of small ones, each with its own split or none."""
    width = request.feature_px
    space = width * max(request.space_ratio, 0.6) * rng.uniform(1.0, 1.5)
    half = request.half_extent
    arcs = int(rng.choice([0, 0, 2, 3, 4]))
    turn = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.4:
        centre = rng.uniform(-0.5, 0.5, 2) * request.shape[0]
        count = int(2 * half / (width + space)) + 1
        drawn = bullseye(centre, width, space, count, arcs, turn)
    else:
        count = int(rng.integers(1, 4))
        pitch = (2 * count + 1) * (width + space) + space
        drawn = []
        for y in np.arange(-half + rng.uniform(0, pitch), half, pitch):
            for x in np.arange(-half + rng.uniform(0, pitch), half, pitch):
                centre = np.array([x, y])
                drawn += bullseye(centre, width, space, count, arcs, turn)
    placed = place(request, drawn, float(rng.uniform(0, 90)))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.3 * width)))


def bullseye(
    centre_xy: np.ndarray[tuple[int], np.dtype[np.float64]],
    width: float,
    space: float,
    count: int,
    arcs: int,
    turn: float,
) -> list[Polygon]:
    """A disc and `count` rings around it, all cut along `arcs` spokes of the space's width."""
    middle = Point(*centre_xy)
    found: list[BaseGeometry] = [middle.buffer(0.5 * width + 0.5 * space, quad_segs=_SEGMENTS)]
    for number in range(1, count + 1):
        inner = 0.5 * width + 0.5 * space + number * (width + space) - width
        outer = middle.buffer(inner + width, quad_segs=_SEGMENTS)
        found.append(outer.difference(middle.buffer(inner, quad_segs=_SEGMENTS)))
    if arcs:
        reach = found[-1].bounds[2] - centre_xy[0] + width
        spokes = shapely.union_all(
            [
                affinity.rotate(
                    box(0, -space / 2, reach, space / 2), turn + k * 2 * np.pi / arcs, (0, 0), True
                )
                for k in range(arcs)
            ]
        )
        spokes = affinity.translate(spokes, *centre_xy)
        found = [found[0], *(ring.difference(spokes) for ring in found[1:])]
    return [part for ring in found for part in polygons_of(ring)]
