from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import Point, Polygon

from segsem.core.coordinates import rc_to_xy_px
from segsem.synth.curves import Curve, curves_of
from segsem.synth.distance import CurveDistance


def shapely_distance(polygon: Polygon, points_rc: np.ndarray) -> np.ndarray:
    points = shapely.points(rc_to_xy_px(points_rc))
    size = shapely.distance(polygon.boundary, points)
    return np.where(shapely.contains(polygon, points), size, -size)


def test_against_shapely_on_a_polygon_with_a_hole() -> None:
    polygon = Polygon(
        [(0, 0), (60, 5), (55, 50), (30, 22), (5, 48)], [[(25, 8), (34, 8), (34, 15), (25, 15)]]
    )
    rings = [polygon.exterior, *polygon.interiors]
    curves = []
    for index, curve in enumerate(curves_of([polygon])):
        vertices = np.asarray(rings[index].coords)[:-1, ::-1]
        same_way = np.sign(_area(vertices)) == np.sign(_area(curve.vertices_rc))
        curves.append(Curve(vertices if same_way else vertices[::-1], curve.is_hole))
    points = np.random.default_rng(0).uniform(-15, 75, (4000, 2))
    error = CurveDistance(curves)(points) - shapely_distance(polygon, points)
    assert np.abs(error).max() < 1e-3


def _area(vertices: np.ndarray) -> float:
    y, x = vertices.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def test_a_circle_in_closed_form() -> None:
    curve = curves_of([Point(20, 30).buffer(12, quad_segs=512)])
    points = np.random.default_rng(1).uniform(0, 60, (1000, 2))
    expected = 12 - np.hypot(points[:, 0] - 30, points[:, 1] - 20)
    # Chords of 0.75 px on a radius of 12 px lie up to 0.006 px inside the circle.
    assert np.abs(CurveDistance(curve)(points) - expected).max() < 0.007


def test_a_repeated_vertex_does_no_harm() -> None:
    square = np.array([[0, 0], [0, 10], [0, 10], [10, 10], [10, 0]], dtype=np.float64)[::-1]
    inside = CurveDistance([Curve(square, False)])(np.array([[5.0, 5.0], [3.0, 5.0]]))
    assert np.allclose(np.abs(inside), [5.0, 3.0])
