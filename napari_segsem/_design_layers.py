"""The registered design as a thin dashed line over the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from superqt.utils import qdebounced

from napari_segsem import _layers
from napari_segsem._contour_lines import joined
from napari_segsem._design import DesignDesk
from napari_segsem._layers import segments
from napari_segsem._session import Session
from segsem.core.types import PointsRC
from segsem.export.dashes import split_into_dashes

DESIGN = "SegSEM design"
COLOR = "#B7F34B"
"""Light green: no source of contours has it."""

DASHES = (6.0, 4.0)
LINES_PER_VIEW = 700.0
"""A line is this part of the image's longer side wide: half of a contour's."""

LINE_SCREEN_PX = 1.2
"""Nearer, it is this wide on the screen: it must not hide the edge that it is compared with."""

ZOOM_SETTLED_MS = 120

NOT_SURE = 0.45
"""Opacity of a design that may lie elsewhere."""


class DesignLayers:
    """Shows what the desk found.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    desk : DesignDesk
    adopt : callable
        Called with the layer: gives it keys and words for the status bar.
    """

    def __init__(
        self, viewer: Any, session: Session, desk: DesignDesk, adopt: Callable[[Any], None]
    ) -> None:
        self._viewer, self._session, self._desk = viewer, session, desk
        self._adopt = adopt
        self._layer: Any = None
        desk.changed.connect(self._show)
        self._on_zoom = qdebounced(self._fit_width, timeout=ZOOM_SETTLED_MS)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def close(self) -> None:
        """Let go of the desk."""
        self._desk.changed.disconnect(self._show, missing_ok=True)
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        self._on_zoom.cancel()

    def _show(self) -> None:
        document, located = self._session.document, self._desk.located
        lines: list[PointsRC] = [] if located is None else located.lines_rc
        if document is None or (not lines and self._layer is None):
            return
        width = max(1.0, max(document.image.shape) / LINES_PER_VIEW)
        if self._layer is None or self._layer not in self._viewer.layers:
            if not lines:
                return
            self._layer = _layers.lines_layer(DESIGN, COLOR)
            _layers.place(self._layer, document)
            active = self._viewer.layers.selection.active
            self._viewer.add_layer(self._layer)
            # The layer that is worked on stays the one that hears keys and clicks.
            self._viewer.layers.selection.active = active
            self._adopt(self._layer)
        _layers.place(self._layer, document)
        pieces = [piece for line in lines for piece in split_into_dashes(line, DASHES, width)]
        self._layer.data = joined([segments(piece) for piece in pieces if len(piece) > 1])
        self._fit_width()
        if located is not None:
            self._layer.opacity = 1.0 if located.reason is None else NOT_SURE

    def _fit_width(self, _event: Any = None) -> None:
        """Make the line as wide as it reads in the whole view, and no wider on the screen."""
        document = self._session.document
        if document is None or self._layer is None or not len(self._layer.data):
            return
        screen = LINE_SCREEN_PX / max(self._viewer.scene.camera.zoom * document.scale[1], 1e-9)
        self._layer.edge_width = min(max(1.0, max(document.image.shape) / LINES_PER_VIEW), screen)
