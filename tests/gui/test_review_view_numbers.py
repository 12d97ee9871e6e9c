"""Numbers of regions in the review panel: measured, sorted, exported, clicked in the plot."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt

from napari_segsem._review_numbers import collect_numbers
from napari_segsem.widgets.numbers_plot import Kind
from segsem.core.contour import ReviewStatus
from segsem.export.outputs import write_results
from segsem.export.results import read_results
from segsem.metrology.region_measures import RegionMeasures
from segsem.review.item import ItemFlag, ItemKey

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def column(box: Any, title: str) -> int:
    titles = [box.table.rows.title(n) for n in range(box.table.rows.columnCount())]
    return titles.index(title)


def cells(box: Any, title: str) -> list[str]:
    model, at = box.table.rows, column(box, title)
    return [model.data(model.index(row, at)) for row in range(model.rowCount())]


def regions(box: Any) -> list[tuple[str, int]]:
    keys = [box.table.rows.key(row) for row in range(box.table.rows.rowCount())]
    return [(key.image_id, key.region_id) for key in keys]


@pytest.fixture
def box(lot_panel: Any, until: Any) -> Any:
    """The page of numbers, measured by the child."""
    lot_panel.numbers_page.expand()
    made = lot_panel.numbers_box
    until(lambda: made.numbers.column("cd_mean_nm") is not None or bool(made.measures.error))
    assert not made.measures.error
    return made


def click(plot: Any, qtbot: Any, place: QPointF) -> None:
    qtbot.mouseClick(plot, LEFT, NONE, place.toPoint())


def test_sizes_and_widths_of_the_shown_image_in_nm(box: Any, pads_lot: Path) -> None:
    assert regions(box) == [("wafer_b", n) for n in (1, 2, 3, 4)]
    # 50 px of 2.5 nm; what needs a decision is not measured.
    assert cells(box, "Area (nm²)") == ["15,625"] * 4
    assert cells(box, "CD mean (nm)") == ["125.00"] * 3 + ["–"]
    assert cells(box, "Image SNR") == ["5.00"] * 4
    assert "No EPE" in box.note.text()
    # Nothing is written beside the results.
    assert not (pads_lot / "measure").exists()


def test_the_whole_lot_sorts_by_a_heading(box: Any, until: Any, qtbot: Any) -> None:
    box.scope.setCurrentText("Whole lot")
    # All but the one that needs a decision are measured: no column comes after that.
    until(lambda: cells(box, "CD mean (nm)").count("125.00") == 11)
    header = box.table.horizontalHeader()
    at = column(box, "Confidence")
    box.table.scrollTo(box.table.rows.index(0, at))
    x = header.sectionViewportPosition(at) + header.sectionSize(at) // 2
    place = QPointF(x, header.height() / 2).toPoint()
    qtbot.mouseClick(header.viewport(), LEFT, NONE, place)
    found = [float(text) for text in cells(box, "Confidence")]
    assert found == sorted(found)
    qtbot.mouseClick(header.viewport(), LEFT, NONE, place)
    found = [float(text) for text in cells(box, "Confidence")]
    assert found == sorted(found, reverse=True)
    assert regions(box)[0] == ("wafer_a", 1)


def test_a_click_on_a_point_goes_to_its_region(
    lot_panel: Any, box: Any, until: Any, qtbot: Any, viewer: Any
) -> None:
    box.scope.setCurrentText("Whole lot")
    until(lambda: len(box.numbers.keys) == 12)
    box.quantity.setCurrentIndex(box.quantity.findData("confidence"))
    box.kind.setCurrentText(Kind.BY_REGION.value)
    box.plot.grab()
    click(box.plot, qtbot, box.plot.place_of(ItemKey("wafer_c", 2)))
    assert lot_panel.desk.lot.current == ItemKey("wafer_c", 2)
    until(lambda: lot_panel.session.document.image.name == "wafer_c")
    until(lambda: lot_panel.session.review is not None)

    def is_in_view() -> bool:
        centre = np.asarray(viewer.scene.camera.center)[-2:] / 2.5
        size = np.asarray(viewer.canvas.size) / viewer.scene.camera.zoom / 2.5
        return bool(np.all(np.abs(centre - (64.5, 194.5)) <= size / 2))

    until(is_in_view)


def test_clicks_on_a_bar_go_through_its_regions(lot_panel: Any, box: Any, qtbot: Any) -> None:
    box.quantity.setCurrentIndex(box.quantity.findData("confidence"))
    bar = box.plot.place_of(ItemKey("wafer_b", 1))
    assert bar == box.plot.place_of(ItemKey("wafer_b", 2))
    click(box.plot, qtbot, bar)
    assert lot_panel.desk.lot.current == ItemKey("wafer_b", 2)
    click(box.plot, qtbot, bar)
    assert lot_panel.desk.lot.current == ItemKey("wafer_b", 1)
    # The row follows.
    assert box.table.rows.key(box.table.currentIndex().row()) == ItemKey("wafer_b", 1)


def test_the_table_is_written_whole(box: Any, until: Any, tmp_path: Path) -> None:
    path = tmp_path / "regions.csv"
    box.write(path)
    until(path.is_file)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["region_id"] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row["cd_mean_nm"] or "nan") for row in rows[:3]] == [125.0] * 3
    assert rows[3]["cd_mean_nm"] == ""
    assert rows[0]["status"] == "pending"
    assert float(rows[0]["area_nm2"]) == 15625


def test_a_table_that_cannot_be_written_is_one_line(
    lot_panel: Any, box: Any, until: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    box.write(tmp_path / "file" / "regions.csv")
    until(lambda: "Cannot write" in lot_panel.footer.text())
    assert "\n" not in lot_panel.footer.text()


def test_rejected_regions_leave_the_table(lot_panel: Any, box: Any, until: Any) -> None:
    lot_panel.reject_button.click()
    until(lambda: ItemKey("wafer_b", 4) not in box.numbers.keys)


def test_measures_of_before_a_decision_say_so(lot_panel: Any, box: Any, until: Any) -> None:
    assert "Measure again" not in box.note.text()
    box.scope.setCurrentText("Whole lot")
    until(lambda: cells(box, "CD mean (nm)").count("125.00") == 11)
    lot_panel.reject_button.click()
    until(lambda: "Before the last decisions" in box.note.text())
    box.again_button.click()
    until(lambda: "Measuring" in box.note.text())
    until(lambda: not box.measures.is_busy and "Measured for this window" in box.note.text())
    assert "Before" not in box.note.text()
    assert cells(box, "CD mean (nm)").count("125.00") == 11


def lot_of_ten(areas: dict[int, int], cut: set[int]) -> Any:
    """As much of a lot as numbers are collected from."""
    records = [SimpleNamespace(id=n) for n in areas]
    record = SimpleNamespace(pixel_size_nm=(2.0, 2.0), regions=records, provenance={})
    flags = {n: frozenset({ItemFlag.CUT}) if n in cut else frozenset() for n in areas}
    items = {
        ItemKey("a", n): SimpleNamespace(area_px=area, confidence=0.9, flags=flags[n])
        for n, area in areas.items()
    }
    standing = SimpleNamespace(replacement=None)
    review = SimpleNamespace(items=items, standing=lambda _key: standing)
    return SimpleNamespace(
        results={"a": SimpleNamespace(record=record)},
        review=review,
        status=lambda _key: ReviewStatus.PENDING,
    )


def test_outliers_are_told_by_the_others_of_their_image() -> None:
    areas = {n: 100 + n % 3 for n in range(1, 11)} | {4: 300, 5: 20}
    widths = {n: RegionMeasures(cd_nm=50.0 + (n == 7) * 40) for n in areas}
    found = collect_numbers(lot_of_ten(areas, cut={5}), ["a"], {"a": widths}, 6.0)
    marked = {
        quantity.name: [found.keys[row].region_id for row in np.flatnonzero(found.outliers[:, n])]
        for n, quantity in enumerate(found.quantities)
    }
    # What the border cuts has no area to compare, as the gates have it.
    assert marked == {
        "area_nm2": [4], "diameter_nm": [4], "cd_mean_nm": [7], "confidence": [],
    }  # fmt: skip


def test_unknown_pixel_size_is_told(dock: Any, pads_lot: Path, until: Any, tmp_path: Path) -> None:
    found = read_results(pads_lot / "wafer_a")
    unknown = replace(found, pixel_size_nm=None, pixel_size_source=None)
    write_results(unknown, tmp_path / "px")
    panel = dock("Review and export")
    panel.open_results(tmp_path / "px")
    until(lambda: panel.session.review is not None)
    panel.numbers_page.expand()
    box = panel.numbers_box
    until(lambda: bool(box.numbers.keys))
    assert cells(box, "Area (px²)") == ["2,500"] * 4
    assert "Pixel size of this image unknown" in box.note.text()
    assert not box.measures.is_busy


def test_a_panel_may_be_closed_while_it_measures(
    dock: Any, viewer: Any, pads_lot: Path, until: Any
) -> None:
    panel = dock("Review and export")
    panel.open_results(pads_lot)
    until(lambda: panel.session.review is not None)
    box, gone = panel.numbers_box, []
    panel.destroyed.connect(lambda: gone.append(True))
    panel.numbers_page.expand()
    until(lambda: box.measures.is_busy)
    viewer.window.remove_dock_widget(panel)
    until(lambda: bool(gone))
    assert box.measures.is_closed
    assert box.measures._task is None
