"""Corrections of accepted objects in a real window: real drags and keys on the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from segsem.project.label_edit import LabelObject

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def panel(accepted_pads: Any) -> Any:
    return accepted_pads


@pytest.fixture
def annotation(panel: Any) -> Any:
    return panel.session.annotation


def areas(annotation: Any) -> dict[int, int]:
    return {i: known.area_px for i, known in annotation.objects.items()}


def state(annotation: Any) -> tuple[bytes, dict[int, LabelObject]]:
    return annotation.labels.tobytes(), dict(annotation.objects)


def shows_all(viewer: Any, annotation: Any) -> bool:
    """Whether the layer draws what the label image holds, wherever it was drawn in parts."""
    layer = viewer.layers["SegSEM objects"]
    drawn = layer._slice.image.view.copy()
    layer.refresh()
    return layer.data is annotation.labels and np.array_equal(drawn, layer._slice.image.view)


def start(panel: Any, hand: Any, name: str, key: Any, modifier: Any = None) -> None:
    hand.key(key, modifier)
    assert panel.shared.toolbox.name == name


def test_a_cut_makes_two_and_shift_removes_the_smaller(
    panel: Any, annotation: Any, hand: Any, done: Any, viewer: Any
) -> None:
    start(panel, hand, "cut", Qt.Key.Key_K)
    before = state(annotation)
    hand.drag((30, 60), (100, 60))
    done()
    assert annotation.labels[65, 45] == 5
    assert annotation.labels[65, 75] == 1
    assert areas(annotation)[1] + areas(annotation)[5] == pytest.approx(2450, abs=30)
    assert shows_all(viewer, annotation)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert state(annotation) == before
    hand.drag((30, 210), (100, 210), SHIFT)
    done()
    assert sorted(annotation.objects) == [1, 2, 3, 4]
    assert areas(annotation)[2] == pytest.approx(40 * 50, abs=60)
    assert not viewer.layers["SegSEM preview"].data.any()


def test_a_cut_that_ends_inside_says_so(panel: Any, annotation: Any, hand: Any, done: Any) -> None:
    start(panel, hand, "cut", Qt.Key.Key_K)
    before = state(annotation)
    hand.drag((30, 60), (60, 60))
    done()
    assert state(annotation) == before
    assert "right through" in panel.footer.text()


def test_merge_by_drag_bridges_and_split_parts_at_the_neck(
    panel: Any, annotation: Any, hand: Any, done: Any, point_at: Any, viewer: Any
) -> None:
    start(panel, hand, "merge", Qt.Key.Key_J)
    panel.shared.correct.pen.resize(10)
    hand.drag((65, 60), (65, 190))
    done()
    assert sorted(annotation.objects) == [1, 3, 4]
    assert areas(annotation)[1] == pytest.approx(5000 + 80 * 10, rel=0.02)
    merged = annotation.labels > 0
    point_at(65, 60)
    hand.key(Qt.Key.Key_U)
    done()
    assert len(annotation.objects) == 4
    assert annotation.labels[50, 60] != annotation.labels[50, 200]
    np.testing.assert_array_equal(annotation.labels > 0, merged)
    assert shows_all(viewer, annotation)
    hand.key(Qt.Key.Key_Z, CTRL)
    start(panel, hand, "split", Qt.Key.Key_U, SHIFT)
    hand.drag((50, 200), (80, 50))
    done()
    assert annotation.labels[50, 200] == 1
    assert annotation.labels[80, 50] == 5


def test_merge_by_two_clicks_adds_nothing(
    panel: Any, annotation: Any, hand: Any, done: Any
) -> None:
    start(panel, hand, "merge", Qt.Key.Key_J)
    hand.click(65, 325)
    assert "click on what belongs" in panel.footer.text()
    hand.click(205, 65)
    done()
    assert areas(annotation) == {1: 2500, 2: 2500, 3: 5000}


def test_the_hole_under_the_mouse_is_filled(
    panel: Any, annotation: Any, hand: Any, done: Any, point_at: Any
) -> None:
    after = annotation.labels[50:80, 50:80].copy()
    after[5:15, 5:15] = after[20:24, 20:24] = 0
    annotation.change("holes", (50, 50), after)
    point_at(60, 60)
    hand.key(Qt.Key.Key_O)
    done()
    assert areas(annotation)[1] == 2500 - 16
    point_at(80, 45)
    hand.key(Qt.Key.Key_O)
    done()
    assert areas(annotation)[1] == 2500


def test_quarter_steps_add_up_and_go_back(
    panel: Any, annotation: Any, hand: Any, done: Any, point_at: Any
) -> None:
    before = state(annotation)
    point_at(65, 60)
    for _ in range(4):
        hand.key(Qt.Key.Key_G)
    done()
    assert areas(annotation)[1] == pytest.approx(2500 + 4 * 50, abs=8)
    assert "+1.00 px" in panel.footer.text()
    for _ in range(4):
        hand.key(Qt.Key.Key_G, SHIFT)
    done()
    assert annotation.labels.tobytes() == before[0]
    for _ in range(8):
        hand.key(Qt.Key.Key_Z, CTRL)
    assert state(annotation) == before


def test_snap_finds_the_edge_and_says_where_there_is_none(
    panel: Any, annotation: Any, hand: Any, done: Any, point_at: Any, pads: np.ndarray
) -> None:
    wrong = np.zeros((60, 60), np.int32)
    wrong[3:57, 3:57] = 4
    annotation.change("wrong", (175, 35), wrong)
    assert areas(annotation)[4] == 54**2
    point_at(205, 65)
    hand.key(Qt.Key.Key_I)
    done()
    assert "on the edge" in panel.footer.text()
    truth = np.zeros_like(pads, dtype=bool)
    truth[180:230, 40:90] = True
    assert np.count_nonzero((annotation.labels == 4) != truth) < 40
    nothing = np.full((20, 20), 9, np.int32)
    annotation.change("nothing there", (110, 110), nothing)
    point_at(120, 120)
    hand.key(Qt.Key.Key_I)
    done()
    assert "Expected an edge" in panel.footer.text()
    assert areas(annotation)[9] == 400


def test_buttons_act_on_the_object_changed_last(panel: Any, annotation: Any, done: Any) -> None:
    after = annotation.labels[180:230, 40:90].copy()
    after[20:30, 20:30] = 0
    annotation.change("hole", (180, 40), after)
    panel.correct_box.buttons["fill_hole"].click()
    done()
    assert areas(annotation)[4] == 2500


def test_a_key_over_no_object_says_so(
    panel: Any, annotation: Any, hand: Any, point_at: Any
) -> None:
    point_at(120, 120)
    for key in (Qt.Key.Key_G, Qt.Key.Key_U, Qt.Key.Key_I):
        hand.key(key)
        assert "No accepted object is under the mouse" in panel.footer.text()


def test_objects_are_drawn_as_outlines_two_pixels_wide_after_every_correction(
    panel: Any, annotation: Any, hand: Any, done: Any, viewer: Any, point_at: Any
) -> None:
    start(panel, hand, "cut", Qt.Key.Key_K)
    hand.drag((30, 60), (100, 60))
    done()
    point_at(65, 195)
    hand.key(Qt.Key.Key_G)
    hand.key(Qt.Key.Key_G)
    done()
    layer = viewer.layers["SegSEM objects"]
    assert layer.contour in (1, 2)
    seen = layer._slice.image.view
    drawn = seen != seen[0, 0]
    assert not drawn[60:70, 66:84].any()
    assert drawn[39:41, 200].any()
    for object_id in annotation.objects:
        rows, cols = np.nonzero(annotation.labels == object_id)
        assert 0 < drawn[rows, cols].mean() < 0.5, object_id
