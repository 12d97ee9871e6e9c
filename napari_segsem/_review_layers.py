"""The review of a session as napari layers: contours by source, doubtful ones, the current one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from psygnal import Signal
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
from segsem.core.contour import SOURCE_CODES, Region, ReviewStatus, Source, against_design
from segsem.core.extraction import Extraction

LINES_PER_VIEW = 330.0
"""A line is this part of the image's longer side wide, so that it reads in the whole view."""

LINE_SCREEN_PX = 1.8
"""Nearer, a line is this wide on the screen: it must not hide the edge that it lies on."""

ZOOM_SETTLED_MS = 120

REGION_PART = 0.25
"""Part of the canvas that a region fills at least when it is shown from the list."""


DRAFT = "SegSEM edited region"

BySource = Mapping[Source, Segments]


class ReviewLayers:
    """Contours, highlights and hover of the extraction that is reviewed."""

    before_changed = Signal()
    """The current region is shown as it was found, or no longer."""

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
        self._dashes: dict[int, BySource] = {}
        self._replaced: dict[int, Region] = {}
        self._boxes: dict[int, tuple[int, int, int, int]] = {}
        self._drafted: Region | None = None
        self.shows_before = False
        """Whether the current region is shown as it was found."""
        self._base_width = 1.0
        self._heat = HeatMap(viewer)
        session.review_changed.connect(self._show)
        desk.decisions_changed.connect(self._show_decided)
        desk.threshold_changed.connect(self._show_doubtful)
        desk.current_changed.connect(self._current_moved)
        # Widths are set once zooming has ended: every line is built anew for it.
        self._on_zoom = qdebounced(self._fit_widths, timeout=ZOOM_SETTLED_MS)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def close(self) -> None:
        """Let go of the session."""
        self._session.review_changed.disconnect(self._show, missing_ok=True)
        self._desk.decisions_changed.disconnect(self._show_decided, missing_ok=True)
        self._desk.threshold_changed.disconnect(self._show_doubtful, missing_ok=True)
        self._desk.current_changed.disconnect(self._current_moved, missing_ok=True)
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
        self.shows_before = False
        self._base_width = max(1.0, max(document.image.shape) / LINES_PER_VIEW)
        self._replaced = {} if review is None else review.replaced
        regions = () if review is None else review.extraction.regions
        self._dashes, self._outlines = {}, {}
        for region in regions:
            self._draw(region)
        self._make_layers(document, self._sources())
        self._place(document)
        self._fill(document, review)
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
    ) -> None:
        self._fill_contours()
        self._fill_hover(document, None if review is None else review.extraction)
        self._show_doubtful()
        self._show_current()

    def _draw(self, region: Region) -> None:
        """Cut a region's contours into dashes; most of them stay so for long."""
        self._dashes[region.region_id] = lines_by_source([region], self._base_width)
        self._outlines[region.region_id] = region_lines(region)

    def _sources(self) -> list[Source]:
        return [s for s in Source if any(len(found[s]) for found in self._dashes.values())]

    def _fill_contours(self, only: Iterable[Source] = tuple(Source)) -> None:
        for source in only:
            layer = self._layers.get(_layers.CONTOURS[source])
            if layer is not None:
                layer.data = joined([found[source] for found in self._dashes.values()])

    def _show_decided(self) -> None:
        """Draw anew what another region stands in place of, or no longer does."""
        review = self._review
        if review is not None and review is self._session.review:
            before, now = self._replaced, review.replaced
            changed = [i for i in {*before, *now} if before.get(i) is not now.get(i)]
            if changed:
                self._replaced = now
                self.shows_before = False
                self._redraw([r for r in map(review.region, changed) if r is not None])
        self._show_doubtful()

    def _redraw(self, regions: Sequence[Region], *, only_lines: bool = False) -> None:
        document = self._session.document
        if document is None or not regions:
            return
        touched = {s for r in regions for s in Source if len(self._dashes[r.region_id][s])}
        for region in regions:
            self._draw(region)
        touched |= {s for r in regions for s in Source if len(self._dashes[r.region_id][s])}
        active = self._viewer.layers.selection.active
        self._make_layers(document, [*touched])
        self._fit_widths()
        if active is not None and active in self._viewer.layers:
            # napari selects a layer that was just added.
            self._viewer.layers.selection.active = active
        self._fill_contours(touched)
        if not only_lines and self._review is not None:
            self._patch_hover(regions, self._review.extraction)
        self._show_current()

    def toggle_before(self) -> str:
        """Show the current region as it was found, or as it is again; say which."""
        review = self._review
        current = None if review is None else review.current
        if review is None or current is None:
            return "No region is shown"
        number = current.region_id
        if number not in review.replaced and self._drafted is None:
            return f"Region {number} is as it was found: nothing was changed"
        self.shows_before = not self.shows_before
        self._show_before_or_now(review, number)
        if self.shows_before:
            found = review.found_region(number)
            return f"Region {number} as it was found: {source_text(found)}"
        return f"Region {number} as it is now"

    def _show_before_or_now(self, review: Review, number: int) -> None:
        shown = review.found_region(number) if self.shows_before else review.region(number)
        if shown is not None and number in self._dashes:
            self._redraw([shown], only_lines=True)
        self.show_draft(self._drafted)
        self.before_changed.emit()

    def show_draft(self, region: Region | None) -> None:
        """Show the outline of a region that is being edited; None: nothing is edited."""
        document, self._drafted = self._session.document, region
        layer = self._layers.get(DRAFT)
        if document is None or (region is None and layer is None):
            return
        if layer is None or layer not in self._viewer.layers:
            active = self._viewer.layers.selection.active
            layer = self._layers[DRAFT] = _layers.lines_layer(DRAFT, _layers.PREVIEW_COLOR)
            _layers.place(layer, document)
            self._viewer.add_layer(layer)
            self._make_ours(layer)
            self._viewer.layers.selection.active = active
            self._fit_widths()
        hidden = region is None or self.shows_before
        layer.data = NONE if hidden or region is None else region_lines(region).lines

    def image_px(self, screen_px: float) -> float:
        """Length in image px of so many px on the screen."""
        document = self._session.document
        scale = 1.0 if document is None else document.scale[1]
        return float(screen_px / max(self._viewer.scene.camera.zoom * scale, 1e-9))

    def _fit_widths(self, _event: Any = None) -> None:
        """Make lines as wide as they read in the view, and no wider on the screen."""
        document = self._session.document
        if document is None or not self._layers:
            return
        width = min(self._base_width, self.image_px(LINE_SCREEN_PX))
        factors = {_layers.DOUBTFUL: _layers.DOUBTFUL_WIDTH, _layers.CURRENT: _layers.CURRENT_WIDTH}
        for name, layer in self._layers.items():
            if name != _layers.REGIONS:
                layer.edge_width = width * factors.get(name, 1.0)

    def _fill_hover(self, document: Document, extraction: Extraction | None) -> None:
        layer = self._layers[_layers.REGIONS]
        if extraction is None:
            layer.data = np.zeros(document.image.shape, np.int32)
            self._boxes = {}
            return
        layer.data = extraction.labels()
        self._boxes = {region.region_id: region.bbox_rc for region in extraction.regions}
        self._describe(extraction)

    def _patch_hover(self, changed: Iterable[Region], extraction: Extraction) -> None:
        """Put other masks where the mouse looks; nothing of it is drawn, so nothing is redrawn."""
        labels = self._layers[_layers.REGIONS].data
        for region in changed:
            row0, col0, row1, col1 = self._boxes.get(region.region_id, region.bbox_rc)
            before = labels[row0:row1, col0:col1]
            before[before == region.region_id] = 0
            row0, col0, row1, col1 = self._boxes[region.region_id] = region.bbox_rc
            labels[row0:row1, col0:col1][region.mask] = region.region_id
        self._describe(extraction)

    def _describe(self, extraction: Extraction) -> None:
        regions = extraction.regions
        self._layers[_layers.REGIONS].features = {
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

    def _current_moved(self) -> None:
        """Leave the region before as it is now, not as it was found."""
        review, before = self._review, self._replaced
        if self.shows_before and review is not None:
            self.shows_before = False
            self._redraw([r for r in map(review.region, before) if r is not None], only_lines=True)
            self.before_changed.emit()
        self._show_current()

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
    if region.source is not Source.MIXED:
        return SOURCE_STYLES[region.source].label
    codes = {int(code) for contour in region.contours for code in np.unique(contour.source_code)}
    named = [SOURCE_STYLES[SOURCE_CODES[code]].label for code in sorted(codes)]
    return " + ".join(named) or "SAM2 + Sauvola"


def why_text(region: Region) -> str:
    """Why a region asks for a look, in the pipeline's own words."""
    if region.status is not ReviewStatus.PENDING:
        return region.status.value
    reason = region.fallback_reason or ""
    if region.needs_human:
        reason = reason or "neither method was good enough"
    return "; ".join(part for part in (against_design(region.flags), reason) if part)


def _is_click(start: Any, end: Any) -> bool:
    return bool(np.abs(np.subtract(end, start)).max() <= 3)


def _hover_layer(document: Document) -> Any:
    layer = _layers.labels_layer(
        _layers.REGIONS, np.zeros(document.image.shape, np.int32), _layers.CURRENT_COLOR, 0
    )
    # Seen only by the mouse: the status bar tells what is under it.
    layer.colormap = DirectLabelColormap(color_dict={0: "transparent", None: "transparent"})
    return layer
