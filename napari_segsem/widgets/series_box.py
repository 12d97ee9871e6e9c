"""Images one after another: the list, next unfinished, done, the project they are kept in."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import QListView, QVBoxLayout, QWidget

from napari_segsem._dialogs import ask_folder
from napari_segsem._sessions import Shared
from napari_segsem.widgets.action_button import ActionButton
from napari_segsem.widgets.parts import button, follow, row, text_label
from napari_segsem.widgets.series_model import SeriesModel, icon_size

LIST_HEIGHT_PX = 260


class SeriesBox(QWidget):
    """The images that are open, how far each is, and where one stopped.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared, self._series = shared, shared.session.series
        keys = shared.keys
        self.progress_label = text_label(tip="Images of this series that are marked as done")
        self.project_label = text_label(tip="Where your work is kept: each step, at once")
        self.model = SeriesModel(self._series, shared.thumbnails)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setToolTip("Images of the series; click one to open it")
        self.list.setUniformItemSizes(True)
        self.list.setIconSize(icon_size())
        self.list.setFixedHeight(LIST_HEIGHT_PX)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.clicked.connect(self._chosen)
        self.unfinished_button = ActionButton(keys, "next_unfinished", "Next unfinished")
        self.done_button = ActionButton(keys, "image_done", "Mark as done")
        self.resume_button = button(
            "Continue where you stopped", "Open the series and image of last time", self._resume
        )
        self.folder_button = button(
            "Open folder…",
            "Open a folder of images, or a project's folder; or drop it on this panel",
            self._open_folder,
        )
        self._lay_out()
        follow(self, self._series.changed, self.show_series)
        follow(self, self._series.entry_changed, self._show_entry)
        self.show_series()

    def show_series(self) -> None:
        """Show what is open."""
        self.model.read()
        index, count = self._series.index, len(self._series)
        if count:
            self.list.setCurrentIndex(self.model.index(index))
            self.list.scrollTo(self.model.index(index))
        self.list.setVisible(count > 0)
        self.unfinished_button.setEnabled(count > 1)
        self.done_button.setEnabled(count > 0)
        place = self._series.last_place
        self.resume_button.setVisible(count == 0 and place is not None)
        if place is not None:
            self.resume_button.setToolTip(f"Open {Path(place.current).name} and its series")
        self._show_progress()

    def _show_progress(self) -> None:
        count = len(self._series)
        done, is_done = self._series.count_done(), self._series.is_done
        self.progress_label.setText(f"{done} of {count} images done" if count else "No series yet")
        self.done_button.setText("Not done after all" if is_done else "Mark as done")
        project = self._series.project
        if project is not None:
            self.project_label.setText(f"Kept in project {project.name}")
            self.project_label.setToolTip(f"Each step is kept at once, in {project.folder}")

    def _show_entry(self, index: int) -> None:
        self.model.read_row(index)

    def _chosen(self, index: QModelIndex) -> None:
        self._series.go_to(index.row())

    def _resume(self) -> None:
        self._series.resume()

    def _open_folder(self) -> None:
        folder = ask_folder(self)
        if folder is not None:
            self._shared.session.open_files([folder])

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.resume_button,
            row(self.progress_label, self.folder_button),
            self.list,
            row(self.unfinished_button, self.done_button),
            self.project_label,
        ):
            layout.addWidget(widget)
