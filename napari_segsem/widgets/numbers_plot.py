"""Distribution of one quantity: a histogram, or the values region by region; both are clicked."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_segsem._review_numbers import NOTHING, Numbers, Quantity
from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES
from segsem.core.contour import Source
from segsem.review.item import ItemKey

Values = npt.NDArray[np.float64]

HEIGHT = 120
RIGHT, TOP, FOOT = 8.0, 8.0, 34.0
LEAST_LEFT = 24.0
"""Numbers beside the plot may need more."""
MOST_BARS = 30
LEAST_BARS = 6
FEW = 100
"""So many points are drawn larger."""

REACH_PX = 12.0
"""Farther away than this no point is meant."""

BAR_COLOR, OUTLIER_COLOR = SOURCE_STYLES[Source.SAM2].color, NEEDS_HUMAN_STYLE.color
CURRENT_COLOR = "#F0E442"


class Kind(StrEnum):
    """How values are drawn."""

    HISTOGRAM = "Histogram"
    BY_REGION = "By region"


class NumbersPlot(QWidget):
    """The plot; a click on a bar or a point chooses a region, more clicks the next of the bar."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.kind = Kind.HISTOGRAM
        self._quantity: Quantity | None = None
        self._keys: list[ItemKey] = []
        self._values: Values = np.zeros(0)
        self._marks = np.zeros(0, np.bool_)
        self._edges: Values = np.zeros(0)
        self._current: ItemKey | None = None
        self._left = LEAST_LEFT
        self._picture: QPixmap | None = None
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setToolTip(
            "Click a bar or a point to go to its region; triangles and the orange part of a bar "
            "are outliers"
        )

    def show_numbers(self, numbers: Numbers = NOTHING, name: str = "") -> None:
        """Show a quantity of some numbers."""
        column = numbers.column(name)
        self._quantity = None if column is None else numbers.quantities[column]
        values = np.zeros(0) if column is None else numbers.values[:, column]
        known = np.flatnonzero(np.isfinite(values))
        self._keys = [numbers.keys[at] for at in known.tolist()]
        self._values = values[known]
        self._marks = np.zeros(0, np.bool_) if column is None else numbers.outliers[known, column]
        self._edges = _bar_edges(self._values)
        self._set_left()

    def show_kind(self, kind: Kind) -> None:
        """Draw the values the other way."""
        self.kind = kind
        self._set_left()

    def show_current(self, current: ItemKey | None) -> None:
        """Mark the region that is looked at."""
        self._current = current
        self.update()

    def place_of(self, key: ItemKey) -> QPointF | None:
        """Where a region is drawn: its point, or the middle of its bar."""
        if key not in self._keys:
            return None
        at, frame = self._keys.index(key), self._frame()
        if self.kind is Kind.BY_REGION:
            return self._points(frame)[at]
        bar = int(self._bar_of(self._values[at : at + 1])[0])
        rect = self._bars(frame)[bar]
        return rect.center()

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802
        """Choose the region under the mouse."""
        if event.button() == Qt.MouseButton.LeftButton and self._keys:
            # Qt 6 names the place otherwise.
            at = event.position() if hasattr(event, "position") else event.localPos()
            found = self._at_point(at) if self.kind is Kind.BY_REGION else self._at_bar(at)
            if found is not None:
                self.chosen.emit(found)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Draw anew in the new size."""
        super().resizeEvent(event)
        self._redraw()

    def changeEvent(self, event: Any) -> None:  # noqa: N802
        """Draw anew in the colours of another theme."""
        super().changeEvent(event)
        self._redraw()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Blit what was drawn once, and the mark of the current region."""
        if self._picture is None or self._picture.size() != self.size():
            self._picture = self._drawn()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        place = None if self._current is None else self.place_of(self._current)
        if place is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.WindowText), 1.5))
        painter.setBrush(QColor(CURRENT_COLOR))
        if self.kind is Kind.HISTOGRAM:
            place.setY(self._frame().bottom() - 5)
        painter.drawEllipse(place, 4.5, 4.5)

    def _redraw(self) -> None:
        self._picture = None
        self.update()

    def _frame(self) -> QRectF:
        left = self._left
        return QRectF(left, TOP, self.width() - left - RIGHT, self.height() - TOP - FOOT)

    def _drawn(self) -> QPixmap:
        picture = QPixmap(self.size())
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(ink)
        if self._quantity is None or not self._keys:
            text = "No values to draw"
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), text)
        else:
            frame = self._frame()
            if self.kind is Kind.HISTOGRAM:
                self._draw_bars(painter, frame)
            else:
                self._draw_points(painter, frame)
            painter.setPen(QPen(ink, 1.0))
            painter.drawLine(frame.bottomLeft(), frame.bottomRight())
            painter.drawLine(frame.bottomLeft(), frame.topLeft())
            self._draw_words(painter, frame, self._quantity)
        painter.end()
        return picture

    def _side_words(self) -> tuple[str, str]:
        """Numbers at the top and at the foot of the upright axis."""
        if self.kind is Kind.HISTOGRAM:
            return str(int(self._counts()[0].max(initial=0))), "0"
        low, high = self._range()
        return f"{high:.4g}", f"{low:.4g}"

    def _set_left(self) -> None:
        if len(self._keys):
            metrics = self.fontMetrics()
            widest = max(metrics.horizontalAdvance(text) for text in self._side_words())
            self._left = max(LEAST_LEFT, widest + 8.0)
        self._redraw()

    def _draw_words(self, painter: QPainter, frame: QRectF, quantity: Quantity) -> None:
        right, left = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft
        ticks = QRectF(frame.left(), frame.bottom() + 1, frame.width(), 16)
        title = QRectF(0, self.height() - 17.0, float(self.width()), 17)
        if self.kind is Kind.HISTOGRAM:
            ends = tuple(f"{value:.4g}" for value in self._range())
            words = f"{quantity.title}, {len(self._keys)} regions"
        else:
            ends = ("1", f"{len(self._keys)}")
            words = f"{quantity.title} by region"
        top, bottom = self._side_words()
        room = self._left - 4
        painter.drawText(ticks, int(left), ends[0])
        painter.drawText(ticks, int(right), ends[1])
        painter.drawText(QRectF(0, frame.top() - 6, room, 16), int(right), top)
        painter.drawText(QRectF(0, frame.bottom() - 12, room, 16), int(right), bottom)
        painter.drawText(title, int(Qt.AlignmentFlag.AlignHCenter), words)

    def _draw_bars(self, painter: QPainter, frame: QRectF) -> None:
        counts, marked = self._counts()
        painter.setPen(Qt.PenStyle.NoPen)
        for rect, count, odd in zip(self._bars(frame), counts, marked, strict=True):
            painter.fillRect(rect, QColor(BAR_COLOR))
            if odd:
                part = rect.height() * odd / count
                painter.fillRect(
                    QRectF(rect.left(), rect.top(), rect.width(), part), QColor(OUTLIER_COLOR)
                )

    def _draw_points(self, painter: QPainter, frame: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(BAR_COLOR))
        points = self._points(frame)
        radius = 3.2 if len(points) <= FEW else 2.0
        for place, odd in zip(points, self._marks.tolist(), strict=True):
            if not odd:
                painter.drawEllipse(place, radius, radius)
        painter.setBrush(QColor(OUTLIER_COLOR))
        for place, odd in zip(points, self._marks.tolist(), strict=True):
            if odd:
                up, side = QPointF(0, -5.5), QPointF(5, 3.5)
                corners = [place + up, place + side, place + QPointF(-5, 3.5)]
                painter.drawPolygon(QPolygonF(corners))

    def _range(self) -> tuple[float, float]:
        if self.kind is Kind.HISTOGRAM:
            return float(self._edges[0]), float(self._edges[-1])
        return float(self._values.min()), float(self._values.max())

    def _points(self, frame: QRectF) -> list[QPointF]:
        low, high = float(self._values.min()), float(self._values.max())
        part = (self._values - low) / max(high - low, 1e-12)
        # Room for half a mark at both ends.
        xs = np.linspace(frame.left() + 6, frame.right() - 4, max(len(self._values), 2))
        ys = frame.bottom() - 6 - part * (frame.height() - 12)
        return [QPointF(x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=False)]

    def _bar_of(self, values: Values) -> npt.NDArray[np.int64]:
        bars = np.searchsorted(self._edges, values, side="right") - 1
        return np.clip(bars, 0, len(self._edges) - 2).astype(np.int64)

    def _counts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        n_bars, bar = len(self._edges) - 1, self._bar_of(self._values)
        return (
            np.bincount(bar, minlength=n_bars),
            np.bincount(bar[self._marks], minlength=n_bars),
        )

    def _bars(self, frame: QRectF) -> list[QRectF]:
        counts, _ = self._counts()
        width = frame.width() / len(counts)
        heights = counts / max(int(counts.max(initial=0)), 1) * frame.height()
        # The least that is there is seen.
        heights = np.where(counts > 0, np.maximum(heights, 2.0), 0.0)
        return [
            QRectF(frame.left() + n * width + 1, frame.bottom() - h, max(width - 1, 1.0), h)
            for n, h in enumerate(heights.tolist())
        ]

    def _at_point(self, at: QPointF) -> ItemKey | None:
        points = self._points(self._frame())
        distances = [abs(p.x() - at.x()) + abs(p.y() - at.y()) for p in points]
        nearest = int(np.argmin(distances))
        return self._keys[nearest] if distances[nearest] <= REACH_PX else None

    def _at_bar(self, at: QPointF) -> ItemKey | None:
        frame = self._frame()
        if not frame.left() <= at.x() <= frame.right():
            return None
        n_bars = len(self._edges) - 1
        bar = min(int((at.x() - frame.left()) / frame.width() * n_bars), n_bars - 1)
        inside = np.flatnonzero(self._bar_of(self._values) == bar)
        keys: list[ItemKey] = [
            self._keys[n] for n in inside[np.argsort(self._values[inside], kind="stable")]
        ]
        if not keys:
            return None
        current = self._current
        following = keys.index(current) + 1 if current is not None and current in keys else 0
        return keys[following % len(keys)]


def _bar_edges(values: Values) -> Values:
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        half = max(abs(low) * 0.05, 0.5)
        low, high = low - half, high + half
    count = int(np.clip(round(2 * np.sqrt(len(values))), LEAST_BARS, MOST_BARS))
    return np.linspace(low, high, count + 1)
