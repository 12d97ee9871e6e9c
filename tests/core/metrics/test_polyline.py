from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from segsem.metrics.polyline import Polyline, Target, orient_by_mask, sample

SQUARE = Polyline(np.array([[20.0, 10.0], [20.0, 20.0], [10.0, 20.0], [10.0, 10.0]]), True)


def test_samples_cover_the_whole_length_evenly() -> None:
    found = sample([SQUARE, Polyline(np.array([[0.0, 0.0], [0.0, 3.0]]), False)], 0.7)
    assert found.length_px[found.line == 0].sum() == pytest.approx(40)
    assert found.length_px[found.line == 1].sum() == pytest.approx(3)
    assert found.length_px.max() <= 0.7
    open_line = found.points_rc[found.line == 1]
    np.testing.assert_allclose(open_line[:, 1], (np.arange(5) + 0.5) * 0.6)
    np.testing.assert_allclose(np.linalg.norm(found.direction_rc, axis=1), 1)


def test_repeated_vertices_do_no_harm() -> None:
    doubled = Polyline(np.repeat(SQUARE.vertices_rc, 2, axis=0), True)
    for step in (0.5, 3.0):
        a, b = sample([SQUARE], step), sample([doubled], step)
        np.testing.assert_allclose(a.points_rc, b.points_rc)
    point = Polyline(np.full((3, 2), 5.0), True)
    assert len(sample([point], 1.0).points_rc) == 0
    assert np.isinf(Target([point]).nearest(np.zeros((1, 2))).distance_px).all()


@pytest.mark.parametrize(
    ("point_rc", "signed"),
    [
        ((15.0, 12.0), -2.0),
        ((15.0, 8.0), 2.0),
        ((25.0, 15.0), 5.0),
        ((8.0, 22.0), np.sqrt(8)),
        ((10.0, 15.0), 0.0),
    ],
)
def test_outside_is_positive(point_rc: tuple[float, float], signed: float) -> None:
    target = Target([SQUARE])
    assert target.nearest(np.array([point_rc])).signed_px[0] == pytest.approx(signed)
    # A hole runs the other way round: inside it is the background.
    hole = Target([Polyline(SQUARE.vertices_rc[::-1], True)])
    assert hole.nearest(np.array([point_rc])).signed_px[0] == pytest.approx(-signed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_against_shapely_on_star_shapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 12))
    radius = rng.uniform(5, 20, 12)
    # Counter-clockwise with y up: rows run down.
    vertices = np.stack([-radius * np.sin(angle), radius * np.cos(angle)], axis=-1)
    ring = shapely.Polygon(vertices)
    if not ring.is_valid or not ring.exterior.is_simple:
        return
    gaps = np.diff(np.concatenate([angle, angle[:1] + 2 * np.pi]))
    if gaps.max() > np.pi - 0.1:
        return
    points = rng.uniform(-25, 25, (200, 2))
    found = Target([Polyline(vertices, True)]).nearest(points)
    distance = shapely.distance(ring.exterior, shapely.points(points))
    inside = shapely.contains(ring, shapely.points(points))
    np.testing.assert_allclose(found.distance_px, distance, atol=1e-9)
    np.testing.assert_allclose(found.signed_px, np.where(inside, -distance, distance), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(points - found.point_rc, axis=1), distance, atol=1e-9)


def test_nothing_to_measure_to() -> None:
    found = Target([]).nearest(np.zeros((3, 2)))
    assert np.isinf(found.distance_px).all()
    assert (found.line == -1).all()
    assert len(Target([SQUARE]).nearest(np.empty((0, 2))).line) == 0


def test_orient_by_mask() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[10:21, 10:21] = True
    turned = Polyline(SQUARE.vertices_rc[::-1].copy(), True)
    assert orient_by_mask(SQUARE, mask) is SQUARE
    np.testing.assert_array_equal(orient_by_mask(turned, mask).vertices_rc, SQUARE.vertices_rc)
    assert orient_by_mask(turned, ~mask) is turned
    line = Polyline(np.array([[0.0, 19.5], [39.0, 19.5]]), False)
    left = np.zeros((40, 40), dtype=bool)
    left[:, :20] = True
    # Running down with y up, the feature on the left in the picture is on the right.
    assert orient_by_mask(line, ~left) is line
    np.testing.assert_array_equal(orient_by_mask(line, left).vertices_rc[0], [39.0, 19.5])


@pytest.mark.parametrize(
    "vertices", [np.zeros((3, 3)), np.zeros((1, 2)), np.zeros(4), np.array([[0, 0], [np.nan, 1]])]
)
def test_wrong_vertices(vertices: np.ndarray) -> None:
    with pytest.raises(ValueError, match="vertices_rc"):
        Polyline(vertices, True)
