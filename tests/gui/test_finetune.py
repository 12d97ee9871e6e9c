"""The Fine-tune panel by real clicks, over a child that plays the documented events."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea

from napari_segsem import _child
from napari_segsem._annotation import Made
from napari_segsem._finetune_layers import AFTER, BEFORE
from napari_segsem._finetune_state import Phase
from segsem.core.contour import Source
from segsem.project.description import read_description
from segsem.project.label_edit import LabelObject

FAKE = Path(__file__).parents[1] / "fakes" / "fake_finetune.py"
N_IMAGES = 4
PADS = [(row, col) for row in (10, 70) for col in (10, 70, 130)]
"""Upper left corners of pads of 40 px: six in each image."""


@pytest.fixture(autouse=True)
def fake_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_child, "PROGRAM", (sys.executable, str(FAKE)))


@pytest.fixture
def goes(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Say how the next run goes."""
    return lambda mode: monkeypatch.setenv("FAKE_FINETUNE", mode)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(N_IMAGES):
        image = np.full((120, 180), 60.0)
        for row, col in PADS:
            image[row : row + 40, col : col + 40] = 190
        image += np.random.default_rng(number).normal(0, 4, image.shape)
        tifffile.imwrite(folder / f"site{number}.tif", np.clip(image, 0, 255).astype(np.uint8))
    return folder


def click(qtbot: Any, button: Any) -> None:
    """Press a button that is really to be seen, once it has its place."""
    area = button.parentWidget()
    while not isinstance(area, QScrollArea):
        area = area.parentWidget()

    def is_in_sight() -> bool:
        area.ensureWidgetVisible(button)
        return button.isEnabled() and not button.visibleRegion().isEmpty()

    qtbot.waitUntil(is_in_sight, timeout=5000)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def fill_training_set(session: Any, until: Any) -> None:
    """Six exact masks in each image, and the images into the training set."""
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
    for number in range(N_IMAGES):
        until(lambda number=number: session.position[0] == number + 1)
        squares = [Made(corner, np.ones((40, 40), bool), origin) for corner in PADS]
        session.annotation.add("objects", squares)
        session.series.toggle_training()
        session.step(1)
    until(lambda: session.position[0] == 1)


@pytest.fixture
def empty(dock: Any, images: Path, until: Any) -> Any:
    panel = dock("Fine-tune")
    panel.session.open_files([images])
    until(lambda: panel.session.document is not None)
    until(lambda: panel.shared.tuning._folder is not None)
    return panel


@pytest.fixture
def panel(empty: Any, until: Any) -> Any:
    fill_training_set(empty.session, until)
    until(empty.start_box.start_button.isVisible)
    return empty


def drawn_px(layer: Any) -> float:
    """Length of all that a layer of line segments draws."""
    return float(np.linalg.norm(layer.data[:, 1], axis=1).sum())


def phase(panel: Any) -> Phase:
    return panel.shared.tuning.state.phase


def project_folder(panel: Any) -> Path:
    return panel.session.workplace.open_project.folder


def test_an_empty_training_set_leads_to_annotate(
    empty: Any, viewer: Any, qtbot: Any, until: Any
) -> None:
    assert not empty.start_box.start_button.isVisible()
    assert "corrected" in empty.start_box.hint.text()
    click(qtbot, empty.start_box.annotate_button)
    until(lambda: "Annotate" in empty.shared.restorer.panels)


def test_what_is_missing_is_said_before_training(empty: Any, until: Any) -> None:
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
    empty.session.annotation.add("object", [Made((10, 10), np.ones((40, 40), bool), origin)])
    empty.session.series.toggle_training()
    until(lambda: "3 more images" in empty.start_box.missing_label.text())
    assert "1 image, 1 object" in empty.start_box.count_label.text()
    assert not empty.start_box.start_button.isVisible()


def test_ready_says_who_teaches_and_how_long_it_takes(panel: Any, qtbot: Any, until: Any) -> None:
    start = panel.start_box
    assert "4 images, 24 objects" in start.count_label.text()
    assert "3 teach, 1 is held out" in start.split_label.text()
    click(qtbot, start.time_button)
    until(lambda: "2 min" in start.time_label.text())
    assert phase(panel) is Phase.IDLE
    assert not (project_folder(panel) / "models").exists() or panel.shared.tuning.models == []


def test_a_better_model_is_adopted_and_taken_back(
    panel: Any, viewer: Any, qtbot: Any, until: Any
) -> None:
    click(qtbot, panel.start_box.start_button)
    until(panel.work_box.isVisible)
    until(panel.result_box.isVisible)
    assert "Better: +0.050" in panel.result_box.verdict_label.text()
    state = panel.shared.tuning.state
    assert [point.epoch for point in state.points] == [0, 1, 2, 3]
    assert len(panel.curves.loss.points[0]) == 12
    assert panel.curves.isVisible()

    click(qtbot, panel.result_box.look_button)
    until(lambda: AFTER in viewer.layers and len(viewer.layers[AFTER].data) > 0)
    assert panel.session.document.image.name == "site3"
    drawn = {name: drawn_px(viewer.layers[name]) for name in (BEFORE, AFTER)}
    assert drawn[AFTER] == pytest.approx(200, abs=1)
    # Dashed: gaps are left out.
    assert 80 < drawn[BEFORE] < 160

    click(qtbot, panel.result_box.adopt_button)
    until(lambda: panel.header.model_label.text() == "tuned-1")
    folder = project_folder(panel)
    assert panel.session.model == str(folder / "models" / "tuned-1")
    assert read_description(folder).model == "tuned-1"
    assert not viewer.layers[AFTER].visible

    click(qtbot, panel.start_box.back_button)
    until(lambda: panel.header.model_label.text() == "segsem-nano")
    assert read_description(folder).model == "segsem-nano"


def test_a_second_run_begins_with_the_model_in_use(panel: Any, qtbot: Any, until: Any) -> None:
    for name in ("tuned-1", "tuned-2"):
        click(qtbot, panel.start_box.start_button)
        until(panel.result_box.isVisible)
        click(qtbot, panel.result_box.adopt_button)
        until(lambda name=name: panel.header.model_label.text() == name)
        until(panel.start_box.isVisible)
    first, second = panel.shared.tuning.models
    assert (first.base, second.base) == ("segsem-nano", "tuned-1")
    assert panel.models_box.field.count() == 2
    click(qtbot, panel.start_box.back_button)
    until(lambda: panel.header.model_label.text() == "tuned-1")


def test_a_model_that_is_not_better_is_taken_only_on_insisting(
    panel: Any, goes: Any, qtbot: Any, until: Any
) -> None:
    goes("worse")
    click(qtbot, panel.start_box.start_button)
    until(panel.result_box.isVisible)
    result = panel.result_box
    assert result.verdict_label.text().startswith("Not better: -0.020")
    click(qtbot, result.adopt_button)
    assert panel.header.model_label.text() == "segsem-nano"
    assert "not better than segsem-nano" in result.doubt_label.text()
    click(qtbot, result.unsure_button)
    assert not result.insist_button.isVisible()
    click(qtbot, result.adopt_button)
    click(qtbot, result.insist_button)
    until(lambda: panel.header.model_label.text() == "tuned-1")


def test_the_old_one_is_kept_and_the_new_one_can_be_looked_at_later(
    panel: Any, qtbot: Any, until: Any
) -> None:
    click(qtbot, panel.start_box.start_button)
    until(panel.result_box.isVisible)
    click(qtbot, panel.result_box.keep_button)
    assert panel.header.model_label.text() == "segsem-nano"
    panel.models_fold.expand(animate=False)
    click(qtbot, panel.models_box.show_button)
    until(panel.result_box.isVisible)
    assert "tuned-1 from segsem-nano" in panel.result_box.note_label.text()


def test_pause_go_on_and_cancel_leave_no_process(
    panel: Any, goes: Any, qtbot: Any, until: Any
) -> None:
    goes("held")
    click(qtbot, panel.start_box.start_button)
    until(lambda: len(panel.shared.tuning.state.points) == 3)
    until(lambda: "training 3 of 3" in panel.header.engine_label.text())
    click(qtbot, panel.work_box.pause_button)
    until(lambda: phase(panel) is Phase.PAUSED)
    assert panel.work_box.pause_button.text() == "Go on"
    click(qtbot, panel.work_box.pause_button)
    until(lambda: phase(panel) is Phase.TRAINING)

    parent = psutil.Process(panel.shared.tuning._child.pid)
    family = [parent, *parent.children(recursive=True)]
    assert len(family) == 2
    click(qtbot, panel.work_box.cancel_button)
    _, alive = psutil.wait_procs(family, timeout=2)
    assert not alive
    until(lambda: phase(panel) is Phase.STOPPED)
    assert "kept" in panel.stopped_box.message_label.text()

    goes("better")
    click(qtbot, panel.stopped_box.resume_button)
    until(panel.result_box.isVisible)
    assert panel.shared.tuning.result.name == "tuned-1"
    assert [point.epoch for point in panel.shared.tuning.state.points] == [0, 1, 2, 3]


def test_annotation_goes_on_while_a_model_learns(
    panel: Any, goes: Any, dock: Any, qtbot: Any, until: Any
) -> None:
    goes("held")
    click(qtbot, panel.start_box.start_button)
    until(lambda: len(panel.shared.tuning.state.points) == 3)
    annotate = dock("Annotate")
    before = len(annotate.session.annotation.objects)
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.MANUAL, 0.9)
    made = Made((55, 55), np.ones((8, 8), bool), origin)
    annotate.session.annotation.add("object", [made])
    assert len(annotate.session.annotation.objects) == before + 1
    losses = len(panel.shared.tuning.state.losses)
    until(lambda: len(panel.shared.tuning.state.losses) > losses)
    click(
        qtbot, panel.work_box.cancel_button
    ) if panel.isVisible() else panel.shared.tuning.cancel()
    until(lambda: phase(panel) is Phase.STOPPED)


@pytest.mark.parametrize(
    ("mode", "words"), [("fails", "lower the learning rate"), ("dies", "memory runs out")]
)
def test_a_failed_run_says_why_and_goes_on(
    panel: Any, goes: Any, qtbot: Any, until: Any, mode: str, words: str
) -> None:
    goes(mode)
    click(qtbot, panel.start_box.start_button)
    until(panel.stopped_box.isVisible)
    assert words in panel.stopped_box.message_label.text()
    assert panel.curves.isVisible()
    goes("better")
    click(qtbot, panel.stopped_box.resume_button)
    until(panel.result_box.isVisible)


def test_starting_anew_drops_what_was_not_finished(
    panel: Any, goes: Any, qtbot: Any, until: Any
) -> None:
    goes("fails")
    click(qtbot, panel.start_box.start_button)
    until(panel.stopped_box.isVisible)
    goes("better")
    click(qtbot, panel.start_box.start_button)
    until(panel.result_box.isVisible)
    assert panel.shared.tuning.unfinished is None
    assert [model.name for model in panel.shared.tuning.models] == ["tuned-1"]


def test_closing_the_last_panel_ends_the_child(
    panel: Any, goes: Any, viewer: Any, qtbot: Any, until: Any
) -> None:
    goes("held")
    click(qtbot, panel.start_box.start_button)
    until(lambda: len(panel.shared.tuning.state.points) == 3)
    parent = psutil.Process(panel.shared.tuning._child.pid)
    family = [parent, *parent.children(recursive=True)]
    viewer.window.remove_dock_widget("all")
    until(lambda: not psutil.wait_procs(family, timeout=0)[1])


def test_the_expert_form_holds_every_parameter_and_its_bounds(
    panel: Any, qtbot: Any, until: Any
) -> None:
    from segsem.training.finetune_params import FinetuneParams

    form = panel.expert
    for name, info in FinetuneParams.model_fields.items():
        assert form.fields[name].tooltip == info.description
        assert form.fields[name].value == info.default
    assert form.fields["train"].choices == ("image_encoder", "mask_decoder", "all", "lora")
    assert (form.fields["epochs"].min, form.fields["epochs"].max) == (1, 1000)
    assert form.fields["corrections"].max == 7
    assert form.changed_params == {}
    form.fields["epochs"].value = 3
    form.fields["learning_rate"].value = 2e-5
    form.fields["train"].value = "lora"
    assert form.changed_params == {"epochs": "3", "learning_rate": "2e-05", "train": "lora"}
    form.reset()
    assert form.changed_params == {}


def test_the_palette_starts_and_cancels(panel: Any, goes: Any, until: Any) -> None:
    from napari_segsem import _commands

    goes("held")
    _commands.finetune_start()
    until(lambda: len(panel.shared.tuning.state.points) == 3)
    _commands.finetune_cancel()
    until(lambda: phase(panel) is Phase.STOPPED)
