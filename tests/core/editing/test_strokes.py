"""Pens against distances worked out pixel by pixel."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage as ndi

from segsem.editing.strokes import erase, paint, stroke, stroke_window

WHOLE = (slice(0, 40), slice(0, 50))
POINTS = st.lists(st.tuples(st.floats(-10, 50), st.floats(-10, 60)), min_size=1, max_size=5).map(
    np.array
)


def distance_to_segment(point, start, end):
    step, offset = end - start, point - start
    length2 = step @ step
    along = 0.0 if length2 == 0 else min(max(offset @ step / length2, 0.0), 1.0)
    return np.linalg.norm(offset - along * step)


def test_a_click_is_a_disc_around_it():
    covered = stroke(np.array([[20.0, 25.0]]), 7.0, WHOLE)
    rows, cols = np.mgrid[:40, :50]
    np.testing.assert_array_equal(covered, (rows - 20) ** 2 + (cols - 25) ** 2 <= 3.5**2)


def test_a_drag_is_all_within_the_radius_of_the_line():
    path = np.array([[5.2, 4.1], [30.7, 20.3], [12.0, 44.9]])
    covered = stroke(path, 5.0, WHOLE)
    expected = np.zeros((40, 50), dtype=bool)
    for index in np.ndindex(40, 50):
        point = np.array(index, dtype=float)
        near = min(distance_to_segment(point, path[i], path[i + 1]) for i in range(2))
        expected[index] = near <= 2.5
    np.testing.assert_array_equal(covered, expected)


def test_a_pen_of_one_pixel_parts_what_is_four_connected():
    covered = stroke(np.array([[3.3, -2.0], [31.8, 55.0]]), 1.0, WHOLE)
    _, count = ndi.label(~covered)
    assert count == 2


@given(POINTS, st.floats(0.5, 20))
def test_a_fast_mouse_covers_what_a_slow_one_does(path, diameter):
    slow = np.concatenate([path[:1]] + [np.linspace(a, b, 9) for a, b in pairwise(path)])
    fast = stroke(path, max(diameter, 4.0), WHOLE)
    # The slow one also covers the pixels that its own corners lie in: they are on the line.
    np.testing.assert_array_equal(fast, stroke(slow, max(diameter, 4.0), WHOLE))


@given(POINTS, st.floats(0.5, 20))
def test_the_window_holds_all_and_nothing_is_outside_the_image(path, diameter):
    window = stroke_window(path, diameter, (0, 0, 40, 50))
    assert 0 <= window[0].start <= window[0].stop <= 40 or window[0].start == window[0].stop
    whole = stroke(path, diameter, WHOLE)
    part = np.zeros_like(whole)
    part[window] = stroke(path, diameter, window)
    np.testing.assert_array_equal(part, whole)


def test_painting_stops_at_other_objects_and_erasing_takes_only_its_own():
    labels = np.zeros((5, 6), np.int32)
    labels[:, :2], labels[:, 4:] = 1, 2
    covered = np.zeros((5, 6), bool)
    covered[1:3] = True
    painted = paint(labels, covered, 1)
    assert painted[1].tolist() == [1, 1, 1, 1, 2, 2]
    assert erase(painted, covered, 2)[1].tolist() == [1, 1, 1, 1, 0, 0]
    assert not erase(painted, covered)[1:3].any()
    assert labels[1].tolist() == [1, 1, 0, 0, 2, 2]
