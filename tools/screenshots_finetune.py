"""Drive the Fine-tune panel through its states and write a picture of the whole window of each.

    python tools/screenshots_finetune.py OUT [--size 1280x800] [--theme dark] [--epochs 3]

Works on synthetic images of the preset `fewshot`, masks by their truth, with the real
`segsem finetune`. Needs a display, e.g. `xvfb-run -a python tools/screenshots_finetune.py OUT`.
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
import tifffile
from napari.settings import get_settings
from screenshots import Tour
from skimage.measure import regionprops

from napari_segsem import _child
from napari_segsem._annotation import Made
from napari_segsem._finetune_state import Phase
from segsem.core.contour import Source
from segsem.project import default_folder
from segsem.project.label_edit import LabelObject

N_IMAGES = 5
PLACE = Path(__file__).parents[1]


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--theme", default="dark")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--child", type=Path, help="a program that plays the child, to be quick")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    get_settings().appearance.theme = options.theme
    # The notice about PyQt5 would lie over the picture.
    get_settings().application.gui_notification_level = "error"
    if options.child is not None:
        _child.PROGRAM = (sys.executable, str(options.child.resolve()))
    with tempfile.TemporaryDirectory(prefix="segsem-tour-") as kept:
        os.environ[default_folder.VARIABLE] = f"{kept}/work"
        os.environ["SEGSEM_CONFIG_HOME"] = f"{kept}/config"
        command = [sys.executable, "-m", "segsem", "synth", "-o", f"{kept}/set"]
        command += ["--preset", "fewshot", "--count", str(N_IMAGES), "--seed", "5"]
        subprocess.run(command, check=True)
        viewer = napari.Viewer(show=True)
        width, height = (int(number) for number in options.size.split("x"))
        viewer.window.resize(width, height)
        FinetuneTour(viewer, options.out).run(Path(kept) / "set", options.epochs)
        viewer.close()


class FinetuneTour(Tour):
    """The states of the panel, one after another.

    Parameters
    ----------
    viewer : napari.Viewer
    out : Path
    """

    def __init__(self, viewer: Any, out: Path) -> None:
        super().__init__(viewer, out, "lines")

    def run(self, images: Path, epochs: int) -> None:
        """From an empty training set to a model that is adopted."""
        _, panel = self.viewer.window.add_plugin_dock_widget("napari-segsem", "Fine-tune")
        session = self.session = panel.session
        tuning = panel.shared.tuning
        self.settle(1000)
        self.snap("empty")
        session.open_files([images / "manifest.csv"])
        self.wait(lambda: session.document is not None)
        self.put_in(images, 1)
        self.snap("missing")
        self.put_in(images, N_IMAGES - 1)
        self.wait(lambda: panel.start_box.start_button.isVisible())
        self.snap("ready")
        panel.expert_fold.expand(animate=False)
        panel.expert.fields["epochs"].value = epochs
        panel.show_widget(panel.expert)
        self.snap("expert")
        panel.expert_fold.collapse(animate=False)
        panel.start_box.start_button.click()
        self.wait(lambda: tuning.state.phase is not Phase.PREPARING)
        self.snap("reading")
        self.wait(lambda: len(tuning.state.points) > 1 or not tuning.is_running)
        self.snap("learning")
        panel.work_box.pause_button.click()
        self.wait(lambda: tuning.state.phase is not Phase.TRAINING)
        self.snap("paused")
        panel.work_box.cancel_button.click()
        self.wait(lambda: not tuning.is_running)
        self.snap("cancelled")
        panel.stopped_box.resume_button.click()
        self.wait(lambda: not tuning.is_running)
        self.snap("done")
        if tuning.result is None:
            return
        panel.result_box.look_button.click()
        self.settle(1500)
        self.snap("outlines")
        panel.result_box.adopt_button.click()
        self.snap("decision")
        if panel.result_box.insist_button.isVisible():
            panel.result_box.insist_button.click()
        self.wait(lambda: panel.shared.model_choice.before is not None)
        self.snap("adopted")

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


def made(found: Any) -> Made:
    """An object of a label image."""
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.MANUAL, 1.0)
    return Made((found.bbox[0], found.bbox[1]), np.ascontiguousarray(found.image), origin)


if __name__ == "__main__":
    main()
