"""Find the others like an object, in a real window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
CONTACTS = [(r, c) for r in range(20, 280, 50) for c in range(20, 380, 60) if (r, c) != (70, 80)]


@pytest.fixture
def contacts(tmp_path: Path) -> Path:
    """30 px contacts with one missing, and a bar that is none."""
    image = np.full((300, 400), 40.0)
    for row, col in CONTACTS:
        image[row : row + 24, col : col + 24] = 190
    image[72:78, 70:110] = 190
    image += np.random.default_rng(2).normal(0, 5, image.shape)
    path = tmp_path / "line_space_000.tif"
    tifffile.imwrite(path, np.clip(np.rint(image), 0, 255).astype(np.uint8))
    return path


@pytest.fixture
def panel(dock: Any, contacts: Path, until: Any) -> Any:
    made = dock("Annotate")
    made.session.open_files([contacts])
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    return made


def outline(panel: Any, hand: Any, until: Any) -> Any:
    annotation = panel.session.annotation
    hand.click(32, 32)
    until(lambda: annotation.candidates is not None)
    return annotation


def found(panel: Any) -> Any:
    return panel.session.annotation.proposals


def repeat(panel: Any, hand: Any, until: Any) -> None:
    hand.key(Qt.Key.Key_R)
    until(lambda: found(panel).is_complete and bool(found(panel).shown))


def test_r_finds_the_others_of_an_accepted_object(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    annotation = outline(panel, hand, until)
    hand.key(Qt.Key.Key_Return)
    assert len(annotation.objects) == 1
    viewer.cursor.position = (32, 32)
    repeat(panel, hand, until)
    places = {proposal.mask.offset_rc for proposal in found(panel).shown.values()}
    assert places == set(CONTACTS[1:])
    hand.key(Qt.Key.Key_Return, SHIFT)
    assert len(annotation.objects) == len(CONTACTS)
    labels = viewer.layers["SegSEM objects"].data
    assert all(labels[row + 12, col + 12] for row, col in CONTACTS)
    last = annotation.objects[len(CONTACTS)]
    assert last.prompts["repeat_of"] == "object 1"
    assert last.prompts["mask_from"] == "model"
    assert last.prompts["match"] > 0.9
    hand.key(Qt.Key.Key_Z, CTRL)
    assert len(annotation.objects) == 1


def test_r_on_an_outline_keeps_the_outline_in_work(panel: Any, hand: Any, until: Any) -> None:
    annotation = outline(panel, hand, until)
    repeat(panel, hand, until)
    assert annotation.state.asks
    assert annotation.candidates is not None
    assert len(found(panel).shown) == len(CONTACTS) - 1
    hand.key(Qt.Key.Key_Return)
    assert len(annotation.objects) == 1
    assert len(found(panel).shown) == len(CONTACTS) - 1
    hand.key(Qt.Key.Key_Return)
    assert len(annotation.objects) == len(CONTACTS)


def test_the_slider_hides_and_shows_what_is_less_alike(
    panel: Any, hand: Any, until: Any, viewer: Any
) -> None:
    outline(panel, hand, until)
    repeat(panel, hand, until)
    panel.folds["Find the others"].expand(animate=False)
    box = panel.repeat_box
    assert box.slider.isEnabled()
    assert f"{len(CONTACTS) - 1} proposals" in box.count_label.text()
    drawn = np.count_nonzero(viewer.layers["SegSEM proposals"].data)
    scores = sorted(found(panel).scores)
    middle = scores[len(scores) // 2]
    found(panel).set_least_score(middle)
    some = np.count_nonzero(viewer.layers["SegSEM proposals"].data)
    assert 0 < some < drawn
    assert "less alike hidden" in box.count_label.text()
    box.slider.setValue(100)
    box.slider.setValue(50)
    assert np.count_nonzero(viewer.layers["SegSEM proposals"].data) >= drawn
    box.drop_button.click()
    assert not viewer.layers["SegSEM proposals"].data.any()
    assert not box.accept_button.isEnabled()
    hand.key(Qt.Key.Key_Z, CTRL)
    assert found(panel).shown


def test_accepting_others_one_by_one_leaves_the_rest(panel: Any, hand: Any, until: Any) -> None:
    annotation = outline(panel, hand, until)
    hand.key(Qt.Key.Key_Return)
    repeat(panel, hand, until)
    hand.click(CONTACTS[3][0] + 12, CONTACTS[3][1] + 12)
    hand.click(CONTACTS[4][0] + 12, CONTACTS[4][1] + 12, CTRL)
    assert len(annotation.objects) == 2
    assert len(found(panel).shown) == len(CONTACTS) - 3
    hand.key(Qt.Key.Key_Escape)
    assert len(annotation.objects) == 2
    assert not found(panel).shown


def test_a_single_object_has_no_others(dock: Any, tmp_path: Path, hand: Any, until: Any) -> None:
    image = np.full((300, 400), 40, np.uint8)
    image[100:140, 150:200] = 190
    path = tmp_path / "line_space_000.tif"
    tifffile.imwrite(path, image)
    panel = dock("Annotate")
    panel.session.open_files([path])
    until(lambda: panel.session.document is not None and not panel.resume_button.isVisible())
    hand.click(120, 170)
    until(lambda: panel.session.annotation.candidates is not None)
    hand.key(Qt.Key.Key_R)
    until(lambda: "No other" in panel.footer.text())
    assert not found(panel).shown


def test_nothing_to_repeat_says_so(panel: Any, hand: Any) -> None:
    hand.key(Qt.Key.Key_R)
    assert "Point at an object" in panel.footer.text()
