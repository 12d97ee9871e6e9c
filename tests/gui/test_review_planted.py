"""A lot with planted errors in a real viewer: met first, decided by keys and clicks, exported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gdstk
import klayout.db as kdb
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea

from napari_segsem.widgets import export_box
from segsem.core.contour import Region, ReviewStatus
from segsem.core.coordinates import rc_to_nm
from segsem.evaluation.planted_lot import PlantedError, rank_of
from segsem.export.cells import cell_name
from segsem.export.results import read_results
from segsem.export.reviewed import find_lot, open_review
from segsem.review.item import LEFT_TO_A_PERSON, ItemFlag, ItemKey

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
DBU_NM = 0.1
EARLY = 0.2

MAKE = """
import json, sys
from pathlib import Path
from segsem.evaluation.planted_lot import synthetic_lot, write_planted
from segsem.models.load import load_predictor
out = Path(sys.argv[1])
images = synthetic_lot(out / "synth", "contacts", 2, 731_000_003)
errors = write_planted(images, load_predictor("segsem-nano"), out / "results", 731_000_003)
(out / "planted.json").write_text(json.dumps([error.as_json() for error in errors]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arrays of contacts with planted errors, made in a child: torch is no guest here."""
    out = tmp_path_factory.mktemp("planted")
    subprocess.run([sys.executable, "-c", MAKE, str(out)], check=True, timeout=500)
    return out


@pytest.fixture
def errors(made: Path) -> list[PlantedError]:
    """Those that came out wrong."""
    planted = [PlantedError(**one) for one in json.loads((made / "planted.json").read_text())]
    return [error for error in planted if error.state == "stands"]


@pytest.fixture
def panel(dock: Any, made: Path, until: Any, hand: Any) -> Any:
    """The panel with the lot open and its first region in sight."""
    opened = dock("Review and export")
    opened.open_results(made / "results")
    until(lambda: is_in_sight(opened))
    return opened


def is_in_sight(panel: Any) -> bool:
    lot, review = panel.desk.lot, panel.session.review
    return (
        lot is not None
        and review is not None
        and review.lot is lot
        and review.image_id == lot.current.image_id
    )


def klayout_areas(path: Path, image_id: str) -> kdb.Region:
    """Layer 1 without layer 2 of an image's cell, by klayout."""
    layout = kdb.Layout()
    layout.read(str(path))
    cell = layout.cell(cell_name(image_id))

    def on(layer: int) -> kdb.Region:
        found = kdb.Region()
        for datatype in range(4):
            index = layout.find_layer(layer, datatype)
            if index is not None:
                found.insert(cell.begin_shapes_rec(index))
        return found

    return on(1) - on(2)


def gdstk_areas(path: Path, image_id: str) -> kdb.Region:
    """The same as gdstk reads it; klayout only compares."""
    (cell,) = [c for c in gdstk.read_oas(path, unit=1e-9).cells if c.name == cell_name(image_id)]
    outer = [p for p in cell.polygons if p.layer == 1]
    holes = [p for p in cell.polygons if p.layer == 2]
    found = kdb.Region()
    for polygon in gdstk.boolean(outer, holes, "not", precision=DBU_NM / 10):
        found.insert(in_dbu(polygon.points))
    return found


def areas_of(regions: list[Region], height: int, pixel_nm: tuple[float, float]) -> kdb.Region:
    """What the accepted regions are, straight from their contours."""
    parts = {False: kdb.Region(), True: kdb.Region()}
    for contour in (c for region in regions for c in region.contours if c.closed):
        parts[contour.is_hole].insert(in_dbu(rc_to_nm(contour.vertices_rc, height, pixel_nm)))
    return parts[False] - parts[True]


def in_dbu(points_nm: np.ndarray) -> kdb.Polygon:
    points = np.rint(np.asarray(points_nm) / DBU_NM).astype(int)
    return kdb.Polygon([kdb.Point(*point) for point in points.tolist()])


class Reviewer:
    """Keys on the canvas and clicks on buttons."""

    def __init__(self, panel: Any, hand: Any, until: Any, qtbot: Any) -> None:
        self.panel, self._hand, self._until, self._qtbot = panel, hand, until, qtbot

    def press(self, key: Any, modifier: Any = None) -> None:
        """Press a key and wait for the region that comes next."""
        self._hand.key(key, modifier)
        self._until(lambda: is_in_sight(self.panel))

    def click(self, button: Any) -> None:
        """Scroll to a button and click on it, once it has its place: it was just unfolded."""

        def is_in_reach() -> bool:
            parent = button.parentWidget()
            while parent is not None:
                if isinstance(parent, QScrollArea):
                    parent.ensureWidgetVisible(button)
                parent = parent.parentWidget()
            return button.isEnabled() and not button.visibleRegion().isEmpty()

        self._until(is_in_reach)
        clicked: list[bool] = []
        button.clicked.connect(clicked.append)
        self._qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert clicked

    def walk_down(self, wrong: set[ItemKey]) -> list[ItemKey]:
        """Reject what is wrong and accept the rest, down to the last that is wrong."""
        lot = self.panel.desk.lot
        last = max(lot.row_of(key) for key in wrong)
        order = [item.key for item in lot.shown[: last + 1]]
        for key in order:
            assert lot.current == key
            self.press(Qt.Key.Key_R if key in wrong else Qt.Key.Key_A)
        return order


@pytest.fixture
def reviewer(panel: Any, hand: Any, until: Any, qtbot: Any) -> Reviewer:
    return Reviewer(panel, hand, until, qtbot)


def test_planted_errors_are_met_first_decided_and_left_out_of_the_export(
    reviewer: Reviewer,
    errors: list[PlantedError],
    made: Path,
    until: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel = reviewer.panel
    lot = panel.desk.lot
    total = len(lot.shown)
    ranks = [rank_of(error, lot.review) for error in errors]
    assert len(errors) >= 4
    assert all(rank is not None and rank < EARLY * total for rank in ranks)
    gap = next(item for item in lot.shown if ItemFlag.GAP in item.flags)
    assert lot.row_of(gap.key) < EARLY * total
    assert "the array has no region at" in lot.review.reason(gap.key)

    wrong = {ItemKey(e.image_id, e.region_id) for e in errors if e.region_id is not None}
    order = reviewer.walk_down(wrong)
    assert {lot.status(key) for key in wrong} == {ReviewStatus.REJECTED}
    assert lot.counts.open == total - len(order)
    reviewer.press(Qt.Key.Key_Z, CTRL)
    assert lot.current == order[-1]
    assert lot.status(order[-1]) is ReviewStatus.PENDING
    reviewer.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert lot.status(order[-1]) is ReviewStatus.REJECTED

    accept_the_sure_ones(reviewer, until)
    box = panel.export_box
    panel.export_fold.expand(animate=False)
    box.only_accepted.setChecked(True)
    out = tmp_path / "tapein"
    monkeypatch.setattr(export_box, "ask_export_folder", lambda _parent: out)
    reviewer.click(box.button)
    until(lambda: box.state.text().startswith("Written"))
    compare_with_accepted(made / "results", out / "contours.oas")


def accept_the_sure_ones(reviewer: Reviewer, until: Any) -> None:
    """Accept many by a click; what may hide something missing is left, and undo takes all back."""
    panel = reviewer.panel
    lot = panel.desk.lot
    before = {item.key: lot.status(item.key) for item in lot.shown}
    panel.batch_fold.expand(animate=False)
    panel.batch_box.limit.setValue(0.9)
    reviewer.click(panel.batch_box.button)
    until(lambda: not panel.desk.is_busy)
    after = {item.key: lot.status(item.key) for item in lot.shown}
    changed = {item.key for item in lot.shown if before[item.key] is not after[item.key]}
    assert changed == {
        item.key
        for item in lot.shown
        if before[item.key] is ReviewStatus.PENDING
        and item.confidence >= 0.9
        and not item.flags & LEFT_TO_A_PERSON
    }
    assert len(changed) > 5
    reviewer.press(Qt.Key.Key_Z, CTRL)
    assert {item.key: lot.status(item.key) for item in lot.shown} == before
    reviewer.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert {item.key: lot.status(item.key) for item in lot.shown} == after


def compare_with_accepted(results: Path, oasis: Path) -> None:
    """The layout holds the accepted regions and nothing else, whoever reads it."""
    review = open_review(find_lot([results]))
    for folder in sorted(results.glob("contacts*")):
        found = read_results(folder)
        accepted = [
            region
            for region in found.regions
            if review.status(ItemKey(found.image_id, region.region_id)) is ReviewStatus.ACCEPTED
        ]
        assert 0 < len(accepted) < len(found.regions)
        expected = areas_of(accepted, found.shape[0], found.pixel_size_nm)
        assert expected.area() > 0
        for areas in (klayout_areas, gdstk_areas):
            different = (areas(oasis, found.image_id) ^ expected).merged()
            # Nothing is left where what is thinner than 1 dbu on each side is taken off.
            assert different.sized(-1).is_empty()
