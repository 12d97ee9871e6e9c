"""`Design`: the merged polygons of one layer, as areas and as edges with a direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from segsem.core.coordinates import unit
from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray, MaskArray, PointsXY


@dataclass(frozen=True, slots=True)
class Design:
    """What a layer's polygons cover together: overlaps and inner cuts of fractured ones are gone.

    Attributes
    ----------
    area : shapely.MultiPolygon
        In nm, y up, in the layout's own frame.
    """

    area: Any

    @classmethod
    def from_polygons(cls, polygons_nm: Sequence[PointsXY]) -> Design:
        """Merge polygons.

        Parameters
        ----------
        polygons_nm : sequence of (K, 2) arrays
            (x, y) in nm; keyhole polygons become polygons with holes.

        Raises
        ------
        InputError
            If they cover nothing.
        """
        rings = [np.asarray(ring, dtype=np.float64) for ring in polygons_nm]
        shapes = [shapely.polygons(ring) for ring in rings if len(ring) >= 3]
        # A self-touching ring (keyhole) is not valid as it is; its areas are.
        merged = shapely.union_all([shapely.buffer(shape, 0.0) for shape in shapes])
        return cls.from_area(merged)

    @classmethod
    def from_area(cls, area: Any) -> Design:
        """Take a shapely geometry in nm; what has no area is left out."""
        parts = [part for part in shapely.get_parts(area) if part.geom_type == "Polygon"]
        parts = [part for part in parts if part.area > 0]
        if not parts:
            msg = "Expected a design with polygons, but the layer covers no area"
            raise InputError(msg)
        return cls(shapely.multipolygons(parts))

    @property
    def bounds_nm(self) -> tuple[float, float, float, float]:
        """(x_min, y_min, x_max, y_max)."""
        x_min, y_min, x_max, y_max = shapely.bounds(self.area).tolist()
        return x_min, y_min, x_max, y_max

    @property
    def polygons(self) -> list[Any]:
        """The separate features, as shapely polygons with their holes."""
        return list(self.area.geoms)

    def clipped(self, outline_nm: PointsXY) -> Design | None:
        """Return what lies inside a convex or simple polygon; None where nothing does."""
        try:
            return Design.from_area(shapely.intersection(self.area, shapely.polygons(outline_nm)))
        except InputError:
            return None

    def rings(self) -> list[PointsXY]:
        """Outlines (K, 2), the feature on the left: outer ones counter-clockwise, holes clockwise.

        The first vertex is not repeated.
        """
        found: list[PointsXY] = []
        for part in self.polygons:
            found.append(_turned(part.exterior, ccw=True))
            found += [_turned(ring, ccw=False) for ring in part.interiors]
        return found

    def near(self, bounds_nm: tuple[float, float, float, float]) -> Design | None:
        """Return the whole features that reach into a box; None where none does."""
        box = shapely.box(*bounds_nm)
        parts = [part for part in self.polygons if shapely.intersects(part, box)]
        return Design(shapely.multipolygons(parts)) if parts else None


@dataclass(frozen=True, slots=True)
class DesignEdges:
    """Points along the edges of a design.

    Attributes
    ----------
    points_nm, normals_xy : (N, 2) array
        (x, y), and the unit normals from feature to background.
    corner : (N,) bool array
        Nearer to a corner than `corner_nm`: printed corners are round, they tell no position.
    step_nm : float
        Length that a point stands for, about.
    """

    points_nm: PointsXY
    normals_xy: PointsXY
    corner: MaskArray
    step_nm: float


SHARP_TURN = np.cos(np.radians(30.0))
_INSIDE_NM = 1e-3


def sample_edges(design: Design, step_nm: float, corner_nm: float) -> DesignEdges:
    """Spread points evenly along all edges of a design.

    Parameters
    ----------
    design : Design
        The polygons.
    step_nm : float
        Greatest distance of two points of one edge.
    corner_nm : float
        Points nearer to a vertex where the outline turns by 30 degrees or more are marked.
    """
    points, normals, corners = [], [], []
    for ring in design.rings():
        start, step = ring, np.roll(ring, -1, axis=0) - ring
        length = np.linalg.norm(step, axis=1)
        kept = length > 0
        start, step, length = start[kept], step[kept], length[kept]
        direction = unit(step)
        sharp = np.sum(direction * np.roll(direction, 1, axis=0), axis=1) < SHARP_TURN
        count = np.ceil(length / step_nm).astype(np.int64)
        owner = np.repeat(np.arange(len(start)), count)
        first = np.repeat(np.cumsum(count) - count, count)
        share = (np.arange(len(owner)) - first + 0.5) / count[owner]
        points.append(start[owner] + share[:, None] * step[owner])
        normals.append(np.column_stack([direction[owner, 1], -direction[owner, 0]]))
        corners.append(_near_corner(points[-1], start[sharp], corner_nm))
    return DesignEdges(
        np.concatenate(points), np.concatenate(normals), np.concatenate(corners), step_nm
    )


def typical_width_nm(design: Design, edges: DesignEdges, reach_nm: float) -> float:
    """Median width of the features, across from up to 200 points of their edges.

    NaN where no feature is narrower than `reach_nm`.
    """
    chosen = np.unique(np.linspace(0, len(edges.points_nm) - 1, 200).astype(np.int64))
    inward = -edges.normals_xy[chosen]
    # Just inside, so that the cut begins in the feature whatever rounding does.
    start = edges.points_nm[chosen] + _INSIDE_NM * inward
    cuts = np.stack([start, start + reach_nm * inward], axis=1)
    inside = shapely.intersection(shapely.linestrings(cuts), design.area)
    widths = [_first_length(part, origin) for part, origin in zip(inside, start, strict=True)]
    across = np.array([width for width in widths if 0 < width < reach_nm * 0.999]) + _INSIDE_NM
    return float(np.median(across)) if len(across) else float("nan")


def _first_length(piece: Any, origin: FloatArray) -> float:
    parts = [part for part in shapely.get_parts(piece) if part.length > 0]
    point = shapely.points(origin)
    touching = [part.length for part in parts if part.distance(point) < 1e-6]
    return float(touching[0]) if touching else 0.0


def _near_corner(points_nm: PointsXY, corners_nm: PointsXY, within_nm: float) -> MaskArray:
    near = np.zeros(len(points_nm), dtype=bool)
    if within_nm > 0 and len(corners_nm):
        tree = shapely.STRtree(shapely.points(corners_nm))
        hit = tree.query(shapely.points(points_nm), predicate="dwithin", distance=within_nm)
        near[hit[0]] = True
    return near


def _turned(ring: Any, ccw: bool) -> PointsXY:
    points: PointsXY = shapely.get_coordinates(ring)[:-1]
    return points if bool(shapely.is_ccw(ring)) is ccw else points[::-1].copy()
