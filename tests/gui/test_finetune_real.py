"""The whole way with the real `segsem finetune`: paint, learn, annotate meanwhile, adopt, go back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea

from napari_segsem._annotation import Made
from napari_segsem._finetune_state import Phase
from segsem.core.contour import Source
from segsem.project.label_edit import LabelObject

PADS = [(row, col) for row in (20, 100) for col in (20, 100, 180)]
SIDE = 44
PATIENCE_MS = 400_000


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        random = np.random.default_rng(number)
        image = np.full((168, 256), 70.0)
        for row, col in PADS:
            image[row : row + SIDE, col : col + SIDE] = 170
        image += random.normal(0, 12, image.shape)
        tifffile.imwrite(folder / f"site{number}.tif", np.clip(image, 0, 255).astype(np.uint8))
    return folder


def press(qtbot: Any, button: Any) -> None:
    area = button.parentWidget()
    while not isinstance(area, QScrollArea):
        area = area.parentWidget()

    def is_in_sight() -> bool:
        area.ensureWidgetVisible(button)
        return button.isEnabled() and not button.visibleRegion().isEmpty()

    qtbot.waitUntil(is_in_sight, timeout=10_000)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.slow
def test_the_whole_way(dock: Any, viewer: Any, hand: Any, images: Path, qtbot: Any) -> None:
    def until(condition: Any) -> None:
        qtbot.waitUntil(condition, timeout=PATIENCE_MS)

    annotate = dock("Annotate")
    session = annotate.session
    session.open_files([images])
    until(lambda: session.document is not None and not annotate.resume_button.isVisible())
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
    for number in range(4):
        until(lambda number=number: session.position[0] == number + 1)
        hand.image_name = session.document.image.name
        known = len(session.annotation.objects)
        squares = [Made(at, np.ones((SIDE, SIDE), bool), origin) for at in PADS[1:]]
        session.annotation.add("objects", squares)
        # One is painted by hand.
        hand.key(Qt.Key.Key_D)
        row, col = PADS[0]
        hand.drag((row + 20, col + 8), (row + 20, col + SIDE - 8))
        until(lambda known=known: len(session.annotation.objects) == known + 6)
        hand.key(Qt.Key.Key_T, Qt.KeyboardModifier.ShiftModifier)
        until(lambda: session.series.is_in_training_set)
        session.step(1)
    until(lambda: session.position[0] == 1)

    panel = dock("Fine-tune")
    tuning = panel.shared.tuning
    until(panel.start_box.start_button.isVisible)
    panel.expert.fields["epochs"].value = 2
    panel.expert.fields["frames_per_image"].value = 1
    press(qtbot, panel.start_box.start_button)
    until(lambda: len(tuning.state.losses) > 0)
    assert tuning.state.expected_s is not None
    child = psutil.Process(tuning._child.pid)
    if hasattr(child, "nice"):
        assert child.nice() > psutil.Process().nice()

    # Annotation goes on, and is for the next run.
    before = len(session.annotation.objects)
    session.annotation.add("object", [Made((80, 60), np.ones((10, 10), bool), origin)])
    assert len(session.annotation.objects) == before + 1
    until(lambda: any(point.epoch == 1 for point in tuning.state.points))
    assert panel.curves.isVisible()
    assert len(panel.curves.agreement.points[0]) >= 2

    family = [child, *child.children(recursive=True)]
    press(qtbot, panel.work_box.cancel_button)
    assert not psutil.wait_procs(family, timeout=2)[1]
    until(lambda: tuning.state.phase is Phase.STOPPED)
    assert tuning.unfinished == "tuned-1"

    press(qtbot, panel.stopped_box.resume_button)
    until(lambda: not tuning.is_running)
    assert tuning.state.phase is Phase.DONE, tuning.state.message
    first = tuning.result
    assert first.name == "tuned-1"
    assert (first.folder / "outlines.json").is_file()
    press(qtbot, panel.result_box.look_button)
    until(lambda: panel.shared.finetune_layers.index == 0)
    press(qtbot, panel.result_box.adopt_button)
    if not first.is_better:
        press(qtbot, panel.result_box.insist_button)
    until(lambda: panel.header.model_label.text() == "tuned-1")
    press(qtbot, panel.start_box.back_button)
    until(lambda: panel.header.model_label.text() == "segsem-nano")

    # A second run in the same window.
    press(qtbot, panel.start_box.start_button)
    until(lambda: not tuning.is_running)
    assert tuning.state.phase is Phase.DONE, tuning.state.message
    assert tuning.result.name == "tuned-2"
    press(qtbot, panel.result_box.keep_button)
    assert panel.header.model_label.text() == "segsem-nano"
