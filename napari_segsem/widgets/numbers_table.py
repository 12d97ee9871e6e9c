"""Numbers of regions as a table that sorts by any column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_segsem._review_numbers import NOTHING, Numbers
from napari_segsem.widgets.region_table import LONG_PREFIX, common_length
from segsem.core.appearance import NEEDS_HUMAN_STYLE
from segsem.review.item import ItemKey

HEAD = ("Image", "#")
IMAGE, NUMBER = 0, 1
IMAGE_PX, NUMBER_PX = 74, 34
CELL_PX = 11
"""Each margin of a heading; its arrow lies above it."""

ROW_PX = 22

OUTLIER = "▲ "
"""Before a value unlike the others of its image, in colour as well."""


class NumbersModel(QAbstractTableModel):
    """Cells of `Numbers`, in an order of its own; text is made when it is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: Numbers = NOTHING
        self._order = np.arange(0)
        self._row_of: dict[ItemKey, int] = {}
        self._prefix = 0
        self._sorted_by: tuple[str, Qt.SortOrder] | None = None

    def show(self, numbers: Numbers) -> None:
        """Show other numbers, in the order of before if that column is still there."""
        self.beginResetModel()
        self.numbers = numbers
        names = list(dict.fromkeys(key.image_id for key in numbers.keys))
        self._prefix = common_length(names) if len(names) > 1 else 0
        self._put_in_order()
        self.endResetModel()

    def key(self, row: int) -> ItemKey:
        """Region of a row."""
        return self.numbers.keys[int(self._order[row])]

    def row_of(self, key: ItemKey | None) -> int | None:
        """Row of a region; None where it is not shown."""
        return None if key is None else self._row_of.get(key)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of regions."""
        return len(self.numbers.keys)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Image, number, and what is known."""
        return len(HEAD) + len(self.numbers.quantities)

    def headerData(  # noqa: N802
        self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles with units, and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.title(section)
        if role == Qt.ItemDataRole.ToolTipRole and section >= len(HEAD):
            return f"{self.numbers.quantities[section - len(HEAD)].tip}; click to sort"
        return None

    @property
    def sorted_by(self) -> tuple[int, Qt.SortOrder]:
        """Column that rows are sorted by, -1 for none, and whether up or down."""
        title, order = self._sorted_by or ("", Qt.SortOrder.AscendingOrder)
        sections = (n for n in range(self.columnCount()) if self.title(n) == title)
        return next(sections, -1), order

    def title(self, section: int) -> str:
        """Heading of a column."""
        if section < len(HEAD):
            return HEAD[section]
        return self.numbers.quantities[section - len(HEAD)].title

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell; outliers are marked."""
        if not 0 <= index.row() < len(self.numbers.keys):
            return None
        row, column = int(self._order[index.row()]), index.column() - len(HEAD)
        key = self.numbers.keys[row]
        if column < 0:
            return self._head(key, index.column(), role)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        is_outlier = bool(self.numbers.outliers[row, column])
        if role == Qt.ItemDataRole.DisplayRole:
            value = float(self.numbers.values[row, column])
            text = number_text(value, self.numbers.quantities[column].decimals)
            return f"{OUTLIER}{text}" if is_outlier else text
        if role == Qt.ItemDataRole.ForegroundRole and is_outlier:
            return QColor(NEEDS_HUMAN_STYLE.color)
        if role == Qt.ItemDataRole.ToolTipRole and is_outlier:
            return "Unlike the others of its image"
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; what is not known stays last."""
        self.beginResetModel()
        self._sorted_by = (self.title(column), order) if column >= 0 else None
        self._put_in_order()
        self.endResetModel()

    def _head(self, key: ItemKey, column: int, role: int) -> Any:
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{key.image_id}, region {key.region_id}"
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if column == NUMBER:
            return str(key.region_id)
        name = key.image_id
        return f"…{name[self._prefix :]}" if self._prefix > LONG_PREFIX else name

    def _put_in_order(self) -> None:
        count = len(self.numbers.keys)
        self._order = np.arange(count)
        column, order = self.sorted_by
        if column >= 0 and count:
            down = order == Qt.SortOrder.DescendingOrder
            if column < len(HEAD):
                fields = [
                    (key.image_id, key.region_id) if column == IMAGE else (key.region_id,)
                    for key in self.numbers.keys
                ]
                self._order = np.array(sorted(range(count), key=fields.__getitem__, reverse=down))
            else:
                values = self.numbers.values[:, column - len(HEAD)]
                # NaN sorts last either way.
                self._order = np.argsort(-values if down else values, kind="stable")
        self._row_of = {self.numbers.keys[at]: row for row, at in enumerate(self._order.tolist())}


class NumbersTable(QTableView):
    """The table; a click on a row chooses its region."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.rows = NumbersModel()
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.setMinimumHeight(120)
        rows_header, header = self.verticalHeader(), self.horizontalHeader()
        if rows_header is not None and header is not None:
            rows_header.setVisible(False)
            rows_header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            rows_header.setDefaultSectionSize(ROW_PX)
            header.setMinimumSectionSize(24)
            header.setSortIndicatorShown(True)
            header.setSectionsClickable(True)
            header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
            header.sortIndicatorChanged.connect(self._sort)
        self.clicked.connect(lambda index: self.chosen.emit(self.rows.key(index.row())))

    def show_numbers(self, numbers: Numbers, current: ItemKey | None) -> None:
        """Show other numbers, and the current region's row."""
        self.rows.show(numbers)
        images = {key.image_id for key in numbers.keys}
        self.setColumnHidden(IMAGE, len(images) < 2)
        header = self.horizontalHeader()
        if header is not None:
            header.blockSignals(True)
            header.setSortIndicator(*self.rows.sorted_by)
            header.blockSignals(False)
        metrics = self.fontMetrics()
        for column in range(self.rows.columnCount()):
            wanted = metrics.horizontalAdvance(self.rows.title(column)) + 2 * CELL_PX
            least = {IMAGE: IMAGE_PX, NUMBER: NUMBER_PX}.get(column, 0)
            self.setColumnWidth(column, least or wanted)
        self.show_current(current)

    def show_current(self, current: ItemKey | None) -> None:
        """Show the current region's row."""
        row = self.rows.row_of(current)
        if row is None:
            self.clearSelection()
            return
        # Columns stay where they are.
        bar = self.horizontalScrollBar()
        at = 0 if bar is None else bar.value()
        self.selectRow(row)
        self.scrollTo(self.rows.index(row, NUMBER))
        if bar is not None:
            bar.setValue(at)

    def _sort(self, column: int, order: Qt.SortOrder) -> None:
        at = self.currentIndex()
        current = self.rows.key(at.row()) if at.isValid() else None
        self.rows.sort(column, order)
        self.show_current(current)


def number_text(value: float, decimals: int) -> str:
    """Format a number with its decimals; a dash where it is not known."""
    return f"{value:,.{decimals}f}" if math.isfinite(value) else "–"
