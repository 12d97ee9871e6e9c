"""Strokes while they are drawn: what is shown is the outline of what comes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segsem._pen import LARGEST_PX, SMALLEST_PX, Pen
from napari_segsem._stroke import EDGE_PX, Stroke
from segsem.editing.strokes import stroke

H, W = 300, 900
LIMITS = (0, 0, H, W)


def whole(shown: np.ndarray, offset: tuple[int, int]) -> np.ndarray:
    found = np.zeros((H, W), np.uint8)
    row, col = offset
    found[row : row + shown.shape[0], col : col + shown.shape[1]] = shown
    return found


def outline(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1, mode="edge")
    inside = padded
    for _ in range(EDGE_PX):
        smaller = inside.copy()
        smaller[1:] &= inside[:-1]
        smaller[:-1] &= inside[1:]
        smaller[:, 1:] &= inside[:, :-1]
        smaller[:, :-1] &= inside[:, 1:]
        inside = smaller
    return (padded & ~inside)[1:-1, 1:-1]


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(-20, 320), st.floats(-20, 920)), min_size=1, max_size=5),
    st.integers(1, 40),
)
def test_drawn_bit_by_bit_it_is_the_whole_stroke_and_its_outline(points, diameter) -> None:
    drawn = Stroke(points[0], diameter, LIMITS, lambda _window, covered: covered)
    for point in points[1:]:
        change = drawn.move_to(point)
        if change is not None:
            part, edge = change
            drawn.shown[part] = edge
    expected = stroke(np.array(points), diameter, (slice(0, H), slice(0, W)))
    np.testing.assert_array_equal(whole(drawn.covered, drawn.offset_rc), expected)
    np.testing.assert_array_equal(whole(drawn.shown, drawn.offset_rc), outline(expected))


def test_a_pen_has_every_small_size_and_ends() -> None:
    pen = Pen()
    seen: list[int] = []
    pen.changed.connect(seen.append)
    for _ in range(40):
        pen.smaller()
    assert pen.diameter_px == SMALLEST_PX
    assert seen[-4:] == [4, 3, 2, 1]
    for _ in range(60):
        pen.larger()
    assert pen.diameter_px == LARGEST_PX
    count = len(seen)
    pen.larger()
    assert len(seen) == count


@pytest.mark.parametrize("wanted", [-3, 0, 1])
def test_no_pen_is_smaller_than_a_pixel(wanted) -> None:
    pen = Pen()
    pen.resize(wanted)
    assert pen.diameter_px == 1
