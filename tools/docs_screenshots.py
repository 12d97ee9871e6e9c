"""Write the pictures of docs/annotate.md: the real napari window at each step, in both themes.

    xvfb-run -a -s "-screen 0 1920x1080x24" python tools/docs_screenshots.py [OUT]

Needs a display of 1920x1080 at least. OUT is docs/images by default. Settings, project and what
is remembered are those of a first start, whatever the user's own are.
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
import numpy as np
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from scipy import ndimage
from screenshots import Tour, answered

from napari_segsem import _samples

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LOOKS = (("1280x800", "dark"), ("1920x1080", "light"))
SAMPLE = "contacts"
COLORS = 200
"""Of the palette that pictures are reduced to: a repository keeps them for ever."""

GREY_STEP, GREY_SPREAD = 20, 6
"""Between the greys that are left, and of the channels of what is taken for grey."""

SHIFT = Qt.KeyboardModifier.ShiftModifier


def main() -> None:
    """Take all pictures, one process for each size, each as at a first start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=IMAGES)
    parser.add_argument("--one", nargs=2, metavar=("SIZE", "THEME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.one:
        take(options.out, *options.one)
        return
    for size, theme in LOOKS:
        with tempfile.TemporaryDirectory(prefix="segsem-docs-") as fresh:
            own = {
                "SEGSEM_CONFIG_HOME": f"{fresh}/config",
                "SEGSEM_WORK": f"{fresh}/work",
                "NAPARI_CONFIG": f"{fresh}/napari.yaml",
            }
            command = [sys.executable, __file__, str(options.out), "--one", size, theme]
            subprocess.run(command, check=True, env={**os.environ, **own})


def take(out: Path, size: str, theme: str) -> None:
    """Take the pictures of one size and theme."""
    get_settings().appearance.theme = theme
    # The notice about PyQt5 would lie over the picture.
    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer(show=True)
    width, height = (int(number) for number in size.split("x"))
    viewer.window.resize(width, height)
    DocsTour(viewer, out, size).run()
    viewer.close()


class DocsTour(Tour):
    """The steps of docs/annotate.md.

    Parameters
    ----------
    viewer : napari.Viewer
    out : Path
    size : str
        Part of the pictures' names.
    """

    def __init__(self, viewer: Any, out: Path, size: str) -> None:
        super().__init__(viewer, out, SAMPLE)
        self.size = size

    def run(self) -> None:
        """Open, click, find the others, correct, put into the training set."""
        _, panel = self.viewer.window.add_plugin_dock_widget("napari-segsem", "Annotate")
        session = self.session = panel.session
        self.snap("empty")
        data, described, _ = getattr(_samples, SAMPLE)()[0]
        self.viewer.add_image(data, **described)
        self.wait(lambda: session.document is not None)
        self.settle(1500)
        row, col = dark_centre(session.document)
        self.click(row, col)
        self.wait(lambda: answered(session))
        self.snap("click")
        self.press(Qt.Key.Key_Return)
        panel.first_steps.dismiss_button.click()
        self.press(Qt.Key.Key_R)
        proposals = session.annotation.proposals
        self.wait(lambda: proposals.is_complete and bool(proposals.shown))
        self.unfold(panel, "Find the others")
        self.snap("repeat")
        panel.repeat_box.accept_button.click()
        self.press(Qt.Key.Key_H)
        self.unfold(panel, "Correct")
        self.snap("correct")
        self.press(Qt.Key.Key_H)
        self.press(Qt.Key.Key_H)
        self.unfold(panel, "Training set")
        self.press(Qt.Key.Key_T, SHIFT)
        self.settle(2000)
        self.snap("training_set")
        self.unfold(panel, None)
        self.press(Qt.Key.Key_F1)
        self.snap("keys")

    def unfold(self, panel: Any, title: str | None) -> None:
        """Open one part of the panel and close the others."""
        for name, part in panel.folds.items():
            if name == title:
                part.expand(animate=False)
                panel.show_widget(part)
            else:
                part.collapse(animate=False)

    def press(self, key: Any, held: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key on the canvas."""
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, key, held)

    def snap(self, name: str) -> None:
        """Write a picture of the whole window, small enough for a repository."""
        self.settle(800)
        path = self.out / f"annotate_{name}_{self.size}.png"
        self.viewer.window.screenshot(str(path), canvas_only=False, flash=False)
        make_small(path)


def make_small(path: Path) -> None:
    """Leave fewer greys, which is what noise is made of, and a palette; the window keeps its own.

    Parameters
    ----------
    path : Path
        Of the picture, which is replaced.
    """
    with Image.open(path) as picture:
        colors = np.array(picture.convert("RGB"), dtype=np.int32)
    is_grey = np.ptp(colors, axis=2) <= GREY_SPREAD
    greys = np.rint(colors.mean(axis=2) / GREY_STEP) * GREY_STEP
    colors[is_grey] = np.minimum(greys, 255).astype(np.int32)[is_grey][:, None]
    small = Image.fromarray(colors.astype(np.uint8)).quantize(
        # A line of few pixels keeps its colour: a legend has to agree with what it explains.
        COLORS,
        method=Image.Quantize.MAXCOVERAGE,
        dither=Image.Dither.NONE,
    )
    small.save(path, optimize=True)


def dark_centre(document: Any) -> tuple[float, float]:
    """Give the middle of a dark feature that lies near the middle of the image."""
    grey = ndimage.gaussian_filter(document.model_grey.astype(float), 4.0)
    labels, count = ndimage.label(grey < (grey.min() + grey.max()) / 2)
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, range(1, count + 1)))
    away = np.abs(centres - np.array(grey.shape) / 2).sum(axis=1)
    row, col = centres[int(np.argmin(away))]
    return float(row), float(col)


if __name__ == "__main__":
    main()
