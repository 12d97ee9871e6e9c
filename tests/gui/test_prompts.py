"""Prompt tools in a real window: boxes, scribbles, polygons, masks, the preview under the mouse."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from segsem.core.exceptions import ModelError

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
PADS = [(row, col) for row in (40, 180) for col in (40, 170, 300)]


@pytest.fixture
def panel(dock: Any, pads_file: Path, until: Any) -> Any:
    made = dock("Annotate")
    made.session.open_files([pads_file])
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    return made


def proposals(panel: Any) -> Any:
    return panel.session.annotation.proposals


def drag_around(hand: Any, pad: tuple[int, int]) -> None:
    row, col = pad
    hand.drag((row - 10, col - 10), (row + 60, col + 60))


def draw_boxes(panel: Any, hand: Any, until: Any, pads: list[tuple[int, int]]) -> None:
    hand.key(Qt.Key.Key_Q, SHIFT)
    for pad in pads:
        drag_around(hand, pad)
    until(lambda: len(proposals(panel).shown) == len(pads) and proposals(panel).is_complete)


def areas(panel: Any) -> list[int]:
    return [known.area_px for known in panel.session.annotation.objects.values()]


def test_boxes_are_answered_together_and_accepted_in_one_step(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    draw_boxes(panel, hand, until, PADS)
    outlines = viewer.layers["SegSEM proposals"]
    assert outlines.data.shape == (300, 400)
    for row, col in PADS:
        assert outlines.data[row : row + 50, col : col + 50].any()
        assert not outlines.data[row + 20 : row + 30, col + 20 : col + 30].any()
    assert sorted(viewer.layers["SegSEM scores"].text.values) == ["0.90"] * 6
    assert len(viewer.layers["SegSEM boxes and polygons"].data) == 0
    scores, zoom = viewer.layers["SegSEM scores"], viewer.scene.camera.zoom
    assert scores.text.visible
    viewer.scene.camera.zoom = zoom / 10
    assert not scores.text.visible
    viewer.scene.camera.zoom = zoom
    assert scores.text.visible
    hand.key(Qt.Key.Key_Return, SHIFT)
    annotation = panel.session.annotation
    assert areas(panel) == pytest.approx([2500] * 6, abs=150)
    assert all(known.prompts["box_rc"] for known in annotation.objects.values())
    assert annotation.state.is_empty
    assert not outlines.data.any()
    hand.key(Qt.Key.Key_Z, CTRL)
    assert not annotation.objects
    assert len(proposals(panel).shown) == 6
    hand.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert len(annotation.objects) == 6


def test_a_click_accepts_one_and_ctrl_click_rejects_one(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    draw_boxes(panel, hand, until, PADS[:3])
    hand.click(65, 65)
    hand.click(65, 195, CTRL)
    annotation = panel.session.annotation
    assert areas(panel) == pytest.approx([2500], abs=150)
    assert len(proposals(panel).shown) == 1
    assert not viewer.layers["SegSEM proposals"].data[:, :290].any()
    assert not annotation.state.points_rc
    hand.key(Qt.Key.Key_Z, CTRL)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert not annotation.objects
    assert len(proposals(panel).shown) == 3
    hand.key(Qt.Key.Key_Escape)
    assert annotation.state.is_empty
    assert not viewer.layers["SegSEM proposals"].data.any()


def test_each_box_can_be_undone_and_done_again(panel: Any, hand: Any, until: Any) -> None:
    draw_boxes(panel, hand, until, PADS[:3])
    hand.key(Qt.Key.Key_Z, CTRL)
    assert len(proposals(panel).shown) == 2
    hand.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert len(proposals(panel).shown) == 3


def test_twenty_boxes_at_once(
    dock: Any, tmp_path: Path, hand: Any, until: Any, viewer: Any
) -> None:
    import tifffile

    image = np.full((300, 400), 40, np.uint8)
    corners = [(r, c) for r in (20, 90, 160, 230) for c in (20, 95, 170, 245, 320)]
    for row, col in corners:
        image[row : row + 40, col : col + 40] = 200
    path = tmp_path / "line_space_000.tif"
    tifffile.imwrite(path, image)
    panel = dock("Annotate")
    panel.session.open_files([path])
    until(lambda: panel.session.document is not None and not panel.resume_button.isVisible())
    hand.key(Qt.Key.Key_Q, SHIFT)
    for row, col in corners:
        hand.drag((row - 8, col - 8), (row + 48, col + 48))
    until(lambda: len(proposals(panel).shown) == 20)
    panel.accept_button.click()
    assert areas(panel) == [1600] * 20


def test_an_object_in_work_goes_before_open_boxes(panel: Any, hand: Any, until: Any) -> None:
    annotation = panel.session.annotation
    for row, col in PADS:
        annotation.add_box((row - 5.0, col - 5.0, row + 55.0, col + 55.0))
    hand.key(Qt.Key.Key_Q)
    hand.click(110, 195)
    assert annotation.state.asks
    until(lambda: annotation.candidates is not None)
    until(lambda: len(proposals(panel).shown) == 6)
    hand.key(Qt.Key.Key_Escape)
    assert annotation.state.is_empty


def test_t_cycles_the_masks_of_the_proposal_under_the_mouse(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    draw_boxes(panel, hand, until, PADS[:2])
    (first, second) = proposals(panel).shown.values()
    viewer.cursor.position = (65, 65)
    hand.key(Qt.Key.Key_T)
    changed, same = proposals(panel).shown.values()
    assert same is second
    assert changed.mask.shape[0] == first.mask.shape[0] + 2
    assert changed.score == pytest.approx(0.7)


def test_a_scribble_is_points_along_the_object(panel: Any, hand: Any, until: Any) -> None:
    hand.key(Qt.Key.Key_S, SHIFT)
    hand.drag((45, 175), (85, 215))
    annotation = panel.session.annotation
    until(lambda: annotation.candidates is not None)
    assert len(annotation.state.points_rc) > 1
    assert set(annotation.state.point_labels) == {1}
    assert int(annotation.chosen_mask.sum()) == pytest.approx(2500, abs=150)
    hand.drag((185, 45), (225, 85), CTRL)
    assert set(annotation.state.point_labels) == {0, 1}
    hand.key(Qt.Key.Key_Z, CTRL)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert annotation.state.is_empty


def test_a_polygon_asks_with_its_mask(panel: Any, hand: Any, until: Any, viewer: Any) -> None:
    hand.key(Qt.Key.Key_P, SHIFT)
    for corner in ((30, 160), (30, 235), (105, 235), (105, 160)):
        hand.click(*corner)
    annotation = panel.session.annotation
    assert len(annotation.state.polygon_rc) == 4
    assert len(viewer.layers["SegSEM boxes and polygons"].data) == 3
    assert annotation.candidates is None
    hand.key(Qt.Key.Key_Return)
    until(lambda: annotation.candidates is not None)
    assert int(annotation.chosen_mask.sum()) == pytest.approx(2500, abs=150)
    hand.key(Qt.Key.Key_Return)
    (known,) = annotation.objects.values()
    assert len(known.prompts["polygon_rc"]) == 4
    assert known.prompts["mask_input"]
    assert len(viewer.layers["SegSEM boxes and polygons"].data) == 0


def test_a_double_click_closes_a_polygon_and_does_not_zoom(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    hand.key(Qt.Key.Key_P, SHIFT)
    for corner in ((30, 160), (30, 235), (105, 235)):
        hand.click(*corner)
    zoom, centre = viewer.scene.camera.zoom, viewer.scene.camera.center
    hand.double_click(105, 160)
    annotation = panel.session.annotation
    assert annotation.state.is_closed
    assert len(annotation.state.polygon_rc) == 4
    assert (viewer.scene.camera.zoom, viewer.scene.camera.center) == (zoom, centre)
    until(lambda: annotation.candidates is not None)
    for _ in range(5):
        hand.key(Qt.Key.Key_Z, CTRL)
    assert annotation.state.is_empty


def test_the_model_improves_an_accepted_object(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    annotation = panel.session.annotation
    rough = np.zeros((60, 60), np.int32)
    rough[:40, :] = 1
    annotation.change("rough", (36, 166), rough)
    viewer.cursor.position = (60, 195)
    hand.key(Qt.Key.Key_I, SHIFT)
    assert annotation.state.refines == 1
    until(lambda: annotation.candidates is not None)
    hand.key(Qt.Key.Key_Return)
    (known,) = annotation.objects.values()
    assert known.object_id == 1
    assert known.prompts["mask"]["bits"]
    hand.key(Qt.Key.Key_Z, CTRL)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert annotation.objects[1].area_px == 40 * 60


def test_the_preview_follows_the_mouse_until_something_is_in_work(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    asking = panel.session.asking
    until(lambda: panel.session._engine.pace_s is not None)
    panel.session._engine.pace_s = (0.01, 0.01)

    def hovered() -> bool:
        hand.move(60, 190)
        hand.move(62, 192)
        names = [layer.name for layer in viewer.layers]
        return "SegSEM hover" in names and bool(viewer.layers["SegSEM hover"].data.any())

    until(hovered)
    layer = viewer.layers["SegSEM hover"]
    assert layer.opacity < viewer.layers["SegSEM preview"].opacity
    rows, cols = np.nonzero(layer.data)
    assert layer.data_to_world((rows.mean(), cols.mean())) == pytest.approx((64.5, 194.5), abs=1.0)
    hand.click(65, 195)
    # It stays until the outline takes its place.
    until(lambda: panel.session.annotation.candidates is not None)
    assert not layer.data.any()
    hand.move(205, 65)
    assert not asking.hover((205.0, 65.0))


def test_a_click_is_shown_from_the_press_on(panel: Any, hand: Any, until: Any, viewer: Any) -> None:
    annotation, points = panel.session.annotation, viewer.layers["SegSEM prompts"]

    def is_boxed() -> bool:
        hand.drag_to(90, 230)
        return len(viewer.layers["SegSEM box"].data) == 4

    hand.press(65, 195)
    assert points.data == pytest.approx(np.array([[65, 195]]), abs=1.0)
    assert annotation.state.is_empty
    until(is_boxed)
    assert len(points.data) == 0
    hand.release(90, 230)
    assert annotation.state.box_rc is not None
    hand.press(65, 195)
    hand.release(65, 195)
    assert points.data == pytest.approx(np.array(annotation.state.points_rc))
    hand.press(-30, 195)
    assert len(points.data) == 1
    hand.release(-30, 195)


def test_what_is_shown_under_the_mouse_goes_where_the_engine_fails(
    panel: Any, hand: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, shown = panel.session, []
    session.asking.hovered.connect(shown.append)
    failed: Future[Any] = Future()
    monkeypatch.setattr(session._engine, "predict", lambda *_args: failed)
    hand.click(65, 195)
    assert None not in shown
    failed.set_exception(ModelError("The engine is out of memory"))
    until(lambda: None in shown)


def test_a_slow_model_does_not_follow_the_mouse(panel: Any, hand: Any, until: Any) -> None:
    until(lambda: panel.session._engine.pace_s is not None)
    asking = panel.session.asking
    panel.session._engine.pace_s = (2.5, 0.09)
    assert not asking.hover((60.0, 190.0))
    panel.session._engine.pace_s = (0.05, 0.02)
    hand.key(Qt.Key.Key_H, SHIFT)
    assert not asking.hover((60.0, 190.0))
    hand.key(Qt.Key.Key_H, SHIFT)
    assert asking.hover((60.0, 190.0))
