"""The part of Review that exports: formats, what blocks, what would be and what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QCheckBox, QGridLayout, QVBoxLayout, QWidget

from napari_segsem._dialogs import ask_export_folder, ask_report_file
from napari_segsem._export import (
    CHOSEN,
    FORMATS,
    NEEDS_NM,
    Wish,
    blocked_reason,
    export,
    names_of,
    preview,
    report,
)
from napari_segsem._sessions import Shared
from napari_segsem._tasks import run_in_background
from napari_segsem.widgets.parts import button, row, text_label


class ExportBox(QWidget):
    """Which formats and regions, a preview, and the button."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._session, self._desk = shared.session, shared.desk
        self._busy = False
        self.formats = {name: QCheckBox(text) for name, text in FORMATS.items()}
        for name, box in self.formats.items():
            box.setChecked(name in CHOSEN)
            box.setToolTip(f"Write {FORMATS[name]}")
        self.only_accepted = QCheckBox("Only accepted and corrected regions")
        self.only_accepted.setToolTip("Otherwise all but rejected regions are exported")
        self.image_frame = QCheckBox("Image coordinates although registered")
        self.image_frame.setToolTip("Leave cells where the image has them, not in the design's")
        self.override = QCheckBox("Export undecided regions all the same")
        self.override.setToolTip("The override is recorded in manifest.json with region numbers")
        self.preview_button = button(
            "Preview", "Cells, layers, counts and extent; nothing is written", self.show_preview
        )
        self.button = button("Export…", "Write the contours into a folder", self._ask)
        self.report_button = button(
            "Report…", "Write verdict, figures and pictures as one HTML file", self._ask_report
        )
        self.state = text_label(tip="What blocks the export, or what was written")
        self._lay_out()
        self.show_state()

    def _lay_out(self) -> None:
        grid = QWidget()
        grid_layout = QGridLayout(grid)
        grid_layout.setContentsMargins(0, 0, 0, 0)
        for index, box in enumerate(self.formats.values()):
            grid_layout.addWidget(box, *divmod(index, 3))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        buttons = row(self.preview_button, self.button, self.report_button)
        choices = (self.only_accepted, self.image_frame, self.override)
        for widget in (grid, *choices, buttons, self.state):
            layout.addWidget(widget)
        for box in (*self.formats.values(), *choices):
            box.toggled.connect(self._asked_otherwise)

    @property
    def wish(self) -> Wish:
        """What is chosen."""
        return Wish(
            tuple(name for name, box in self.formats.items() if box.isChecked()),
            self.only_accepted.isChecked(),
            self.override.isChecked(),
            self.image_frame.isChecked(),
        )

    def show_state(self) -> None:
        """Say what blocks the export."""
        lot = self._desk.lot
        for made in (self.button, self.preview_button, self.report_button):
            made.setEnabled(lot is not None and not self._busy)
        if lot is None:
            return
        self.override.setVisible(bool(lot.undecided) and not self.only_accepted.isChecked())
        self.image_frame.setVisible((lot.folder / "measure").is_dir())
        has_nm = all(r.record.pixel_size_nm is not None for r in lot.results.values())
        for name in NEEDS_NM:
            self.formats[name].setEnabled(has_nm)
            if not has_nm:
                self.formats[name].setChecked(False)
                self.formats[name].setToolTip(
                    "Needs the pixel size of all images: type it in the header and extract again"
                )
        blocked = blocked_reason(lot, self.wish)
        if blocked is not None:
            self.button.setEnabled(False)
            self.state.setText(blocked)
        elif self._is_block(self.state.text()):
            self.state.setText("")

    def show_preview(self) -> None:
        """Say what would be written."""
        lot, wish = self._desk.lot, self.wish
        if lot is None or not wish.formats:
            self.show_state()
            return

        def shown(found: tuple[list[str], list[str]]) -> None:
            lines, blocked = found
            self._done([*(f"Refused: {reason}" for reason in blocked), "Would write:", *lines])

        self._work("Building a preview…", lambda: preview(lot.folder, wish), shown)

    def export_to(self, folder: Path) -> None:
        """Write the chosen formats into a folder."""
        lot, wish = self._desk.lot, self.wish
        if lot is None:
            return
        if not wish.formats:
            self._failed("Choose at least one format")
            return

        def written(paths: list[Path]) -> None:
            self._done([f"Written into {folder}: {names_of(paths)}"])
            self._session.tell(f"{len(paths)} files written")

        self._work("Writing…", lambda: export(lot.folder, folder, wish), written)

    def report_to(self, path: Path) -> None:
        """Write the report."""
        lot = self._desk.lot
        if lot is None:
            return

        def written(made: Path) -> None:
            self._done([f"Report written: {made}"])
            self._session.tell(f"Report written: {made.name}")

        self._work("Writing the report…", lambda: report(lot.folder, path), written)

    def _work(self, text: str, work: Any, done: Any) -> None:
        self._busy = True
        self.show_state()
        self.state.setText(text)
        run_in_background(work, done, self._failed)

    def _ask(self) -> None:
        folder = ask_export_folder(self)
        if folder is not None:
            self.export_to(folder)

    def _ask_report(self) -> None:
        path = ask_report_file(self)
        if path is not None:
            self.report_to(path)

    def _asked_otherwise(self, _checked: bool) -> None:
        # A preview of something else would mislead.
        if not self._busy:
            self.state.setText("")
        self.show_state()

    def _done(self, lines: list[str]) -> None:
        self._busy = False
        self.show_state()
        self.state.setText("\n".join(lines))

    def _failed(self, message: str) -> None:
        self._done([message])
        self._session.tell_error(message)

    @staticmethod
    def _is_block(text: str) -> bool:
        return text.endswith(("override here", "rejected ones", "one format"))
