"""Write the pictures of a design in docs/images: in the viewer, and the map and histogram of EPE.

    xvfb-run -a -s "-screen 0 1920x1080x24" python tools/design_pictures.py [OUT]

Needs a display of 1920x1080 at least. The image is `tests/fakes/designed.py`: one contact is
missing, two are bridged, and one thing is too many. OUT is docs/images by default.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import napari
import tifffile
from docs_screenshots import IMAGES, LOOKS, make_small
from napari.settings import get_settings
from screenshots import Tour

from segsem.imaging.read import read_image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fakes"))
import designed

NAME = "site"


def main() -> None:
    """Take all pictures, each window in a process of its own, as at a first start."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=IMAGES)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        take(options.out, Path(options.one[0]), *options.one[1:])
        return
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segsem-docs-") as name:
        folder = Path(name)
        tifffile.imwrite(folder / f"{NAME}.tif", designed.image().data)
        designed.write_layout(folder / "design.oas")
        measure(folder, options.out)
        for size, theme in LOOKS:
            own = {
                "SEGSEM_CONFIG_HOME": f"{folder}/{size}/config",
                "SEGSEM_WORK": f"{folder}/{size}/work",
                "NAPARI_CONFIG": f"{folder}/{size}/napari.yaml",
            }
            (folder / size).mkdir()
            command = [sys.executable, __file__, str(options.out), "--one", name, size, theme]
            subprocess.run(command, check=True, env={**os.environ, **own})


def measure(folder: Path, out: Path) -> None:
    """Extract and measure as on the command line; keep the figures."""
    design = ("--design", str(folder / "design.oas"), "--layer", "5/0")
    results = folder / "results"
    for words in (
        ("extract", str(folder / f"{NAME}.tif"), "--pixel-size", str(designed.PIXEL_NM), *design,
         "--formats", "csv", "-o", str(results)),
        ("measure", str(results), *design, "-o", str(folder / "tables")),
    ):  # fmt: skip
        subprocess.run([sys.executable, "-m", "segsem", *words], check=True)
    for kind in ("epe_map", "epe_histogram"):
        shutil.copy(folder / "tables" / "figures" / f"{NAME}_{kind}.png", out / f"{kind}.png")


def take(out: Path, folder: Path, size: str, theme: str) -> None:
    """Take the picture of one size and theme."""
    get_settings().appearance.theme = theme
    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer(show=True)
    width, height = (int(number) for number in size.split("x"))
    viewer.window.resize(width, height)
    DesignTour(viewer, out, size).run(folder)
    viewer.close()


class DesignTour(Tour):
    """A design is chosen, found, and the image extracted with it.

    Parameters
    ----------
    viewer : napari.Viewer
    out : Path
    size : str
        Part of the picture's name.
    """

    def __init__(self, viewer: Any, out: Path, size: str) -> None:
        super().__init__(viewer, out, NAME)
        self.size = size

    def run(self, folder: Path) -> None:
        """Open the image, choose the design and its layer, extract."""
        _, panel = self.viewer.window.add_plugin_dock_widget("napari-segsem", "Review and export")
        session, desk = panel.session, panel.shared.design
        pixel = (designed.PIXEL_NM, designed.PIXEL_NM)
        session.open_image(read_image(folder / f"{NAME}.tif", pixel_size_nm=pixel))
        self.wait(lambda: session.document is not None)
        panel.extract_box.design_fold.expand(animate=False)
        panel.extract_box.design_box.choose(folder / "design.oas")
        self.wait(lambda: not desk.is_busy)
        desk.choose_layer("5/0")
        self.wait(lambda: not desk.is_busy)
        self.snap("chosen")
        panel.extract_box.start()
        self.wait(lambda: session.review is not None)
        self.wait(lambda: not desk.is_busy)
        self.snap("extracted")

    def snap(self, name: str) -> None:
        """Write a picture of the whole window, small enough for a repository."""
        self.settle(1500)
        path = self.out / f"design_{name}_{self.size}.png"
        self.viewer.window.screenshot(str(path), canvas_only=False, flash=False)
        make_small(path)


if __name__ == "__main__":
    main()
