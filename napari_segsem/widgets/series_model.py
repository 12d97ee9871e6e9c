"""The series as rows of a list: names, pictures, how far each image is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap

from napari_segsem._series import ImageStatus, Series, SeriesEntry
from napari_segsem._thumbnails import SIDE_PX, Thumbnails
from napari_segsem.widgets.parts import follow

ICON_PX = 48
_NO_PARENT = QModelIndex()


def entry_text(entry: SeriesEntry) -> str:
    """Say in two lines what an image is and how far it is."""
    noun = "object" if entry.n_objects == 1 else "objects"
    parts = [entry.status.value]
    if entry.n_objects or entry.status is not ImageStatus.UNTOUCHED:
        parts.append(f"{entry.n_objects:,} {noun}")
    if entry.in_training_set:
        parts.append("training set")
    return f"{entry.name}\n{', '.join(parts)}"


class SeriesModel(QAbstractListModel):
    """Rows for a list view; pictures are asked for once they are in sight.

    Parameters
    ----------
    series : Series
    thumbnails : Thumbnails
    """

    def __init__(self, series: Series, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._series, self._thumbnails = series, thumbnails
        self._paths: list[Path | None] = []
        self._row_of: dict[Path, int] = {}
        self._icons: dict[Path, QIcon] = {}
        self._blank = _blank_icon()
        follow(self, thumbnails.arrived, self._picture_arrived)
        self.read()

    def rowCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        """Count the images."""
        return 0 if parent.isValid() else len(self._paths)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, picture or tooltip of a row."""
        if not index.isValid() or index.row() >= min(len(self._paths), len(self._series)):
            return None
        # Asked for rows in sight only: a series may have thousands.
        entry = self._series.entry(index.row())
        if role == Qt.ItemDataRole.DisplayRole:
            return entry_text(entry)
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(entry.path or entry.name)
        if role == Qt.ItemDataRole.DecorationRole:
            return self._icon(entry.path)
        return None

    def read(self) -> None:
        """Show the series as it is; where the images are the same, only what they say changes."""
        paths = self._series.paths
        if paths != self._paths:
            self.beginResetModel()
            self._paths = paths
            self._row_of = {path: row for row, path in enumerate(paths) if path is not None}
            self._icons.clear()
            self.endResetModel()
        elif paths:
            self.dataChanged.emit(self.index(0), self.index(len(paths) - 1))

    def read_row(self, row: int) -> None:
        """Show one image as it is."""
        if row < len(self._paths):
            self.dataChanged.emit(self.index(row), self.index(row))

    def _icon(self, path: Path | None) -> QIcon:
        if path is None:
            return self._blank
        if path not in self._icons:
            picture = self._thumbnails.get(path)
            if picture is None:
                return self._blank
            height, width = picture.shape
            raw = picture.tobytes()
            image = QImage(raw, width, height, width, QImage.Format.Format_Grayscale8)
            # A copy: the image only borrows the bytes.
            self._icons[path] = QIcon(QPixmap.fromImage(image.copy()))
        return self._icons[path]

    def _picture_arrived(self, path: Path) -> None:
        row = self._row_of.get(path)
        if row is not None:
            self.read_row(row)


def icon_size() -> QSize:
    """Size of a picture in the list."""
    return QSize(ICON_PX, ICON_PX)


def _blank_icon() -> QIcon:
    blank = QPixmap(SIDE_PX, SIDE_PX)
    blank.fill(Qt.GlobalColor.transparent)
    return QIcon(blank)
