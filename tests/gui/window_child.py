"""A viewer in which somebody annotates until it is killed: `window_child.py IMAGE SEED`.

Says what is accepted whenever that has changed, once it is done to the objects.
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
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

PLACES = [(row + 25, col + 25) for row in (40, 180) for col in (40, 170, 300)]
STEPS = 10_000
TOLD = "accepted: "
NONE, SHIFT, CONTROL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)


def digest(labels: Any, objects: Any) -> str:
    """Hash of what is accepted: pixels and objects."""
    made = hashlib.sha256(np.ascontiguousarray(labels, dtype=np.int32).tobytes())
    for key in sorted(objects):
        made.update(repr(objects[key]).encode())
    return made.hexdigest()


class Person:
    """Clicks and presses keys in the window."""

    def __init__(self, image: Path) -> None:
        self._viewer = napari.Viewer(show=True)
        self._viewer.window.resize(1300, 850)
        _, panel = self._viewer.window.add_plugin_dock_widget("napari-segsem", "Annotate")
        self._session, self._image = panel.session, image
        self._session.open_files([image])
        self.wait(lambda: self._session.document is not None)
        self.wait(lambda: self._canvas.isVisible())
        self.annotation.edited.connect(lambda *_what: self._tell())
        self._tell()

    @property
    def annotation(self) -> Any:
        return self._session.annotation

    @property
    def _canvas(self) -> Any:
        return self._viewer.window._qt_viewer.canvas.native

    def act(self, chance: random.Random) -> None:
        """Do something that a person may do."""
        kind = chance.random()
        if kind < 0.15:
            self._key(Qt.Key.Key_Z, CONTROL)
        elif kind < 0.25:
            self._key(Qt.Key.Key_Z, CONTROL | SHIFT)
        elif kind < 0.5:
            self._brush(*chance.choice(PLACES), chance)
        else:
            self._click(*chance.choice(PLACES))
            until = time.monotonic() + 0.2
            self.wait(lambda: self.annotation.candidates is not None or time.monotonic() > until)
            self._key(Qt.Key.Key_Return)

    def wait(self, condition: Any) -> None:
        """Let the window work until something is true."""
        while not condition():
            QApplication.processEvents()
            time.sleep(0.001)

    def _tell(self) -> None:
        told = digest(self.annotation.labels, self.annotation.objects)
        sys.stdout.write(f"{TOLD}{told}\n")
        sys.stdout.flush()

    def _key(self, key: Any, held: Any = NONE) -> None:
        QTest.keyClick(self._canvas, key, held)
        QApplication.processEvents()

    def _click(self, row: float, col: float) -> None:
        QTest.mouseClick(self._canvas, Qt.MouseButton.LeftButton, NONE, self._at(row, col))
        QApplication.processEvents()

    def _brush(self, row: float, col: float, chance: random.Random) -> None:
        self._key(Qt.Key.Key_D)
        left = Qt.MouseButton.LeftButton
        QTest.mousePress(self._canvas, left, NONE, self._at(row, col))
        end = self._at(row + chance.uniform(-30, 30), col + chance.uniform(-30, 30))
        QTest.mouseRelease(self._canvas, left, NONE, end)
        QApplication.processEvents()
        self._key(Qt.Key.Key_Q)

    def _at(self, row: float, col: float) -> QPoint:
        (layer,) = (known for known in self._viewer.layers if known.name == self._image.stem)
        place = np.array([row, col]) * np.asarray(layer.scale)
        camera = self._viewer.scene.camera
        dy, dx = (place - np.asarray(camera.center)[-2:]) * camera.zoom
        size = self._canvas.size()
        return QPoint(round(size.width() / 2 + dx), round(size.height() / 2 + dy))


def main() -> None:
    person, chance = Person(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
    for _ in range(STEPS):
        person.act(chance)


if __name__ == "__main__":
    main()
