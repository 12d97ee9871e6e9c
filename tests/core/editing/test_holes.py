"""Holes of objects with known holes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage as ndi

from segsem.editing.holes import fill_holes

LABELS = hnp.arrays(np.int32, (9, 11), elements=st.integers(0, 2))


def ring() -> np.ndarray:
    labels = np.zeros((12, 14), np.int32)
    labels[1:11, 1:13] = 3
    labels[3:6, 3:6] = 0
    labels[7:9, 8:11] = 0
    return labels


def test_all_holes_or_the_one_pointed_at():
    assert np.count_nonzero(fill_holes(ring(), 3)) == 120
    one = fill_holes(ring(), 3, at_rc=(4, 4))
    assert np.count_nonzero(one) == 120 - 6
    assert one[4, 4] == 3
    assert one[7, 8] == 0


def test_an_object_in_a_hole_stays():
    labels = ring()
    labels[4, 4] = 7
    filled = fill_holes(labels, 3)
    assert filled[4, 4] == 7
    assert np.count_nonzero(filled == 3) == 119


def test_a_diagonal_gap_closes_no_hole_and_a_bay_at_the_border_is_none():
    labels = np.zeros((5, 5), np.int32)
    labels[1, 1:4] = labels[2, 1] = labels[2, 3] = labels[3, 2] = 1
    labels[2, 2] = 0
    # (2, 2) is closed: its diagonal neighbours (3, 1) and (3, 3) are background that meets it.
    np.testing.assert_array_equal(fill_holes(labels, 1), labels)
    labels[3, 1:4] = 1
    assert fill_holes(labels, 1)[2, 2] == 1
    bay = np.ones((4, 5), np.int32)
    bay[0:2, 2] = 0
    np.testing.assert_array_equal(fill_holes(bay, 1), bay)


@given(LABELS)
def test_filling_adds_background_only_and_leaves_no_hole(labels):
    filled = fill_holes(labels, 1)
    changed = filled != labels
    assert (labels[changed] == 0).all()
    assert (filled[changed] == 1).all()
    holes = ndi.binary_fill_holes(filled == 1, structure=np.ones((3, 3))) & (filled != 1)
    # `binary_fill_holes` with all neighbours: background is 8-connected.
    assert (filled[holes] != 0).all()
    np.testing.assert_array_equal(fill_holes(filled, 1), filled)
