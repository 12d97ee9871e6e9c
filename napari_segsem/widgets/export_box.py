"""The part of Review that exports: formats, what blocks, what was written."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QCheckBox, QGridLayout, QVBoxLayout, QWidget

from napari_segsem._dialogs import ask_export_folder
from napari_segsem._export import FORMATS, blocked_reason, export
from napari_segsem._sessions import Shared
from napari_segsem._tasks import run_in_background
from napari_segsem.widgets.parts import button, text_label

NEEDS_NM = {"oas", "gds"}


class ExportBox(QWidget):
    """Which formats, and the button."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._session = shared.session
        self.formats = {name: QCheckBox(text) for name, text in FORMATS.items()}
        for name, box in self.formats.items():
            box.setChecked(name != "png")
            box.setToolTip(f"Write {FORMATS[name]}")
        self.override = QCheckBox("Export undecided regions all the same")
        self.override.setToolTip("The override is recorded in regions.json with the region numbers")
        self.override.toggled.connect(lambda _checked: self.show_state())
        self.button = button("Export…", "Write the contours into a folder", self._ask)
        self.state = text_label(tip="What blocks the export, or what was written")
        grid = QWidget()
        grid_layout = QGridLayout(grid)
        grid_layout.setContentsMargins(0, 0, 0, 0)
        for index, box in enumerate(self.formats.values()):
            grid_layout.addWidget(box, *divmod(index, 2))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (grid, self.override, self.button, self.state):
            layout.addWidget(widget)
        self.show_state()

    def show_state(self) -> None:
        """Say what blocks the export."""
        review, document = self._session.review, self._session.document
        if review is None or document is None:
            self.button.setEnabled(False)
            return
        self.override.setVisible(bool(review.undecided_ids))
        blocked = blocked_reason(review, override=self.override.isChecked())
        has_nm = document.image.pixel_size_nm is not None
        for name in NEEDS_NM:
            self.formats[name].setEnabled(has_nm)
            if not has_nm:
                self.formats[name].setChecked(False)
                self.formats[name].setToolTip("Needs the pixel size: type it in the header")
        self.button.setEnabled(blocked is None)
        if blocked is not None:
            self.state.setText(blocked)
        elif self.state.text().endswith("override below"):
            self.state.setText("")

    def export_to(self, folder: Path) -> None:
        """Write the chosen formats into a folder."""
        review, document = self._session.review, self._session.document
        chosen = [name for name, box in self.formats.items() if box.isChecked()]
        if review is None or document is None:
            return
        if not chosen:
            self._failed("Choose at least one format")
            return
        override = self.override.isChecked()
        self.button.setEnabled(False)
        self.state.setText("Writing…")
        run_in_background(
            lambda: export(document, review, folder, chosen, override=override),
            self._written,
            self._failed,
        )

    def _ask(self) -> None:
        folder = ask_export_folder(self)
        if folder is not None:
            self.export_to(folder)

    def _written(self, paths: list[Path]) -> None:
        names = ", ".join(path.name for path in paths)
        text = f"Written into {paths[-1].parent}: {names}"
        self.state.setText(text)
        self.button.setEnabled(True)
        self._session.tell(f"{len(paths)} files written")

    def _failed(self, message: str) -> None:
        self.state.setText(message)
        self.button.setEnabled(True)
        self._session.tell_error(message)
