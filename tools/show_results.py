"""show_results.py RESULTS: the images of extracted results in napari, ready for review."""

from __future__ import annotations

import sys
from pathlib import Path

import napari


def main(results: Path) -> None:
    """Show the queue of all images, least sure region first."""
    viewer = napari.Viewer(title="SegSEM")
    _, panel = viewer.window.add_plugin_dock_widget("napari-segsem", "Review and export")
    panel.shared.desk.open(results)
    napari.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
