"""Verdicts of the QA gates in the review panel: why, of which image, and as decisions have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt

from napari_segsem.widgets.gates_box import WHOLE_LOT
from segsem.export.job import ExportJob
from segsem.review.gates import Verdict

LENIENT = """[qa]
doubtful_share = [1, 1]
fallback_share = [1, 1]
confidence_median = [0, 0]
"""


@pytest.fixture
def box(lot_panel: Any, tmp_path: Path, until: Any) -> Any:
    # Four regions an image are few: one in doubt would fail each.
    (tmp_path / "project.toml").write_text(LENIENT, encoding="utf-8")
    lot_panel.gates_page.expand()
    until(lambda: lot_panel.gates_box.gates.quality is not None)
    return lot_panel.gates_box


def rows(tree: Any) -> list[tuple[str, str, str]]:
    items = [tree.topLevelItem(number) for number in range(tree.topLevelItemCount())]
    return [(item.text(0), item.text(1), item.text(2)) for item in items]


def click(tree: Any, qtbot: Any, name: str) -> None:
    (item,) = (tree.topLevelItem(n) for n, row in enumerate(rows(tree)) if row[1] == name)
    place = tree.visualItemRect(item).center()
    qtbot.mouseClick(
        tree.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place
    )


def test_nothing_is_checked_before_somebody_looks(lot_panel: Any) -> None:
    assert lot_panel.gates_box.gates.quality is None


def test_images_and_lot_have_the_verdicts_of_the_export(box: Any, pads_lot: Path) -> None:
    told = ExportJob.open([pads_lot]).quality
    assert box.gates.quality == told
    shown = rows(box.images)
    assert shown[0][:2] == ("✗ fail", WHOLE_LOT)
    # The image that waits for a person comes first, and says so.
    assert shown[1][:2] == ("✗ fail", "wafer_b")
    assert "neither method was good enough" in shown[1][2]
    assert "3 images" in box.headline.text()


def test_a_click_on_a_verdict_opens_the_image(
    lot_panel: Any, box: Any, qtbot: Any, until: Any
) -> None:
    click(box.images, qtbot, "wafer_c")
    assert "wafer_c" in box.checks_title.text()
    checks = {name: (verdict, found) for verdict, name, found in rows(box.checks)}
    assert checks["SNR"] == ("! warn", "2")
    assert checks["Blur"] == ("✓ pass", "1.2 px")
    until(lambda: lot_panel.session.document.image.name == "wafer_c")
    until(lambda: lot_panel.session.review is not None)
    assert lot_panel.desk.lot.current.image_id == "wafer_c"


def test_verdicts_follow_decisions(
    lot_panel: Any, box: Any, hand: Any, until: Any, qtbot: Any
) -> None:
    quality = box.gates.quality
    assert quality.images["wafer_b"].verdict is Verdict.FAIL
    lot_panel.reject_button.click()
    until(lambda: box.gates.quality.images["wafer_b"].verdict is Verdict.WARN)
    assert rows(box.images)[0][0] == "! warn"
    until(lambda: lot_panel.desk.lot.current.image_id == lot_panel.session.review.image_id)
    lot_panel.undo_button.click()
    until(lambda: box.gates.quality.images["wafer_b"].verdict is Verdict.FAIL)


def test_limits_come_from_the_project(
    dock: Any, pads_lot: Path, until: Any, tmp_path: Path
) -> None:
    (tmp_path / "project.toml").write_text("[qa]\nsnr = [1.5, 1.0]\n", encoding="utf-8")
    panel = dock("Review and export")
    panel.open_results(pads_lot)
    until(lambda: panel.desk.lot is not None)
    panel.gates_page.expand()
    until(lambda: panel.gates_box.gates.quality is not None)
    (snr,) = (c for c in panel.gates_box.gates.quality.images["wafer_c"].checks if c.name == "SNR")
    assert snr.verdict is Verdict.PASS
    assert "project.toml" in panel.gates_box.note.text()


def test_limits_that_make_no_sense_are_told(
    dock: Any, pads_lot: Path, until: Any, tmp_path: Path
) -> None:
    (tmp_path / "project.toml").write_text("[qa]\nsnr = [1.5, 3.0]\n", encoding="utf-8")
    panel = dock("Review and export")
    panel.open_results(pads_lot)
    until(lambda: panel.desk.lot is not None)
    panel.gates_page.expand()
    until(lambda: bool(panel.gates_box.gates.error))
    assert "snr" in panel.gates_box.headline.text()
    assert panel.gates_box.images.topLevelItemCount() == 0
