"""A viewer in which somebody reviews until it is killed: `review_child.py RESULTS SEED`.

Says how all regions stand whenever a key was pressed, once it is decided.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

STEPS = 10_000
TOLD = "decided: "
NONE, SHIFT, CONTROL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)
EDIT_WAIT_S = 20.0


def digest(review: Any) -> str:
    """Hash of how all regions stand: status, and the outline in place of the one found."""
    made = hashlib.sha256()
    for key in sorted(review.items):
        standing = review.standing(key)
        made.update(f"{key} {standing.status} {standing.decision is not None}".encode())
        if standing.replacement is not None:
            for contour in standing.replacement.contours:
                made.update(np.ascontiguousarray(contour.vertices_rc, dtype="<f8").tobytes())
    return made.hexdigest()


class Reviewer:
    """Presses keys in the window."""

    def __init__(self, results: Path) -> None:
        self._viewer = napari.Viewer(show=True)
        self._viewer.window.resize(1300, 850)
        _, self._panel = self._viewer.window.add_plugin_dock_widget(
            "napari-segsem", "Review and export"
        )
        self._panel.open_results(results)
        self.wait(self._is_in_sight)
        self.wait(lambda: self._canvas.isVisible())
        self._panel.desk.decisions_changed.connect(self._tell)
        self._tell()

    @property
    def _canvas(self) -> Any:
        return self._viewer.window._qt_viewer.canvas.native

    def act(self, chance: random.Random) -> None:
        """Do something that a reviewer may do."""
        kind = chance.random()
        if kind < 0.12:
            self._key(Qt.Key.Key_Z, CONTROL)
        elif kind < 0.2:
            self._key(Qt.Key.Key_Z, CONTROL | SHIFT)
        elif kind < 0.3:
            self._grow(chance)
        elif kind < 0.38:
            self._key(Qt.Key.Key_S)
            self.wait(lambda: not self._panel.shared.switching.is_busy)
        else:
            keys = (Qt.Key.Key_A, Qt.Key.Key_A, Qt.Key.Key_R, Qt.Key.Key_N, Qt.Key.Key_U)
            self._key(chance.choice(keys))
        self.wait(self._is_in_sight)

    def wait(self, condition: Any) -> None:
        """Let the window work until something is true."""
        while not condition():
            QApplication.processEvents()
            time.sleep(0.001)

    def _grow(self, chance: random.Random) -> None:
        """Edit a region: a quarter px more or less, and keep it."""
        edit = self._panel.shared.edit
        self._key(Qt.Key.Key_E)
        until = time.monotonic() + EDIT_WAIT_S
        self.wait(lambda: edit.is_active or time.monotonic() > until)
        self._key(Qt.Key.Key_G, chance.choice((NONE, SHIFT)))
        self.wait(lambda: not edit.is_busy)
        self._key(Qt.Key.Key_Return)
        self.wait(lambda: not edit.is_active)

    def _is_in_sight(self) -> bool:
        lot, review = self._panel.desk.lot, self._panel.session.review
        return (
            lot is not None
            and review is not None
            and review.lot is lot
            and lot.current is not None
            and review.image_id == lot.current.image_id
        )

    def _tell(self) -> None:
        # What is told has been written: the journal is written first.
        sys.stdout.write(f"{TOLD}{digest(self._panel.desk.lot.review)}\n")
        sys.stdout.flush()

    def _key(self, key: Any, held: Any = NONE) -> None:
        QTest.keyClick(self._canvas, key, held)
        QApplication.processEvents()


def main() -> None:
    person, chance = Reviewer(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
    for _ in range(STEPS):
        person.act(chance)


if __name__ == "__main__":
    main()
