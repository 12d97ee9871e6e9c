"""A lot of 20 synthetic images and pieces of 4 real ones with planted errors, and a reviewer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea

from napari_segsem.widgets import export_box
from segsem.evaluation.planted_lot import PlantedError
from segsem.review.item import ItemKey

SEED = 731_000_003
LONG_MS = 300_000
"""An export of 24 images takes a busy machine a while."""

MAKE = Path(__file__).with_name("make_lot.py")
KEPT = os.environ.get("SEGSEM_PLANTED_LOT")
"""A folder to keep the lot in, for who runs these tests often: it is made once."""

REAL = (
    "uuhy_resist/Square_100nm_100kX.TIF",
    "giyorah_defect_sem/case1_inspected_image.tif",
    "prefab_soi_ebl/SEM/random_lpass_0.05_1.png",
    "emsec_ic_metal_figure_crops/ic_metal_tile0.png",
)
REPOSITORY = Path(__file__).resolve().parents[3]


def real_images() -> list[Path]:
    """Those that are there: third-party images are not in the repository."""
    here = REPOSITORY.parent / "shared" / "data"
    root = Path(os.environ.get("SEGSEM_SHARED_DATA", here)) / "real_sem"
    return [root / name for name in REAL if (root / name).is_file()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lot as it was extracted; nobody decides here."""
    out = Path(KEPT) if KEPT else tmp_path_factory.mktemp("planted") / "lot"
    if not (out / "planted.json").is_file():
        command = [sys.executable, str(MAKE), str(out), str(SEED), *map(str, real_images())]
        # On few cores several threads only get in each other's way.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, timeout=3000, env=environment)
    return out


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    """A copy of the results, to be decided about."""
    return Path(shutil.copytree(made / "results", tmp_path / "results"))


@pytest.fixture
def errors(made: Path) -> list[PlantedError]:
    """Planted errors that came out wrong, and Sauvola's regions that were planted."""
    planted = [PlantedError(**one) for one in json.loads((made / "planted.json").read_text())]
    return [error for error in planted if error.state == "stands"]


def is_in_sight(panel: Any) -> bool:
    lot, review = panel.desk.lot, panel.session.review
    return (
        lot is not None
        and lot.current is not None
        and review is not None
        and review.lot is lot
        and review.image_id == lot.current.image_id
        and panel.session.document.image.name == lot.current.image_id
    )


class Reviewer:
    """Keys on the canvas, strokes on the image, clicks on rows and buttons."""

    def __init__(self, dock: Any, hand: Any, until: Any, qtbot: Any) -> None:
        self._dock, self._hand, self._until, self._qtbot = dock, hand, until, qtbot
        self.panel: Any = None

    @property
    def lot(self) -> Any:
        return self.panel.desk.lot

    @property
    def region(self) -> Any:
        """The region in hand, as it stands."""
        return self.panel.session.review.current

    def sit_down(self, results: Path) -> None:
        """Open the panel, and the lot in it."""
        self.panel = self._dock("Review and export")
        self.panel.open_results(results)
        self._seen()

    def leave(self) -> None:
        """Close the panel, and with it the lot."""
        gone: list[bool] = []
        panel, self.panel = self.panel, None
        panel.destroyed.connect(lambda *_: gone.append(True))
        panel.parent().destroyOnClose()
        self._until(lambda: bool(gone))

    def press(self, key: Any, modifier: Any = None) -> None:
        """Press a key, and wait for the region that comes next."""
        self._hand.key(key, modifier)
        self._seen()

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

    def choose(self, key: ItemKey) -> None:
        """Click on a region's row, and wait until the region is in sight."""
        table, row = self.panel.table, self.lot.row_of(key)
        index = table.model().index(row, 1)

        def is_chosen() -> bool:
            table.scrollTo(index)
            place = table.visualRect(index).center()
            if table.viewport().rect().contains(place):
                self._qtbot.mouseClick(
                    table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier(0), place
                )
            return bool(self.lot.current == key)

        self._until(is_chosen)
        self._seen()

    def switch_source(self) -> None:
        """Put the region in hand on the other method."""
        self._hand.key(Qt.Key.Key_S)
        self._until(lambda: not self.panel.shared.switching.is_busy)

    def paint(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Take the region to the bench, and draw one stroke that is worked out."""
        edit = self.panel.shared.edit
        self._hand.key(Qt.Key.Key_E)
        self._until(lambda: edit.is_active and not edit.is_busy)
        before = edit.draft.region
        self._hand.drag(start, stop)
        self._until(lambda: not edit.is_busy and edit.draft.region is not before)

    def export(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Export accepted regions by clicks; all images are read, written and read back."""
        box = self.panel.export_box
        self.panel.export_fold.expand(animate=False)
        self.click(box.only_accepted)
        assert box.only_accepted.isChecked()
        monkeypatch.setattr(export_box, "ask_export_folder", lambda _parent: out)
        self.click(box.button)
        self._qtbot.waitUntil(lambda: not box.state.text().startswith("Writing"), timeout=LONG_MS)
        assert box.state.text().startswith("Written")

    def keep_edit(self) -> None:
        self._hand.key(Qt.Key.Key_Return)
        self._until(lambda: not self.panel.shared.edit.is_active)

    def _seen(self) -> None:
        self._until(lambda: is_in_sight(self.panel))
        self._hand.image_name = self.lot.current.image_id


@pytest.fixture
def reviewer(dock: Any, hand: Any, until: Any, qtbot: Any) -> Reviewer:
    return Reviewer(dock, hand, until, qtbot)
