"""The list of regions, least sure first."""

from __future__ import annotations

from typing import Any

from psygnal import Signal
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_segsem._review import Review
from napari_segsem._review_layers import confidence_text, source_text, why_text
from segsem.core.appearance import NEEDS_HUMAN_STYLE
from segsem.core.contour import Region, ReviewStatus

COLUMNS = ("#", "Source", "Confidence", "Decision", "Why")
TIPS = (
    "Number of the region in labels.tif",
    "Method that the region stands on",
    "Probability that the region's edge is right (– where it cannot be rated)",
    "What you decided",
    "Why the region is doubtful, or why Sauvola took over",
)
_WORDS = {
    ReviewStatus.PENDING: "",
    ReviewStatus.ACCEPTED: "accepted",
    ReviewStatus.CORRECTED: "corrected",
    ReviewStatus.REJECTED: "rejected",
}


class RegionModel(QAbstractTableModel):
    """Regions of a review as rows."""

    def __init__(self) -> None:
        super().__init__()
        self._review: Review | None = None
        self._regions: list[Region] = []

    def set_review(self, review: Review | None) -> None:
        """Show another review."""
        self.beginResetModel()
        self._review = review
        self._regions = [] if review is None else review.regions
        self.endResetModel()

    def refresh(self) -> None:
        """Show what was decided."""
        if self._review is not None:
            self._regions = self._review.regions
            last = self.index(len(self._regions) - 1, len(COLUMNS) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def region_id(self, row: int) -> int:
        """Id of the region in a row."""
        return self._regions[row].region_id

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of regions."""
        return len(self._regions)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of columns."""
        return len(COLUMNS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles and their tooltips."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return TIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, colour of a doubtful row, tooltip."""
        region = self._regions[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _cells(region)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return why_text(region) or None
        doubtful = self._review is not None and self._review.is_doubtful(region)
        if role == Qt.ItemDataRole.ForegroundRole and doubtful and index.column() == 2:
            return QColor(NEEDS_HUMAN_STYLE.color)
        return None


class RegionTable(QTableView):
    """Table that follows a review, and that a review follows."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.rows = RegionModel()
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(160)
        rows_header, header = self.verticalHeader(), self.horizontalHeader()
        if rows_header is not None and header is not None:
            rows_header.setVisible(False)
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setStretchLastSection(True)
        self.clicked.connect(lambda index: self.chosen.emit(self.rows.region_id(index.row())))

    def select_region(self, review: Review) -> None:
        """Show the current region's row."""
        if review.current_id is None:
            return
        row = review.order.index(review.current_id)
        self.selectRow(row)
        self.scrollTo(self.rows.index(row, 0))


def _cells(region: Region) -> tuple[str, ...]:
    return (
        str(region.region_id),
        source_text(region),
        confidence_text(region),
        _WORDS[region.status] or ("to decide" if region.needs_human else "–"),
        why_text(region) if region.status is ReviewStatus.PENDING else region.fallback_reason or "",
    )
