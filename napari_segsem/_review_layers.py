"""The review of a session as napari layers: contours by source, doubtful ones, the current one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from psygnal import Signal
from superqt.utils import qdebounced

from napari_segsem import _layers
from napari_segsem._confidence_view import HeatMap, doubtful_stretches
from napari_segsem._contour_lines import (
    NONE,
    DrawnRegion,
    Segments,
    drawn,
    joined,
    line_width_px,
    region_lines,
)
from napari_segsem._document import Document
from napari_segsem._review import Review
from napari_segsem._review_camera import bring_into_view
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._review_hover import HoverRegions
from napari_segsem._review_words import source_text
from napari_segsem._session import Session
from segsem.core.contour import Region, Source

LINE_SCREEN_PX = 1.8
"""Nearer, a line is this wide on the screen: it must not hide the edge that it lies on."""

ZOOM_SETTLED_MS = 120

DRAFT = "SegSEM edited region"


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
        self._drawn: dict[int, DrawnRegion] = {}
        self._replaced: dict[int, Region] = {}
        self._hover = HoverRegions()
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
        review = self._review
        return None if review is None else review.region(self._hover.number_at(position))

    def go_to_current(self) -> None:
        """Move the view to the current region, and nearer where it would be tiny."""
        document, region = self._session.document, self._review and self._review.current
        if document is not None and region:
            bring_into_view(self._viewer, document, region)

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
        self._replaced = {} if review is None else review.replaced
        # What stood here is of another image: it is taken away, and put once when it is known.
        if review is None:
            self._clear()
        else:
            self._fill(document, review)
            self.activate()

    def _clear(self) -> None:
        self._drawn = {}
        self._hover.clear()
        for name in self._layers:
            if name != _layers.REGIONS:
                self._set_data(name, NONE)

    def _fill(self, document: Document, review: Review) -> None:
        """Show an image's regions; each layer gets its data once, and its place and width first."""
        self._base_width = line_width_px(document.image.shape)
        self._drawn = dict(review.drawn())
        self._make_layers(document, self._sources())
        self._place(document)
        self._fit_widths()
        self._fill_contours()
        self._hover.fill(review.extraction, review.labels())
        self._show_doubtful()
        self._show_current()

    def _make_layers(self, document: Document, sources: list[Source]) -> None:
        made: dict[str, Callable[[], Any]] = {
            _layers.DOUBTFUL: _layers.doubtful_layer,
            _layers.CURRENT: lambda: _layers.lines_layer(_layers.CURRENT, _layers.CURRENT_COLOR),
            **{_layers.CONTOURS[s]: partial(_layers.contour_layer, s) for s in sources},
            _layers.REGIONS: self._hover.make,
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

    def _sources(self) -> list[Source]:
        return [s for s in Source if any(len(found.dashes[s]) for found in self._drawn.values())]

    def _fill_contours(self, only: Iterable[Source] = tuple(Source)) -> None:
        for source in only:
            parts = [found.dashes[source] for found in self._drawn.values()]
            self._set_data(_layers.CONTOURS[source], joined(parts))

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

    def _sources_of(self, regions: Iterable[Region]) -> set[Source]:
        found = [self._drawn[region.region_id].dashes for region in regions]
        return {source for source in Source if any(len(dashes[source]) for dashes in found)}

    def _redraw(self, regions: Sequence[Region], *, only_lines: bool = False) -> None:
        document = self._session.document
        if document is None or not regions:
            return
        touched = self._sources_of(regions)
        self._drawn |= drawn(regions, self._base_width)
        touched |= self._sources_of(regions)
        active = self._viewer.layers.selection.active
        self._make_layers(document, [*touched])
        self._fit_widths()
        if active is not None and active in self._viewer.layers:
            # napari selects a layer that was just added.
            self._viewer.layers.selection.active = active
        self._fill_contours(touched)
        if not only_lines and self._review is not None:
            self._hover.patch(regions, self._review.extraction)
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
        if shown is not None and number in self._drawn:
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
        self._set_data(DRAFT, NONE if hidden or region is None else region_lines(region).lines)

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
                wanted = width * factors.get(name, 1.0)
                if layer.edge_width != wanted:
                    layer.edge_width = wanted

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
        parts = [self._drawn[i].outline for i in region_ids if i in self._drawn]
        self._set_data(name, joined([*parts, more]))

    def _set_data(self, name: str, lines: Segments) -> None:
        """Give a layer of lines other ones: napari builds it anew, be they the same."""
        layer = self._layers.get(name)
        if layer is not None and not np.array_equal(layer.data, lines):
            _layers.put(layer, lines)

    def _on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """A click selects the region under it."""
        start = np.asarray(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        region = self.region_at(event.position)
        if region is not None and self._review is not None and _is_click(start, event.pos):
            self._review.select(region.region_id)


def _is_click(start: Any, end: Any) -> bool:
    return bool(np.abs(np.subtract(end, start)).max() <= 3)
