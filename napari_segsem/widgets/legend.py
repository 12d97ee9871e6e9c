"""The legend: every line as it is drawn in the image."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES, LineStyle
from segsem.core.contour import Source

LINE_WIDTH = 2.0
BAND_WIDTH = 7.0
SAMPLE_SIZE = QSize(44, 12)
SHOWN = (Source.SAM2, Source.SAUVOLA, Source.MANUAL)

DOUBTFUL = LineStyle("Doubtful", NEEDS_HUMAN_STYLE.color)


class LineSample(QWidget):
    """A short line in one style."""

    def __init__(self, style: LineStyle, width: float) -> None:
        super().__init__()
        self._style, self._width = style, width
        self.setFixedSize(SAMPLE_SIZE)

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Draw the line."""
        pen = QPen(QColor(self._style.color), self._width)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        if self._style.dashes:
            pen.setDashPattern(list(self._style.dashes))
        painter = QPainter(self)
        painter.setPen(pen)
        middle = self.height() // 2
        painter.drawLine(0, middle, self.width(), middle)
        painter.end()


class Legend(QWidget):
    """Lines and their meaning, two to a row."""

    def __init__(self) -> None:
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        # Room is for the queue.
        layout.setVerticalSpacing(0)
        entries = [(SOURCE_STYLES[source], LINE_WIDTH) for source in SHOWN]
        entries.append((DOUBTFUL, BAND_WIDTH))
        for index, (style, width) in enumerate(entries):
            line, column = divmod(index, 2)
            layout.addWidget(LineSample(style, width), line, 2 * column)
            layout.addWidget(QLabel(style.label), line, 2 * column + 1)
        layout.setColumnStretch(1, 1)
        layout.setColumnStretch(3, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
