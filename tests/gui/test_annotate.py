"""Annotate in a real window: real clicks, drags and keys on the canvas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def panel(dock: Any, pads_file: Path, until: Any) -> Any:
    made = dock("Annotate")
    made.session.open_files([pads_file])
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    return made


def has_outline(panel: Any) -> bool:
    return panel.session.annotation.candidates is not None


def test_empty_state_says_what_to_do(dock: Any) -> None:
    panel = dock("Annotate")
    assert "Open" in panel.hint.text()
    assert panel.open_button.isVisible()
    assert not panel.accept_button.isVisible()


def test_click_gives_an_outline_on_its_pad(panel: Any, hand: Any, until: Any, viewer: Any) -> None:
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    state = panel.session.annotation.state
    assert state.point_labels == (1,)
    assert state.points_rc[0] == pytest.approx((65, 195), abs=1.5)
    preview = viewer.layers["SegSEM preview"]
    rows, cols = np.nonzero(preview.data)
    middle = preview.data_to_world((rows.mean(), cols.mean()))
    assert middle == pytest.approx((64.5, 194.5), abs=1.0)
    assert "score 0.90" in panel.mask_label.text()


def test_ctrl_click_takes_away(panel: Any, hand: Any, until: Any) -> None:
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    hand.click(205, 65, CTRL)
    assert panel.session.annotation.state.point_labels == (1, 0)


def test_drag_is_a_box_and_return_accepts(panel: Any, hand: Any, until: Any, viewer: Any) -> None:
    centre = viewer.scene.camera.center
    hand.drag((30, 160), (100, 230))
    assert panel.session.annotation.state.box_rc == pytest.approx((30, 160, 100, 230), abs=1.5)
    assert len(viewer.layers["SegSEM box"].data) == 4
    until(lambda: has_outline(panel))
    hand.key(Qt.Key.Key_Return)
    labels = viewer.layers["SegSEM objects"].data
    assert labels[65, 195] == 1
    assert np.count_nonzero(labels) == pytest.approx(2500, abs=150)
    assert panel.session.annotation.state.is_empty
    assert panel.count_label.text() == "1 object accepted"
    assert viewer.scene.camera.center == centre


def test_t_cycles_the_masks(panel: Any, hand: Any, until: Any) -> None:
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    hand.key(Qt.Key.Key_T)
    assert "Mask 2 of 3, score 0.70" in panel.mask_label.text()


def test_escape_clears_and_undo_brings_back(panel: Any, hand: Any, until: Any) -> None:
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    hand.key(Qt.Key.Key_Escape)
    assert panel.session.annotation.state.is_empty
    assert not has_outline(panel)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert panel.session.annotation.state.point_labels == (1,)
    until(lambda: has_outline(panel))
    hand.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert panel.session.annotation.state.is_empty


def test_delete_removes_the_object_under_the_mouse(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    panel.accept_button.click()
    assert panel.session.annotation.objects
    viewer.cursor.position = (65, 195)
    hand.key(Qt.Key.Key_Delete)
    assert not panel.session.annotation.objects
    assert not viewer.layers["SegSEM objects"].data.any()


def test_the_list_deletes_too(panel: Any, hand: Any, until: Any) -> None:
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    panel.accept_button.click()
    objects = panel.objects_box
    first = objects.rows.index(0)
    assert "px²" in objects.rows.data(first)
    objects.view.setCurrentIndex(first)
    objects.delete_button.click()
    assert not panel.session.annotation.objects


def test_contrast_does_not_change_the_mask(panel: Any, hand: Any, until: Any, viewer: Any) -> None:
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    before = panel.session.annotation.candidates.logits
    panel.session.annotation.clear()
    viewer.layers["line_space_000"].contrast_limits = (0, 20)
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    np.testing.assert_array_equal(panel.session.annotation.candidates.logits, before)


def test_a_killed_engine_keeps_the_prompts(panel: Any, hand: Any, until: Any) -> None:
    hand.click(65, 195)
    until(lambda: has_outline(panel))
    first = panel.session.engine_pid
    psutil.Process(first).kill()
    until(lambda: panel.session.engine_pid not in (None, first))
    assert panel.session.annotation.state.point_labels == (1,)
    hand.click(205, 65)
    until(lambda: panel.session.annotation.candidates.mask(0).sum() > 4000)


def test_pixel_size_given_once_scales_every_layer(panel: Any, viewer: Any) -> None:
    assert panel.header.pixel_field.isVisible()
    panel.header.pixel_field.setValue(3.0)
    panel.header._set_size.click()
    assert not panel.header.pixel_field.isVisible()
    assert "3 nm/px (user)" in panel.header.pixel_label.text()
    for layer in viewer.layers:
        assert all(str(unit) == "nanometer" for unit in layer.units), layer.name
        if layer.name != "Data bar (ignored)":
            assert layer.scale == pytest.approx((3, 3)), layer.name


def test_another_layer_pauses_prompting(panel: Any, viewer: Any, hand: Any) -> None:
    viewer.layers.selection.active = viewer.layers["line_space_000"]
    assert panel.resume_button.isVisible()
    hand.click(65, 195)
    assert panel.session.annotation.state.is_empty
    panel.resume_button.click()
    assert not panel.resume_button.isVisible()
    hand.click(65, 195)
    assert panel.session.annotation.state.point_labels == (1,)


def test_a_click_outside_says_so(panel: Any, hand: Any) -> None:
    hand.click(-20, 195)
    assert panel.session.annotation.state.is_empty
    assert "outside" in panel.footer.text()


def test_dropped_files_open(dock: Any, pads_file: Path, until: Any) -> None:
    panel = dock("Annotate")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(pads_file))])
    panel.dropEvent(
        QDropEvent(
            QPointF(5, 5),
            Qt.DropAction.CopyAction,
            mime,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    until(lambda: panel.session.document is not None)
    assert panel.session.document.image.name == "line_space_000"


def test_a_bad_file_is_one_sentence_in_the_footer(dock: Any, tmp_path: Path, until: Any) -> None:
    panel = dock("Annotate")
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    panel.session.open_files([bad])
    until(lambda: "bad.png" in panel.footer.text())
    assert "\n" not in panel.footer.text()
    assert panel.session.document is None


def test_next_and_previous_image(
    dock: Any, pads_file: Path, pads: np.ndarray, viewer: Any, tmp_path: Path, until: Any
) -> None:
    import tifffile

    other = tmp_path / "other.tif"
    tifffile.imwrite(other, pads[:200, :150].T.copy())
    panel = dock("Annotate")
    panel.session.open_files([pads_file, other])
    until(lambda: panel.session.document is not None)
    until(lambda: "SegSEM hover" in viewer.layers)
    panel.session.annotation.set_box((1.0, 1.0, 5.0, 5.0))
    count = len(viewer.layers)
    panel.session.step(1)
    until(lambda: panel.session.position == (2, 2))
    assert "other (2 of 2), 200 × 150 px" in panel.header.image_label.text()
    assert viewer.layers["SegSEM objects"].data.shape == (150, 200)
    assert len(viewer.layers["SegSEM box"].data) == 0
    panel.session.step(-1)
    assert viewer.layers["SegSEM objects"].data.shape == (300, 400)
    assert len(viewer.layers["SegSEM box"].data) == 4
    assert len(viewer.layers) == count


def test_an_image_that_napari_opened_is_taken_over(
    viewer: Any, dock: Any, pads_file: Path, until: Any
) -> None:
    (layer,) = viewer.open(str(pads_file), plugin="napari")
    panel = dock("Annotate")
    until(lambda: panel.session.document is not None)
    assert panel.session.document.image.path.name == pads_file.name
    assert layer in viewer.layers
    assert sum(type(other).__name__ == "Image" for other in viewer.layers) == 2


def test_prompts_start_by_themselves_when_napari_opens_an_image(
    viewer: Any, dock: Any, pads_file: Path, until: Any
) -> None:
    panel = dock("Annotate")
    viewer.open(str(pads_file), plugin="napari")
    until(lambda: panel.session.document is not None)
    until(lambda: viewer.layers.selection.active is viewer.layers["SegSEM prompts"])


def test_prompts_of_an_image_left_too_early_are_asked_when_it_is_back(
    dock: Any, pads_file: Path, pads: np.ndarray, tmp_path: Path, until: Any
) -> None:
    import tifffile

    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ascontiguousarray(pads[::-1]))
    panel = dock("Annotate")
    session = panel.session
    session.open_files([pads_file, other])
    until(lambda: session.document is not None)
    first = session.annotation
    session.step(1)
    until(lambda: session.position == (2, 2))
    # As if the page had been turned before the answer came.
    first.add_point((65.0, 195.0), 1)
    first.set_candidates(None)
    session.step(-1)
    until(lambda: session.position == (1, 2))
    until(lambda: first.candidates is not None and first.candidates.mask(0).any())


def test_a_long_object_is_shown_while_it_is_followed(
    dock: Any, tmp_path: Path, viewer: Any, until: Any
) -> None:
    import tifffile

    line = np.full((300, 900), 40, np.uint8)
    line[100:140, 50:850] = 200
    path = tmp_path / "line.tif"
    tifffile.imwrite(path, line)
    panel = dock("Annotate")
    session = panel.session
    session.open_files([path])
    until(lambda: session.document is not None)
    seen: list[tuple[bool, int]] = []
    session.annotation.candidates_changed.connect(
        lambda: seen.append(
            (
                session.annotation.candidates.complete,
                int(session.annotation.candidates.mask(0).sum()),
            )
        )
    )
    session.annotation.add_point((120.0, 450.0), 1)
    until(lambda: bool(seen) and seen[-1][0])
    assert [complete for complete, _ in seen] == [False, True]
    assert panel.accept_button.isEnabled()
    assert seen[0][1] == 40 * 256
    assert seen[1][1] == 40 * 800
    assert "not the whole" not in panel.mask_label.text()
    assert viewer.layers["SegSEM preview"].data.shape == (42, 802)


def test_holding_space_moves_the_image_and_asks_for_nothing(
    panel: Any, hand: Any, qtbot: Any, until: Any, viewer: Any
) -> None:
    before = tuple(viewer.scene.camera.center)

    def moves() -> bool:
        hand.drag_to(125, 255)
        return tuple(viewer.scene.camera.center) != before

    qtbot.keyPress(hand.canvas, Qt.Key.Key_Space)
    hand.press(65, 195)
    until(moves)
    hand.release(125, 255)
    qtbot.keyRelease(hand.canvas, Qt.Key.Key_Space)
    annotation = panel.session.annotation
    assert annotation.state.is_empty
    hand.click(65, 195)
    assert len(annotation.state.points_rc) == 1
