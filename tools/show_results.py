"""show_results.py RESULTS: the images of extracted results in napari, ready for review."""

from __future__ import annotations

import sys
from pathlib import Path

import napari

from segsem.export.results import find_results, read_results
from segsem.imaging.read import read_image


def main(results: Path) -> None:
    """Open every image with its contours; the first one is shown."""
    viewer = napari.Viewer(title="SegSEM")
    _, panel = viewer.window.add_plugin_dock_widget("napari-segsem", "Review and export")
    session = panel.session
    for folder in find_results(results):
        extraction = read_results(folder)
        path = extraction.provenance["image_path"]
        session.open_image(read_image(path, pixel_size_nm=extraction.pixel_size_nm))
        session.set_extraction(session.document, extraction)
    session.step(1)
    napari.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
