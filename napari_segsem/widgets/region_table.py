"""The queue: regions of all images of a lot, least sure first."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_segsem._lot import Lot
from napari_segsem._region_pictures import Picture
from napari_segsem._review_thumbnails import SIDE_PX, RegionThumbnails
from napari_segsem.widgets.parts import follow
from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES
from segsem.core.contour import ReviewStatus, Source
from segsem.review.item import ItemKey, ReviewItem

COLUMNS = ("Image", "#", "Source", "Conf.", "✓✗", "Why", "")
IMAGE, CONFIDENCE, DECISION, WHY, PICTURE = 0, 3, 4, 5, 6
TIPS = (
    "Image that the region is on; it is opened when the region is chosen",
    "Number of the region in labels.tif",
    "Method that the region stands on",
    "Confidence: probability that the region's edge is right (– where it cannot be rated)",
    "Decision: ✓ accepted, ✗ rejected, ✎ corrected, ! must be decided before export",
    "Why the region is doubtful, or why Sauvola took over",
    "The region on its image, outlined in the colour and line of its method",
)
NUMBER = 1
WIDTHS = (56, 30, 58, 40, 26)
"""Of all but the reason, which has the rest; longer numbers get more."""

ROW_PX = SIDE_PX + 4
ICONS_KEPT = 500

CELL_MARGIN_PX = 12

LONG_PREFIX = 6
"""Names that begin alike by more than this are shown without it."""

_SIGNS = {
    ReviewStatus.PENDING: "–",
    ReviewStatus.ACCEPTED: "✓",
    ReviewStatus.CORRECTED: "✎",
    ReviewStatus.REJECTED: "✗",
}


class RegionModel(QAbstractTableModel):
    """What is shown of a lot as rows; a cell's text and picture are made when they are seen."""

    def __init__(self, thumbnails: RegionThumbnails | None = None) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._icons: OrderedDict[ItemKey, tuple[Picture, QIcon]] = OrderedDict()
        if thumbnails is not None:
            follow(self, thumbnails.arrived, self._picture_arrived)
        self._lot: Lot | None = None
        self._items: list[ReviewItem] = []
        self._prefix = 0

    def show(self, lot: Lot | None) -> None:
        """Show a lot, or another part of it."""
        self.beginResetModel()
        self._lot = lot
        self._items = [] if lot is None else lot.shown
        self._prefix = 0 if lot is None else common_length(list(lot.results))
        if self._thumbnails is not None:
            self._thumbnails.show(lot)
        self.endResetModel()

    def refresh(self) -> None:
        """Show what was decided."""
        if self._items:
            last = self.index(len(self._items) - 1, len(COLUMNS) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def key(self, row: int) -> ItemKey:
        """Key of the region in a row."""
        return self._items[row].key

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of regions."""
        return len(self._items)

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
        lot = self._lot
        if lot is None or not 0 <= index.row() < len(self._items):
            return None
        item = self._items[index.row()]
        if index.column() == PICTURE:
            if role == Qt.ItemDataRole.DecorationRole:
                return self._icon(item.key)
            return row_tip(lot, item) if role == Qt.ItemDataRole.ToolTipRole else None
        if role == Qt.ItemDataRole.DisplayRole:
            text = cell_text(lot, item, index.column())
            cut = index.column() == IMAGE and self._prefix > LONG_PREFIX
            return f"…{text[self._prefix :]}" if cut else text
        if role == Qt.ItemDataRole.ToolTipRole:
            return row_tip(lot, item)
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == DECISION:
            return Qt.AlignmentFlag.AlignCenter
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == CONFIDENCE:
            return QColor(NEEDS_HUMAN_STYLE.color) if lot.is_doubtful(item.key) else None
        return None

    def _icon(self, key: ItemKey) -> QIcon | None:
        picture = None if self._thumbnails is None else self._thumbnails.get(key)
        if picture is None:
            return None
        known = self._icons.get(key)
        if known is None or known[0] is not picture:
            known = self._icons[key] = (picture, picture_icon(picture))
            if len(self._icons) > ICONS_KEPT:
                self._icons.popitem(last=False)
        return known[1]

    def _picture_arrived(self, key: ItemKey) -> None:
        row = None if self._lot is None else self._lot.row_of(key)
        if row is not None and row < len(self._items):
            place = self.index(row, PICTURE)
            self.dataChanged.emit(place, place)


class RegionTable(QTableView):
    """Table of a queue; whoever owns it follows `chosen` and says which row is current."""

    chosen = Signal(object)

    def __init__(self, thumbnails: RegionThumbnails | None = None) -> None:
        super().__init__()
        self.rows = RegionModel(thumbnails)
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.setIconSize(QSize(SIDE_PX, SIDE_PX))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(170)
        rows_header, header = self.verticalHeader(), self.horizontalHeader()
        if rows_header is not None and header is not None:
            rows_header.setVisible(False)
            # Rows of one height, columns of a set width: nothing is measured over 5,000 rows.
            rows_header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            rows_header.setDefaultSectionSize(ROW_PX)
            header.setMinimumSectionSize(20)
            # The picture stands first, whatever its number.
            header.moveSection(PICTURE, 0)
            widths = (*WIDTHS, header.minimumSectionSize(), ROW_PX)
            for column, width in enumerate(widths):
                header.resizeSection(column, width)
            # Last: a section that is wider than what is left would be cut off.
            header.setStretchLastSection(True)
        self.clicked.connect(lambda index: self.chosen.emit(self.rows.key(index.row())))

    def show_lot(self, lot: Lot | None) -> None:
        """Show a lot, or another part of it, and the current region's row."""
        self.rows.show(lot)
        # The image is said where there is more than one.
        self.setColumnHidden(IMAGE, lot is None or len(lot.results) < 2)
        longest = max((item.key.region_id for item in lot.shown), default=0) if lot else 0
        wanted = self.fontMetrics().horizontalAdvance(str(longest)) + CELL_MARGIN_PX
        self.setColumnWidth(NUMBER, max(WIDTHS[NUMBER], wanted))
        self.show_current(lot)

    def show_current(self, lot: Lot | None) -> None:
        """Show the current region's row."""
        row = None if lot is None else lot.row_of(lot.current)
        if row is None:
            self.clearSelection()
            return
        self.selectRow(row)
        self.scrollTo(self.rows.index(row, 1))


def picture_icon(picture: Picture) -> QIcon:
    """Icon of a picture; it looks the same in the selected row."""
    height, width, _ = picture.shape
    raw = picture.tobytes()
    # The pixmap is a copy: the image only borrows the bytes.
    pixmap = QPixmap.fromImage(QImage(raw, width, height, 3 * width, QImage.Format.Format_RGB888))
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


def cell_text(lot: Lot, item: ReviewItem, column: int) -> str:
    """Text of a cell."""
    status = lot.status(item.key)
    if column == 0:
        return item.key.image_id
    if column == 1:
        return str(item.key.region_id)
    if column == 2:
        return "SAM2+Sauvola" if item.source is Source.MIXED else SOURCE_STYLES[item.source].label
    if column == CONFIDENCE:
        return "–" if math.isnan(item.confidence) else f"{item.confidence:.2f}"
    if column == DECISION:
        waits = status is ReviewStatus.PENDING and lot.needs_human(item.key)
        return "!" if waits else _SIGNS[status]
    return lot.review.reason(item.key)


def common_length(names: Sequence[str]) -> int:
    """Length of the beginning that all names share."""
    first, last = min(names), max(names)
    differ = (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return next(differ, min(len(first), len(last)))


def row_tip(lot: Lot, item: ReviewItem) -> str:
    """All that is known of a region, for the mouse."""
    standing = lot.review.standing(item.key)
    name = f"{item.key.image_id}, region {item.key.region_id}: {lot.status(item.key).value}"
    lines = [name, lot.review.reason(item.key)]
    lines.append(", ".join(sorted(flag.value for flag in lot.review.flags(item.key))))
    lines.append(", ".join(f"{name} {value}" for name, value in item.groups.items()))
    if standing.decision is not None:
        said = standing.decision
        lines.append(f"{said.action.value} by {said.reviewer}, {said.at}")
        lines.append(said.comment)
    return "\n".join(line for line in lines if line)
