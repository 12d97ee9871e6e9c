"""The part of Review that chooses a design and says where the image lies in it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from napari_segsem._design import told
from napari_segsem._sessions import Shared
from napari_segsem.widgets.parts import button, follow, row, text_label

FILTER = "Layouts (*.oas *.oasis *.gds *.gdsii *.glp *.svg);;All files (*)"


class DesignBox(QWidget):
    """File, layer, cell, place; and in words how well the image lies there."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._session, self._desk = shared.session, shared.design
        self.choose_button = button(
            "Design…", "Choose a layout: GDSII, OASIS, GLP or SVG", self._ask
        )
        self.remove_button = button("Remove", "Work without a design", self._desk.remove)
        self.file_label = text_label(tip="The layout")
        self.layer = QComboBox()
        self.layer.setToolTip("Layer / datatype that the image shows")
        self.layer.activated.connect(lambda _: self._desk.choose_layer(self.layer.currentText()))
        self.cell = QLineEdit()
        self.cell.setPlaceholderText("the top cell")
        self.cell.setToolTip("Name of the cell, where the file has several")
        self.cell.editingFinished.connect(self._take_cell)
        self.place = QLineEdit()
        self.place.setPlaceholderText("X, Y in nm: found by itself")
        self.place.setToolTip("Where in the design the middle of the image lies, if you know it")
        self.place.editingFinished.connect(lambda: self._desk.say_place(self.place.text()))
        self.state_label = text_label(tip="Where the image lies in the design")
        self._form = QWidget()
        form = QFormLayout(self._form)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Layer", self.layer)
        form.addRow("Cell", self.cell)
        form.addRow("Middle at", self.place)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(self.choose_button, self.file_label, self.remove_button))
        layout.addWidget(self._form)
        layout.addWidget(self.state_label)
        follow(self, self._desk.changed, self.show_state)
        follow(self, self._session.document_changed, self.show_state)
        self.show_state()

    def choose(self, path: Path) -> None:
        """Take a layout."""
        self.cell.clear()
        self.place.clear()
        self._desk.choose(path)

    def show_state(self) -> None:
        """Show what was chosen and what was found."""
        choice, document = self._desk.choice, self._session.document
        self.remove_button.setVisible(choice is not None)
        self._form.setVisible(choice is not None)
        self.file_label.setText("" if choice is None else choice.path.name)
        shown = [self.layer.itemText(number) for number in range(self.layer.count())]
        if shown != self._desk.layers:
            self.layer.clear()
            self.layer.addItems(self._desk.layers)
        layer = None if choice is None else choice.layer
        self.layer.setCurrentIndex(-1 if layer is None else self.layer.findText(layer))
        has_size = document is not None and document.image.pixel_size_nm is not None
        self.state_label.setText(told(self._desk, document is not None, has_size))

    def _take_cell(self) -> None:
        choice, name = self._desk.choice, self.cell.text().strip() or None
        if choice is not None and name != choice.cell:
            self._desk.choose(choice.path, name)

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Choose a layout", "", FILTER)
        if name:
            self.choose(Path(name))
