"""Brush and eraser in a real window: real drags and keys on the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from segsem.core.contour import Source
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
    hand.press(110, 40)
    hand.release(160, 360)
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
    hand.press(120, 100)
    hand.drag_to(120, 200)
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
    hand.release(120, 200)
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
