"""The map of a review as a napari layer: coloured lines above the contours."""

from __future__ import annotations

from typing import Any

import numpy as np
from superqt.utils import qdebounced

from napari_segsem import _layers
from napari_segsem._contour_lines import LINES_PER_VIEW
from napari_segsem._document import Document
from napari_segsem._review_layers import LINE_SCREEN_PX, ZOOM_SETTLED_MS
from napari_segsem._review_map_maker import MapMaker
from napari_segsem._session import Session

MAP = "SegSEM map"
WIDTH = 2.6
"""In line widths: the map lies on the contours and is read across the room."""


class MapView:
    """Draws what the maker made.

    Parameters
    ----------
    viewer : napari viewer
    session : Session
    maker : MapMaker
    """

    def __init__(self, viewer: Any, session: Session, maker: MapMaker) -> None:
        self._viewer, self._session, self._maker = viewer, session, maker
        self._layer: Any = None
        self._on_zoom = qdebounced(self._fit_width, timeout=ZOOM_SETTLED_MS)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)
        maker.changed.connect(self.show)

    def close(self) -> None:
        """Take the layer away and let go of the viewer."""
        self._maker.changed.disconnect(self.show, missing_ok=True)
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        self._on_zoom.cancel()

    def show(self) -> None:
        """Draw the map, or nothing."""
        document, found = self._session.document, self._maker.line_map
        there = self._layer is not None and self._layer in self._viewer.layers
        if document is None or found is None:
            if there:
                _layers.show(self._layer, False)
            return
        if not there:
            self._layer = self._added(document)
        _layers.place(self._layer, document)
        # napari slices no layer that is hidden, and would ask for the old lines' colours.
        _layers.show(self._layer, True)
        self._layer.data = found.lines
        self._layer.edge_color = found.colors() if len(found.lines) else "white"
        self._fit_width()

    def _added(self, document: Document) -> Any:
        layers = self._viewer.layers
        active = layers.selection.active
        layer = _layers.lines_layer(MAP, "#FFFFFF")
        _layers.place(layer, document)
        names = [one.name for one in layers]
        # Below what the mouse asks, which is on top.
        at = names.index(_layers.REGIONS) if _layers.REGIONS in names else len(names)
        layers.insert(at, layer)
        layers.selection.active = active
        return layer

    def _fit_width(self, _event: Any = None) -> None:
        document = self._session.document
        if document is None or self._layer is None or self._layer not in self._viewer.layers:
            return
        screen = LINE_SCREEN_PX / max(self._viewer.scene.camera.zoom * document.scale[1], 1e-9)
        base = max(1.0, max(document.image.shape) / LINES_PER_VIEW)
        width = WIDTH * min(base, screen)
        if not np.isclose(self._layer.edge_width, width):
            self._layer.edge_width = width
