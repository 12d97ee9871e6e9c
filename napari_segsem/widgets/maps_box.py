"""Which map lies over the image, and what its colours mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.colormaps import ensure_colormap
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPalette
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_segsem._review_map_maker import MapMaker
from napari_segsem._review_map_view import MapView
from napari_segsem._review_maps import NOT_FOUND, LineMap, MapKind, diverging
from napari_segsem._sessions import Shared
from napari_segsem._tasks import run_in_background
from napari_segsem.widgets.parts import follow, row, text_label

TIPS = {
    MapKind.NONE: "Contours alone",
    MapKind.CONFIDENCE: "Probability that the edge is right; outside regions nothing is rated",
    MapKind.DISTANCE: "How far SAM2's contour lies outside Sauvola's, along the contours",
    MapKind.EPE: "Signed edge placement error against the registered design, along its edge",
}
BAR_PX, LINE_PX = 10, 15
STEPS = 128


class MapLegend(QWidget):
    """A bar of colours with the numbers at its ends, and what they mean."""

    def __init__(self) -> None:
        super().__init__()
        self.colors = np.zeros((STEPS, 3))
        self.ends = ("", "", "")
        self.meanings = ("", "")
        self.nothing = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_confidence(self) -> None:
        """Explain the heat map of confidence."""
        self.colors = np.asarray(ensure_colormap("viridis").map(np.linspace(0, 1, STEPS)))[:, :3]
        self._say(("0", "confidence", "1"), ("unsure", "sure"), "")

    def show_map(self, found: LineMap) -> None:
        """Explain a map along lines."""
        self.colors = diverging(np.linspace(-1, 1, STEPS))
        limit = f"{found.limit:g} {found.unit}"
        nothing = found.nothing if found.n_missing else ""
        self._say((f"−{limit}", "0", f"+{limit}"), (found.negative, found.positive), nothing)

    def _say(self, ends: tuple[str, str, str], meanings: tuple[str, str], nothing: str) -> None:
        self.ends, self.meanings, self.nothing = ends, meanings, nothing
        self.setFixedHeight(BAR_PX + (3 if nothing else 2) * (LINE_PX + 1) + 2)
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Draw bar, numbers, meanings."""
        painter = QPainter(self)
        width = float(self.width())
        pixels = np.ascontiguousarray(np.rint(self.colors * 255).astype(np.uint8))
        raw = pixels.tobytes()
        image = QImage(raw, STEPS, 1, 3 * STEPS, QImage.Format.Format_RGB888)
        painter.drawImage(QRectF(0, 0, width, BAR_PX), image)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignHCenter
        numbers = QRectF(0, BAR_PX + 1, width, LINE_PX)
        for text, where in zip(self.ends, (left, middle, right), strict=True):
            painter.drawText(numbers, int(where), text)
        words = numbers.translated(0, LINE_PX + 1)
        for text, where in zip(self.meanings, (left, right), strict=True):
            painter.drawText(words, int(where), text)
        if self.nothing:
            line = words.translated(0, LINE_PX + 1)
            painter.fillRect(QRectF(0, line.top() + 5, 22, 5), QColor(*NOT_FOUND))
            painter.drawText(line.adjusted(28, 0, 0, 0), int(left), self.nothing)


class MapsBox(QWidget):
    """One choice, its legend, and a sentence where there is nothing to show.

    Parameters
    ----------
    shared : Shared
    viewer : napari viewer
    """

    def __init__(self, shared: Shared, viewer: Any) -> None:
        super().__init__()
        self._shared, session, desk = shared, shared.session, shared.desk
        self.maker = MapMaker(session, run_in_background)
        self._view = MapView(viewer, session, self.maker)
        self.choice = QComboBox()
        for number, kind in enumerate(MapKind):
            self.choice.addItem(kind.value, kind.value)
            self.choice.setItemData(number, TIPS[kind], Qt.ItemDataRole.ToolTipRole)
        self.choice.setToolTip("What is drawn in colours over the image")
        self.legend = MapLegend()
        self.words = text_label(tip="What the map does not show")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(row(QLabel("Map"), self.choice))
        layout.addWidget(self.legend)
        layout.addWidget(self.words)
        self.choice.currentIndexChanged.connect(lambda _index: self._chosen())
        follow(self, self.maker.changed, self._show)
        follow(self, session.review_changed, self.maker.refresh)
        follow(self, desk.decisions_changed, self.maker.refresh)
        self._show()

    @property
    def kind(self) -> MapKind:
        """The map that is chosen."""
        return MapKind(str(self.choice.currentData()))

    def close_down(self) -> None:
        """End what is being made, and let go of the viewer."""
        self.maker.close()
        self._view.close()

    def _chosen(self) -> None:
        self._shared.review_layers.show_heat(self.kind is MapKind.CONFIDENCE)
        self.maker.show(self.kind)
        self._show()

    def _show(self) -> None:
        found = self.maker.line_map
        if self.kind is MapKind.CONFIDENCE:
            self.legend.show_confidence()
        elif found is not None:
            self.legend.show_map(found)
        self.legend.setVisible(self.kind is MapKind.CONFIDENCE or found is not None)
        text = self.maker.words or ("" if found is None else found.note)
        self.words.setText(text)
        self.words.setVisible(bool(text))
