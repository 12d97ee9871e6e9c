"""`Pattern`: what was designed and what was printed, before roughness."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import Polygon

from segsem.synth.curves import polygons_of

REACH_PX = 90.0
"""How far patterns go on beyond the image, so that no rim or glow ends at the border."""

EMPTY = 1000
"""Flaws of a pattern that shows nothing."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Polygons in (x, y) px, y running down, reaching beyond the image.

    Attributes
    ----------
    intent : list of Polygon
        As drawn by the designer.
    printed : list of Polygon
        As printed, smooth; roughness comes on top.
    """

    intent: list[Polygon]
    printed: list[Polygon]


@dataclass(frozen=True, slots=True)
class PatternRequest:
    """What a family is asked for; lengths in px.

    Attributes
    ----------
    shape : (int, int)
        Image (H, W).
    feature_px : float
        Line width, contact diameter or half period.
    space_ratio : float
        Smallest space over feature width.
    corner_px : float
        Radius of printed corners.
    upright : bool
        Whether patterns stay aligned with the image's axes.
    """

    shape: tuple[int, int]
    feature_px: float
    space_ratio: float
    corner_px: float
    upright: bool = False

    @property
    def half_extent(self) -> float:
        """Half the side of a square about the image's centre that any rotation covers."""
        return math.hypot(*self.shape) / 2 + REACH_PX


def box(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """Upright rectangle."""
    return Polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def count_flaws(pattern: Pattern, shape: tuple[int, int]) -> int:
    """Count pieces of feature or background that the image shows at its very border only.

    Such slivers can be neither segmented nor measured, and an edge that runs along the border
    turns into dozens of them by its roughness. An image with next to no feature, or nothing
    else, counts as `EMPTY` slivers.
    """
    rows, cols = shape
    # Drift and roughness may still move an edge by a few px.
    seen = box(0, 0, cols, rows).buffer(4, join_style="mitre")
    inner = seen.buffer(-9, join_style="mitre")
    feature = shapely.union_all(pattern.printed).intersection(seen)
    if not 0.05 < feature.area / seen.area < 0.95:
        return EMPTY
    pieces = [*polygons_of(feature), *polygons_of(seen.difference(feature))]
    return sum(not piece.intersects(inner) for piece in pieces)


def draw_angle(rng: np.random.Generator, request: PatternRequest) -> float:
    """Degrees: half of the patterns lie along an axis, a third within 3 degrees, a few anywhere."""
    angle = float(rng.integers(2)) * 90.0
    kind = 0.0 if request.upright else rng.random()
    if kind > 0.83:
        return float(rng.uniform(0, 180))
    return angle + float(rng.uniform(-3, 3)) if kind > 0.5 else angle


def place(request: PatternRequest, polygons: list[Polygon], angle_deg: float) -> list[Polygon]:
    """Rotate polygons about the origin, move that to the image's centre, drop what is far off."""
    rows, cols = request.shape
    window = box(-REACH_PX, -REACH_PX, cols + REACH_PX, rows + REACH_PX)
    placed = []
    for polygon in polygons:
        turned = affinity.rotate(polygon, angle_deg, origin=(0, 0))
        moved = affinity.translate(turned, (cols - 1) / 2, (rows - 1) / 2)
        if moved.intersects(window):
            placed.append(moved)
    return placed
