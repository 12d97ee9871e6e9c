from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box

from segsem.core.coordinates import arc_length_px, signed_area_rc
from segsem.synth.curves import (
    Curve,
    clip_to_image,
    curves_of,
    drifted,
    outward_normals,
    round_corners,
    sample_closed,
    turning_radius_px,
)


def circle(row: float, col: float, radius: float) -> Curve:
    return curves_of([Point(col, row).buffer(radius, quad_segs=128)])[0]


def test_outer_curves_run_counter_clockwise_and_holes_clockwise() -> None:
    ring = Polygon(box(0, 0, 40, 40).exterior, [box(10, 10, 20, 20).exterior])
    outer, hole = curves_of([ring])
    assert signed_area_rc(outer.vertices_rc) == pytest.approx(1600, rel=0.01)
    assert signed_area_rc(hole.vertices_rc) == pytest.approx(-100, rel=0.02)
    assert hole.is_hole
    assert not outer.is_hole


def test_normals_point_away_from_the_feature() -> None:
    curve = circle(20, 30, 10)
    radial = (curve.vertices_rc - (20, 30)) / 10
    assert np.abs(outward_normals(curve.vertices_rc) - radial).max() < 0.02
    assert turning_radius_px(curve.vertices_rc) == pytest.approx(10, rel=0.05)


def test_sampling_is_even_and_stays_on_the_polyline() -> None:
    square = np.array([[0, 0], [0, 7], [7, 7], [7, 0]], dtype=np.float64)
    points = sample_closed(square, 0.5)
    steps = np.diff(arc_length_px(np.vstack([points, points[:1]])))
    assert len(points) == 56
    assert steps == pytest.approx(0.5, rel=0.01)
    assert np.all(np.min(np.abs(np.stack([points, points - 7])), axis=(0, 2)) < 1e-9)


def test_rounding_leaves_straight_edges_and_makes_arcs() -> None:
    cross = [box(0, 20, 60, 40), box(20, 0, 40, 60)]
    (rounded,) = round_corners(cross, 5.0)
    assert rounded.distance(Point(0, 20)) == pytest.approx(5 * (np.sqrt(2) - 1), abs=0.03)
    assert rounded.contains(Point(19.5, 19.5))  # concave corners are filled
    assert rounded.boundary.distance(Point(30, 0)) == pytest.approx(0, abs=0.01)


def test_closed_curves_inside_are_left_alone() -> None:
    curve = circle(20, 20, 10)
    ((vertices, closed),) = clip_to_image(curve.vertices_rc, (41, 41))
    assert closed
    assert vertices is curve.vertices_rc
    assert clip_to_image(circle(-30, 20, 10).vertices_rc, (41, 41)) == []


def test_a_curve_cut_twice_gives_two_open_stretches_that_end_on_the_border() -> None:
    (bar,) = curves_of([box(-20, 10, 80, 20)])
    stretches = clip_to_image(bar.vertices_rc, (30, 50))
    assert len(stretches) == 2
    for vertices, closed in stretches:
        assert not closed
        assert sorted(vertices[[0, -1], 1]) == [-0.5, 49.5]
        assert np.ptp(vertices[:, 0]) < 1e-9


@given(
    row=st.floats(-12, 42),
    col=st.floats(-12, 62),
    radius=st.floats(3, 60),
)
def test_clipped_circles_keep_their_direction_and_never_follow_the_border(
    row: float, col: float, radius: float
) -> None:
    shape = (30, 50)
    curve = circle(row, col, radius)
    for vertices, closed in clip_to_image(curve.vertices_rc, shape):
        inner = vertices if closed else vertices[1:-1]
        assert np.all((inner > -0.5) & (inner < np.array(shape) - 0.5))
        assert np.abs(np.hypot(*(vertices - (row, col)).T) - radius).max() < 0.05
        if not closed:
            ends = vertices[[0, -1]]
            gap = np.minimum(np.abs(ends + 0.5), np.abs(ends - np.array(shape) + 0.5))
            assert np.all(gap.min(axis=1) == 0)
            along, inward = np.diff(vertices, axis=0), (row, col) - vertices[:-1]
            left = along[:, 0] * inward[:, 1] - along[:, 1] * inward[:, 0]
            assert np.median(np.sign(left)) > 0  # the centre is on the left, seen with y up


def test_drift_moves_the_last_row_by_its_amount() -> None:
    line = Curve(np.array([[0.0, 10.0], [50.0, 10.0], [100.0, 10.0]]), False)
    moved = drifted(line, 100, (0.0, 2.0)).vertices_rc - line.vertices_rc
    assert moved[0] == pytest.approx([0, 0])
    assert moved[2] == pytest.approx([0, 2])
    assert np.all(moved[:, 0] == 0)
