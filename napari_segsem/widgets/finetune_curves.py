"""Curves of a training run: small plots without axes to set up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_segsem._finetune_state import TrainingState

HEIGHT = 104
SPACE = 8
TITLE_PX = 18.0
FOOT_PX = 16.0
LEFT_PX = 44.0
RIGHT_PX = 10.0
MARK_PX = 4.0
GAP_PX = 6.0
SAMPLE_PX = 18.0
LINE_WIDTH = 1.8
FAINT = 0.35

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot.

    Attributes
    ----------
    label : str
    color : str
    dashed : bool
    """

    label: str
    color: str
    dashed: bool = False


FIRST, SECOND = "#4C9BD8", "#D98C1F"
"""Blue and orange that read on the dark theme and on the light one."""

LOSS = Curve("steps", FIRST)
EPOCH_LOSS = Curve("epochs", SECOND, dashed=True)
IOU = Curve("IoU", FIRST)
BOUNDARY = Curve("boundary F1", SECOND, dashed=True)
EDGE = Curve("mean edge error", FIRST)


class Plot(QWidget):
    """Title, legend and lines over epochs.

    Parameters
    ----------
    title : str
    curves : sequence of Curve
    tip : str
    """

    def __init__(self, title: str, curves: Sequence[Curve], tip: str) -> None:
        super().__init__()
        self._title, self._curves = title, tuple(curves)
        self._points: list[Points] = [() for _ in curves]
        self._epochs = 1
        self._best: int | None = None
        self.setToolTip(tip)
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def points(self) -> list[list[tuple[float, float]]]:
        """What is drawn, by curve."""
        return [list(points) for points in self._points]

    def sizeHint(self) -> QSize:  # noqa: N802
        """Take the panel's width."""
        return QSize(300, HEIGHT)

    def show_points(self, points: Sequence[Points], epochs: int, best: int | None = None) -> None:
        """Draw lines.

        Parameters
        ----------
        points : sequence of sequence of (float, float)
            Epoch and value, for each curve.
        epochs : int
            To the right end.
        best : int, optional
            Epoch that is marked.
        """
        self._points, self._epochs, self._best = [*points], max(epochs, 1), best
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Draw the plot."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        self._paint_title(painter, ink)
        field = QRectF(LEFT_PX, TITLE_PX + GAP_PX, 0, 0)
        field.setRight(self.width() - RIGHT_PX)
        field.setBottom(self.height() - FOOT_PX)
        low, high = limits([value for points in self._points for _, value in points])
        self._paint_frame(painter, field, ink, (low, high))
        for curve, points in zip(self._curves, self._points, strict=True):
            placed = [self._at(field, point, low, high) for point in points]
            self._paint_line(painter, curve, placed)
            marked = [
                at for at, (epoch, _) in zip(placed, points, strict=True) if epoch == self._best
            ]
            for at in marked:
                painter.setPen(QPen(QColor(curve.color), LINE_WIDTH))
                painter.drawEllipse(at, MARK_PX, MARK_PX)
        painter.end()

    def _at(self, field: QRectF, point: tuple[float, float], low: float, high: float) -> QPointF:
        across = min(max(point[0] / self._epochs, 0.0), 1.0)
        up = min(max((point[1] - low) / (high - low), 0.0), 1.0)
        return QPointF(field.left() + across * field.width(), field.bottom() - up * field.height())

    def _paint_title(self, painter: QPainter, ink: QColor) -> None:
        painter.setPen(ink)
        metrics = QFontMetricsF(painter.font())
        base = metrics.ascent() + 1
        painter.drawText(QPointF(0, base), self._title)
        right = float(self.width()) - RIGHT_PX
        if len(self._curves) < 2:
            return
        for curve in reversed(self._curves):
            right -= metrics.horizontalAdvance(curve.label)
            painter.setPen(ink)
            painter.drawText(QPointF(right, base), curve.label)
            right -= SAMPLE_PX + GAP_PX
            painter.setPen(_pen(curve))
            middle = TITLE_PX / 2
            painter.drawLine(QPointF(right, middle), QPointF(right + SAMPLE_PX, middle))
            right -= 2 * GAP_PX

    def _paint_frame(
        self, painter: QPainter, field: QRectF, ink: QColor, span: tuple[float, float]
    ) -> None:
        faint = QColor(ink)
        faint.setAlphaF(FAINT)
        painter.setPen(QPen(faint, 1.0))
        painter.drawLine(field.bottomLeft(), field.bottomRight())
        painter.drawLine(field.topLeft(), field.topRight())
        painter.setPen(ink)
        metrics = QFontMetricsF(painter.font())
        for value, y in ((span[1], field.top()), (span[0], field.bottom())):
            if any(self._points):
                text = tick(value, span)
                at = field.left() - GAP_PX - metrics.horizontalAdvance(text)
                painter.drawText(QPointF(at, y + metrics.ascent() / 2 - 1), text)
        foot = field.bottom() + metrics.ascent() + 1
        painter.drawText(QPointF(field.left(), foot), "0")
        last = f"epoch {self._epochs}"
        end = field.right() - metrics.horizontalAdvance(last)
        painter.drawText(QPointF(end, foot), last)

    def _paint_line(self, painter: QPainter, curve: Curve, placed: Sequence[QPointF]) -> None:
        painter.setPen(_pen(curve))
        if len(placed) > 1:
            painter.drawPolyline(QPolygonF(list(placed)))
        elif placed:
            painter.setBrush(QColor(curve.color))
            painter.drawEllipse(placed[0], 2.0, 2.0)
            painter.setBrush(Qt.BrushStyle.NoBrush)


class Curves(QWidget):
    """Loss, agreement and edge error of a run."""

    def __init__(self) -> None:
        super().__init__()
        sites = "On parts of the training images whose masks never teach"
        self.loss = Plot(
            "Training loss", (LOSS, EPOCH_LOSS), "How wrong the model is where it learns; lower"
        )
        self.agreement = Plot(
            "Validation", (IOU, BOUNDARY), f"{sites}; higher is better, the circle is the best"
        )
        self.edge = Plot("Edge error, px", (EDGE,), f"{sites}; lower is better")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE)
        self.setFixedHeight(3 * HEIGHT + 2 * SPACE)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for plot in (self.loss, self.agreement, self.edge):
            layout.addWidget(plot)

    def show_state(self, state: TrainingState) -> None:
        """Draw what is known of a run."""
        epochs, points = state.epochs, state.points
        best = next((point.epoch for point in reversed(points) if point.best), None)
        self.loss.show_points([state.losses, state.epoch_losses], epochs)
        iou = [(float(point.epoch), point.iou) for point in points]
        boundary = [(float(point.epoch), point.boundary_f1) for point in points]
        self.agreement.show_points([iou, boundary], epochs, best)
        self.edge.show_points([[(float(p.epoch), p.edge_px) for p in points]], epochs, best)


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Give a range that holds all values and is not so narrow that noise fills it."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    least = max(0.02, 0.1 * abs(high))
    pad = max(0.05 * (high - low), (least - (high - low)) / 2)
    return (low - pad if low - pad > 0 else 0.0), high + pad


def tick(value: float, span: tuple[float, float]) -> str:
    """Write a limit with the decimals that its range asks for."""
    return f"{value:.2f}" if span[1] - span[0] < 10 else f"{value:.0f}"


def _pen(curve: Curve) -> QPen:
    pen = QPen(QColor(curve.color), LINE_WIDTH)
    if curve.dashed:
        pen.setStyle(Qt.PenStyle.DashLine)
    return pen
