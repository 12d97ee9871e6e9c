"""Straight edges of lines as deviations at even steps, and the widths between facing ones."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import shapely

from segsem.core.contour import Contour, PointFlag
from segsem.core.coordinates import nm_per_px_along, normal_rc_to_nm, rc_to_nm, unit
from segsem.core.types import FloatArray, MaskArray, PointsXY
from segsem.metrology.measured import MeasuredImage

LEAST_PX = 96
"""Shorter edges have too few frequencies."""

STRAIGHT_PX = 8.0
"""How far the points of a straight edge may be from the chord of its ends."""

TURN = np.cos(np.radians(25.0))

END_PX = 12.0
"""Left out at both ends, where the edge bends or the border cuts profiles."""

MOST_GAP_PX = 4.0
"""Shorter gaps, where the image placed no point, are bridged; an edge ends at longer ones."""

CURVED = 3.0
"""An edge whose bow is more than this many times its roughness is no straight one."""

FACING = -0.98


@dataclass(frozen=True, slots=True)
class LineEdge:
    """One straight edge.

    Attributes
    ----------
    region, contour : int
        Index of the region and of the contour in `MeasuredImage`.
    origin_nm, along_xy : (2,) array
        A point of the fitted line, and its unit direction.
    at_nm : (N,) array
        Position along the line, at even steps.
    deviation_nm : (N,) array
        From the line, outwards positive.
    sigma_nm : float
        Root mean square of the points' standard errors, NaN where none is known.
    step_nm : float
        Distance of the points.
    """

    region: int
    contour: int
    origin_nm: FloatArray
    along_xy: FloatArray
    at_nm: FloatArray
    deviation_nm: FloatArray
    sigma_nm: float
    step_nm: float

    @property
    def length_nm(self) -> float:
        """Length of the edge."""
        return len(self.at_nm) * self.step_nm

    @property
    def outward_xy(self) -> FloatArray:
        """Unit normal from feature to background."""
        return np.array([self.along_xy[1], -self.along_xy[0]])


def find_line_edges(image: MeasuredImage) -> list[LineEdge]:
    """Find the straight edges of an image, as the image alone places them.

    Raw positions are taken where the edge method keeps them; else the contour's points.
    """
    edges = []
    for number, contour in enumerate(image.contours):
        for first, last in _straight_runs(contour):
            edge = _line_edge(image, number, np.arange(first, last) % len(contour))
            if edge is not None:
                edges.append(edge)
    return edges


def facing_pairs(edges: list[LineEdge]) -> list[tuple[int, int, FloatArray]]:
    """Widths between the two edges of each line.

    Returns
    -------
    list of (int, int, (N,) array)
        Indices of the edges, and the widths in nm at the steps of the first. Only edges of one
        region that run antiparallel and lie beside each other for at least 96 steps.
    """
    pairs = []
    for i, a in enumerate(edges):
        best: tuple[int, int, FloatArray] | None = None
        for j in range(i + 1, len(edges)):
            b = edges[j]
            if a.region != b.region or float(a.along_xy @ b.along_xy) > FACING:
                continue
            width = _width(a, b)
            if len(width) >= LEAST_PX and (best is None or width.mean() < best[2].mean()):
                best = (i, j, width)
        if best is not None:
            pairs.append(best)
    return pairs


def _straight_runs(contour: Contour) -> list[tuple[int, int]]:
    """Half-open ranges of points between the corners of a simplified outline."""
    points = contour.vertices_rc
    count = len(points)
    if count < LEAST_PX:
        return []
    if contour.closed:
        # It has to begin at a corner: the farthest point from the middle is near one.
        begin = int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))
        order = (begin + np.arange(count + 1)) % count
    else:
        begin, order = 0, np.arange(count)
    path = points[order]
    line = shapely.linestrings(path)
    kept = shapely.get_coordinates(shapely.simplify(line, STRAIGHT_PX, preserve_topology=False))
    places, at = [], 0
    for vertex in kept:
        at += int(np.flatnonzero(np.all(path[at:] == vertex, axis=1))[0])
        places.append(at)
    # Slow waves bend an edge a little; a corner turns.
    along = unit(np.diff(path[places], axis=0))
    turns = np.sum(along[1:] * along[:-1], axis=1) < TURN
    corners = [0, *np.array(places)[1:-1][turns].tolist(), places[-1]]
    spans = itertools.pairwise(corners)
    return [(begin + a, begin + b + 1) for a, b in spans if b - a >= LEAST_PX]


def _line_edge(
    image: MeasuredImage, number: int, index: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> LineEdge | None:
    contour = image.contours[number]
    usable = (contour.flags[index] & np.uint8(PointFlag.LOW_SLOPE | PointFlag.OUTLIER)) == 0
    points_rc, normals_rc = contour.vertices_rc[index], contour.normals_rc[index]
    if contour.unsmoothed_px is not None:
        raw = contour.unsmoothed_px[index]
        usable &= np.isfinite(raw)
        points_rc = points_rc + np.nan_to_num(raw)[:, None] * normals_rc
    points = rc_to_nm(points_rc, image.extraction.shape[0], image.pixel_size_nm)
    pixel = float(np.sqrt(image.pixel_size_nm[0] * image.pixel_size_nm[1]))
    if usable.sum() < LEAST_PX:
        return None
    outward = normal_rc_to_nm(normals_rc[usable], image.pixel_size_nm).mean(axis=0)
    origin, along = _fitted_line(points[usable], outward)
    at = (points - origin) @ along
    deviation = (points - origin) @ np.array([along[1], -along[0]])
    inner = (at > at.min() + END_PX * pixel) & (at < at.max() - END_PX * pixel)
    own = _longest_stretch(at, inner & usable, MOST_GAP_PX * pixel)
    if len(own) < LEAST_PX:
        return None
    grid = _even(at[own])
    values = deviation[own][_nearest(at[own], grid)]
    if _is_bowed(values, pixel):
        return None
    scale = nm_per_px_along(normals_rc, image.pixel_size_nm)
    sigma = (contour.sigma_px[index] * scale)[own]
    placed = sigma[np.isfinite(sigma)]
    return LineEdge(
        region=int(image.region_of[number]),
        contour=number,
        origin_nm=origin,
        along_xy=along,
        at_nm=grid,
        deviation_nm=values,
        sigma_nm=float(np.sqrt(np.mean(placed**2))) if len(placed) else float("nan"),
        step_nm=float(grid[1] - grid[0]),
    )


def _fitted_line(points: PointsXY, outward: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Middle and direction of the best line, the feature on its left."""
    middle = points.mean(axis=0)
    along = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    if np.array([along[1], -along[0]]) @ outward < 0:
        along = -along
    return middle, np.asarray(unit(along))


def _longest_stretch(
    at: FloatArray, usable: MaskArray, most_gap: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the points, in order, of the longest stretch without a gap."""
    own = np.flatnonzero(usable)
    own = own[np.argsort(at[own], kind="stable")]
    breaks = np.flatnonzero(np.diff(at[own]) > most_gap) + 1
    return np.asarray(max(np.split(own, breaks), key=len), dtype=np.int64)


def _even(at: FloatArray) -> FloatArray:
    """Even steps of the points' mean distance from the first to the last."""
    low, high = float(at.min()), float(at.max())
    return np.linspace(low, high, len(at))


def _nearest(at: FloatArray, grid: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Nearest point for each step: values in between would be averages, with less noise."""
    order = np.argsort(at, kind="stable")
    right = np.clip(np.searchsorted(at[order], grid), 1, len(at) - 1)
    left = right - 1
    nearer = np.where(grid - at[order][left] <= at[order][right] - grid, left, right)
    return np.asarray(order[nearer], dtype=np.int64)


def _is_bowed(values: FloatArray, pixel_nm: float) -> bool:
    at = np.linspace(-1.0, 1.0, len(values))
    bow = np.polynomial.polynomial.polyfit(at, values, 2)
    rough = float(np.std(values - np.polynomial.polynomial.polyval(at, bow)))
    return abs(float(bow[2])) > max(CURVED * rough, pixel_nm)


def _width(a: LineEdge, b: LineEdge) -> FloatArray:
    """Width at the steps of `a` that lie beside `b`, along the normal of `a`."""
    outward = a.outward_xy
    points = b.origin_nm + b.at_nm[:, None] * b.along_xy + b.deviation_nm[:, None] * b.outward_xy
    at = (points - a.origin_nm) @ a.along_xy
    depth = -((points - a.origin_nm) @ outward)
    beside = (a.at_nm >= at.min()) & (a.at_nm <= at.max())
    if not beside.any():
        return np.empty(0)
    return np.asarray(a.deviation_nm[beside] + depth[_nearest(at, a.at_nm[beside])])
