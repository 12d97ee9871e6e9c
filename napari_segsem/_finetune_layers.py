"""Held-out objects as the model before and the new one outline them, over the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from psygnal import Signal
from superqt.utils import qdebounced

from napari_segsem import _layers
from napari_segsem._contour_lines import Segments, joined
from napari_segsem._document import Document
from napari_segsem._finetune_models import TunedModel
from napari_segsem._session import Session
from segsem.contours.trace import Polyline
from segsem.core.appearance import AFTER_STYLE, BEFORE_STYLE, LineStyle
from segsem.core.exceptions import InputError
from segsem.export.dashes import split_into_dashes
from segsem.training.outlines import ObjectOutlines, read_outlines

BEFORE, AFTER = "SegSEM before fine-tuning", "SegSEM after fine-tuning"
STYLES = {BEFORE: BEFORE_STYLE, AFTER: AFTER_STYLE}
KINDS = {"One click each": "click", "A box each": "box"}

LINES_PER_VIEW = 330.0
"""A line is this part of the image's longer side wide, so that it reads in the whole view."""

LINE_SCREEN_PX = 1.8
"""Nearer, a line is this wide on the screen: it must not hide the edge that it lies on."""

ZOOM_SETTLED_MS = 120


class FinetuneLayers:
    """Shows a model's held-out images one after another.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    adopt : callable
        Makes a layer one of the plugin's.
    """

    changed = Signal()

    def __init__(self, viewer: Any, session: Session, adopt: Callable[[Any], None]) -> None:
        self._viewer, self._session, self._make_ours = viewer, session, adopt
        self._layers: dict[str, Any] = {}
        self._outlines: dict[str, tuple[ObjectOutlines, ...]] = {}
        self._model: TunedModel | None = None
        self.kind = "click"
        self.image_ids: tuple[str, ...] = ()
        session.document_changed.connect(self._draw)
        self._on_zoom = qdebounced(self._fit_widths, timeout=ZOOM_SETTLED_MS)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)

    @property
    def is_shown(self) -> bool:
        """Whether a model's outlines are shown."""
        return self._model is not None

    @property
    def index(self) -> int | None:
        """Index of the image shown among the held-out ones; None where it is none of them."""
        image_id = self._image_id()
        return self.image_ids.index(image_id) if image_id in self.image_ids else None

    def show(self, model: TunedModel) -> None:
        """Show the outlines of a model, on the first of its held-out images."""
        try:
            self._outlines = read_outlines(model.folder)
        except InputError as error:
            self._session.tell_error(str(error))
            return
        self._model, self.image_ids = model, tuple(self._outlines)
        if not self.image_ids:
            self._session.tell(f"{model.name} keeps no outlines to look at")
            return
        if self.index is None:
            self.go_to(0)
        self._draw()
        self.changed.emit()

    def hide(self) -> None:
        """Show nothing any more."""
        if self._model is not None:
            self._model, self._outlines, self.image_ids = None, {}, ()
            self._draw()
            self.changed.emit()

    def ask_by(self, kind: str) -> None:
        """Show what one click, or the box of each object, gives."""
        self.kind = kind
        self._draw()

    def step(self, by: int) -> None:
        """Show the next (1) or previous (-1) held-out image."""
        if self.image_ids:
            self.go_to(((self.index or 0) + by) % len(self.image_ids))

    def go_to(self, index: int) -> None:
        """Show a held-out image by its index."""
        series = self._session.series
        project = series.project
        row = None if project is None else project.images.get(self.image_ids[index])
        path = None if project is None or row is None else project.images.path_of(row)
        if path is None:
            self._session.tell(f"{self.image_ids[index]} comes from no file: open it yourself")
        elif path in series.paths:
            series.go_to(series.paths.index(path))
        else:
            self._session.open_files([path])

    def close(self) -> None:
        """Let go of session and viewer."""
        self._session.document_changed.disconnect(self._draw, missing_ok=True)
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        self._on_zoom.cancel()

    def _image_id(self) -> str | None:
        document, workplace = self._session.document, self._session.workplace
        row = None if document is None or workplace is None else workplace.row(document)
        return None if row is None else row.image_id

    def _draw(self) -> None:
        document, image_id = self._session.document, self._image_id()
        objects = self._outlines.get(image_id or "", ())
        if document is not None and (objects or self._layers):
            width = self._widest(document)
            for name, style in STYLES.items():
                found = [(one.before if name == BEFORE else one.after) for one in objects]
                lines = [line for one in found for line in one.get(self.kind, ())]
                self._fill(name, style, document, lines, width)
            self._fit_widths()
        self.changed.emit()

    def _fill(
        self, name: str, style: LineStyle, document: Document, lines: list[Polyline], width: float
    ) -> None:
        layer = self._layers.get(name)
        if layer is None or layer not in self._viewer.layers:
            active = self._viewer.layers.selection.active
            layer = self._layers[name] = _layers.lines_layer(name, style.color)
            _layers.place(layer, document)
            self._viewer.add_layer(layer)
            self._make_ours(layer)
            # The tool in hand belongs to the layer that was active.
            self._viewer.layers.selection.active = active
        _layers.place(layer, document)
        layer.data = _dashed(lines, style, width)
        _layers.show(layer, bool(lines))

    def _fit_widths(self, _event: Any = None) -> None:
        """Make lines as wide as they read in the view, and no wider on the screen."""
        document = self._session.document
        if document is None or not self._layers or not self.is_shown:
            return
        screen = LINE_SCREEN_PX / max(self._viewer.scene.camera.zoom * document.scale[1], 1e-9)
        for layer in self._layers.values():
            layer.edge_width = min(self._widest(document), screen)

    def _widest(self, document: Document) -> float:
        return max(1.0, max(document.image.shape) / LINES_PER_VIEW)


def _dashed(lines: list[Polyline], style: LineStyle, unit_px: float) -> Segments:
    pieces = []
    for line in lines:
        points = line.vertices_rc
        if line.closed:
            points = np.vstack([points, points[:1]])
        dashes = split_into_dashes(points, style.dashes, unit_px)
        pieces += [_layers.segments(piece) for piece in dashes if len(piece) > 1]
    return joined(pieces)
