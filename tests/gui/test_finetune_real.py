"""The whole way with the real `segsem finetune`: paint, learn, annotate on, adopt, go back."""

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
N_IMAGES = 4
PATIENCE_MS = 400_000


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(N_IMAGES):
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


def wait_for(qtbot: Any, condition: Any) -> None:
    qtbot.waitUntil(condition, timeout=PATIENCE_MS)


ORIGIN = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)


def correct(session: Any, hand: Any, qtbot: Any) -> None:
    """Five exact masks and a painted one in the image shown; then into the training set."""
    hand.image_name = session.document.image.name
    squares = [Made(at, np.ones((SIDE, SIDE), bool), ORIGIN) for at in PADS[1:]]
    session.annotation.add("objects", squares)
    hand.key(Qt.Key.Key_D)
    row, col = PADS[0]
    hand.drag((row + 20, col + 8), (row + 20, col + SIDE - 8))
    wait_for(qtbot, lambda: len(session.annotation.objects) == len(PADS))
    hand.key(Qt.Key.Key_T, Qt.KeyboardModifier.ShiftModifier)
    wait_for(qtbot, lambda: session.series.is_in_training_set)


@pytest.fixture
def panel(dock: Any, hand: Any, images: Path, qtbot: Any) -> Any:
    annotate = dock("Annotate")
    session = annotate.session
    session.open_files([images])
    wait_for(qtbot, lambda: session.document is not None)
    wait_for(qtbot, lambda: not annotate.resume_button.isVisible())
    for number in range(N_IMAGES):
        wait_for(qtbot, lambda number=number: session.position[0] == number + 1)
        correct(session, hand, qtbot)
        session.step(1)
    wait_for(qtbot, lambda: session.position[0] == 1)
    made = dock("Fine-tune")
    wait_for(qtbot, made.start_box.start_button.isVisible)
    made.expert.fields["epochs"].value = 2
    made.expert.fields["frames_per_image"].value = 1
    return made


@pytest.mark.slow
def test_the_whole_way(panel: Any, qtbot: Any) -> None:
    session, tuning = panel.session, panel.shared.tuning
    press(qtbot, panel.start_box.start_button)
    wait_for(qtbot, lambda: len(tuning.state.losses) > 0)
    assert tuning.state.expected_s is not None
    child = psutil.Process(tuning._child.pid)
    assert child.nice() > psutil.Process().nice()

    # Annotation goes on, and is for the next run.
    made = Made((80, 60), np.ones((10, 10), bool), ORIGIN)
    session.annotation.add("object", [made])
    assert len(session.annotation.objects) == len(PADS) + 1
    wait_for(qtbot, lambda: any(point.epoch == 1 for point in tuning.state.points))
    assert panel.curves.isVisible()
    assert len(panel.curves.agreement.points[0]) >= 2

    family = [child, *child.children(recursive=True)]
    press(qtbot, panel.work_box.cancel_button)
    assert not psutil.wait_procs(family, timeout=2)[1]
    wait_for(qtbot, lambda: tuning.state.phase is Phase.STOPPED)
    assert tuning.unfinished == "tuned-1"

    press(qtbot, panel.stopped_box.resume_button)
    wait_for(qtbot, lambda: not tuning.is_running)
    assert tuning.state.phase is Phase.DONE, tuning.state.message
    first = tuning.result
    assert first.name == "tuned-1"
    press(qtbot, panel.result_box.look_button)
    wait_for(qtbot, lambda: panel.shared.finetune_layers.index == 0)
    press(qtbot, panel.result_box.adopt_button)
    if not first.is_better:
        press(qtbot, panel.result_box.insist_button)
    wait_for(qtbot, lambda: panel.header.model_label.text() == "tuned-1")
    press(qtbot, panel.start_box.back_button)
    wait_for(qtbot, lambda: panel.header.model_label.text() == "segsem-nano")

    # A second run in the same window.
    press(qtbot, panel.start_box.start_button)
    wait_for(qtbot, lambda: not tuning.is_running)
    assert tuning.state.phase is Phase.DONE, tuning.state.message
    assert tuning.result.name == "tuned-2"
    press(qtbot, panel.result_box.keep_button)
    assert panel.header.model_label.text() == "segsem-nano"
