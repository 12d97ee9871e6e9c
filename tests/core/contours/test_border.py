"""Open lines end on the image's border."""

from __future__ import annotations

import numpy as np

from segsem.contours.border import end_at_border

SHAPE = (50, 80)


def test_ends_beyond_the_border_are_cut_and_short_ones_carried_on():
    cols = np.arange(-3.0, 77.0)
    line = np.stack([20 + 0.1 * cols, cols], axis=1)
    source, ended = end_at_border(line, closed=False, shape=SHAPE)
    np.testing.assert_allclose(ended[0], (19.95, -0.5), atol=1e-9)
    np.testing.assert_allclose(ended[-1], (20 + 7.95, 79.5), atol=1e-9)
    np.testing.assert_allclose(ended[1:-1], line[source[1:-1]])
    assert source[0] == source[1]
    assert source[-1] == len(line) - 1


def test_an_end_far_from_the_border_stays():
    line = np.stack([np.full(40, 25.0), np.arange(20.0, 60.0)], axis=1)
    source, ended = end_at_border(line, closed=False, shape=SHAPE)
    np.testing.assert_array_equal(ended, line)
    np.testing.assert_array_equal(source, np.arange(40))


def test_a_line_into_a_corner_ends_on_the_nearer_side():
    t = np.arange(0.0, 20.0)
    line = np.stack([18 - t, 20 - t], axis=1)  # towards the top left, 2 px below the diagonal
    _, ended = end_at_border(line, closed=False, shape=SHAPE)
    np.testing.assert_allclose(ended[-1], (-0.5, 1.5), atol=1e-9)


def test_closed_lines_stay_closed_and_inside():
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.stack([10 + 11 * np.sin(angle), 40 + 11 * np.cos(angle)], axis=1)
    source, kept = end_at_border(ring, closed=True, shape=SHAPE)
    assert len(source) == len(ring)
    assert kept[:, 0].min() == -0.5
