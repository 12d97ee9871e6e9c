"""Drive the real napari window step by step and write a picture of each step.

    python tools/screenshots.py OUT [IMAGE] [--size 1500x950] [--method "Sauvola only"]

Without IMAGE a sample is opened. Needs a display, e.g. `xvfb-run -a python tools/screenshots.py`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.settings import get_settings
from qtpy.QtCore import QElapsedTimer, QEventLoop, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsem import _samples
from napari_segsem.widgets.annotate import AnnotatePanel
from napari_segsem.widgets.review import ReviewPanel
from segsem.project import default_folder

PATIENCE_MS = 300_000


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("image", type=Path, nargs="?")
    parser.add_argument("--size", default="1500x950")
    parser.add_argument("--method")
    parser.add_argument("--sample", default="lines", help="lines, contacts, line_ends or free_form")
    parser.add_argument("--theme", default="dark")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    get_settings().appearance.theme = options.theme
    # The notice about PyQt5 would lie over the picture.
    get_settings().application.gui_notification_level = "error"
    # The clicks of the tour do not go into the user's own project.
    kept = tempfile.TemporaryDirectory(prefix="segsem-tour-")
    os.environ[default_folder.VARIABLE] = kept.name
    os.environ["SEGSEM_CONFIG_HOME"] = kept.name
    viewer = napari.Viewer(show=True)
    width, height = (int(number) for number in options.size.split("x"))
    viewer.window.resize(width, height)
    tour = Tour(viewer, options.out, options.sample)
    tour.annotate(options.image)
    tour.review(options.method)
    viewer.close()
    kept.cleanup()


class Tour:
    """The steps of a user's first visit."""

    def __init__(self, viewer: Any, out: Path, sample: str) -> None:
        self.viewer, self.out, self.sample = viewer, out, sample
        self._count = 0

    def annotate(self, image: Path | None) -> None:
        """Open, click, box, accept."""
        panel = AnnotatePanel(self.viewer)
        self.dock = self.viewer.window.add_dock_widget(panel, name="Annotate (SegSEM)")
        self.snap("empty")
        session = self.session = panel.session
        if image is None:
            data, described, _ = getattr(_samples, self.sample)()[0]
            self.viewer.add_image(data, **described)
        else:
            session.open_files([image])
        # A file is read in the background; a click before that has nothing to fall on.
        self.wait(lambda: not panel.resume_button.isVisible() and session.document is not None)
        self.settle(1500)
        self.snap("open")
        row, col = feature_centre(session.document)
        self.click(row, col)
        self.wait(lambda: answered(session))
        self.snap("click")
        self.press(Qt.Key.Key_T)
        self.snap("second_mask")
        self.press(Qt.Key.Key_Escape)
        rows = session.document.image.valid_rows[1]
        self.drag((rows * 0.55, col - 60), (rows * 0.75, col + 60))
        self.wait(lambda: answered(session))
        self.snap("box")
        self.press(Qt.Key.Key_Return)
        self.click(row, col)
        self.wait(lambda: answered(session))
        self.press(Qt.Key.Key_Return)
        self.snap("accepted")

    def review(self, method: str | None) -> None:
        """Extract, look, decide, export."""
        panel = ReviewPanel(self.viewer)
        self.viewer.window.remove_dock_widget(self.dock)
        self.viewer.window.add_dock_widget(panel, name="Review and export (SegSEM)")
        if method:
            panel.extract_box.method.setCurrentText(method)
        self.snap("review_empty")
        shared = panel.shared
        panel.extract_box.extract_button.click()
        self.wait(lambda: panel.extract_box.bar.maximum() > 0 or not shared.extraction.is_running)
        self.snap("extracting")
        self.wait(lambda: not shared.extraction.is_running)
        self.wait(lambda: panel.session.review is not None)
        self.snap("extracted")
        confidences = sorted(region.confidence for region in panel.session.review.regions)
        panel.threshold.setValue(round(confidences[min(3, len(confidences) - 1)] + 0.005, 2))
        self.snap("threshold")
        panel.next_button.click()
        panel.accept_button.click()
        panel.reject_button.click()
        self.snap("decided")
        panel.export_fold.expand(animate=False)
        self.snap("export_blocked")
        panel.export_box.override.setChecked(True)
        panel.export_box.export_to(self.out / "export")
        self.wait(lambda: panel.export_box.state.text() != "Writing…")
        self.snap("exported")

    def snap(self, name: str) -> None:
        """Write a picture of the whole window."""
        self.settle(400)
        self._count += 1
        self.viewer.window.screenshot(
            str(self.out / f"{self._count:02d}_{name}.png"), canvas_only=False, flash=False
        )

    def settle(self, milliseconds: int) -> None:
        """Let the window draw."""
        timer = QElapsedTimer()
        timer.start()
        while timer.elapsed() < milliseconds:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Let the window work until something is true."""
        timer = QElapsedTimer()
        timer.start()
        while not condition():
            if timer.elapsed() > PATIENCE_MS:
                raise TimeoutError
            # Not a loop that turns and turns: what is waited for needs the processor.
            QTest.qWait(50)

    @property
    def canvas(self) -> Any:
        """The widget that is clicked on."""
        return self.viewer.window._qt_viewer.canvas.native

    def at(self, row: float, col: float) -> QPoint:
        """Canvas position of an image point."""
        scale = np.asarray(self.session.document.scale)
        offset = np.array([row, col]) * scale - np.asarray(self.viewer.scene.camera.center)[-2:]
        dy, dx = offset * self.viewer.scene.camera.zoom
        size = self.canvas.size()
        return QPoint(round(size.width() / 2 + dx), round(size.height() / 2 + dy))

    def click(self, row: float, col: float) -> None:
        """Click on an image point."""
        QTest.mouseClick(
            self.canvas,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
            self.at(row, col),
        )

    def drag(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Drag a box."""
        none = Qt.KeyboardModifier.NoModifier
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, none, self.at(*start))
        for part in np.linspace(0, 1, 6):
            point = self.at(*(np.array(start) * (1 - part) + np.array(stop) * part))
            QTest.mouseMove(self.canvas, point)
            QApplication.processEvents()
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, none, self.at(*stop))

    def press(self, key: Any) -> None:
        """Press a key on the canvas."""
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, key)


def answered(session: Any) -> bool:
    """Whether the whole outline is there."""
    candidates = session.annotation.candidates
    return candidates is not None and not candidates.partial


def feature_centre(document: Any) -> tuple[float, float]:
    """A bright place near the middle."""
    grey = document.model_grey.astype(float)
    height, width = grey.shape
    row = height // 3
    profile = grey[row - 2 : row + 3, width // 3 : 2 * width // 3].mean(axis=0)
    return float(row), float(width // 3 + int(np.argmax(np.convolve(profile, np.ones(9), "same"))))


if __name__ == "__main__":
    main()
