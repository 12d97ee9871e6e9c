from __future__ import annotations

import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.layout.design import Design, sample_edges, typical_width_nm

OUTER = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 5)]
INNER = [(3, 5), (3, 7), (7, 7), (7, 3), (3, 3), (3, 5)]
KEYHOLE = np.array([*OUTER, *INNER, (0, 5)], dtype=float)


def rectangle(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=float)


def area(ring: np.ndarray) -> float:
    x, y = ring.T
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def test_fractured_polygons_become_one_feature_without_inner_edges() -> None:
    pieces = [rectangle(0, 0, 50, 20), rectangle(50, 0, 50, 20), rectangle(40, 0, 20, 60)]
    design = Design.from_polygons(pieces)
    assert len(design.polygons) == 1
    edges = sample_edges(design, 1.0, 0.0)
    inside = (np.abs(edges.points_nm[:, 0] - 50) < 9) & (edges.points_nm[:, 1] < 19.9)
    assert not (inside & (edges.points_nm[:, 1] > 0.1)).any()


def test_a_keyhole_polygon_becomes_one_with_a_hole() -> None:
    rings = Design.from_polygons([KEYHOLE]).rings()
    assert [round(area(ring), 9) for ring in rings] == [100.0, -16.0]


@pytest.mark.parametrize("turned", [False, True])
def test_normals_point_out_of_features_whatever_way_they_are_drawn(turned: bool) -> None:
    ring = rectangle(10, 20, 30, 40)
    edges = sample_edges(Design.from_polygons([ring[::-1] if turned else ring]), 1.0, 3.0)
    outside = edges.points_nm + 0.5 * edges.normals_xy
    low, high = ring.min(axis=0), ring.max(axis=0)
    assert not np.all((outside > low) & (outside < high), axis=1).any()
    near = np.min(np.linalg.norm(edges.points_nm[:, None] - ring[None], axis=2), axis=1) <= 3.0
    assert np.array_equal(edges.corner, near)
    assert len(edges.points_nm) == 140


def test_the_typical_width_is_that_across_the_features() -> None:
    lines = Design.from_polygons([rectangle(100 * i, 0, 32, 2000) for i in range(5)])
    assert typical_width_nm(lines, sample_edges(lines, 4.0, 0.0), 500.0) == pytest.approx(32.0)


def test_what_lies_near_and_what_lies_within() -> None:
    design = Design.from_polygons([rectangle(0, 0, 10, 10), rectangle(100, 0, 10, 10)])
    near = design.near((5, 5, 20, 20))
    assert near is not None
    assert near.bounds_nm == (0, 0, 10, 10)
    clipped = design.clipped(rectangle(5, 0, 100, 10))
    assert clipped is not None
    assert clipped.area.area == pytest.approx(100.0)
    assert design.near((40, 40, 50, 50)) is None
    assert design.clipped(rectangle(40, 40, 5, 5)) is None


@pytest.mark.parametrize("polygons", [[], [np.zeros((4, 2))], [np.zeros((2, 2))]])
def test_nothing_drawn_is_refused(polygons: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match="covers no area"):
        Design.from_polygons(polygons)
