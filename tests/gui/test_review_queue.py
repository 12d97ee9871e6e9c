"""The queue over all images of a lot in a real window, by real keys: it outlives the window."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_segsem.widgets.region_table import RegionModel
from segsem.core.contour import Contour, Region, ReviewStatus, Source
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.export.reviewed import find_lot, open_review
from segsem.imaging.read import read_image
from segsem.review.item import ItemFlag, ItemKey

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
NAMES = ("wafer_a", "wafer_b", "wafer_c")
CORNERS = ((40, 40), (40, 170), (180, 40), (180, 170))


def region(region_id: int, source: Source, confidence: float, **more: Any) -> Region:
    """One of the pads, outlined along its pixels."""
    row, col = CORNERS[region_id - 1]
    side = np.arange(0.0, 50.0, 2.0)
    zero = np.zeros_like(side)
    turn = np.stack([[side, zero], [zero + 50, side], [50 - side, zero + 50], [zero, 50 - side]])
    ring = turn.transpose(0, 2, 1).reshape(-1, 2) + np.array([row - 0.5, col - 0.5])
    flat = np.zeros(len(ring))
    outward = np.repeat([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], len(side), axis=0)
    contour = Contour(
        contour_id=region_id,
        vertices_rc=ring,
        raw_vertices_rc=ring,
        normals_rc=outward,
        closed=True,
        is_hole=False,
        sigma_px=flat + 0.1,
        slope=flat + 10,
        contrast=flat + 80,
        confidence=flat + 0.9,
        source_code=np.full(len(ring), int(source is Source.SAUVOLA), np.uint8),
        flags=np.zeros(len(ring), np.uint8),
    )
    reason = "low contrast" if source is Source.SAUVOLA else None
    mask = np.ones((50, 50), bool)
    return Region(region_id, (row, col), mask, (contour,), source, confidence, reason, **more)


@pytest.fixture
def lot(tmp_path: Path, pads: np.ndarray) -> Path:
    """Results of three images with four regions each; one region needs a decision."""
    made = tmp_path / "out"
    for number, name in enumerate(NAMES):
        path = tmp_path / "images" / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        grey = pads.copy()
        grey[0, 0] = number
        tifffile.imwrite(path, grey)
        regions = (
            region(1, Source.SAM2, 0.97),
            region(2, Source.SAM2, 0.96 - number / 100),
            region(3, Source.SAUVOLA, 0.6 + number / 100),
            region(4, Source.SAM2, 0.3 + number / 100, needs_human=name == "wafer_b"),
        )
        said = {"threshold": 0.8, "image_path": str(path), "image_sha256": read_image(path).sha256}
        said |= {"groups": {"dose": str(20 + number)}}
        shape, confidence = (300, 400), np.ones((300, 400), np.float32)
        valid, size = (0, 300), (2.5, 2.5)
        write_results(Extraction(name, shape, valid, size, "user", regions, confidence, said), made)
    return made


@pytest.fixture
def panel(dock: Any, lot: Path, until: Any, hand: Any) -> Any:
    """The panel with the lot open, its least sure region in sight."""
    made = dock("Review and export")
    made.open_results(lot)
    until(lambda: is_in_sight(made))
    hand.image_name = "wafer_b"
    return made


def is_in_sight(panel: Any) -> bool:
    lot, review = panel.desk.lot, panel.session.review
    return (
        lot is not None
        and review is not None
        and review.lot is lot
        and review.image_id == lot.current.image_id
    )


def rows(panel: Any) -> list[tuple[str, ...]]:
    model = panel.table.model()
    return [
        tuple(model.data(model.index(row, column)) for column in (0, 1, 4))
        for row in range(model.rowCount())
    ]


def statuses(lot: Path) -> dict[tuple[str, int], ReviewStatus]:
    """What a reader finds on disk."""
    review = open_review(find_lot([lot]))
    return {(key.image_id, key.region_id): review.status(key) for key in review.items}


def press(panel: Any, hand: Any, until: Any, key: Any, modifier: Any = None) -> None:
    """Press a key on the canvas, and wait until the region that comes next is seen."""
    hand.key(key, modifier)
    until(lambda: is_in_sight(panel))


def test_least_sure_of_all_images_first_and_its_image_opened(panel: Any, viewer: Any) -> None:
    # What needs a person first, then by confidence.
    first = [name[:2] for name in rows(panel)[:6]]
    assert first == [
        ("wafer_b", "4"),
        ("wafer_a", "4"),
        ("wafer_c", "4"),
        ("wafer_a", "3"),
        ("wafer_b", "3"),
        ("wafer_c", "3"),
    ]
    assert rows(panel)[0][2] == "!"
    assert panel.session.document.image.name == "wafer_b"
    assert "12 of 12 regions open in 3 images" in panel.left.text()
    assert len(viewer.layers["SegSEM current region"].data) == 100


def test_keys_decide_from_image_to_image(panel: Any, hand: Any, until: Any, lot: Path) -> None:
    press(panel, hand, until, Qt.Key.Key_R)
    assert panel.session.document.image.name == "wafer_a"
    press(panel, hand, until, Qt.Key.Key_A)
    assert panel.session.document.image.name == "wafer_c"
    assert statuses(lot)["wafer_b", 4] is ReviewStatus.REJECTED
    assert statuses(lot)["wafer_a", 4] is ReviewStatus.ACCEPTED
    assert "10 of 12 regions open in 3 images, 1 accepted, 1 rejected" in panel.left.text()
    press(panel, hand, until, Qt.Key.Key_Z, CTRL)
    assert panel.desk.lot.current == ItemKey("wafer_a", 4)
    assert statuses(lot)["wafer_a", 4] is ReviewStatus.PENDING
    press(panel, hand, until, Qt.Key.Key_Z, CTRL | SHIFT)
    assert statuses(lot)["wafer_a", 4] is ReviewStatus.ACCEPTED
    press(panel, hand, until, Qt.Key.Key_N)
    press(panel, hand, until, Qt.Key.Key_N, SHIFT)
    assert panel.desk.lot.current == ItemKey("wafer_a", 4)
    press(panel, hand, until, Qt.Key.Key_U)
    assert statuses(lot)["wafer_a", 4] is ReviewStatus.PENDING


def test_nothing_is_decided_that_is_not_in_sight(panel: Any, lot: Path) -> None:
    panel.desk.lot.select(ItemKey("wafer_c", 1))
    panel.accept_button.click()
    assert "wafer_c is not shown yet" in panel.footer.text()
    assert statuses(lot)["wafer_c", 1] is ReviewStatus.PENDING


def test_batch_accept_is_one_step(panel: Any, hand: Any, until: Any, lot: Path) -> None:
    panel.batch_fold.expand(animate=False)
    panel.batch_box.limit.setValue(0.95)
    assert "5 open regions" in panel.batch_box.text.text()
    panel.batch_box.button.click()
    until(lambda: not panel.desk.is_busy)
    accepted = [key for key, status in statuses(lot).items() if status is ReviewStatus.ACCEPTED]
    assert sorted(accepted) == [
        ("wafer_a", 1), ("wafer_a", 2), ("wafer_b", 1), ("wafer_b", 2), ("wafer_c", 1),
    ]  # fmt: skip
    press(panel, hand, until, Qt.Key.Key_Z, CTRL)
    assert set(statuses(lot).values()) == {ReviewStatus.PENDING}


def test_filters_cut_the_queue(panel: Any, until: Any) -> None:
    box = panel.filter_box
    box.source.setCurrentText("Sauvola")
    assert [name[:2] for name in rows(panel)] == [(name, "3") for name in NAMES]
    until(lambda: is_in_sight(panel))
    assert panel.desk.lot.current == ItemKey("wafer_a", 3)
    box.image.setCurrentText("wafer_c")
    assert [name[:2] for name in rows(panel)] == [("wafer_c", "3")]
    box.reason.setText("no such words")
    assert rows(panel) == []
    box.reason.clear()
    box.source.setCurrentIndex(0)
    box.image.setCurrentIndex(0)
    box.group.setCurrentText("dose: 21")
    assert {name for name, *_ in rows(panel)} == {"wafer_b"}
    box.group.setCurrentIndex(0)
    box.flag.setCurrentText(ItemFlag.NEEDS_HUMAN.value)
    assert [name[:2] for name in rows(panel)] == [("wafer_b", "4")]


def test_what_is_decided_leaves_the_open_ones(panel: Any, hand: Any, until: Any) -> None:
    panel.filter_box.status.setCurrentText("Open")
    press(panel, hand, until, Qt.Key.Key_A)
    assert len(rows(panel)) == 11
    assert ("wafer_b", "4") not in {name[:2] for name in rows(panel)}
    panel.filter_box.status.setCurrentText("Accepted")
    assert [name[:2] for name in rows(panel)] == [("wafer_b", "4")]


def test_decisions_outlive_the_window(panel: Any, hand: Any, until: Any, lot: Path) -> None:
    press(panel, hand, until, Qt.Key.Key_R)
    panel.desk.open(lot)
    until(lambda: not panel.desk.is_opening and is_in_sight(panel))
    assert ("wafer_b", "4", "✗") in rows(panel)
    # The journal is complete without the end of the program: another one reads it now.
    code = (
        "import sys; from pathlib import Path; from segsem.export.reviewed import *; "
        "r = open_review(find_lot([Path(sys.argv[1])])); print(r.queue.counts().rejected)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(lot)], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "1"
    assert (panel.desk.lot.review.standing(ItemKey("wafer_b", 4)).decision.reviewer) == (
        panel.reviewer.text()
    )


def test_export_is_previewed_refused_and_overridden(panel: Any, until: Any, tmp_path: Path) -> None:
    box = panel.export_box
    panel.export_fold.expand(animate=False)
    assert not box.button.isEnabled()
    assert "1 region needs a decision" in box.state.text()
    box.show_preview()
    until(lambda: box.preview_button.isEnabled())
    text = box.state.text()
    assert "1 region" in text
    box.override.setChecked(True)
    box.show_preview()
    until(lambda: "Would write:" in box.state.text())
    assert re.search(r"cell wafer_a\w*: 4 regions", box.state.text())
    assert "um" in box.state.text()
    assert not (tmp_path / "tapein").exists()
    box.export_to(tmp_path / "tapein")
    until(lambda: box.state.text().startswith("Written"))
    manifest = json.loads((tmp_path / "tapein" / "manifest.json").read_text())
    (override,) = manifest["overrides"]
    assert override["exported_without_decision"] == {"wafer_b": [4]}
    box.report_to(tmp_path / "lot.html")
    until(lambda: box.state.text().startswith("Report written"))
    assert "wafer_b" in (tmp_path / "lot.html").read_text(encoding="utf-8")


def test_only_accepted_regions_go_out(panel: Any, hand: Any, until: Any, tmp_path: Path) -> None:
    box = panel.export_box
    box.only_accepted.setChecked(True)
    assert "Nothing is accepted yet" in box.state.text()
    panel.desk.step(1)
    until(lambda: is_in_sight(panel))
    press(panel, hand, until, Qt.Key.Key_A)
    assert box.button.isEnabled()
    box.export_to(tmp_path / "tapein")
    until(lambda: box.state.text().startswith("Written"))
    manifest = json.loads((tmp_path / "tapein" / "manifest.json").read_text())
    assert {image["image_id"]: image["exported"] for image in manifest["images"]} == {
        "wafer_a": [4], "wafer_b": [], "wafer_c": [],
    }  # fmt: skip


def test_results_that_another_program_reviews_are_refused(dock: Any, until: Any, lot: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from segsem.export.reviewed import *; "
        "from segsem.review.decision import Action; "
        "r = open_review(find_lot([Path(sys.argv[1])]), write=True); "
        "r.decide(next(iter(r.items)), Action.ACCEPT, 'x'); print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(lot)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        panel = dock("Review and export")
        panel.open_results(lot)
        until(lambda: not panel.desk.is_opening)
        assert panel.desk.lot is None
        assert "review" in panel.footer.text()
        assert "\n" not in panel.footer.text()
        other.communicate("\n")


def test_a_missing_image_is_told(panel: Any, until: Any, tmp_path: Path) -> None:
    (tmp_path / "images" / "wafer_c.tif").rename(tmp_path / "elsewhere.tif")
    panel.session.documents.forget_all()
    panel.desk.choose(ItemKey("wafer_c", 1))
    assert "The image of wafer_c is no longer at" in panel.footer.text()
    panel.session.open_files([tmp_path / "elsewhere.tif"])
    until(lambda: is_in_sight(panel))
    assert panel.session.review.image_id == "wafer_c"


def test_heat_map_and_unsure_stretches(panel: Any, viewer: Any, until: Any) -> None:
    assert "SegSEM confidence" not in viewer.layers
    active = viewer.layers.selection.active
    panel.maps_box.choice.setCurrentText("Confidence")
    heat = viewer.layers["SegSEM confidence"]
    assert viewer.layers.selection.active is active
    assert heat.data[60, 60] == 1.0
    assert np.isnan(heat.data[5, 5])
    panel.maps_box.choice.setCurrentText("No map")
    assert not heat.visible
    # Points are 0.9 sure: below 0.95 they are marked where their region is sure as a whole.
    doubtful = viewer.layers["SegSEM doubtful"]
    assert len(doubtful.data) == 2 * 100
    panel.threshold.setValue(0.95)
    until(lambda: len(doubtful.data) == 4 * 100)


def test_line_scan_across_the_edge_under_the_mouse(panel: Any, hand: Any, until: Any) -> None:
    def has_scan_at(row: float, col: float) -> bool:
        # Where two moves come at once, napari leaves one out.
        hand.hover(row, col)
        return panel.scan_plot.scan is not None

    panel.scan_fold.expand(animate=False)
    until(lambda: has_scan_at(60, 40))
    scan = panel.scan_plot.scan
    # The pad is bright, and on the left of the plot as the feature always is.
    assert scan.grey[:8].mean() > 150
    assert scan.grey[-8:].mean() < 100
    assert scan.nm_per_px == 2.5
    assert scan.text == "Edge: sigma 0.25 nm, confidence 0.90, sam2"
    panel.scan_plot.grab()
    until(lambda: not has_scan_at(5, 5))


def test_cells_of_long_queues_are_made_when_they_are_seen(panel: Any) -> None:
    asked: list[int] = []
    lot = panel.desk.lot
    lot.shown = lot.shown * 420
    status = lot.status
    lot.status = lambda key: asked.append(1) or status(key)
    panel.table.rows.show(lot)
    panel.table.grab()
    assert isinstance(panel.table.model(), RegionModel)
    assert panel.table.model().rowCount() == 5040
    assert 0 < len(asked) < 500


def test_looking_at_an_image_does_not_enter_it_into_the_project(
    dock: Any, pads_file: Path, until: Any
) -> None:
    panel = dock("Review and export")
    session = panel.session
    session.open_files([pads_file])
    until(lambda: session.document is not None)
    project = session.workplace.project
    panel.desk.wake()
    assert list(project.images) == []


def test_long_region_numbers_are_read_in_full(dock: Any, tmp_path: Path, until: Any) -> None:
    numbered = replace(region(1, Source.SAM2, 0.9), region_id=88888)
    shape, confidence = (300, 400), np.ones((300, 400), np.float32)
    found = Extraction("a", shape, (0, 300), (2.5, 2.5), "user", (numbered,), confidence, {})
    write_results(found, tmp_path / "out")
    panel = dock("Review and export")
    panel.open_results(tmp_path / "out")
    until(lambda: panel.desk.lot is not None)
    wanted = panel.table.fontMetrics().horizontalAdvance("88888")
    until(lambda: panel.table.columnWidth(1) > wanted)
