"""Tracing: orientation, open ends at the border, sub-pixel level sets."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.contours.trace import Polyline, normals_rc, resample, smooth_along, trace
from segsem.core.coordinates import signed_area_rc


def disc_field(shape: tuple[int, int], centre_rc: tuple[float, float], radius: float):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    distance = radius - np.hypot(rows - centre_rc[0], cols - centre_rc[1])
    return distance.astype(np.float32)


def test_disc_is_closed_counter_clockwise_with_outward_normals():
    (line,) = trace(disc_field((60, 80), (30.3, 40.7), 15.2))
    assert line.closed
    assert not line.is_hole
    assert signed_area_rc(line.vertices_rc) == pytest.approx(np.pi * 15.2**2, rel=2e-3)
    outward = line.vertices_rc - (30.3, 40.7)
    assert np.all(np.sum(outward * normals_rc(line), axis=1) > 0)


def test_annulus_has_a_hole_whose_normals_point_into_it():
    field = np.minimum(disc_field((80, 80), (40, 40), 30), -disc_field((80, 80), (40, 40), 12))
    outer, hole = trace(field)
    assert (outer.is_hole, hole.is_hole) == (False, True)
    inward = (40, 40) - hole.vertices_rc
    assert np.all(np.sum(inward * normals_rc(hole), axis=1) > 0)


def test_feature_cut_by_the_border_stays_open():
    cols = np.arange(50, dtype=np.float32)
    field = np.tile(np.minimum(cols - 10.25, 30.75 - cols), (40, 1))
    lines = trace(field)
    assert [line.closed for line in lines] == [False, False]
    assert sorted(float(line.vertices_rc[0, 1]) for line in lines) == pytest.approx([10.25, 30.75])
    for line in lines:
        assert {line.vertices_rc[0, 0], line.vertices_rc[-1, 0]} == {0.0, 39.0}


def test_offset_moves_the_lines():
    (line,) = trace(disc_field((40, 40), (20, 20), 8), offset_rc=(100, 200))
    np.testing.assert_allclose(line.vertices_rc.mean(axis=0), (120, 220), atol=0.05)


def test_diagonal_touch_keeps_features_apart():
    field = -np.ones((12, 12), dtype=np.float32)
    field[2:6, 2:6] = 1
    field[6:10, 6:10] = 1
    assert len(trace(field)) == 2


def test_empty_and_full_fields_have_no_lines():
    assert trace(-np.ones((10, 10), dtype=np.float32)) == []
    assert trace(np.ones((10, 10), dtype=np.float32)) == []


def test_resample_is_even_and_keeps_the_ends_of_an_open_line():
    vertices = np.array([[0.0, 0.0], [0.0, 3.0], [0.0, 10.0], [5.0, 10.0]])
    line = resample(Polyline(vertices, closed=False), 0.5)
    np.testing.assert_allclose(line.vertices_rc[[0, -1]], vertices[[0, -1]])
    steps = np.linalg.norm(np.diff(line.vertices_rc, axis=0), axis=1)
    np.testing.assert_allclose(steps[:19], 0.5, atol=1e-12)


def test_smoothing_leaves_a_straight_open_line_alone_to_its_ends():
    values = np.linspace(3.0, 17.0, 30)
    np.testing.assert_allclose(smooth_along(values, 3.0, closed=False), values, atol=1e-9)


def test_smoothing_a_closed_contour_wraps():
    values = np.zeros(20)
    values[0] = 1.0
    smoothed = smooth_along(values, 1.0, closed=True)
    assert smoothed[1] == pytest.approx(smoothed[-1])
    assert smoothed.sum() == pytest.approx(1.0)
