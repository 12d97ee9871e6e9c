"""The coordinate contract, against hand-computed values and its own inverses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from segsem.core import coordinates as co

SIZES = st.floats(0.01, 1000.0)
COORDINATES = st.floats(-1e5, 1e5)


def test_corner_of_the_image_is_the_layout_origin() -> None:
    height = 100
    assert_allclose(co.rc_to_nm(np.array([[height - 0.5, -0.5]]), height, (2.0, 3.0)), [[0.0, 0.0]])


def test_first_pixel_centre_by_hand() -> None:
    # 4 rows of 2 nm, columns of 3 nm: the centre of pixel (0, 0) is 3.5 rows up, half a column in.
    assert_allclose(co.rc_to_nm(np.array([[0.0, 0.0]]), 4, (2.0, 3.0)), [[1.5, 7.0]])


@given(COORDINATES, COORDINATES, st.integers(1, 50_000), SIZES, SIZES)
def test_nm_and_back(row: float, col: float, height: int, px_y: float, px_x: float) -> None:
    points = np.array([[row, col]])
    back = co.nm_to_rc(co.rc_to_nm(points, height, (px_y, px_x)), height, (px_y, px_x))
    assert_allclose(back, points, atol=1e-6)


def test_xy_px_swaps_without_flipping() -> None:
    points = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert_allclose(co.rc_to_xy_px(points), [[2.0, 1.0], [4.0, 3.0]])
    assert_allclose(co.xy_px_to_rc(co.rc_to_xy_px(points)), points)


def test_swapped_points_are_a_copy() -> None:
    points = np.zeros((1, 2))
    co.rc_to_xy_px(points)[0, 0] = 9.0
    assert points[0, 1] == 0.0


def test_normal_stays_perpendicular_with_oblong_pixels() -> None:
    pixel_size = (1.0, 4.0)
    tangent = np.array([[0.6, 0.8]])
    normal = np.array([[0.8, -0.6]])
    tangent_nm = co.direction_rc_to_nm(tangent, pixel_size)
    normal_nm = co.normal_rc_to_nm(normal, pixel_size)
    assert_allclose(np.sum(tangent_nm * normal_nm), 0.0, atol=1e-12)
    assert_allclose(np.linalg.norm(normal_nm, axis=-1), 1.0)
    # Transforming the normal as a direction is the mistake that this rule prevents.
    wrong = co.direction_rc_to_nm(normal, pixel_size)
    assert abs(np.sum(tangent_nm * wrong)) > 0.1


@given(st.floats(0.0, 6.28), SIZES, SIZES)
def test_normal_to_nm_and_back(angle: float, px_y: float, px_x: float) -> None:
    normal = np.array([[np.sin(angle), np.cos(angle)]])
    back = co.normal_nm_to_rc(co.normal_rc_to_nm(normal, (px_y, px_x)), (px_y, px_x))
    assert_allclose(back, normal, atol=1e-6)


@given(st.floats(0.0, 6.28), st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_nm_per_px_along_is_the_distance_between_shifted_lines(
    angle: float, px_y: float, px_x: float
) -> None:
    normal = np.array([np.sin(angle), np.cos(angle)])
    tangent = np.array([-normal[1], normal[0]])
    start = np.array([5.0, 7.0])
    line = np.stack([start, start + tangent])
    here = co.rc_to_nm(line, 20, (px_y, px_x))
    there = co.rc_to_nm(line + normal, 20, (px_y, px_x))
    along = (here[1] - here[0]) / np.linalg.norm(here[1] - here[0])
    step = there[0] - here[0]
    distance = abs(along[0] * step[1] - along[1] * step[0])
    assert_allclose(co.nm_per_px_along(normal[None], (px_y, px_x)), [distance], rtol=1e-6)


def test_zero_vectors_do_not_divide_by_zero() -> None:
    zero = np.zeros((1, 2))
    assert_allclose(co.unit(zero), zero)
    assert np.isnan(co.nm_per_px_along(zero, (1.0, 1.0)))[0]


def test_signed_area_is_positive_counter_clockwise_with_y_up() -> None:
    # Lower left, lower right, upper right, upper left: rows run down, so the lower row is larger.
    square = np.array([[3.0, 0.0], [3.0, 2.0], [0.0, 2.0], [0.0, 0.0]])
    assert co.signed_area_rc(square) == pytest.approx(6.0)
    assert co.signed_area_rc(square[::-1]) == pytest.approx(-6.0)


def test_box_outline_follows_pixel_edges_counter_clockwise() -> None:
    outline = co.box_outline_rc((1, 2, 3, 6))
    assert_allclose(outline.min(axis=0), [0.5, 1.5])
    assert_allclose(outline.max(axis=0), [2.5, 5.5])
    assert co.signed_area_rc(outline) == pytest.approx(8.0)


def test_enlarged_image_covers_the_same_area() -> None:
    corners = np.array([[-0.5, -0.5], [9.5, 19.5]])
    assert_allclose(co.rc_to_enlarged_rc(corners, 3.0), [[-0.5, -0.5], [29.5, 59.5]])


def test_arc_length_starts_at_zero() -> None:
    vertices = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])
    assert_allclose(co.arc_length_px(vertices), [0.0, 5.0, 6.0])
