"""The Review and export panel: extract, look at what is doubtful, decide, export."""

from __future__ import annotations

from collections import Counter
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider
from superqt.utils import qthrottled

from napari_segsem._hover import describe, region_text
from napari_segsem._review import Review
from napari_segsem._review_layers import source_text
from napari_segsem.widgets.export_box import ExportBox
from napari_segsem.widgets.extract_box import ExtractBox
from napari_segsem.widgets.keys_box import KeysBox
from napari_segsem.widgets.legend import Legend
from napari_segsem.widgets.panel import Panel
from napari_segsem.widgets.parts import arrow, button, fold, follow, row, text_label
from napari_segsem.widgets.region_table import RegionTable
from napari_segsem.widgets.shortcuts import PanelShortcuts

SLIDER_MS = 50


class ReviewPanel(Panel):
    """From an image to decided, exported contours."""

    title = "Review and export"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        actions = self.shared.review_actions
        self.open_button = button("Open image(s)…", "Open SEM images", self.open_dialog)
        self.extract_box = ExtractBox(self.shared)
        self.summary = text_label(tip="What was found")
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0.0, 1.0)
        self.threshold.setDecimals(2)
        self.threshold.setToolTip("Regions less sure than this are highlighted")
        self.table = RegionTable()
        self.accept_button = button("Accept (A)", "The region is right", actions["accept"])
        self.reject_button = button("Reject (R)", "Leave the region out", actions["reject"])
        self.previous_button = arrow("‹", "Previous region (Shift+N)", actions["previous"])
        self.next_button = arrow("›", "Next region (N)", actions["next"])
        self.current = text_label(tip="The selected region")
        self.hover = text_label(tip="What is under the mouse")
        self.export_box = ExportBox(self.shared)
        self._results = self._make_results()
        self._fill_body()
        PanelShortcuts(self, self.shared.review_keys)
        self._followed: Review | None = None
        self._connect()
        self._show_review()

    def _make_results(self) -> QWidget:
        results = QWidget()
        layout = QVBoxLayout(results)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.summary)
        layout.addWidget(row(QLabel("Highlight below"), self.threshold))
        layout.addWidget(Legend())
        layout.addWidget(self.table, 1)
        layout.addWidget(
            row(self.accept_button, self.reject_button, self.previous_button, self.next_button)
        )
        layout.addWidget(self.current)
        layout.addWidget(self.hover)
        self.export_fold = fold("Export", self.export_box)
        layout.addWidget(self.export_fold)
        return results

    def _fill_body(self) -> None:
        more = QWidget()
        more_layout = QFormLayout(more)
        more_layout.setContentsMargins(0, 0, 0, 0)
        more_layout.addRow("Method", self.extract_box.method)
        more_layout.addRow(KeysBox(self.shared.review_keys, self.viewer))
        self.empty_hint = text_label()
        for widget in (self.open_button, self.empty_hint, self.extract_box):
            self.body.addWidget(widget)
        self.body.addWidget(self._results, 1)
        self.body.addWidget(fold("More", more))
        self.body.addStretch(0)

    def _connect(self) -> None:
        follow(self, self.session.review_changed, self._show_review)
        follow(self, self.session.document_changed, self._show_review)
        self.table.chosen.connect(self._choose)
        self.threshold.valueChanged.connect(qthrottled(self._move_threshold, timeout=SLIDER_MS))
        self.viewer.mouse_move_callbacks.append(self._on_mouse_move)
        self.destroyed.connect(_Forget(self.viewer.mouse_move_callbacks, self._on_mouse_move))

    def _show_review(self) -> None:
        document, review = self.session.document, self.session.review
        self.open_button.setVisible(document is None)
        self.empty_hint.setVisible(review is None)
        self.empty_hint.setText(
            "Open an SEM image to start, or drop it here."
            if document is None
            else "Extract the image to see its contours, the doubtful ones first."
        )
        self._results.setVisible(review is not None)
        if review is not None and review is not self._followed:
            follow(self, review.decisions_changed, self._show_decisions)
            follow(self, review.threshold_changed, self._show_decisions)
            follow(self, review.current_changed, self._show_current)
        self._followed = review
        self.table.rows.set_review(review)
        if review is not None:
            self.threshold.setValue(review.threshold)
            self._show_decisions()
            self._show_current()
        self.export_box.show_state()

    def _show_decisions(self) -> None:
        review = self.session.review
        if review is None:
            return
        self.table.rows.refresh()
        self.current.setText("" if review.current is None else region_text(review.current))
        self.summary.setText(summary_text(review))
        self.export_box.show_state()

    def _show_current(self) -> None:
        review = self.session.review
        if review is not None:
            self.table.select_region(review)
            self.current.setText("" if review.current is None else region_text(review.current))

    def _choose(self, region_id: int) -> None:
        if self.session.review is not None:
            self.session.review.select(region_id)
            self.shared.review_layers.go_to_current()

    def _move_threshold(self, value: float) -> None:
        if self.session.review is not None:
            self.session.review.set_threshold(float(value))

    def _on_mouse_move(self, _viewer: Any, event: Any) -> None:
        document = self.session.document
        if document is not None and self._results.isVisible():
            region = self.shared.review_layers.region_at(event.position)
            self.hover.setText(describe(document, event.position, region))


class _Forget:
    """Removes a callback from a list once the panel is gone."""

    def __init__(self, callbacks: list[Any], callback: Any) -> None:
        self._callbacks, self._callback = callbacks, callback

    def __call__(self) -> None:
        if self._callback in self._callbacks:
            self._callbacks.remove(self._callback)


def summary_text(review: Review) -> str:
    """Say how many regions stand on what, and what is left to do."""
    regions = review.regions
    if not regions:
        return "No regions found. Check the tone and the focus of the image."
    counts = Counter(source_text(region) for region in regions)
    by_source = ", ".join(f"{n} {source}" for source, n in counts.items())
    text = f"{len(regions)} regions ({by_source}). {len(review.doubtful)} doubtful"
    undecided = len(review.undecided_ids)
    return f"{text}, {undecided} to be decided before export." if undecided else f"{text}."
