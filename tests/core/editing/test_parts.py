"""Cuts and splits of shapes whose parts are known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage as ndi

from segsem.editing.merging import merge
from segsem.editing.parts import cut, split_pieces
from segsem.editing.strokes import stroke

LABELS = hnp.arrays(np.int32, (10, 12), elements=st.integers(0, 3))


def bar() -> np.ndarray:
    labels = np.zeros((20, 30), np.int32)
    labels[5:15, 2:28] = 4
    return labels


def line(labels: np.ndarray, *path: tuple[float, float], width: float = 1.0) -> np.ndarray:
    return stroke(np.array(path), width, (slice(0, labels.shape[0]), slice(0, labels.shape[1])))


def test_a_line_across_makes_two_of_one():
    divided = cut(bar(), line(bar(), (2, 10), (18, 10)), free_id=9)
    assert divided is not None
    assert dict(divided.parents) == {9: 4}
    assert np.count_nonzero(divided.labels == 4) == 10 * 17
    assert np.count_nonzero(divided.labels == 9) == 10 * 8
    assert (divided.labels[5:15, 10] == 0).all()


def test_a_slanted_line_one_pixel_wide_separates_too():
    divided = cut(bar(), line(bar(), (3.2, 6.7), (16.9, 21.4)), free_id=9)
    assert divided is not None
    _, count = ndi.label(divided.labels > 0)
    assert count == 2


def test_a_sliver_is_removed_where_pieces_are_not_kept():
    divided = cut(bar(), line(bar(), (2, 24), (18, 24), width=3.0), 9, keep_pieces=False)
    assert divided is not None
    assert not divided.parents
    assert np.count_nonzero(divided.labels) == 10 * 21


def test_a_line_that_ends_inside_cuts_nothing():
    assert cut(bar(), line(bar(), (2, 10), (12, 10)), free_id=9) is None
    assert cut(bar(), line(bar(), (2, 10), (3, 20)), free_id=9) is None


def test_a_line_through_two_objects_cuts_both_and_one_that_it_only_touches_not():
    labels = bar()
    labels[5:15, 15:28] = 5
    labels[16:19, 2:28] = 6
    divided = cut(labels, line(labels, (10, 0), (10, 29)), free_id=7)
    assert divided is not None
    assert sorted(divided.parents.values()) == [4, 5]
    assert np.count_nonzero(divided.labels == 6) == 3 * 26
    half = cut(labels, line(labels, (2, 8), (17, 8)), free_id=7)
    assert half is not None
    assert dict(half.parents) == {7: 4}
    assert np.count_nonzero(half.labels == 6) == 3 * 26


def test_what_lay_apart_before_and_was_not_cut_keeps_the_id():
    labels = bar()
    labels[0:3, 2:6] = 4
    divided = cut(labels, line(labels, (4, 10), (18, 10)), free_id=9)
    assert divided is not None
    assert (divided.labels[0:3, 2:6] == 4).all()
    assert np.count_nonzero(divided.labels == 9) == 10 * 8


def test_the_largest_of_three_pieces_keeps_the_id():
    labels = np.zeros((6, 20), np.int32)
    labels[1:3, 1:4] = labels[1:5, 6:12] = labels[4, 15:19] = 2
    divided = split_pieces(labels, 2, free_id=5)
    assert [int(divided.labels[at]) for at in ((1, 1), (1, 6), (4, 15))] == [5, 2, 6]
    assert dict(divided.parents) == {5: 2, 6: 2}


@given(LABELS, st.integers(1, 3))
def test_split_then_merge_gives_the_same_pixels(labels, object_id):
    divided = split_pieces(labels, object_id, free_id=10)
    for piece in {object_id, *divided.parents} - {0}:
        _, count = ndi.label(divided.labels == piece)
        assert count == int((labels == object_id).any())
    joined = merge(divided.labels, [object_id, *divided.parents])
    np.testing.assert_array_equal(joined, labels)


@given(LABELS, st.lists(st.tuples(st.floats(-3, 12), st.floats(-3, 14)), min_size=2, max_size=3))
def test_a_cut_only_takes_pixels_of_what_it_cuts(labels, path):
    under = line(labels, *path)
    divided = cut(labels, under, free_id=10)
    if divided is None:
        return
    cut_ids = set(divided.parents.values())
    assert cut_ids
    for other in {1, 2, 3} - cut_ids:
        np.testing.assert_array_equal(divided.labels == other, labels == other)
    family = np.isin(divided.labels, [*cut_ids, *divided.parents])
    assert not (family & ~np.isin(labels, list(cut_ids))).any()
    assert not (family & under).any()
