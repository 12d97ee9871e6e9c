"""Snapping against edges known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from segsem.editing.errors import EditError
from segsem.editing.snap import snap

ROWS, COLS = np.mgrid[:120, :140]
RADIUS = 30.3
DISTANCE = RADIUS - np.hypot(ROWS - 58.4, COLS - 66.7)
TRUTH = DISTANCE >= 0


def image(bright: bool, noise: float = 0.0) -> np.ndarray:
    step = 0.5 * (1 + erf(DISTANCE / (np.sqrt(2) * 1.6)))
    grey = 60 + 130 * (step if bright else 1 - step)
    grey += np.random.default_rng(5).normal(0, noise, grey.shape)
    return grey.astype(np.float32)


@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("wrong_px", [-3.0, 2.0, 4.0])
def test_an_outline_off_by_some_pixels_is_put_right(bright, wrong_px):
    labels = (DISTANCE + wrong_px >= 0).astype(np.int32)
    after = snap(labels, 1, image(bright, noise=6.0))
    # Moving a disc's edge by a tenth of a pixel changes this many pixels.
    assert np.count_nonzero((after == 1) != TRUTH) < 0.1 * 2 * np.pi * RADIUS


def test_what_is_right_stays_right_and_a_second_time_changes_next_to_nothing():
    once = snap(TRUTH.astype(np.int32), 1, image(bright=True))
    assert np.count_nonzero((once == 1) != TRUTH) < 0.05 * 2 * np.pi * RADIUS
    twice = snap(once, 1, image(bright=True))
    assert np.count_nonzero(once != twice) <= 4


def test_neighbours_are_in_the_way():
    labels = (DISTANCE - 3.0 >= 0).astype(np.int32)
    labels[:, 92:] = 2
    after = snap(labels, 1, image(bright=True))
    np.testing.assert_array_equal(after == 2, labels == 2)
    expected = TRUTH & (labels != 2)
    assert np.count_nonzero((after == 1) != expected) < 25


def test_a_line_that_the_image_cuts_stays_open():
    distance = 12.3 - np.abs(ROWS - 60.2)
    grey = (60 + 130 * 0.5 * (1 + erf(distance / 2.2))).astype(np.float32)
    labels = (distance + 2.0 >= 0).astype(np.int32)
    np.testing.assert_array_equal(snap(labels, 1, grey) == 1, distance >= 0)


@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_without_an_edge_it_is_refused(noise):
    grey = (100 + np.random.default_rng(2).normal(0, noise, TRUTH.shape)).astype(np.float32)
    with pytest.raises(EditError, match="Expected an edge within 6 px"):
        snap(TRUTH.astype(np.int32), 1, grey)


def test_an_edge_out_of_reach_is_refused():
    labels = (DISTANCE - 16.0 >= 0).astype(np.int32)
    with pytest.raises(EditError, match="nearer with the brush"):
        snap(labels, 1, image(bright=True, noise=4.0))


def test_a_speck_is_refused():
    labels = np.zeros(TRUTH.shape, np.int32)
    labels[5, 5] = 1
    with pytest.raises(EditError, match="too small"):
        snap(labels, 1, image(bright=True))
