"""Accept all regions that are sure enough, in one step that one undo takes back."""

from __future__ import annotations

from qtpy.QtWidgets import QDoubleSpinBox, QVBoxLayout, QWidget

from napari_segsem._review_desk import ReviewDesk
from napari_segsem.widgets.parts import button, follow, row, text_label

DEFAULT = 0.95


class BatchBox(QWidget):
    """A limit, how many it takes, and the button."""

    def __init__(self, desk: ReviewDesk) -> None:
        super().__init__()
        self._desk = desk
        self.limit = QDoubleSpinBox()
        self.limit.setRange(0.0, 1.0)
        self.limit.setSingleStep(0.01)
        self.limit.setDecimals(2)
        self.limit.setValue(DEFAULT)
        self.limit.setToolTip("Confidence from which on open regions are accepted")
        self.button = button(
            "Accept all",
            "Accept the open regions of the list that are at least so sure, in one step; those "
            "that need a decision are left for you",
            lambda: desk.accept_above(self.limit.value()),
        )
        self.text = text_label(tip="What the button would accept")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(text_label("Confidence from"), self.limit, self.button))
        layout.addWidget(self.text)
        self.limit.valueChanged.connect(lambda _value: self.show_state())
        for signal in (desk.lot_changed, desk.decisions_changed, desk.shown_changed):
            follow(self, signal, self.show_state)
        self.show_state()

    def show_state(self) -> None:
        """Say how many regions the button would accept."""
        lot = self._desk.lot
        if lot is None:
            self.button.setEnabled(False)
            return
        count = lot.n_above(self.limit.value())
        self.button.setEnabled(count > 0 and not self._desk.is_busy)
        if self._desk.is_busy:
            self.text.setText("Reading outlines…")
        else:
            noun = "region" if count == 1 else "regions"
            self.text.setText(f"{count} open {noun} of the list would be accepted")
