"""Write the picture of the page of repeats: five images of one site, one of them without a dot.

    xvfb-run -a -s "-screen 0 1920x1080x24" python tools/repeat_pictures.py [OUT]

OUT is docs/images by default.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import napari
import numpy as np
import tifffile
from docs_screenshots import IMAGES, make_small
from napari.settings import get_settings
from scipy import ndimage
from screenshots import Tour

from segsem.core.types import ImageArray

SHAPE, PITCH, FIRST, RADIUS = (420, 520), 95, 60, 26.0
COUNT = 20, 5
"""Dots, and how many of them to a row."""

REPEATS = ((0, 0, 0.0, 0, 9), (4, -6, 0.5, 0, 9), (-5, 3, -0.4, 8, 9), (2, 7, 0.2, 0, 30),
           (6, 1, 1.0, 0, 12))  # fmt: skip
"""Shift in rows and columns, growth of the radius, number of the dot that is missing, noise."""

LOOKED_AT_RC = (155, 250)
"""The eighth dot of the first image."""


def main() -> None:
    """Draw, extract, open the page, take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=IMAGES)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segsem-repeats-") as fresh:
        for name in ("SEGSEM_CONFIG_HOME", "SEGSEM_WORK"):
            os.environ[name] = fresh
        take(out, make_lot(Path(fresh)))


def make_lot(folder: Path) -> Path:
    """Draw the images and a manifest that names their site, and extract them."""
    (folder / "images").mkdir()
    rows = ["image,pixel_size_nm,tone,wafer,site"]
    for number, (down, right, growth, missing, noise) in enumerate(REPEATS, start=1):
        image = f"images/W7_A3_repeat{number}.tif"
        grey = drawn((down, right), RADIUS + growth, missing)
        grey = grey + np.random.default_rng(number).normal(0, noise, SHAPE)
        tifffile.imwrite(folder / image, np.clip(grey, 0, 255).astype(np.uint8))
        rows.append(f"{image},1.5,bright,W7,A3")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "segsem", "extract", str(folder / "manifest.csv")]
    subprocess.run([*command, "-o", str(folder / "lot")], check=True, stdout=subprocess.DEVNULL)
    return folder / "lot"


def drawn(shift_rc: tuple[int, int], radius_px: float, missing: int) -> ImageArray:
    """Bright dots with a rim on dark ground, without noise."""
    rows, cols = np.indices(SHAPE)
    grey = np.full(SHAPE, 70.0)
    for number in range(COUNT[0]):
        if number + 1 == missing:
            continue
        row, col = (FIRST + PITCH * at for at in divmod(number, COUNT[1]))
        away = np.hypot(rows - row - shift_rc[0], cols - col - shift_rc[1]) - radius_px
        grey += 90 / (1 + np.exp(away / 1.2)) + 60 * np.exp(-((away / 3) ** 2))
    return np.asarray(ndimage.gaussian_filter(grey, 1.0))


def take(out: Path, lot: Path) -> None:
    """Open the lot, choose the dot that one image lacks, and look at its repeats."""
    # The notice about PyQt5 would lie over the picture.
    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    tour = Tour(viewer, out, "")
    _, panel = viewer.window.add_plugin_dock_widget("napari-segsem", "Review and export")
    panel.open_results(lot)
    tour.wait(lambda: panel.desk.lot is not None and panel.session.review is not None)

    def off(bbox_rc: tuple[int, int, int, int]) -> float:
        middle = (bbox_rc[0] + bbox_rc[2]) / 2, (bbox_rc[1] + bbox_rc[3]) / 2
        return float(np.hypot(*np.subtract(middle, LOOKED_AT_RC)))

    items = [i for i in panel.desk.lot.review.items.values() if i.key.image_id.endswith("1")]
    panel.desk.choose(min(items, key=lambda item: off(item.bbox_rc)).key)
    panel.repeats_page.expand(animate=False)
    tour.wait(lambda: "CD" in panel.repeats_box.summary.text())
    tour.settle(3000)
    path = out / "review_repeats_1280x800.png"
    viewer.window.screenshot(str(path), canvas_only=False, flash=False)
    make_small(path)
    viewer.close()


if __name__ == "__main__":
    main()
