"""A small plot of the line scan across the edge under the mouse."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_segsem._line_scan import HALF_LENGTH_PX, LineScan
from segsem.core.appearance import SOURCE_STYLES

HEIGHT = 92
FOOT = 18.0
MARGIN = 4.0


class LineScanPlot(QWidget):
    """Grey values along the normal; placed edge with its sigma; where segmentation had it."""

    def __init__(self) -> None:
        super().__init__()
        self.scan: LineScan | None = None
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Grey values across the edge next to the mouse, feature on the left; solid: the edge "
            "as placed, with a band of one sigma; dotted: where segmentation had it"
        )

    def show_scan(self, scan: LineScan | None) -> None:
        """Show another line scan."""
        self.scan = scan
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        frame = QRectF(MARGIN, MARGIN, self.width() - 2 * MARGIN, self.height() - FOOT - 2 * MARGIN)
        foot = QRectF(MARGIN, self.height() - FOOT, self.width() - 2 * MARGIN, FOOT)
        painter.setPen(ink)
        if self.scan is None:
            painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, "Line scan: point at an edge")
            return
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, self.scan.text)
        self._draw(painter, frame, ink, self.scan)

    def _draw(self, painter: QPainter, frame: QRectF, ink: QColor, scan: LineScan) -> None:
        color = QColor(SOURCE_STYLES[scan.source].color)
        edge = _x(frame, 0.0)
        if np.isfinite(scan.sigma_px):
            band = QColor(color)
            band.setAlphaF(0.35)
            left, right = _x(frame, -scan.sigma_px), _x(frame, scan.sigma_px)
            painter.fillRect(QRectF(left, frame.top(), right - left, frame.height()), band)
        painter.setPen(QPen(color, 1.6))
        painter.drawLine(QPointF(edge, frame.top()), QPointF(edge, frame.bottom()))
        painter.setPen(QPen(ink, 1.0, Qt.PenStyle.DotLine))
        raw = _x(frame, float(np.clip(scan.raw_px, -HALF_LENGTH_PX, HALF_LENGTH_PX)))
        painter.drawLine(QPointF(raw, frame.top()), QPointF(raw, frame.bottom()))
        known = np.isfinite(scan.grey)
        if not known.any():
            return
        low, high = float(scan.grey[known].min()), float(scan.grey[known].max())
        part = (scan.grey - low) / max(high - low, 1e-9)
        points = [
            QPointF(_x(frame, float(at)), frame.bottom() - float(value) * frame.height())
            for at, value in zip(scan.at_px[known], part[known], strict=True)
        ]
        painter.setPen(QPen(ink, 1.4))
        painter.drawPolyline(QPolygonF(points))


def _x(frame: QRectF, at_px: float) -> float:
    return frame.left() + (at_px / HALF_LENGTH_PX + 1) / 2 * frame.width()
