"""Review and export in a real window, over the real command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from qtpy.QtCore import Qt

from napari_segsem._contour_lines import lines_by_source, stretches
from napari_segsem._lot import Lot
from napari_segsem._review import Review
from segsem.core.contour import Contour, Region, ReviewStatus, Source
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.export.results import read_results
from segsem.review.decision import Action

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def contour(codes: list[int], *, closed: bool = True, row: float = 50.0) -> Contour:
    """Square-cornered ring with one source code for each of its points."""
    angle = np.linspace(0, -2 * np.pi, len(codes), endpoint=False)
    ring = np.stack([row + 20 * np.sin(angle), 60 + 20 * np.cos(angle)], axis=1)
    flat = np.zeros(len(codes))
    normals = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return Contour(
        contour_id=int(row),
        vertices_rc=ring,
        raw_vertices_rc=ring,
        normals_rc=normals,
        closed=closed,
        is_hole=False,
        sigma_px=flat + 0.1,
        slope=flat + 10,
        contrast=flat + 80,
        confidence=flat + 0.9,
        source_code=np.array(codes, np.uint8),
        flags=np.zeros(len(codes), np.uint8),
    )


def region(
    region_id: int, source: Source, confidence: float, *, needs_human: bool = False
) -> Region:
    codes = [1 if source is Source.SAUVOLA else 0] * 40
    row = 40.0 + 60 * (region_id - 1)
    return Region(
        region_id,
        (int(row) - 20, 40),
        np.ones((40, 40), bool),
        (contour(codes, row=row),),
        source,
        confidence,
        "low contrast" if source is Source.SAUVOLA else None,
        needs_human,
    )


@pytest.fixture
def extraction() -> Extraction:
    """Four regions: sure, doubtful, to be decided, not rateable."""
    regions = (
        region(1, Source.SAM2, 0.97),
        region(2, Source.SAUVOLA, 0.60),
        region(3, Source.SAUVOLA, 0.30, needs_human=True),
        region(4, Source.SAM2, float("nan")),
    )
    return Extraction(
        "line_space_000",
        (300, 400),
        (0, 300),
        (2.5, 2.5),
        "manifest",
        regions,
        np.ones((300, 400), np.float32),
        {"threshold": 0.8},
    )


@pytest.fixture
def review(extraction: Extraction, tmp_path: Path) -> Iterator[Review]:
    """The four regions as results on disk, ready to be decided about."""
    write_results(extraction, tmp_path / "results")
    lot = Lot.open(tmp_path / "results")
    yield Review(lot, read_results(tmp_path / "results" / "line_space_000"))
    lot.close()


def ids(lot: Lot) -> list[int]:
    return [item.key.region_id for item in lot.shown]


def test_least_sure_first(review: Review) -> None:
    assert ids(review.lot) == [3, 4, 2, 1]
    assert review.lot.threshold == 0.8
    assert [r.region_id for r in review.doubtful] == [3, 4, 2]


def test_deciding_goes_to_the_next_that_is_open(review: Review) -> None:
    review.lot.decide(Action.REJECT)
    assert review.current_id == 4
    review.lot.decide(Action.ACCEPT)
    assert review.current_id == 2
    assert review.undecided_ids == []
    statuses = {r.region_id: r.status for r in review.extraction.regions}
    assert statuses[3] is ReviewStatus.REJECTED
    assert statuses[4] is ReviewStatus.ACCEPTED
    review.lot.undo()
    review.lot.undo()
    assert review.current_id == 3
    assert review.undecided_ids == [3]


def test_a_contour_is_cut_where_its_source_changes() -> None:
    mixed = contour([0] * 10 + [1] * 15 + [0] * 5)
    parts = stretches(mixed)
    assert [code for code, _ in parts] == [0, 1, 0]
    # Neighbours share their point, and the ring is closed.
    joined = np.concatenate([parts[0][1], *(part[1:] for _, part in parts[1:])])
    np.testing.assert_allclose(joined, np.vstack([mixed.vertices_rc, mixed.vertices_rc[:1]]))


def test_dashes_leave_gaps_and_solid_lines_none(extraction: Extraction) -> None:
    lines = lines_by_source(extraction.regions, 1.0)
    length = {s: np.linalg.norm(found[:, 1], axis=1).sum() for s, found in lines.items()}
    ring = 2 * 40 * 20 * np.sin(np.pi / 40)
    assert length[Source.SAM2] == pytest.approx(2 * ring)
    assert length[Source.SAUVOLA] == pytest.approx(2 * ring * 6 / 9.5, rel=0.05)
    assert length[Source.MANUAL] == 0


@pytest.fixture
def panel(dock: Any, viewer: Any, samples: Path) -> Any:
    made = dock("Review and export")
    viewer.open_sample("napari-segsem", "lines")
    return made


@pytest.fixture
def reviewed(panel: Any, extraction: Extraction, until: Any) -> Any:
    panel.desk.open(*panel.desk.keep(panel.session.document, extraction))
    until(lambda: panel.session.review is not None)
    return panel


def test_empty_states(dock: Any, viewer: Any, samples: Path) -> None:
    panel = dock("Review and export")
    assert "Open" in panel.empty_hint.text()
    assert panel.open_button.isVisible()
    assert not panel.extract_box.extract_button.isEnabled()
    viewer.open_sample("napari-segsem", "lines")
    assert "Extract the image" in panel.empty_hint.text()
    assert panel.extract_box.extract_button.isEnabled()
    assert not panel.table.isVisible()


def test_extract_decide_and_export(
    panel: Any, viewer: Any, hand: Any, until: Any, tmp_path: Path
) -> None:
    panel.extract_box.method.setCurrentText("Sauvola only")
    panel.extract_box.extract_button.click()
    assert panel.extract_box.cancel_button.isVisible()
    until(lambda: panel.session.review is not None or bool(panel.shared.extraction.error))
    assert panel.session.review is not None, panel.shared.extraction.error
    assert "6 regions (6 Sauvola)" in panel.summary.text()
    layer = viewer.layers["SegSEM contours: Sauvola"]
    assert len(layer.data) > 100
    assert "SegSEM contours: SAM2" not in viewer.layers
    for layer in viewer.layers:
        assert all(str(unit) == "nanometer" for unit in layer.units), layer.name

    hand.click(65, 195)
    current = panel.session.review.current
    row0, col0, row1, col1 = current.bbox_rc
    assert row0 <= 65 < row1
    assert col0 <= 195 < col1
    hand.key(Qt.Key.Key_R)
    for _ in panel.session.review.undecided_ids:
        hand.key(Qt.Key.Key_A)

    out = tmp_path / "out"
    panel.export_box.export_to(out)
    until(lambda: panel.export_box.state.text().startswith("Written"))
    assert (out / "contours.oas").stat().st_size > 0
    assert (out / "contours.gds").stat().st_size > 0
    manifest = json.loads((out / "manifest.json").read_text())
    (image,) = manifest["images"]
    assert image["left_out"] == {str(current.region_id): "rejected"}
    assert image["pixel_size_nm"] == [2.5, 2.5]
    assert "manifest" in image["pixel_size_source"]
    assert manifest["overrides"] == []


def test_cancel_kills_the_child(panel: Any, until: Any) -> None:
    panel.extract_box.extract_button.click()
    until(lambda: bool(psutil.Process().children()))
    panel.extract_box.cancel_button.click()
    assert not panel.shared.extraction.is_running
    until(lambda: not psutil.Process().children(recursive=True))
    assert "cancelled" in panel.footer.text()
    assert panel.extract_box.extract_button.isVisible()


def test_failed_state_says_what_to_do(panel: Any, until: Any) -> None:
    panel.session.document.image.path.unlink()
    panel.extract_box.method.setCurrentText("Sauvola only")
    panel.extract_box.extract_button.click()
    until(lambda: not panel.shared.extraction.is_running)
    assert "line_space_000.tif" in panel.extract_box.error_label.text()
    assert panel.extract_box.error_label.isVisible()
    assert panel.extract_box.extract_button.isVisible()


def test_sources_differ_in_colour_and_line(reviewed: Any, viewer: Any) -> None:
    sam2 = viewer.layers["SegSEM contours: SAM2"]
    sauvola = viewer.layers["SegSEM contours: Sauvola"]
    assert not np.allclose(sam2.edge_color[0], sauvola.edge_color[0])
    drawn = {
        name: np.linalg.norm(x.data[:, 1], axis=1).sum()
        for name, x in (("sam2", sam2), ("sauvola", sauvola))
    }
    assert drawn["sauvola"] < 0.8 * drawn["sam2"]


def test_slider_moves_the_highlight(reviewed: Any, viewer: Any, until: Any) -> None:
    doubtful = viewer.layers["SegSEM doubtful"]
    assert len(doubtful.data) == 3 * 40
    reviewed.threshold.setValue(0.5)
    until(lambda: len(doubtful.data) == 2 * 40)
    assert "2 doubtful, 1 to be decided" in reviewed.summary.text()
    reviewed.threshold.setValue(0.99)
    until(lambda: len(doubtful.data) == 4 * 40)


def test_lines_get_no_wider_on_the_screen(reviewed: Any, viewer: Any, until: Any) -> None:
    layer = viewer.layers["SegSEM contours: SAM2"]
    viewer.scene.camera.zoom *= 20
    zoom = viewer.scene.camera.zoom
    until(lambda: layer.edge_width * 2.5 * zoom == pytest.approx(1.8, abs=0.1))


def test_table_and_canvas_follow_each_other(reviewed: Any, viewer: Any, hand: Any) -> None:
    model = reviewed.table.model()
    shown = [model.data(model.index(row, 1)) for row in range(model.rowCount())]
    assert shown == ["3", "4", "2", "1"]
    assert model.data(model.index(0, 5)) == "low contrast"
    hand.key(Qt.Key.Key_N)
    assert reviewed.session.review.current_id == 4
    assert reviewed.table.currentIndex().row() == 1
    hand.key(Qt.Key.Key_N, SHIFT)
    hand.key(Qt.Key.Key_A)
    assert reviewed.session.review.region(3).status is ReviewStatus.ACCEPTED
    hand.key(Qt.Key.Key_Z, CTRL)
    assert reviewed.session.review.region(3).status is ReviewStatus.PENDING
    reviewed.table.chosen.emit(reviewed.session.review.key(2))
    assert "Region 2: Sauvola, confidence 0.60: low contrast" in reviewed.current.text()


def test_hover_tells_position_and_reason(reviewed: Any, viewer: Any, hand: Any) -> None:
    viewer.scene.camera.center = (250, 250)
    hand.move(100, 60)
    hand.move(101, 61)
    text = reviewed.hover.text()
    assert "nm" in text
    assert "grey" in text
    assert "Region 2: Sauvola, confidence 0.60: low contrast" in text
    status = viewer.layers["SegSEM regions"].get_status((100 * 2.5, 60 * 2.5), world=True)
    assert "low contrast" in status["coordinates"]


def test_review_keys_need_review(reviewed: Any, viewer: Any, hand: Any) -> None:
    viewer.layers.selection.active = viewer.layers["line_space_000"]
    hand.key(Qt.Key.Key_A)
    assert reviewed.session.review.region(3).status is ReviewStatus.PENDING


def test_undecided_regions_block_the_export(reviewed: Any, until: Any, tmp_path: Path) -> None:
    box = reviewed.export_box
    reviewed.export_fold.expand(animate=False)
    assert not box.button.isEnabled()
    assert "1 region needs a decision" in box.state.text()
    box.override.setChecked(True)
    assert box.button.isEnabled()
    box.export_to(tmp_path / "out")
    until(lambda: box.state.text().startswith("Written"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (override,) = manifest["overrides"]
    assert override["override"] == "allow_needs_human"
    assert list(override["exported_without_decision"].values()) == [[3]]


def test_an_unwritable_folder_is_one_sentence(reviewed: Any, until: Any, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    reviewed.export_box.override.setChecked(True)
    reviewed.export_box.export_to(blocker / "out")
    until(lambda: reviewed.export_box.state.text() != "Writing…")
    assert "Cannot write" in reviewed.footer.text()
    assert "\n" not in reviewed.footer.text()
