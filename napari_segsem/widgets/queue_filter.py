"""What of the queue is shown: status, source, flag, image, group, words of the reason."""

from __future__ import annotations

from typing import Any

from psygnal import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segsem._lot import Lot
from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import ReviewStatus, Source
from segsem.review.item import ItemFlag
from segsem.review.queue import QueueFilter

STATUSES = (
    ("All regions", None),
    ("Open", ReviewStatus.PENDING),
    ("Accepted", ReviewStatus.ACCEPTED),
    ("Corrected", ReviewStatus.CORRECTED),
    ("Rejected", ReviewStatus.REJECTED),
)


class QueueFilterBox(QWidget):
    """One choice in sight, the others folded away."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._filling = False
        self.status = _combo("Regions that are shown", STATUSES)
        self.source = _combo(
            "Method that the region stands on",
            [("Any", None), *((_source_text(source), source) for source in Source)],
        )
        self.flag = _combo(
            "What is special about the region",
            [("Any", None), *((flag.value, flag) for flag in ItemFlag)],
        )
        self.image = _combo("One image of the lot", [("All", None)])
        self.group = _combo("Wafer, site, dose and the like", [("All", None)])
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("part of the reason")
        self.reason.setToolTip("Words of the reason, e.g. contrast")
        self.reason.setClearButtonEnabled(True)
        self._lay_out()
        for combo in (self.status, self.source, self.flag, self.image, self.group):
            combo.currentIndexChanged.connect(self._tell)
        self.reason.textChanged.connect(self._tell)

    def _lay_out(self) -> None:
        more = QWidget()
        self._form = QFormLayout(more)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for label, widget in (
            ("Source", self.source),
            ("Flag", self.flag),
            ("Image", self.image),
            ("Group", self.group),
            ("Reason", self.reason),
        ):
            self._form.addRow(label, widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        # Beside the one choice: a fold of its own would take a row from the queue.
        self.more_button = QPushButton("Filter")
        self.more_button.setToolTip("Choose by source, flag, image, group and reason as well")
        self.more_button.setCheckable(True)
        self.more_button.toggled.connect(more.setVisible)
        more.hide()
        choice = QHBoxLayout()
        choice.addWidget(self.status, 1)
        choice.addWidget(self.more_button)
        layout.addLayout(choice)
        layout.addWidget(more)

    @property
    def wanted(self) -> QueueFilter:
        """What is asked for."""
        group = self.group.currentData()
        return QueueFilter(
            sources=_set(self.source),
            statuses=_set(self.status),
            flags=_set(self.flag),
            images=_set(self.image),
            groups={} if group is None else {group[0]: group[1]},
            reason=self.reason.text().strip(),
        )

    def show_lot(self, lot: Lot) -> None:
        """Offer the images and groups of a lot; all of it is asked for."""
        self._filling = True
        images = lot.review.images
        groups = {pair for image in images.values() for pair in image.groups.items()}
        _fill(self.image, [("All", None), *((name, name) for name in images)])
        told = [(f"{name}: {value}", (name, value)) for name, value in sorted(groups)]
        _fill(self.group, [("All", None), *told])
        for combo in (self.status, self.source, self.flag):
            combo.setCurrentIndex(0)
        self.reason.clear()
        self._filling = False
        for widget, choices in ((self.image, len(images)), (self.group, len(groups) + 1)):
            label = self._form.labelForField(widget)
            widget.setVisible(choices > 1)
            if label is not None:
                label.setVisible(choices > 1)

    def _tell(self, *_value: object) -> None:
        if not self._filling:
            self.changed.emit(self.wanted)


def _combo(tip: str, choices: Any) -> QComboBox:
    made = QComboBox()
    made.setToolTip(tip)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(8)
    _fill(made, choices)
    return made


def _fill(combo: QComboBox, choices: Any) -> None:
    combo.clear()
    for text, value in choices:
        combo.addItem(text, value)


def _set(combo: QComboBox) -> frozenset[Any]:
    value = combo.currentData()
    # Qt may give the word of a member: the members are words themselves.
    return frozenset() if value is None else frozenset({value})


def _source_text(source: Source) -> str:
    return "SAM2 + Sauvola" if source is Source.MIXED else SOURCE_STYLES[source].label
