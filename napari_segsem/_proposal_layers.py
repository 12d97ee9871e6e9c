"""Proposals, what is drawn to ask for them, and the preview under the mouse, as napari layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from napari_segsem import _layers
from napari_segsem._asking import outline_around
from napari_segsem._document import Document
from napari_segsem._prompt_tools import Point, corners_of
from napari_segsem._proposals import Proposal
from napari_segsem._session import Session
from napari_segsem._tasks import soon
from segsem.engine.answers import Outline

LINE_SCREEN_PX = 2.0

MOST_SCORES = 150
"""Scores are written beside proposals while there are no more of them: text is slow to draw."""

FEW_SCORES = 20
"""So many are written as they come; more of them once all are there."""

READABLE_SCREEN_PX = 34.0
"""A proposal narrower than this on the screen has no room for its score."""


class ProposalLayers:
    """Draws proposals of the image that is shown; its layers are made when an image is opened.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    adopt : callable
        Called with each layer: gives it keys and words for the status bar.
    screen_px : callable
        Gives the length in image px of so many px on the screen.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        adopt: Callable[[Any], None],
        screen_px: Callable[[float], float],
    ) -> None:
        self._viewer, self._session = viewer, session
        self._adopt, self._screen_px = adopt, screen_px
        self._layers: dict[str, Any] = {}
        self._document: Document | None = None
        self._drawn: dict[str, Outline] = {}
        self._drawing: Sequence[Sequence[Point]] = ()
        self._closed = False
        self._texts: list[str] = []
        self._widths_px: list[int] = []
        session.document_changed.connect(self._show)
        viewer.scene.camera.events.zoom.connect(self._make_room)
        session.asking.hovered.connect(self._show_hover)

    def close(self) -> None:
        """Let go of the session."""
        self._closed = True
        self._session.document_changed.disconnect(self._show, missing_ok=True)
        self._session.asking.hovered.disconnect(self._show_hover, missing_ok=True)
        self._viewer.scene.camera.events.zoom.disconnect(self._make_room)

    def show_lines(self, lines: Sequence[Sequence[Point]]) -> None:
        """Show lines while they are drawn; none: what stands."""
        self._drawing = lines
        self._show_asked()

    def _show(self) -> None:
        document = self._session.document
        if document is None:
            return
        if document is not self._document:
            self._document = document
            self._connect(document)
            soon(self._make_ready)
            self._drawn.clear()
            layer = self._layers.get(_layers.PROPOSALS)
            if layer is not None and layer in self._viewer.layers:
                _layers.put(layer, np.zeros((1, 1), dtype=np.uint8))
        for name in _layers.PROPOSAL_LAYERS:
            if self._layers.get(name) in self._viewer.layers:
                _layers.place(self._layers[name], document)
        self._show_hover(None)
        self._show_proposals(frozenset(document.annotation.proposals.shown))
        self._show_asked()

    def _make_ready(self) -> None:
        """Make all layers, before anybody works on the image.

        napari takes a tenth of a second to add a layer: nobody is to wait for it in mid-work. All
        in one go: a click that follows soon after the opening is not to meet the next of them.
        """
        document = self._session.document
        if self._closed or document is None or _layers.PROMPTS not in self._viewer.layers:
            return
        for name in _layers.PROPOSAL_LAYERS:
            self._layer(name, document)

    def _connect(self, document: Document) -> None:
        for signal, slot in (
            (document.annotation.proposals.changed, self._show_proposals),
            (document.annotation.prompts_changed, self._show_asked),
        ):
            signal.disconnect(slot, missing_ok=True)
            signal.connect(slot)

    def _show_proposals(self, keys: frozenset[str]) -> None:
        document = self._session.document
        if document is None or document is not self._document:
            return
        shown = document.annotation.proposals.shown
        touched = [self._drawn.pop(key) for key in keys if key in self._drawn]
        fresh = {key: outline_around(shown[key].mask) for key in keys if key in shown}
        if touched or fresh:
            self._erase(touched)
            self._drawn |= fresh
            # Where outlines cross, what is erased takes pixels of those that stay.
            near = [known for known in self._drawn.values() if _meets(known, touched)]
            self._draw([*fresh.values(), *near])
        proposals = document.annotation.proposals
        if proposals.is_complete or len(shown) <= FEW_SCORES:
            self._show_scores(list(shown.values()))
        self._show_asked()

    def _draw(self, outlines: Iterable[Outline]) -> None:
        document = self._document
        places = [_pixels(outline) for outline in outlines]
        if document is None or not places:
            return
        layer = self._layer(_layers.PROPOSALS, document)
        if layer.data.shape != document.image.shape:
            _layers.put(layer, np.zeros(document.image.shape, dtype=np.uint8))
        self._set(layer, places, 1)

    def _erase(self, outlines: Iterable[Outline]) -> None:
        layer = self._layers.get(_layers.PROPOSALS)
        places = [_pixels(outline) for outline in outlines]
        if layer is not None and layer in self._viewer.layers and places:
            self._set(layer, places, 0)

    def _set(self, layer: Any, places: Sequence[Any], value: int) -> None:
        rows, cols = (np.concatenate([place[axis] for place in places]) for axis in (0, 1))
        height, width = layer.data.shape
        inside = (rows >= 0) & (cols >= 0) & (rows < height) & (cols < width)
        if inside.any():
            layer.data_setitem((rows[inside], cols[inside]), value)

    def _show_scores(self, proposals: Sequence[Proposal]) -> None:
        document = self._document
        if document is None:
            return
        told = proposals if len(proposals) <= MOST_SCORES else ()
        if not told and self._layers.get(_layers.SCORES) not in self._viewer.layers:
            return
        layer = self._layer(_layers.SCORES, document)
        centres = np.asarray([_middle(proposal) for proposal in told], dtype=float).reshape(-1, 2)
        texts = [f"{proposal.score:.2f}" for proposal in told]
        self._widths_px = [proposal.mask.shape[1] for proposal in told]
        if not np.array_equal(layer.data, centres) or texts != self._texts:
            self._texts = texts
            layer.data = centres
            layer.features = {"score": np.array(texts, dtype=object)}
            layer.refresh_text()
        self._make_room()

    def _make_room(self, _event: Any = None) -> None:
        """Show scores only where the zoom leaves room for them."""
        layer = self._layers.get(_layers.SCORES)
        if layer is not None and layer in self._viewer.layers and self._widths_px:
            wide_enough = np.median(self._widths_px) >= self._screen_px(READABLE_SCREEN_PX)
            # The text, not the layer: napari loses count of a hidden layer's text.
            layer.text.visible = bool(wide_enough)

    def _show_asked(self) -> None:
        document = self._session.document
        if document is None or document is not self._document:
            return
        annotation = document.annotation
        lines = [list(line) for line in self._drawing]
        lines += [corners_of(box) for box in annotation.proposals.open_boxes()]
        corners = annotation.state.polygon_rc
        if corners:
            lines.append([*corners, corners[0]] if annotation.state.is_closed else list(corners))
        if not lines and self._layers.get(_layers.ASKED) not in self._viewer.layers:
            return
        layer = self._layer(_layers.ASKED, document)
        vectors = [_layers.segments(np.asarray(line)) for line in map(_visible, lines)]
        data = np.concatenate(vectors) if vectors else np.zeros((0, 2, 2))
        if not np.array_equal(layer.data, data):
            layer.edge_width = self._screen_px(LINE_SCREEN_PX)
            _layers.put(layer, data)

    def _show_hover(self, outline: Outline | None) -> None:
        document = self._session.document
        layer = self._layers.get(_layers.HOVER)
        if outline is None or document is None:
            if layer is not None and layer in self._viewer.layers and layer.data.any():
                _layers.put(layer, np.zeros((1, 1), dtype=np.uint8))
            return
        layer = self._layer(_layers.HOVER, document)
        _layers.put_at(layer, outline.data, document, outline.offset_rc)

    def _layer(self, name: str, document: Document) -> Any:
        layers, known = self._viewer.layers, self._layers.get(name)
        if known is not None and known in layers:
            return known
        made = self._layers[name] = _layers.PROPOSAL_LAYERS[name]()
        _layers.place(made, document)
        self._adopt(made)
        active = layers.selection.active
        names = [layer.name for layer in layers]
        # Below the prompts, which take the clicks.
        at = names.index(_layers.PROMPTS) if _layers.PROMPTS in names else len(layers)
        layers.insert(at, made)
        if active is not None:
            layers.selection.active = active
        return made


def _pixels(outline: Outline) -> tuple[Any, Any]:
    rows, cols = np.nonzero(outline.data)
    return rows + outline.offset_rc[0], cols + outline.offset_rc[1]


def _meets(outline: Outline, others: Sequence[Outline]) -> bool:
    row, col = outline.offset_rc
    height, width = outline.data.shape
    return any(
        row < other.offset_rc[0] + other.data.shape[0]
        and other.offset_rc[0] < row + height
        and col < other.offset_rc[1] + other.data.shape[1]
        and other.offset_rc[1] < col + width
        for other in others
    )


def _middle(proposal: Proposal) -> Point:
    row0, col0, row1, col1 = proposal.mask.box_rc
    return (row0 + row1) / 2, (col0 + col1) / 2


def _visible(line: list[Point]) -> list[Point]:
    # A single corner is a dot: a line that goes nowhere would not be seen.
    return line if len(line) > 1 else [(line[0][0], line[0][1] - 1), (line[0][0], line[0][1] + 1)]
