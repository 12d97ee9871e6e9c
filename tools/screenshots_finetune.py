"""Write the pictures of docs/finetuning.md: the Fine-tune panel in each state, in both themes.

    xvfb-run -a -s "-screen 0 1920x1080x24" python tools/screenshots_finetune.py [OUT]

Needs a display of 1920x1080 at least. OUT is docs/images by default. The masks of a few synthetic
images are their truth; what learns, rests, is killed, goes on and is adopted is the real
`segsem finetune` with few epochs. `--look SIZE THEME` takes the pictures of one size alone.
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
import psutil
import tifffile
from docs_screenshots import IMAGES, LOOKS, make_small
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.settings import get_settings
from screenshots import Tour
from skimage.measure import regionprops

from napari_segsem._annotation import Made
from napari_segsem._finetune_state import Phase
from segsem.core.contour import Source
from segsem.project.label_edit import LabelObject

PRESET, SEED, COUNT = "polycrystal", 17, 8
"""A process that the base model does not know: there is something to see."""

SETTLED_MS = 800


def main() -> None:
    """Take all pictures, one process for each size, each as at a first start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=IMAGES)
    parser.add_argument("--look", nargs=2, metavar=("SIZE", "THEME"), help="only this one")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--images", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.images:
        take(options.out, options.images, options.epochs, *options.look)
        return
    for size, theme in [options.look] if options.look else LOOKS:
        with tempfile.TemporaryDirectory(prefix="segsem-docs-") as fresh:
            environment = {
                **os.environ,
                "SEGSEM_CONFIG_HOME": f"{fresh}/config",
                "SEGSEM_WORK": f"{fresh}/work",
                "NAPARI_CONFIG": f"{fresh}/napari.yaml",
            }
            made = [sys.executable, "-m", "segsem", "synth", "-o", f"{fresh}/set"]
            made += ["--preset", PRESET, "--count", str(COUNT), "--seed", str(SEED)]
            subprocess.run(made, check=True, env=environment)
            command = [sys.executable, __file__, str(options.out), "--look", size, theme]
            command += ["--epochs", str(options.epochs), "--images", f"{fresh}/set"]
            subprocess.run(command, check=True, env=environment)


def take(out: Path, images: Path, epochs: int, size: str, theme: str) -> None:
    """Take the pictures of one size and theme."""
    get_settings().appearance.theme = theme
    # The notice about PyQt5 would lie over the picture.
    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer(show=True)
    width, height = (int(number) for number in size.split("x"))
    viewer.window.resize(width, height)
    FinetuneTour(viewer, out, size).run(images, epochs)
    viewer.close()


class FinetuneTour(Tour):
    """The states of the panel, one after another.

    Parameters
    ----------
    viewer : napari.Viewer
    out : Path
    size : str
        Part of the pictures' names.
    """

    def __init__(self, viewer: Any, out: Path, size: str) -> None:
        super().__init__(viewer, out, "lines")
        self.size = size
        _, self.panel = viewer.window.add_plugin_dock_widget("napari-segsem", "Fine-tune")
        self.session, self.tuning = self.panel.session, self.panel.shared.tuning

    def run(self, images: Path, epochs: int) -> None:
        """From an empty training set to a model that is adopted."""
        self.settle(1000)
        self.session.open_files([images / "manifest.csv"])
        self.wait(lambda: self.session.document is not None)
        self.put_in(images, COUNT)
        self.wait(lambda: self.panel.start_box.start_button.isVisible())
        self.snap("ready")
        self.panel.expert_fold.expand(animate=False)
        self.panel.expert.fields["epochs"].value = epochs
        self.panel.show_widget(self.panel.expert)
        self.snap("expert")
        self.panel.expert_fold.collapse(animate=False)
        self.learn()
        self.decide()

    def learn(self) -> None:
        """Learn, rest, be killed, go on to the end."""
        panel, tuning = self.panel, self.tuning
        panel.start_box.start_button.click()
        self.wait(lambda: self.is_past_epoch(2))
        self.snap("learning")
        panel.work_box.pause_button.click()
        self.wait(lambda: tuning.state.phase is Phase.PAUSED or not tuning.is_running)
        self.snap("paused")
        # As the system does where memory runs out.
        psutil.Process(tuning._child.pid).kill()
        self.wait(lambda: not tuning.is_running)
        self.snap("failed")
        # It would lie over the pictures that follow.
        for notice in self.viewer.window._qt_window.findChildren(NapariQtNotification):
            notice.close()
        panel.stopped_box.resume_button.click()
        self.wait(lambda: tuning.state.phase is Phase.TRAINING)
        panel.work_box.cancel_button.click()
        self.wait(lambda: not tuning.is_running)
        panel.stopped_box.resume_button.click()
        self.wait(lambda: not tuning.is_running)
        self.snap("result")

    def decide(self) -> None:
        """Look at the outlines, adopt."""
        panel = self.panel
        panel.result_box.look_button.click()
        self.settle(1500)
        self.snap("outlines")
        panel.result_box.adopt_button.click()
        self.settle(500)
        if panel.result_box.insist_button.isVisible():
            panel.result_box.insist_button.click()
        self.wait(lambda: panel.shared.model_choice.before is not None)
        self.snap("adopted")

    def is_past_epoch(self, epochs: int) -> bool:
        """Whether so many epochs are over and the next one is going on."""
        state = self.tuning.state
        return not self.tuning.is_running or (len(state.points) > epochs and state.step > 1)

    def put_in(self, images: Path, count: int) -> None:
        """Give images the masks of their truth, and put them into the training set."""
        session = self.session
        for _ in range(count):
            image = session.document.image
            labels = tifffile.imread(images / "truth" / image.name / "labels.tif")
            session.annotation.add("objects", [made(one) for one in regionprops(labels)])
            session.series.toggle_training()
            before = session.position
            session.step(1)
            self.wait(lambda before=before: session.position != before)
        self.settle(500)

    def snap(self, name: str) -> None:
        """Write a picture of the whole window, small enough for a repository."""
        self.settle(SETTLED_MS)
        path = self.out / f"finetune_{name}_{self.size}.png"
        self.viewer.window.screenshot(str(path), canvas_only=False, flash=False)
        make_small(path)


def made(found: Any) -> Made:
    """An object of a label image."""
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.MANUAL, 1.0)
    return Made((found.bbox[0], found.bbox[1]), np.ascontiguousarray(found.image), origin)


if __name__ == "__main__":
    main()
