"""Questions that need a window of their own: which files, which folder."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

IMAGE_FILTER = "SEM images (*.tif *.tiff *.png *.jpg *.jpeg *.bmp);;All files (*)"


def ask_images(parent: QWidget) -> list[Path]:
    """Ask for images; none if the dialog is left."""
    names, _ = QFileDialog.getOpenFileNames(parent, "Open SEM images", "", IMAGE_FILTER)
    return [Path(name) for name in names]


def ask_folder(parent: QWidget) -> Path | None:
    """Ask for a folder of images, or a project; None if the dialog is left."""
    name = QFileDialog.getExistingDirectory(parent, "Open a folder of images, or a project")
    return Path(name) if name else None


def ask_export_folder(parent: QWidget) -> Path | None:
    """Ask for the folder to export into; None if the dialog is left."""
    name = QFileDialog.getExistingDirectory(parent, "Export contours into this folder")
    return Path(name) if name else None


def ask_results_folder(parent: QWidget) -> Path | None:
    """Ask for a folder of results; None if the dialog is left."""
    name = QFileDialog.getExistingDirectory(parent, "Open results of segsem extract")
    return Path(name) if name else None


def ask_report_file(parent: QWidget) -> Path | None:
    """Ask for the file of a report; None if the dialog is left."""
    title = "Write the report into this file"
    name, _ = QFileDialog.getSaveFileName(parent, title, "report.html", "HTML (*.html)")
    if not name:
        return None
    return Path(name) if Path(name).suffix else Path(f"{name}.html")


def ask_table_file(parent: QWidget) -> Path | None:
    """Ask for the file of a table; None if the dialog is left."""
    title = "Write the numbers into this file"
    name, _ = QFileDialog.getSaveFileName(parent, title, "regions.csv", "CSV (*.csv)")
    if not name:
        return None
    return Path(name) if Path(name).suffix else Path(f"{name}.csv")
