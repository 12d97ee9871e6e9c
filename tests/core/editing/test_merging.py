"""Objects made one, with and without a bridge."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segsem.editing.merging import bridge_between, crossed_ids, merge

LABELS = hnp.arrays(np.int32, (10, 12), elements=st.integers(0, 3))
WHOLE = (slice(0, 10), slice(0, 12))
PATHS = st.lists(st.tuples(st.floats(-4, 13), st.floats(-4, 15)), min_size=2, max_size=4).map(
    np.array
)


def three() -> np.ndarray:
    labels = np.zeros((10, 12), np.int32)
    labels[2:8, 0:3], labels[2:8, 3:6], labels[2:8, 9:12] = 5, 2, 7
    return labels


def test_a_line_names_what_it_crosses_in_its_order():
    path = np.array([[4.0, 11.0], [5.0, 1.0]])
    assert crossed_ids(three(), path, WHOLE) == [7, 2, 5]
    window = (slice(2, 8), slice(2, 11))
    assert crossed_ids(three()[window], path, window) == [7, 2, 5]


def test_the_first_id_stays_and_nothing_is_added_without_a_bridge():
    merged = merge(three(), [7, 5])
    assert set(np.unique(merged).tolist()) == {0, 2, 7}
    np.testing.assert_array_equal(merged == 0, three() == 0)


def test_the_bridge_is_the_background_between():
    path = np.array([[5.0, -3.0], [5.0, 11.0]])
    bridge = bridge_between(three(), path, 3.0, WHOLE)
    expected = np.zeros((10, 12), bool)
    expected[4:7, 6:9] = True
    np.testing.assert_array_equal(bridge, expected)
    merged = merge(three(), [5, 2, 7], bridge)
    assert (merged[4:7] == 5).all()


def test_objects_that_touch_on_the_line_get_no_bridge():
    path = np.array([[0.0, 1.0], [4.0, 1.0], [4.0, 5.0], [0.0, 5.0]])
    assert not bridge_between(three(), path, 3.0, WHOLE).any()


@given(LABELS, PATHS, st.floats(1, 6))
def test_a_merge_takes_only_its_objects_and_background(labels, path, width):
    ids = crossed_ids(labels, path, WHOLE)
    bridge = bridge_between(labels, path, width, WHOLE)
    assert (labels[bridge] == 0).all()
    if not ids:
        assert not bridge.any()
        return
    merged = merge(labels, ids, bridge)
    others = ~np.isin(labels, [0, *ids])
    np.testing.assert_array_equal(merged[others], labels[others])
    np.testing.assert_array_equal((merged == ids[0]) & ~bridge, np.isin(labels, ids))
