"""The page of verdicts: may the images, and the lot, be signed, and if not, why."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_segsem._review_desk import ReviewDesk
from napari_segsem._review_gates import LotGates
from napari_segsem._tasks import Pause, run_in_background
from napari_segsem.widgets.parts import follow, text_label
from napari_segsem.widgets.region_table import LONG_PREFIX, common_length
from segsem.review.gates import Check, GateReport, Verdict

SETTLED_MS = 300
"""After the last of some decisions verdicts are worked out once."""

SIGNS = {Verdict.PASS: "✓ pass", Verdict.WARN: "! warn", Verdict.FAIL: "✗ fail"}
COLORS = {Verdict.PASS: "#009E73", Verdict.WARN: "#E69F00", Verdict.FAIL: "#D55E00"}
"""Okabe-Ito, told apart by colour-blind people; the words say the same."""

WHOLE_LOT = "Whole lot"
NAME = Qt.ItemDataRole.UserRole
VERDICT_PX = 62
LIST_PX, CHECKS_PX = 130, 180


class GatesBox(QWidget):
    """Verdicts of the lot and its images above, the checks of the chosen one below.

    Parameters
    ----------
    desk : ReviewDesk
        A click on an image's verdict opens the image.
    """

    def __init__(self, desk: ReviewDesk) -> None:
        super().__init__()
        self._desk = desk
        self._pause = Pause(SETTLED_MS)
        self.gates = LotGates(desk, run_in_background, self._pause.restart)
        self.headline = text_label(tip="Verdict of the whole lot: the worst of all checks")
        self.images = _tree(("Verdict", "Image", "Why"), LIST_PX)
        self.images.setToolTip("Click an image to open it")
        self.checks_title = QLabel()
        self.checks = _tree(("Verdict", "Check", "Found"), CHECKS_PX)
        self.note = text_label(tip="Where the limits are from")
        self._chosen: str | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.headline)
        layout.addWidget(self.images, 2)
        layout.addWidget(self.checks_title)
        layout.addWidget(self.checks, 3)
        layout.addWidget(self.note)
        self.images.itemClicked.connect(self._clicked)
        self.images.itemActivated.connect(self._clicked)
        follow(self, self.gates.changed, self.show_verdicts)
        follow(self, desk.lot_changed, self.gates.show_lot)
        follow(self, desk.decisions_changed, self.gates.decided)
        self.show_verdicts()

    def want(self, wanted: bool) -> None:
        """Tell whether somebody looks: only then verdicts are worked out."""
        self.gates.is_wanted = wanted
        self.gates.refresh()

    def show_verdicts(self) -> None:
        """Show what the gates say by now."""
        quality = self.gates.quality
        if quality is None:
            self.images.clear()
            self.checks.clear()
            self.headline.setText(self.gates.error or "Checking…")
            self.checks_title.setText("")
            self.note.setText("")
            return
        counts = [report.verdict for report in quality.images.values()]
        told = ", ".join(f"{counts.count(v)} {v.value}" for v in Verdict if counts.count(v))
        noun = "image" if len(counts) == 1 else "images"
        verdict = quality.lot.verdict
        self.headline.setText(
            f"<b><span style='color:{COLORS[verdict]}'>{SIGNS[verdict]}</span></b>: "
            f"{len(counts)} {noun} ({told})"
        )
        # Those to be looked at come first.
        reports = sorted(quality.images.values(), key=lambda one: -one.verdict.rank)
        self._fill_images([quality.lot, *reports])
        self._show_checks()
        where = self.gates.limits_file
        self.note.setText(
            "Limits: defaults; set your own in [qa] of project.toml"
            if where is None
            else f"Limits: [qa] in {where}"
        )

    def _fill_images(self, reports: list[GateReport]) -> None:
        prefix = common_length([report.name for report in reports[1:]]) if reports[1:] else 0
        while self.images.topLevelItemCount() > len(reports):
            self.images.takeTopLevelItem(self.images.topLevelItemCount() - 1)
        for number, report in enumerate(reports):
            item = self.images.topLevelItem(number)
            if item is None:
                item = QTreeWidgetItem()
                self.images.addTopLevelItem(item)
            is_lot, reasons = number == 0, report.reasons
            name = WHOLE_LOT if is_lot else report.name
            cut = not is_lot and prefix > LONG_PREFIX
            shown = f"…{name[prefix:]}" if cut else name
            _show(item, report.verdict, shown, reasons[0] if reasons else "")
            if self._chosen == (None if is_lot else report.name):
                self.images.setCurrentItem(item)
            item.setData(0, NAME, None if is_lot else report.name)
            for column in range(3):
                item.setToolTip(column, "\n".join([name, *reasons]))

    def _clicked(self, item: QTreeWidgetItem, _column: int = 0) -> None:
        self._chosen = item.data(0, NAME)
        self._show_checks()
        if self._chosen is not None:
            self._desk.open_image(self._chosen)

    def _show_checks(self) -> None:
        quality = self.gates.quality
        if quality is None:
            return
        report = quality.images.get(self._chosen or "", quality.lot)
        is_lot = report is quality.lot
        self.checks_title.setText(f"Checks of {'the whole lot' if is_lot else report.name}")
        self.checks.clear()
        # What does not pass comes first.
        for check in sorted(report.checks, key=lambda one: -one.verdict.rank):
            item = QTreeWidgetItem()
            _show(item, check.verdict, check.name, check.value)
            for column in range(3):
                item.setToolTip(column, _check_tip(check))
            self.checks.addTopLevelItem(item)
            if check.reason:
                self._add_reason(item, check.reason)

    def _add_reason(self, item: QTreeWidgetItem, reason: str) -> None:
        line = QTreeWidgetItem()
        item.addChild(line)
        self.checks.setItemWidget(line, 0, _reason_label(reason))
        line.setFirstColumnSpanned(True)
        item.setExpanded(True)


def _reason_label(reason: str) -> QLabel:
    label = QLabel(reason)
    label.setWordWrap(True)
    label.setContentsMargins(8, 0, 2, 4)
    return label


def _show(item: QTreeWidgetItem, verdict: Verdict, name: str, text: str) -> None:
    item.setText(0, SIGNS[verdict])
    item.setForeground(0, QBrush(QColor(COLORS[verdict])))
    item.setText(1, name)
    item.setText(2, text)


def _check_tip(check: Check) -> str:
    lines = [f"{check.name}: {check.value}"]
    if check.limits:
        lines.append(f"Asked for: {check.limits}")
    return "\n".join([*lines, check.reason]).strip()


def _tree(titles: tuple[str, ...], height_px: int) -> QTreeWidget:
    made = QTreeWidget()
    made.setHeaderLabels(list(titles))
    made.setRootIsDecorated(False)
    made.setIndentation(0)
    made.setMinimumHeight(height_px)
    made.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    header = made.header()
    if header is not None:
        header.setMinimumSectionSize(20)
        header.resizeSection(0, VERDICT_PX)
        header.resizeSection(1, 120)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        header.setStretchLastSection(True)
    return made
