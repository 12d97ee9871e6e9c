"""The Review and export panel: the queue of a lot, what is doubtful, decisions, export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QLineEdit, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider
from superqt.utils import qthrottled

from napari_segsem._dialogs import ask_results_folder
from napari_segsem._document import Document
from napari_segsem._hover import describe, region_text
from napari_segsem._line_scan import ScanFinder
from napari_segsem._lot import Lot
from napari_segsem._review import Review
from napari_segsem._review_thumbnails import RegionThumbnails
from napari_segsem._review_words import source_text
from napari_segsem._tasks import Pause, run_in_background, soon
from napari_segsem.widgets.batch_box import BatchBox
from napari_segsem.widgets.edit_box import EditBox
from napari_segsem.widgets.export_box import ExportBox
from napari_segsem.widgets.extract_box import ExtractBox
from napari_segsem.widgets.gates_box import GatesBox
from napari_segsem.widgets.keys_box import KeysBox
from napari_segsem.widgets.legend import Legend
from napari_segsem.widgets.line_scan_plot import LineScanPlot
from napari_segsem.widgets.maps_box import MapsBox
from napari_segsem.widgets.numbers_box import NumbersBox
from napari_segsem.widgets.panel import Panel
from napari_segsem.widgets.parts import arrow, button, column, fold, follow, row, text_label
from napari_segsem.widgets.queue_filter import QueueFilterBox
from napari_segsem.widgets.region_table import RegionTable
from napari_segsem.widgets.repeats_box import RepeatsBox
from napari_segsem.widgets.review_pages import Pages
from napari_segsem.widgets.shortcuts import PanelShortcuts

SLIDER_MS = 50
REST_MS = 60
"""A list that nobody scrolls for so long is at rest."""

WIDTH_PX = 380
"""Room for a picture, an image's name and a reason beside each other."""

FOOT_MARGINS = (9, 0, 9, 0)
"""Those of the body above."""


class ReviewPanel(Panel):
    """From an image, or a folder of results, to decided, exported contours."""

    title = "Review and export"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.desk = self.shared.desk
        self.setMinimumWidth(WIDTH_PX)
        self.open_button = button("Open image(s)…", "Open SEM images", self.open_dialog)
        self.results_button = button(
            "Open results…", "Review what segsem extract wrote into a folder", self._ask_results
        )
        self.extract_box = ExtractBox(self.shared)
        self.again_button = button(
            "Extract again",
            "Find the contours of this image anew; decisions hold where the outline is the same",
            self.extract_box.start,
        )
        self.summary = text_label(tip="What was found in this image")
        self.left = text_label(tip="What is left of what the list shows")
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0.0, 1.0)
        self.threshold.setDecimals(2)
        self.threshold.setToolTip("Regions less sure than this are highlighted")
        self.maps_box = MapsBox(self.shared, self.viewer)
        self.filter_box = QueueFilterBox()
        self._rest = Pause(REST_MS)
        self.thumbnails = RegionThumbnails(self.session, run_in_background, self._rest.restart)
        self.table = RegionTable(self.thumbnails)
        self._make_buttons()
        self.current = text_label(tip="The selected region")
        self.hover = text_label(tip="What is under the mouse")
        self.scan_plot = LineScanPlot()
        self._scans = ScanFinder()
        self.batch_box = BatchBox(self.desk)
        self.numbers_box = NumbersBox(self.shared)
        self.repeats_box = RepeatsBox(self.shared, self.numbers_box.measures)
        self.gates_box = GatesBox(self.desk)
        self.export_box = ExportBox(self.shared)
        self.reviewer = QLineEdit()
        self.reviewer.setToolTip("Your name: it stands beside each of your decisions")
        self._results = self._make_results()
        self._fill_body()
        PanelShortcuts(self, self.shared.review_keys)
        self._connect()
        self._show_lot()
        self._show_review()
        self.desk.wake()

    def open_results(self, folder: Path) -> None:
        """Review the results of a folder."""
        self.desk.open(folder)

    def _make_buttons(self) -> None:
        actions = self.shared.review_actions
        self.accept_button = button("Accept (A)", "The region is right", actions["accept"])
        self.reject_button = button("Reject (R)", "Leave the region out", actions["reject"])
        self.undo_button = button("Undo", "Take the last decision back (Ctrl+Z)", actions["undo"])
        self.previous_button = arrow("‹", "Previous region (Shift+N)", actions["previous"])
        self.next_button = arrow("›", "Next region (N)", actions["next"])

    def _make_results(self) -> QWidget:
        results = QWidget()
        layout = QVBoxLayout(results)
        layout.setContentsMargins(0, 0, 0, 0)
        self.scan_fold = fold("Line scan", column(self.hover, self.scan_plot))
        self.batch_fold = fold("Accept many", self.batch_box)
        self.pages = Pages()
        self.regions_page = self.pages.add(
            "Regions",
            "The queue, least sure region first",
            (self.summary, 0),
            (row(QLabel("Highlight below"), self.threshold), 0),
            (Legend(), 0),
            (self.maps_box, 0),
            (self.filter_box, 0),
            (self.table, 1),
            (self.left, 0),
            (self.scan_fold, 0),
            (self.batch_fold, 0),
        )
        self.repeats_page = self.pages.add(
            "Repeats", "The region in the other images of its place", (self.repeats_box, 1)
        )
        self.numbers_page = self.pages.add(
            "Numbers", "Sizes, widths, errors and roughness of regions", (self.numbers_box, 1)
        )
        self.gates_page = self.pages.add(
            "Quality", "May the images and the lot be signed?", (self.gates_box, 1)
        )
        self.export_fold = self.pages.add(
            "Export", "Layouts, tables and the report", (self.export_box, 0)
        )
        layout.addWidget(self.pages)
        return results

    def _make_foot(self) -> QWidget:
        """Decisions, always in sight: below what scrolls."""
        foot = column(
            row(
                self.accept_button,
                self.reject_button,
                self.undo_button,
                self.previous_button,
                self.next_button,
            ),
            self.current,
        )
        self.below_decisions = QVBoxLayout()
        """What else belongs to the current region."""
        self.below_decisions.setContentsMargins(0, 0, 0, 0)
        self.edit_box = EditBox(self.shared)
        self.below_decisions.addWidget(self.edit_box)
        layout = foot.layout()
        if isinstance(layout, QVBoxLayout):
            layout.setContentsMargins(*FOOT_MARGINS)
            layout.addLayout(self.below_decisions)
        return foot

    def _fill_body(self) -> None:
        more = QWidget()
        more_layout = QFormLayout(more)
        more_layout.setContentsMargins(0, 0, 0, 0)
        more_layout.addRow(button("Open other results…", "Another folder", self._ask_results))
        more_layout.addRow("Reviewer", self.reviewer)
        more_layout.addRow("Method", self.extract_box.method)
        more_layout.addRow(self.again_button)
        more_layout.addRow(KeysBox(self.shared.review_keys, self.viewer))
        self.empty_hint = text_label()
        for widget in (self.open_button, self.empty_hint, self.extract_box, self.results_button):
            self.body.addWidget(widget)
        self.body.addWidget(self._results, 1)
        self.body.addWidget(fold("More", more))
        self.body.addStretch(0)
        self._foot = self._make_foot()
        layout = self.layout()
        if isinstance(layout, QVBoxLayout):
            layout.insertWidget(1, self._foot)

    def _connect(self) -> None:
        follow(self, self.session.review_changed, self._show_review)
        follow(self, self.session.document_changed, self._show_review)
        follow(self, self.shared.extraction.changed, self._show_extraction)
        follow(self, self.desk.lot_changed, self._show_lot)
        follow(self, self.desk.decisions_changed, self._show_decisions)
        follow(self, self.desk.threshold_changed, self._show_decisions)
        follow(self, self.desk.shown_changed, self._show_list)
        follow(self, self.desk.current_changed, self._show_current)
        self.table.chosen.connect(self.desk.choose)
        self.filter_box.changed.connect(self._filter)
        self.reviewer.editingFinished.connect(self._name_reviewer)
        self.threshold.valueChanged.connect(qthrottled(self._move_threshold, timeout=SLIDER_MS))
        self.viewer.mouse_move_callbacks.append(self._on_mouse_move)
        self.pages.currentChanged.connect(self._show_page)
        self.destroyed.connect(_Closes(self._rest.stop))
        self.destroyed.connect(_Closes(self.thumbnails.close))
        self.destroyed.connect(_Closes(self.maps_box.close_down))
        self.destroyed.connect(_Closes(self.gates_box.gates.close))
        self.destroyed.connect(_Closes(self.numbers_box.measures.close))
        self.destroyed.connect(_Closes(self.repeats_box.close_down))
        self.destroyed.connect(_Forget(self.viewer.mouse_move_callbacks, self._on_mouse_move))

    def _show_lot(self) -> None:
        lot = self.desk.lot
        for part in (self._results, self._foot):
            part.setVisible(lot is not None)
        self.results_button.setVisible(lot is None)
        if lot is not None:
            self.filter_box.show_lot(lot)
            self.threshold.setValue(lot.threshold)
            self.reviewer.setText(lot.reviewer)
        self._show_list()
        self._show_review()
        soon(self._settle)

    def _settle(self) -> None:
        # Labels find their heights once they are seen: only then the parts know their places.
        for part in (self._results, self.body.parentWidget()):
            layout = None if part is None else part.layout()
            if layout is not None:
                layout.invalidate()
                layout.activate()

    def _show_review(self) -> None:
        document, lot = self.session.document, self.desk.lot
        self.open_button.setVisible(document is None)
        self.header.be_brief(lot is not None)
        self._show_extraction()
        self.empty_hint.setVisible(lot is None)
        self.empty_hint.setText(self._hint())
        self._show_decisions()
        self._show_current()

    def _show_extraction(self) -> None:
        """Offer to extract where it is the next thing to do; else it is one of the other things."""
        run = self.shared.extraction
        self.again_button.setEnabled(self.session.document is not None and not run.is_running)
        is_next = not self.desk.shows(self.session.document) and not self.desk.is_opening
        self.extract_box.setVisible(is_next or run.is_running or run.error is not None)

    def _hint(self) -> str:
        if self.desk.is_opening:
            return "Opening results…"
        if self.session.document is None:
            return "Open an SEM image to start, or drop it here. Or open results to review."
        return "Extract the image to see its contours, the doubtful ones first."

    def _show_list(self) -> None:
        self.table.show_lot(self.desk.lot)

    def _show_decisions(self) -> None:
        lot, review = self.desk.lot, self.session.review
        self.table.rows.refresh()
        self.summary.setText("" if review is None else summary_text(review))
        self.summary.setVisible(review is not None)
        if lot is not None:
            self.left.setText(left_text(lot))
            self.undo_button.setEnabled(bool(lot.review.undo_name))
        self._show_current_text()
        self.export_box.show_state()

    def _show_current(self) -> None:
        self.table.show_current(self.desk.lot)
        self._show_current_text()

    def _show_current_text(self) -> None:
        lot, review = self.desk.lot, self.session.review
        region = None if review is None else review.current
        if region is not None:
            self.current.setText(region_text(region))
        elif lot is not None and lot.current is not None:
            self.current.setText(f"Opening {lot.current.image_id}…")
        else:
            self.current.setText("")

    def _show_page(self, _index: int) -> None:
        """Work out what a page shows only while somebody looks at it."""
        page = self.pages.currentWidget()
        self.gates_box.want(page is self.gates_page)
        self.numbers_box.want(page is self.numbers_page)
        self.repeats_box.want(page is self.repeats_page)

    def _filter(self, wanted: Any) -> None:
        if self.desk.lot is not None:
            self.desk.lot.show_only(wanted)
            self._show_decisions()
            self.desk.show_current()

    def _ask_results(self) -> None:
        folder = ask_results_folder(self)
        if folder is not None:
            self.open_results(folder)

    def _name_reviewer(self) -> None:
        if self.desk.lot is not None:
            self.desk.lot.reviewer = self.reviewer.text().strip()

    def _move_threshold(self, value: float) -> None:
        if self.desk.lot is not None:
            self.desk.lot.set_threshold(float(value))

    def _on_mouse_move(self, _viewer: Any, event: Any) -> None:
        document = self.session.document
        if document is not None and self._results.isVisible():
            region = self.shared.review_layers.region_at(event.position)
            self.hover.setText(describe(document, event.position, region))
            self._show_scan(document, event.position)

    def _show_scan(self, document: Document, position: Any) -> None:
        review = self.session.review
        if review is None or not self.scan_plot.isVisible():
            self.scan_plot.show_scan(None)
            return
        point_rc = np.asarray(position, float)[-2:] / np.asarray(document.scale)
        self.scan_plot.show_scan(self._scans.at(document, review, point_rc))


class _Closes:
    """Closes something once the panel is gone."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def __call__(self, *_destroyed: object) -> None:
        self._close()


class _Forget:
    """Removes a callback from a list once the panel is gone."""

    def __init__(self, callbacks: list[Any], callback: Any) -> None:
        self._callbacks, self._callback = callbacks, callback

    def __call__(self) -> None:
        if self._callback in self._callbacks:
            self._callbacks.remove(self._callback)


def summary_text(review: Review) -> str:
    """Say how many regions of an image stand on what, and what is left to do."""
    regions = review.extraction.regions
    if not regions:
        return "No regions found. Check the tone and the focus of the image."
    counts = Counter(source_text(region) for region in regions)
    by_source = ", ".join(f"{n} {source}" for source, n in counts.items())
    text = f"{len(regions)} regions ({by_source}). {len(review.doubtful)} doubtful"
    undecided = len(review.undecided_ids)
    return f"{text}, {undecided} to be decided before export." if undecided else f"{text}."


def left_text(lot: Lot) -> str:
    """Say how much of what the list shows is left, and what became of the rest."""
    counts = lot.counts
    decided = {
        "accepted": counts.accepted,
        "corrected": counts.corrected,
        "rejected": counts.rejected,
    }
    words = [f"{number} {word}" for word, number in decided.items() if number]
    n_images = len(lot.results)
    of = f" in {n_images} images" if n_images > 1 else ""
    return ", ".join([f"{counts.open} of {counts.total} regions open{of}", *words])
