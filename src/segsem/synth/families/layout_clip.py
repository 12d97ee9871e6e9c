"""Patterns cut from a real layout."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import Polygon

from segsem.core.coordinates import nm_to_rc, rc_to_xy_px
from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray, PointsXY
from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import REACH_PX, Pattern, PatternRequest, box

_TRIES = 40


def layout_clip(
    rng: np.random.Generator, request: PatternRequest, polygons_nm: list[PointsXY]
) -> tuple[Pattern, float]:
    """Random window of a layout at a scale that makes its features `feature_px` wide.

    Parameters
    ----------
    rng : numpy.random.Generator
    request : PatternRequest
    polygons_nm : list of (K, 2) arrays
        One layer in (x, y) nm, y up.

    Returns
    -------
    Pattern
    float
        Pixel size in nm.

    Raises
    ------
    InputError
        If no window of the layout shows both feature and background.
    """
    shapes = [Polygon(points) for points in polygons_nm if len(points) >= 3]
    merged = polygons_of(shapely.union_all([shapely.make_valid(shape) for shape in shapes]))
    if not merged:
        msg = "Expected polygons on the chosen layer, but got none. Choose another with --layer L/D"
        raise InputError(msg)
    pixel_nm = float(f"{typical_width(merged) / request.feature_px:.5g}")
    tree = shapely.STRtree(merged)
    size_nm = np.array(request.shape[::-1]) * pixel_nm
    for _ in range(_TRIES):
        vertices = np.asarray(merged[int(rng.integers(len(merged)))].exterior.coords)
        anchor = vertices[int(rng.integers(len(vertices)))]
        corner_nm = anchor - rng.uniform(0.1, 0.9, 2) * size_nm
        corner_nm = _kept_inside(corner_nm, size_nm, shapely.total_bounds(merged))
        drawn = _window(merged, tree, corner_nm, request, pixel_nm)
        if 0.005 < _coverage(drawn, request.shape) < 0.95:
            radius = min(request.corner_px, 0.35 * request.feature_px)
            return Pattern(drawn, round_corners(drawn, radius)), pixel_nm
    msg = "Expected a layer with features and spaces, but got windows that are all one or the other"
    raise InputError(msg)


def _kept_inside(corner_nm: FloatArray, size_nm: FloatArray, bounds: FloatArray) -> FloatArray:
    """Shift a window into the layout; along an axis where the layout is smaller, centre it."""
    low, high = bounds[:2], bounds[2:] - size_nm
    return np.where(high > low, np.clip(corner_nm, low, np.maximum(high, low)), (low + high) / 2)


def _window(
    merged: list[Polygon],
    tree: shapely.STRtree,
    corner_nm: FloatArray,
    request: PatternRequest,
    pixel_nm: float,
) -> list[Polygon]:
    """Polygons in (x, y) px around an image whose lower-left corner is at `corner_nm`."""
    rows, cols = request.shape

    def to_px(points_nm: PointsXY) -> PointsXY:
        return rc_to_xy_px(nm_to_rc(points_nm - corner_nm, rows, (pixel_nm, pixel_nm)))

    size_nm = np.array([cols, rows]) * pixel_nm
    window_nm = box(*corner_nm, *(corner_nm + size_nm)).buffer(2 * REACH_PX * pixel_nm)
    moved = [shapely.transform(merged[index], to_px) for index in tree.query(window_nm)]
    reach = box(-REACH_PX, -REACH_PX, cols + REACH_PX, rows + REACH_PX)
    return polygons_of(shapely.union_all(moved).intersection(reach))


def _coverage(polygons: list[Polygon], shape: tuple[int, int]) -> float:
    frame = box(0, 0, shape[1], shape[0])
    return float(shapely.union_all(polygons).intersection(frame).area / frame.area)


def typical_width(polygons: list[Polygon]) -> float:
    """Median width of polygons taken as long bars: ``P/4 - sqrt(P²/16 - A)``."""
    perimeter = np.array([polygon.length for polygon in polygons])
    area = np.array([polygon.area for polygon in polygons])
    root = np.sqrt(np.maximum(perimeter**2 / 16 - area, 0.0))
    return float(np.median(perimeter / 4 - root))
