"""Write the pictures of docs/reviewing.md: the real napari window at each step, in both themes.

    xvfb-run -a -s "-screen 0 1920x1080x24" python tools/docs_review.py [OUT]

Needs a display of 1920x1080 at least. OUT is docs/images by default. Draws a lot of synthetic
images, extracts and measures it as a user would, and reviews it in the window by keys and buttons.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import napari
from docs_screenshots import IMAGES, LOOKS, make_small
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from screenshots import Tour

from napari_segsem._review_maps import MapKind

PRESET, SEED, COUNT = "calibration", 12, 4
SHIFT = Qt.KeyboardModifier.ShiftModifier


def main() -> None:
    """Make the lot, take all pictures, one process for each size, each as at a first start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=IMAGES)
    parser.add_argument("--one", nargs=3, metavar=("LOT", "SIZE", "THEME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.one:
        take(options.out, Path(options.one[0]), *options.one[1:])
        return
    for size, theme in LOOKS:
        with tempfile.TemporaryDirectory(prefix="segsem-docs-") as fresh:
            own = {
                "SEGSEM_CONFIG_HOME": f"{fresh}/config",
                "SEGSEM_WORK": f"{fresh}/work",
                "NAPARI_CONFIG": f"{fresh}/napari.yaml",
            }
            environment = {**os.environ, **own}
            lot = make_lot(Path(fresh), environment)
            command = [sys.executable, __file__, str(options.out), "--one", str(lot), size, theme]
            subprocess.run(command, check=True, env=environment)


def make_lot(folder: Path, environment: dict[str, str]) -> Path:
    """Draw images, extract and measure them."""
    drawn, lot = folder / "drawn", folder / "lot"

    def segsem(*arguments: str | Path) -> None:
        command = [sys.executable, "-m", "segsem", *map(str, arguments)]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    segsem("synth", "-o", drawn, "--preset", PRESET, "--count", COUNT, "--seed", SEED)
    segsem("extract", drawn / "manifest.csv", "-o", lot)
    segsem("measure", lot)
    return lot


def take(out: Path, lot: Path, size: str, theme: str) -> None:
    """Take the pictures of one size and theme."""
    get_settings().appearance.theme = theme
    # The notice about PyQt5 would lie over the picture.
    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer(show=True)
    width, height = (int(number) for number in size.split("x"))
    viewer.window.resize(width, height)
    ReviewTour(viewer, out, size).run(lot)
    viewer.close()


class ReviewTour(Tour):
    """The steps of docs/reviewing.md.

    Parameters
    ----------
    viewer : napari.Viewer
    out : Path
    size : str
        Part of the pictures' names.
    """

    def __init__(self, viewer: Any, out: Path, size: str) -> None:
        super().__init__(viewer, out, "")
        self.size = size

    def run(self, lot: Path) -> None:
        """Open a lot, decide, edit, look at numbers and verdicts, export."""
        _, panel = self.viewer.window.add_plugin_dock_widget("napari-segsem", "Review and export")
        self.panel, self.session = panel, panel.session
        self.snap("empty")
        panel.open_results(lot)
        self.wait(lambda: panel.desk.lot is not None and self.session.review is not None)
        self.settle(2500)
        self.snap("queue")
        self.maps()
        self.edit()
        self.press(Qt.Key.Key_A)
        self.press(Qt.Key.Key_A)
        self.press(Qt.Key.Key_R)
        self.settle(1500)
        self.snap("decided")
        for page, name in ((panel.numbers_page, "numbers"), (panel.gates_page, "quality")):
            page.expand(animate=False)
            self.settle(3000)
            self.snap(name)
        panel.export_fold.expand(animate=False)
        panel.export_box.preview_button.click()
        self.settle(2500)
        self.snap("export")

    def maps(self) -> None:
        """Confidence over the image, and where the two methods differ."""
        box = self.panel.maps_box
        for kind in (MapKind.CONFIDENCE, MapKind.DISTANCE):
            box.choice.setCurrentIndex(box.choice.findData(kind.value))
            self.wait(box.legend.isVisible)
            self.settle(1500)
            self.snap(f"map_{kind.name.lower()}")
        box.choice.setCurrentIndex(0)

    def edit(self) -> None:
        """Drag a corner of the current region, keep it, and look at what was there before."""
        edit = self.panel.shared.edit
        self.panel.edit_box.start["edit"].click()
        self.wait(lambda: edit.is_active)
        self.panel.edit_box.tools["corners"].click()
        self.settle(800)
        self.snap("edit")
        self.panel.edit_box.shapes["grow"].click()
        self.wait(lambda: edit.is_changed and not edit.is_busy)
        self.panel.edit_box.end["edit_done"].click()
        self.wait(lambda: not edit.is_active)

    def press(self, key: Any, held: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key on the canvas."""
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, key, held)

    def snap(self, name: str) -> None:
        """Write a picture of the whole window, small enough for a repository."""
        self.settle(800)
        path = self.out / f"review_{name}_{self.size}.png"
        self.viewer.window.screenshot(str(path), canvas_only=False, flash=False)
        make_small(path)


if __name__ == "__main__":
    main()
