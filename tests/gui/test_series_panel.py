"""Series and training set in the panel, by mouse and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_segsem._annotation import Made
from napari_segsem._series import ImageStatus
from segsem.core.contour import Source
from segsem.project.label_edit import LabelObject

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def panel(dock: Any, folder: Path, until: Any) -> Any:
    made = dock("Annotate")
    drop(made, folder)
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    return made


def drop(panel: Any, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    none, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    at = QPointF(5, 5)
    panel.dropEvent(QDropEvent(at, Qt.DropAction.CopyAction, data, left, none))


def box(panel: Any, kind: str) -> Any:
    from napari_segsem.widgets.series_box import SeriesBox
    from napari_segsem.widgets.training_set_box import TrainingSetBox

    return panel.findChild({"series": SeriesBox, "training": TrainingSetBox}[kind])


def test_a_dropped_folder_is_gone_through_by_key(panel: Any, hand: Any, until: Any) -> None:
    session = panel.session
    assert session.position == (1, 4)
    hand.key(Qt.Key.Key_N)
    until(lambda: session.position[0] == 2)
    hand.key(Qt.Key.Key_N, SHIFT)
    until(lambda: session.position[0] == 1)
    hand.key(Qt.Key.Key_W)
    until(lambda: session.series.is_done)
    hand.key(Qt.Key.Key_W, SHIFT)
    until(lambda: session.position[0] == 2)
    series = box(panel, "series")
    assert series.progress_label.text() == "1 of 4 images done"
    assert series.model.data(series.model.index(0)) == "a.tif\ndone, 0 objects"
    assert series.list.currentIndex().row() == 1


def test_the_list_opens_images_and_shows_pictures(panel: Any, until: Any, qtbot: Any) -> None:
    series = box(panel, "series")
    panel.folds["Images"].expand(animate=False)
    panel.show_widget(series.list)
    until(lambda: len(series.model._icons) == 4)
    at = series.list.visualRect(series.model.index(2)).center()
    qtbot.mouseClick(series.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
    until(lambda: panel.session.position[0] == 3)


def test_the_training_set_follows_the_key(panel: Any, hand: Any, until: Any) -> None:
    training = box(panel, "training")
    assert training.state_label.text().startswith("Empty")
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
    made = Made((0, 5), np.ones((10, 12), dtype=bool), origin)
    panel.session.annotation.add("object", [made])
    hand.key(Qt.Key.Key_T, SHIFT)
    until(lambda: training.count_label.text() == "1 image, 1 object")
    assert training.state_label.text().startswith("Missing:\n3 more images")
    assert "1 object is cut by the border" in training.notes_label.text()
    assert training.add_button.text() == "Out of the training set"
    again = Made((30, 5), np.ones((10, 12), dtype=bool), origin)
    panel.session.annotation.add("object", [again])
    until(lambda: training.count_label.text() == "1 image, 2 objects")
    panel.session.annotation.history.undo()
    until(lambda: training.count_label.text() == "1 image, 1 object")
    training.add_button.click()
    until(lambda: training.state_label.text().startswith("Empty"))


def test_a_new_window_goes_on(panel: Any, until: Any, viewer: Any, dock: Any) -> None:
    session = panel.session
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
    session.annotation.add("object", [Made((9, 9), np.ones((8, 8), dtype=bool), origin)])
    session.step(1)
    until(lambda: session.position[0] == 2)
    until(lambda: session.series.entry(0).status is ImageStatus.IN_WORK)
    assert viewer.layers["SegSEM objects"].data.max() == 0
    session.step(-1)
    until(lambda: viewer.layers["SegSEM objects"].data.max() == 1)
