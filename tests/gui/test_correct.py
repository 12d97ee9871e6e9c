"""Corrections in a real window: real drags and keys on the canvas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_segsem._annotation import Made
from segsem.core.contour import Source
from segsem.project.label_edit import LabelObject

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
PADS = {1: (40, 40), 2: (40, 170), 3: (40, 300), 4: (180, 40)}
"""Upper left corners of those pads of the image that are objects from the start."""


@pytest.fixture
def panel(dock: Any, pads_file: Path, until: Any) -> Any:
    made = dock("Annotate")
    made.session.open_files([pads_file])
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
    squares = [Made(corner, np.ones((50, 50), bool), origin) for corner in PADS.values()]
    made.session.annotation.add("objects", squares)
    return made


@pytest.fixture
def annotation(panel: Any) -> Any:
    return panel.session.annotation


@pytest.fixture
def done(panel: Any, until: Any) -> Any:
    """Wait until no correction is being worked out."""
    return lambda: until(lambda: panel.shared.correct.corrections.is_idle)


@pytest.fixture
def point_at(panel: Any, hand: Any, until: Any, viewer: Any) -> Any:
    """Move the mouse to a place of the image."""

    def move(row: float, col: float) -> None:
        def is_there() -> bool:
            at = panel.shared.correct.pixel_under_cursor()
            return at is not None and bool(np.abs(np.subtract(at, (row, col))).max() <= 1)

        none = Qt.MouseButton.NoButton
        point, held = QPointF(hand.at(row, col)), Qt.KeyboardModifier.NoModifier
        moved = QMouseEvent(QEvent.Type.MouseMove, point, none, none, held)
        QApplication.sendEvent(hand.canvas, moved)
        until(is_there)

    return move


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


def press(hand: Any, at: tuple[float, float], modifier: Any = Qt.KeyboardModifier.NoModifier):
    hand._qtbot.mousePress(hand.canvas, Qt.MouseButton.LeftButton, modifier, hand.at(*at))


def move_pressed(hand: Any, at: tuple[float, float]) -> None:
    left = Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    point = QPointF(hand.at(*at))
    QApplication.sendEvent(hand.canvas, QMouseEvent(QEvent.Type.MouseMove, point, left, left, none))


def release(hand: Any, at: tuple[float, float]) -> None:
    none = Qt.KeyboardModifier.NoModifier
    hand._qtbot.mouseRelease(hand.canvas, Qt.MouseButton.LeftButton, none, hand.at(*at))


def test_a_stroke_on_background_makes_an_object_in_one_step(
    panel: Any, annotation: Any, hand: Any, viewer: Any
) -> None:
    start(panel, hand, "brush", Qt.Key.Key_D)
    panel.shared.correct.pen.resize(10)
    before = state(annotation)
    hand.drag((120, 60), (120, 340))
    made = annotation.objects[5]
    assert made.source is Source.MANUAL
    # A capsule: as long as the drag, as broad as the pen, round at both ends.
    assert made.area_px == pytest.approx(280 * 10 + np.pi * 25, rel=0.04)
    assert made.bbox == pytest.approx((115, 55, 126, 346), abs=2)
    assert shows_all(viewer, annotation)
    after = state(annotation)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert state(annotation) == before
    hand.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert state(annotation) == after
    assert shows_all(viewer, annotation)


def test_a_fast_mouse_leaves_no_gap(panel: Any, annotation: Any, hand: Any) -> None:
    start(panel, hand, "brush", Qt.Key.Key_D)
    panel.shared.correct.pen.resize(6)
    press(hand, (110, 40))
    release(hand, (160, 360))
    row, col = np.linspace((110, 40), (160, 360), 500).T
    on_line = annotation.labels[np.rint(row).astype(int), np.rint(col).astype(int)]
    assert (on_line == 5).all()


def test_a_stroke_from_an_object_extends_it_stops_at_others_and_erases_with_ctrl(
    panel: Any, annotation: Any, hand: Any
) -> None:
    start(panel, hand, "brush", Qt.Key.Key_D)
    panel.shared.correct.pen.resize(12)
    hand.drag((65, 80), (65, 200))
    assert annotation.labels[65, 130] == 1
    assert areas(annotation)[2] == 2500
    assert annotation.objects[1].source is Source.MIXED
    assert areas(annotation)[1] == pytest.approx(2500 + 80 * 12, rel=0.03)
    hand.drag((65, 60), (65, 120), CTRL)
    assert annotation.labels[65, 80] == 0


def test_while_painting_the_preview_shows_the_outline_and_nothing_is_changed(
    panel: Any, annotation: Any, hand: Any, viewer: Any
) -> None:
    start(panel, hand, "brush", Qt.Key.Key_D)
    panel.shared.correct.pen.resize(20)
    before = state(annotation)
    press(hand, (120, 100))
    move_pressed(hand, (120, 200))
    assert state(annotation) == before
    preview = viewer.layers["SegSEM preview"]
    rows, cols = np.nonzero(preview.data)
    corner = np.asarray(preview.translate) / np.asarray(preview.scale)
    box = rows.min() + corner[0], cols.min() + corner[1], np.ptp(rows), np.ptp(cols)
    assert box == pytest.approx((110, 90, 20, 120), abs=2)
    # An outline, not a fill: two pixels of the edge.
    middle = preview.data[int(120 - corner[0]), int(150 - corner[1])]
    assert middle == 0
    assert len(rows) < 0.5 * 100 * 20
    release(hand, (120, 200))
    assert not preview.data.any()
    assert annotation.labels[120, 150] == 5


def test_the_eraser_takes_from_the_object_it_starts_on_and_with_shift_from_all(
    panel: Any, annotation: Any, hand: Any
) -> None:
    start(panel, hand, "eraser", Qt.Key.Key_D, SHIFT)
    panel.shared.correct.pen.resize(10)
    hand.drag((65, 60), (65, 330))
    assert areas(annotation)[1] == pytest.approx(2500 - 30 * 10 - np.pi * 12.5, rel=0.02)
    assert [areas(annotation)[i] for i in (2, 3)] == [2500, 2500]
    hand.drag((65, 60), (65, 340), SHIFT)
    assert (annotation.labels[65, 60:340] == 0).all()
    hand.key(Qt.Key.Key_Z, CTRL)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert set(areas(annotation).values()) == {2500}
    hand.drag((120, 60), (120, 100))
    assert "Start on the object" in panel.footer.text()
    assert set(areas(annotation).values()) == {2500}


def test_brackets_and_slider_change_the_pen_and_its_circle(
    panel: Any, hand: Any, viewer: Any
) -> None:
    pen, box = panel.shared.correct.pen, panel.correct_box
    start(panel, hand, "brush", Qt.Key.Key_D)
    assert viewer.cursor.style == "circle"
    assert viewer.cursor.size == pen.diameter_px
    before = pen.diameter_px
    hand.key(Qt.Key.Key_BracketRight)
    assert pen.diameter_px > before
    assert viewer.cursor.size == pen.diameter_px
    assert f"{pen.diameter_px} px" in box.size_label.text()
    hand.key(Qt.Key.Key_BracketLeft)
    assert pen.diameter_px == before
    box.slider.setValue(box.slider.maximum())
    assert pen.diameter_px == 400
    box.slider.setValue(box.slider.minimum())
    assert pen.diameter_px == 1
    panel.header.pixel_field.setValue(3.0)
    panel.header._set_size.click()
    pen.resize(20)
    assert viewer.cursor.size == pytest.approx(60)
    hand.key(Qt.Key.Key_Q)
    assert viewer.cursor.style == "standard"


def test_the_circle_on_the_screen_is_as_large_as_the_pen(
    panel: Any, hand: Any, viewer: Any
) -> None:
    start(panel, hand, "brush", Qt.Key.Key_D)
    panel.shared.correct.pen.resize(30)
    circle = viewer.canvas.overlays._brush_circle
    for zoom in (2.0, 4.0):
        viewer.scene.camera.zoom = zoom
        assert circle.visible
        assert circle.size == pytest.approx(30 * zoom, abs=1)


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


def test_a_stroke_that_starts_outside_says_so(panel: Any, annotation: Any, hand: Any) -> None:
    start(panel, hand, "brush", Qt.Key.Key_D)
    hand.drag((-20, 100), (60, 130))
    assert "outside" in panel.footer.text()
    assert len(annotation.objects) == 4


def test_painting_works_while_zoomed_in_and_the_camera_stays(
    panel: Any, annotation: Any, hand: Any, viewer: Any
) -> None:
    start(panel, hand, "brush", Qt.Key.Key_D)
    viewer.scene.camera.center = (120, 120)
    viewer.scene.camera.zoom = 6.0
    panel.shared.correct.pen.resize(3)
    hand.drag((110, 110), (130, 140))
    assert viewer.scene.camera.zoom == 6.0
    assert tuple(viewer.scene.camera.center)[-2:] == (120, 120)
    assert areas(annotation)[5] == pytest.approx(np.hypot(20, 30) * 3 + np.pi * 2.25, rel=0.1)


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
