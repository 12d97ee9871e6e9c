"""The accepted objects of the image, with their areas."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt
from qtpy.QtWidgets import QListView, QVBoxLayout, QWidget

from napari_segsem._document import Document
from napari_segsem._hover import object_text
from napari_segsem._sessions import Shared
from napari_segsem.widgets.parts import button

LIST_HEIGHT = 140


class ObjectRows(QAbstractListModel):
    """Rows are made when they are seen: thousands of objects cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._document: Document | None = None
        self._ids: list[int] = []

    def show(self, document: Document | None) -> None:
        """Show the objects of a document as they are now."""
        self.beginResetModel()
        self._document = document
        self._ids = [] if document is None else list(document.annotation.objects)
        self.endResetModel()

    def object_id(self, index: QModelIndex) -> int | None:
        """Id of a row's object; None where there is no such row."""
        return self._ids[index.row()] if index.isValid() else None

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Count the objects."""
        return len(self._ids)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Say what an object is."""
        if role != Qt.ItemDataRole.DisplayRole or self._document is None:
            return None
        known = self._document.annotation.objects.get(self._ids[index.row()])
        return None if known is None else object_text(self._document, known)


class ObjectList(QWidget):
    """List of objects; the chosen one can be deleted."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._session = shared.session
        self.rows = ObjectRows()
        self.view = QListView()
        self.view.setModel(self.rows)
        self.view.setUniformItemSizes(True)
        self.view.setFixedHeight(LIST_HEIGHT)
        self.view.setToolTip("Accepted objects: where they come from, score and area")
        self.delete_button = button(
            "Delete object", "Delete the object chosen in the list", self._delete
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        layout.addWidget(self.delete_button)

    def show_objects(self) -> None:
        """Show the objects as they are now."""
        document = self._session.document
        self.rows.show(document)
        self.delete_button.setEnabled(document is not None and bool(document.annotation.objects))

    def _delete(self) -> None:
        chosen, annotation = self.rows.object_id(self.view.currentIndex()), self._session.annotation
        if chosen is None or annotation is None:
            self._session.tell("Choose an object in the list first")
            return
        annotation.delete(chosen)
