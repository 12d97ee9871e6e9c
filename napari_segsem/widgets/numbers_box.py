"""The page of numbers: a table that sorts and exports, and a plot whose bars and points lead on."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_segsem._dialogs import ask_table_file
from napari_segsem._lot import Lot
from napari_segsem._review_gates import LotFacts, read_facts
from napari_segsem._review_measures import LotMeasures
from napari_segsem._review_numbers import NOTHING, Numbers, collect_numbers, write_numbers
from napari_segsem._sessions import Shared
from napari_segsem._tasks import Pause, run_in_background
from napari_segsem.widgets.numbers_plot import Kind, NumbersPlot
from napari_segsem.widgets.numbers_table import NumbersTable
from napari_segsem.widgets.parts import button, follow, row, text_label
from segsem.review.item import ItemKey

SETTLED_MS = 300
IMAGE, LOT = "This image", "Whole lot"


class NumbersBox(QWidget):
    """Numbers of the regions of the shown image, or of the lot.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._session, self._desk = shared.session, shared.desk
        self.measures = LotMeasures(self._desk, run_in_background)
        self.numbers: Numbers = NOTHING
        self._pause = Pause(SETTLED_MS)
        self._facts: LotFacts | None = None
        self._is_wanted = self._collecting = self._is_stale = False
        self.scope = QComboBox()
        self.scope.addItems([IMAGE, LOT])
        self.scope.setToolTip("Regions that are shown")
        self.csv_button = button("CSV…", "Write this table into a file", self._ask)
        self.again_button = button(
            "Measure again", "Measure as the regions stand by now", self.measures.again
        )
        self.table = NumbersTable()
        self.quantity = QComboBox()
        self.quantity.setToolTip("What the plot shows")
        self.kind = QComboBox()
        self.kind.addItems([kind.value for kind in Kind])
        self.kind.setToolTip("How the plot shows it")
        self.plot = NumbersPlot()
        self.note = text_label(tip="Where the numbers are from, and what is not known")
        self._lay_out()
        self._connect()

    def want(self, wanted: bool) -> None:
        """Tell whether somebody looks: only then numbers are worked out."""
        self._is_wanted = wanted
        self.refresh()

    def refresh(self) -> None:
        """Work the numbers out as it all stands now, if somebody looks."""
        lot = self._desk.lot
        if lot is None or not self._is_wanted:
            return
        if self._collecting:
            self._is_stale = True
            return
        chosen = self._chosen_images(lot)
        self.measures.want(chosen)
        known, facts = dict(self.measures.known), self._facts
        self._collecting, self._is_stale = True, False

        def work() -> tuple[LotFacts, Numbers]:
            read = read_facts(lot.folder, facts)
            return read, collect_numbers(lot, chosen, known, read.limits.outlier_z)

        def done(found: tuple[LotFacts, Numbers]) -> None:
            self._facts, numbers = found
            self._collected(lot, numbers, "")

        run_in_background(work, done, lambda message: self._collected(lot, NOTHING, message))

    def write(self, path: Path) -> None:
        """Write the table into a file, in the background."""
        lot, numbers = self._desk.lot, self.numbers
        if lot is None:
            return
        statuses = {key: lot.status(key) for key in numbers.keys}

        def written(_nothing: None) -> None:
            self._session.tell(f"{len(numbers.keys)} regions written into {path}")

        run_in_background(
            lambda: write_numbers(path, numbers, statuses), written, self._session.tell_error
        )

    def _collected(self, lot: Lot, numbers: Numbers, error: str) -> None:
        self._collecting = False
        if self.measures.is_closed:
            # So is the panel: its widgets are no more.
            return
        if lot is self._desk.lot:
            self._show(lot, numbers, error)
        if self._is_stale or lot is not self._desk.lot:
            self.refresh()

    def _show(self, lot: Lot, numbers: Numbers, error: str) -> None:
        self.numbers = numbers
        chosen = self.quantity.currentData()
        self.quantity.blockSignals(True)
        self.quantity.clear()
        for one in numbers.quantities:
            self.quantity.addItem(one.title, one.name)
        self.quantity.setCurrentIndex(max(self.quantity.findData(chosen), 0))
        self.quantity.blockSignals(False)
        self.table.show_numbers(numbers, lot.current)
        self._show_plot()
        self.csv_button.setEnabled(bool(numbers.keys))
        self.again_button.setEnabled(not self.measures.is_busy)
        self.note.setText(error or self._note(lot))

    def _note(self, lot: Lot) -> str:
        chosen = self._chosen_images(lot)
        unknown = [name for name in chosen if lot.results[name].record.pixel_size_nm is None]
        if self.measures.error:
            return f"CD and roughness could not be measured: {self.measures.error}"
        if unknown:
            of = "this image" if len(chosen) == 1 else f"{len(unknown)} images"
            return (
                f"Pixel size of {of} unknown: sizes in px, no CD, no roughness. Type it in the "
                "header and extract again."
            )
        if self.measures.is_busy:
            waiting = len(self.measures.missing(chosen))
            of = f" of {waiting} more images" if waiting > 1 else ""
            return f"Measuring CD and roughness{of}…"
        here = any(name in self.measures.made_here for name in chosen)
        told = "Measured for this window." if here else "As segsem measure wrote it."
        if self.numbers.column("epe_mean_nm") is None:
            told += " No EPE: run segsem measure with --design."
        if self.measures.is_outdated:
            told += " Before the last decisions: Measure again."
        return told

    def _chosen_images(self, lot: Lot) -> list[str]:
        review = self._session.review
        if self.scope.currentText() == LOT:
            return list(lot.results)
        if review is not None and review.lot is lot:
            return [review.image_id]
        return [] if lot.current is None else [lot.current.image_id]

    def _show_plot(self) -> None:
        self.plot.show_numbers(self.numbers, str(self.quantity.currentData() or ""))
        self.plot.show_current(None if self._desk.lot is None else self._desk.lot.current)

    def _show_current(self) -> None:
        current = None if self._desk.lot is None else self._desk.lot.current
        self.table.show_current(current)
        self.plot.show_current(current)

    def _image_changed(self) -> None:
        if self.scope.currentText() == IMAGE:
            self.refresh()

    def _decided(self) -> None:
        if self._is_wanted:
            self._pause.restart(self.refresh)

    def _choose(self, key: ItemKey) -> None:
        self._desk.choose(key)

    def _ask(self) -> None:
        path = ask_table_file(self)
        if path is not None:
            self.write(path)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row(self.scope, self.again_button, self.csv_button))
        layout.addWidget(self.table, 3)
        layout.addWidget(row(self.quantity, self.kind))
        layout.addWidget(self.plot, 2)
        layout.addWidget(self.note)

    def _connect(self) -> None:
        follow(self, self.measures.changed, self.refresh)
        follow(self, self._desk.lot_changed, self.refresh)
        follow(self, self._desk.decisions_changed, self._decided)
        follow(self, self._desk.current_changed, self._show_current)
        follow(self, self._session.review_changed, self._image_changed)
        self.scope.currentIndexChanged.connect(lambda _index: self.refresh())
        self.quantity.currentIndexChanged.connect(lambda _index: self._show_plot())
        self.kind.currentTextChanged.connect(lambda text: self.plot.show_kind(Kind(text)))
        self.table.chosen.connect(self._choose)
        self.plot.chosen.connect(self._choose)
