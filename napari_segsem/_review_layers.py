"""The review of a session as napari layers: contours by source, doubtful ones, the current one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from superqt.utils import qdebounced

from napari_segsem import _layers
from napari_segsem._confidence_view import HeatMap, doubtful_stretches
from napari_segsem._contour_lines import (
    NONE,
    RegionLines,
    Segments,
    joined,
    lines_by_source,
    region_lines,
)
from napari_segsem._document import Document
from napari_segsem._review import Review
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._session import Session
from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import Region, ReviewStatus, Source
from segsem.core.extraction import Extraction

LINES_PER_VIEW = 330.0
"""A line is this part of the image's longer side wide, so that it reads in the whole view."""

LINE_SCREEN_PX = 1.8
"""Nearer, a line is this wide on the screen: it must not hide the edge that it lies on."""

ZOOM_SETTLED_MS = 120

REGION_PART = 0.25
"""Part of the canvas that a region fills at least when it is shown from the list."""


class ReviewLayers:
    """Contours, highlights and hover of the extraction that is reviewed."""

    def __init__(
        self,
        viewer: Any,
        session: Session,
        desk: ReviewDesk,
        adopt: Callable[[Any], None],
        pause_prompts: Callable[[], None],
    ) -> None:
        self._viewer, self._session, self._desk = viewer, session, desk
        self._make_ours, self._pause_prompts = adopt, pause_prompts
        self._review: Review | None = None
        self._layers: dict[str, Any] = {}
        self._outlines: dict[int, RegionLines] = {}
        self._base_width = 1.0
        self._heat = HeatMap(viewer)
        session.review_changed.connect(self._show)
        desk.decisions_changed.connect(self._show_doubtful)
        desk.threshold_changed.connect(self._show_doubtful)
        desk.current_changed.connect(self._show_current)
        # Widths are set once zooming has ended: every line is built anew for it.
        self._on_zoom = qdebounced(self._fit_widths, timeout=ZOOM_SETTLED_MS)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def close(self) -> None:
        """Let go of the session."""
        self._session.review_changed.disconnect(self._show, missing_ok=True)
        self._desk.decisions_changed.disconnect(self._show_doubtful, missing_ok=True)
        self._desk.threshold_changed.disconnect(self._show_doubtful, missing_ok=True)
        self._desk.current_changed.disconnect(self._show_current, missing_ok=True)
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        self._on_zoom.cancel()

    def activate(self) -> None:
        """Make hover and the review's keys work on the canvas."""
        layer = self._layers.get(_layers.REGIONS)
        if layer is not None and layer in self._viewer.layers:
            self._pause_prompts()
            self._viewer.layers.selection.active = layer

    def region_at(self, position: Any) -> Region | None:
        """Region at a position of the viewer; None where there is none."""
        review, layer = self._review, self._layers.get(_layers.REGIONS)
        if review is None or layer is None:
            return None
        row, col = np.rint(layer.world_to_data(position)).astype(int)
        height, width = layer.data.shape
        if not (0 <= row < height and 0 <= col < width):
            return None
        return review.region(int(layer.data[row, col]))

    def go_to_current(self) -> None:
        """Move the view to the current region, and nearer where it would be tiny."""
        document, region = self._session.document, self._review and self._review.current
        if document is None or not region:
            return
        row0, col0, row1, col1 = region.bbox_rc
        scale = np.asarray(document.scale)
        centre = np.array([(row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2]) * scale
        size = np.array([row1 - row0, col1 - col0]) * scale
        view = np.asarray(self._viewer.canvas.size) / self._viewer.scene.camera.zoom
        off_centre = np.abs(centre - np.asarray(self._viewer.scene.camera.center)[-2:])
        part = float((size / view).max())
        if bool(np.all(off_centre + size / 2 <= view / 2)) and part >= REGION_PART:
            return
        if part < REGION_PART:
            nearer = min(REGION_PART / max(part, 1e-9), 8.0)
            self._viewer.scene.camera.zoom *= nearer
            view = view / nearer
        # Near the border the image fills the view rather than the region being in its middle.
        shape = np.asarray(document.image.shape)
        low, high = view / 2 - scale / 2, (shape - 0.5) * scale - view / 2
        inside = np.where(low < high, np.clip(centre, low, np.maximum(low, high)), centre)
        self._viewer.scene.camera.center = tuple(inside)

    def _show(self) -> None:
        document, review = self._session.document, self._session.review
        if document is None or (review is None and not self._layers):
            return
        if review is self._review and review is not None:
            self._place(document)
            return
        self._review = review
        self._heat.update(document, review)
        regions = () if review is None else review.extraction.regions
        width = max(1.0, max(document.image.shape) / LINES_PER_VIEW)
        lines = lines_by_source(regions, width)
        self._make_layers(document, [s for s, found in lines.items() if len(found)])
        self._place(document)
        self._base_width = width
        self._fill(document, review, lines)
        self._fit_widths()
        if review is not None:
            self.activate()

    def _make_layers(self, document: Document, sources: list[Source]) -> None:
        made: dict[str, Callable[[], Any]] = {
            _layers.DOUBTFUL: _layers.doubtful_layer,
            _layers.CURRENT: lambda: _layers.lines_layer(_layers.CURRENT, _layers.CURRENT_COLOR),
            **{_layers.CONTOURS[s]: partial(_layers.contour_layer, s) for s in sources},
            _layers.REGIONS: lambda: _hover_layer(document),
        }
        for name, make in made.items():
            layer = self._layers.get(name)
            if layer is not None and layer in self._viewer.layers:
                continue
            layer = self._layers[name] = make()
            _layers.place(layer, document)
            self._viewer.add_layer(layer)
            self._make_ours(layer)
            if name == _layers.REGIONS:
                layer.mouse_drag_callbacks.append(self._on_press)

    def _place(self, document: Document) -> None:
        for layer in self._layers.values():
            _layers.place(layer, document)

    def _fill(
        self,
        document: Document,
        review: Review | None,
        lines: dict[Source, Segments],
    ) -> None:
        extraction = None if review is None else review.extraction
        regions = () if extraction is None else extraction.regions
        self._outlines = {region.region_id: region_lines(region) for region in regions}
        for source, found in lines.items():
            layer = self._layers.get(_layers.CONTOURS[source])
            if layer is not None:
                layer.data = found
        self._fill_hover(document, extraction)
        self._show_doubtful()
        self._show_current()

    def _fit_widths(self, _event: Any = None) -> None:
        """Make lines as wide as they read in the view, and no wider on the screen."""
        document = self._session.document
        if document is None or not self._layers:
            return
        screen = LINE_SCREEN_PX / max(self._viewer.scene.camera.zoom * document.scale[1], 1e-9)
        width = min(self._base_width, screen)
        factors = {_layers.DOUBTFUL: _layers.DOUBTFUL_WIDTH, _layers.CURRENT: _layers.CURRENT_WIDTH}
        for name, layer in self._layers.items():
            if name != _layers.REGIONS:
                layer.edge_width = width * factors.get(name, 1.0)

    def _fill_hover(self, document: Document, extraction: Extraction | None) -> None:
        layer = self._layers[_layers.REGIONS]
        if extraction is None:
            layer.data = np.zeros(document.image.shape, np.int32)
            return
        layer.data = extraction.labels()
        regions = extraction.regions
        layer.features = {
            "index": [region.region_id for region in regions],
            "source": [source_text(region) for region in regions],
            "confidence": [confidence_text(region) for region in regions],
            "why": [why_text(region) for region in regions],
        }

    def show_heat(self, shown: bool) -> None:
        """Show confidence as a heat map, or hide it."""
        self._heat.is_shown = shown
        self._heat.update(self._session.document, self._review)

    def _show_doubtful(self) -> None:
        if self._review is None:
            self._set_lines(_layers.DOUBTFUL, [])
            return
        doubtful = [region.region_id for region in self._review.doubtful]
        self._set_lines(_layers.DOUBTFUL, doubtful, doubtful_stretches(self._review))

    def _show_current(self) -> None:
        current = None if self._review is None else self._review.current_id
        self._set_lines(_layers.CURRENT, [] if current is None else [current])

    def _set_lines(self, name: str, region_ids: list[int], more: Segments = NONE) -> None:
        layer = self._layers.get(name)
        if layer is not None:
            parts = [self._outlines[i].lines for i in region_ids if i in self._outlines]
            layer.data = joined([*parts, more])

    def _on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """A click selects the region under it."""
        start = np.asarray(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        region = self.region_at(event.position)
        if region is not None and self._review is not None and _is_click(start, event.pos):
            self._review.select(region.region_id)


def confidence_text(region: Region) -> str:
    """Confidence with two decimals, or a dash where it is not rateable."""
    return "–" if math.isnan(region.confidence) else f"{region.confidence:.2f}"


def source_text(region: Region) -> str:
    """Name the method or methods that a region stands on."""
    return "SAM2 + Sauvola" if region.source is Source.MIXED else SOURCE_STYLES[region.source].label


def why_text(region: Region) -> str:
    """Why a region asks for a look, in the pipeline's own words."""
    if region.status is not ReviewStatus.PENDING:
        return region.status.value
    if region.needs_human:
        return region.fallback_reason or "neither method was good enough"
    return region.fallback_reason or ""


def _is_click(start: Any, end: Any) -> bool:
    return bool(np.abs(np.subtract(end, start)).max() <= 3)


def _hover_layer(document: Document) -> Any:
    layer = _layers.labels_layer(
        _layers.REGIONS, np.zeros(document.image.shape, np.int32), _layers.CURRENT_COLOR, 0
    )
    # Seen only by the mouse: the status bar tells what is under it.
    layer.colormap = DirectLabelColormap(color_dict={0: "transparent", None: "transparent"})
    return layer
