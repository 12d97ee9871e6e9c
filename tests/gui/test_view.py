"""What is seen, told and remembered: looks of objects, status bar, restart, dropped folders."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_segsem import _layers
from napari_segsem._document import Document
from napari_segsem._hover import describe
from napari_segsem._memory import FILE, Memory, Remembered
from napari_segsem._object_view import ObjectLook
from segsem.imaging.image import SEMImage

NM = 2.5


@pytest.fixture
def panel(dock: Any, pads_file: Path, until: Any) -> Any:
    made = dock("Annotate")
    made.session.open_files([pads_file])
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    return made


def accept(panel: Any, until: Any, row: float, col: float) -> None:
    panel.session.annotation.add_point((row, col), 1)
    until(lambda: panel.session.annotation.candidates is not None)
    panel.shared.keys.run("accept")


def drop(panel: Any, *paths: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    panel.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime, left, none))


def test_h_goes_from_outlines_to_fills_to_nothing_and_back(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    accept(panel, until, 65, 195)
    outlines = viewer.layers[_layers.OBJECTS]
    assert (outlines.contour, outlines.opacity) == (2, 1.0)
    hand.key(Qt.Key.Key_H)
    fills = viewer.layers[_layers.FILLS]
    assert fills.visible
    assert fills.contour == 0
    assert fills.opacity < 0.5
    assert panel.look_button.text() == "Filled"
    np.testing.assert_array_equal(fills.data, outlines.data)
    hand.key(Qt.Key.Key_H)
    assert not fills.visible
    assert outlines.opacity == 0.0
    assert "hidden" in panel.footer.text()
    hand.key(Qt.Key.Key_H)
    assert outlines.opacity == 1.0
    assert not fills.visible
    assert panel.shared.annotate_layers.is_prompting


def test_outlines_are_never_drawn_anew_by_a_change_of_look(
    panel: Any, until: Any, viewer: Any
) -> None:
    accept(panel, until, 65, 195)
    drawn: list[object] = []
    viewer.layers[_layers.OBJECTS].events.set_data.connect(drawn.append)
    for _ in ObjectLook:
        panel.shared.keys.run("cycle_view")
    assert not drawn


def test_fills_follow_edits_and_images(
    panel: Any, until: Any, viewer: Any, pads: np.ndarray, tmp_path: Path
) -> None:
    import tifffile

    panel.shared.keys.run("cycle_view")
    fills = viewer.layers[_layers.FILLS]
    accept(panel, until, 65, 195)
    labels = panel.session.annotation.labels
    assert labels.any()
    np.testing.assert_array_equal(fills.data, labels)
    panel.shared.keys.run("undo")
    assert not fills.data.any()
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ascontiguousarray(pads[:200, :150]))
    panel.session.open_files([other])
    until(lambda: panel.session.document.image.name == "other")
    assert fills.data.shape == (200, 150)


def test_the_status_bar_tells_nm_grey_and_the_object(panel: Any, until: Any, viewer: Any) -> None:
    panel.session.set_pixel_size(NM)
    accept(panel, until, 65, 195)
    image = panel.session.document.image
    names = (_layers.PROMPTS, _layers.OBJECTS, "line_space_000", _layers.BOX)
    for name in names:
        status = viewer.layers[name].get_status((65 * NM, 195 * NM), world=True)["coordinates"]
        assert f"x {195.5 * NM:,.1f} nm" in status
        assert f"y {(image.shape[0] - 0.5 - 65) * NM:,.1f} nm" in status
        assert f"grey {image.data[65, 195]}" in status
        assert "Object 1: SAM2, score 0.90" in status
    outside = viewer.layers[_layers.PROMPTS].get_status((-65 * NM, 0), world=True)
    assert outside["coordinates"] == ""


def test_the_status_bar_shows_it(panel: Any, hand: Any, until: Any, viewer: Any) -> None:
    hand.move(60, 60)
    hand.move(65, 65)
    until(lambda: "grey" in str(viewer.status))


def test_hover_text_needs_no_layer() -> None:
    document = Document(SEMImage(np.full((10, 20), 7, np.uint8), "plain"))
    assert describe(document, (4.0, 3.0), None) == "x 3.0 px, y 4.0 px · grey 7"


def test_contrast_changes_no_result(panel: Any, viewer: Any) -> None:
    before = panel.session.document.model_grey.copy()
    layer = viewer.layers["line_space_000"]
    layer.contrast_limits = (100, 101)
    layer.gamma = 0.3
    layer.colormap = "viridis"
    np.testing.assert_array_equal(panel.session.document.model_grey, before)
    np.testing.assert_array_equal(layer.data, panel.session.document.image.data)


def test_the_scale_bar_is_there_as_soon_as_nm_are_known(panel: Any, viewer: Any) -> None:
    bar = viewer.canvas.overlays.scale_bar
    assert not bar.visible
    panel.session.set_pixel_size(NM)
    assert bar.visible


class Now:
    """Writes at once."""

    def restart(self, action: Any) -> None:
        action()

    def stop(self) -> None:
        pass


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": "other"}', '{"format": "segsem-view", "look": 3}']
)
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert Memory(Now(), tmp_path).state == Remembered()


def test_memory_is_written_and_read(tmp_path: Path) -> None:
    Memory(Now(), tmp_path).remember(panels=("Annotate",), hints_read=True)
    assert Memory(Now(), tmp_path).state == Remembered(panels=("Annotate",), hints_read=True)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [FILE]


def test_a_folder_that_cannot_be_written_to_costs_no_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(Now(), tmp_path / "file")
    memory.remember(look="fill")
    assert memory.state.look == "fill"


@pytest.fixture
def remembered(own_settings: Path, pads_file: Path) -> Path:
    """State of a session before: two panels, an image, fills, prompts' box hidden."""
    state = {
        "format": "segsem-view",
        "version": 1,
        "panels": ["Annotate", "Review and export"],
        "image": str(pads_file),
        "look": "fill",
        "hidden_layers": [_layers.BOX],
        "hints_read": True,
    }
    (own_settings / FILE).write_text(json.dumps(state))
    return own_settings / FILE


def test_a_restart_brings_panels_image_and_looks_back(
    remembered: Path, dock: Any, until: Any, viewer: Any
) -> None:
    panel = dock("Annotate")
    until(lambda: len(panel.shared.restorer.panels) == 2)
    until(lambda: panel.session.document is not None)
    assert panel.session.document.image.name == "line_space_000"
    until(lambda: _layers.BOX in viewer.layers and not viewer.layers[_layers.BOX].visible)
    assert viewer.layers[_layers.FILLS].visible
    assert not panel.first_steps.isVisible()


def test_what_is_open_is_remembered(
    own_settings: Path, panel: Any, dock: Any, until: Any, viewer: Any, pads_file: Path
) -> None:
    dock("Review and export")
    panel.shared.keys.run("cycle_view")
    viewer.layers[_layers.BOX].visible = False
    panel.first_steps.dismiss_button.click()
    panel.shared.memory.write()
    kept = json.loads((own_settings / FILE).read_text())
    assert kept["panels"] == ["Annotate", "Review and export"]
    assert kept["image"] == str(pads_file.resolve())
    assert kept["look"] == "fill"
    assert kept["hidden_layers"] == [_layers.BOX]
    assert kept["hints_read"]


@pytest.mark.parametrize("closed", ["Annotate", "Review and export"])
def test_a_closed_panel_hears_nothing_more(closed: str, panel: Any, dock: Any, until: Any) -> None:
    panels = {"Annotate": panel, "Review and export": dock("Review and export")}
    kept = panels[closed]  # as a console or a script may keep it
    gone: list[bool] = []
    kept.destroyed.connect(lambda *_: gone.append(True))
    kept.parent().destroyOnClose()
    until(lambda: bool(gone))
    shared = kept.shared
    shared.session.document_changed.emit()
    shared.session.review_changed.emit()
    shared.session.engine_changed.emit()
    shared.session.tell("still there?")
    shared.extraction.changed.emit()
    shared.keys.changed.emit()
    shared.toolbox.changed.emit("brush")
    shared.session.annotation.add_point((5.0, 5.0), 1)
    other = next(panel for title, panel in panels.items() if title != closed)
    assert other.footer.text() == "still there?"


def test_a_panel_that_is_closed_stays_closed(
    panel: Any, dock: Any, until: Any, viewer: Any
) -> None:
    review = dock("Review and export")
    # As its button with the cross does.
    review.parent().destroyOnClose()
    assert panel.shared.memory.state.panels == ("Annotate",)
    until(lambda: panel.shared.panels == 1)


def test_an_image_that_napari_opens_later_lies_below_ours(
    panel: Any, viewer: Any, until: Any
) -> None:
    known = panel.session.document.image
    image = replace(known, pixel_size_nm=(NM, NM), pixel_size_source="manifest")
    layer = viewer.add_image(image.data, metadata={_layers.IMAGE_KEY: image})
    until(lambda: viewer.layers.index(layer) == 0)
    assert layer.visible
    assert panel.session.document.image.pixel_size_nm == (NM, NM)
    np.testing.assert_allclose(viewer.layers[_layers.PROMPTS].scale, NM)


def test_a_lost_image_is_told(remembered: Path, pads_file: Path, dock: Any, until: Any) -> None:
    pads_file.unlink()
    panel = dock("Annotate")
    until(lambda: "not there any more" in panel.footer.text())
    assert panel.session.document is None


def test_a_dropped_folder_opens_as_a_series(
    dock: Any, pads_file: Path, tmp_path: Path, until: Any
) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for name in ("b", "a", "c"):
        shutil.copy(pads_file, folder / f"{name}.tif")
    panel = dock("Annotate")
    drop(panel, folder)
    until(lambda: panel.session.position == (1, 3))
    assert panel.session.document.image.name == "a"


def test_several_dropped_files_open(dock: Any, pads_file: Path, tmp_path: Path, until: Any) -> None:
    other = tmp_path / "other.tif"
    shutil.copy(pads_file, other)
    panel = dock("Annotate")
    drop(panel, pads_file, other)
    until(lambda: panel.session.position == (1, 2))


def test_the_hints_lead_through_the_first_object_and_go_for_good(panel: Any, until: Any) -> None:
    hints = panel.first_steps
    assert hints.isVisible()
    assert hints.text.text().startswith("▸ Click")
    accept(panel, until, 65, 195)
    assert "▸ Ctrl+Z" in hints.text.text()
    hints.dismiss_button.click()
    assert not hints.isVisible()
    panel.session.document_changed.emit()
    assert not hints.isVisible()


def test_at_most_seven_controls_are_in_sight(panel: Any) -> None:
    from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit

    panel.first_steps.dismiss_button.click()
    kinds = (QAbstractButton, QLineEdit, QComboBox)
    inside = [w for kind in kinds for w in panel._work.findChildren(kind) if w.isVisible()]
    tools = set(panel.tools.buttons.values())
    assert len([widget for widget in inside if widget not in tools]) + 1 <= 7
    assert all(widget.toolTip() for widget in inside)


def test_nothing_in_the_panel_is_wider_than_360_px(panel: Any, qtbot: Any) -> None:
    for part in (*panel.folds.values(), panel.keys_fold):
        part.expand(animate=False)
    inner = panel._scroll.widget()
    panel.parent().setFixedWidth(360)
    qtbot.waitUntil(lambda: panel.width() <= 360)
    from qtpy.QtWidgets import QPushButton, QWidget

    for child in inner.findChildren(QWidget):
        if child.isVisible() and isinstance(child, QPushButton):
            right = child.mapTo(inner, child.rect().topRight()).x()
            assert right <= inner.width(), child.text()
            assert child.width() >= child.fontMetrics().horizontalAdvance(child.text()), (
                child.text()
            )
