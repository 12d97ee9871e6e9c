"""More tools that prompt: many boxes together, scribbles, polygons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from napari_segsem._document import Document
from napari_segsem._prompt_mouse import (
    DRAG_PX,
    MINUS_MODIFIERS,
    box_between,
    is_drag,
    is_on_sample,
    on_sample,
    settle_proposal,
)
from napari_segsem._session import Session
from segsem.core.types import BoxRC
from segsem.segmentation.prompts import BACKGROUND, FOREGROUND

STROKE_POINTS = 5
"""Clicks that a scribble stands for, at most."""

STROKE_STEP_PX = 12.0
"""Least distance on the screen between two of them."""

NEAR_PX = 8.0
"""A click so near the first corner, on the screen, closes a polygon."""

Point = tuple[float, float]
ShowLines = Callable[[Sequence[Sequence[Point]]], None]
"""Shows lines while they are drawn; none: what stands."""


class PromptTool(ABC):
    """A tool over the session's image.

    Parameters
    ----------
    session : Session
    screen_px : callable
        Gives the length in image px of so many px on the screen.
    show_lines : callable
        Shows lines while they are drawn.
    """

    name = ""

    def __init__(
        self, session: Session, screen_px: Callable[[float], float], show_lines: ShowLines
    ) -> None:
        self._session, self._screen_px, self._show_lines = session, screen_px, show_lines

    def on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release."""
        document = self._session.document
        minus = bool(set(event.modifiers) & MINUS_MODIFIERS)
        path = [_point(layer, event)]
        self._pressed()
        if document is None or not self._may_begin(document, path[0]):
            return
        yield
        while event.type == "mouse_move":
            path.append(_point(layer, event))
            self._show_lines(self._lines(path))
            yield
        # The last moves may have been left out: the release says where the mouse is.
        path.append(_point(layer, event))
        self._show_lines(())
        if document is not self._session.document:
            return
        if self._is_click(path):
            if not settle_proposal(document, path[0], minus=minus):
                self._clicked(document, path[0], minus=minus)
        else:
            self._dragged(document, path, minus=minus)

    def _pressed(self) -> None:  # noqa: B027 - most tools need not know
        """Note that the button went down."""

    def _may_begin(self, document: Document, start: Point) -> bool:
        if is_on_sample(document, start):
            return True
        self._session.tell("That is outside the image: start on the sample")
        return False

    def _is_click(self, path: Sequence[Point]) -> bool:
        reach = np.ptp(np.asarray(path), axis=0).max()
        return bool(reach <= self._screen_px(DRAG_PX))

    def _lines(self, path: Sequence[Point]) -> Sequence[Sequence[Point]]:
        return (path,)

    @abstractmethod
    def _clicked(self, document: Document, at: Point, *, minus: bool) -> None: ...

    @abstractmethod
    def _dragged(self, document: Document, path: Sequence[Point], *, minus: bool) -> None: ...


class Boxes(PromptTool):
    """Each box asks for an object of its own; they are answered together."""

    name = "boxes"

    def _may_begin(self, document: Document, start: Point) -> bool:
        # A box may begin beside the sample: it is cut to it.
        return True

    def _lines(self, path: Sequence[Point]) -> Sequence[Sequence[Point]]:
        return (corners_of(box_between(path[0], path[-1])),)

    def _clicked(self, document: Document, at: Point, *, minus: bool) -> None:
        self._session.tell("Drag a box around each object; click a proposal to accept it")

    def _dragged(self, document: Document, path: Sequence[Point], *, minus: bool) -> None:
        box = on_sample(document, box_between(path[0], path[-1]))
        if box is None or not is_drag(path[0], path[-1], self._screen_px(DRAG_PX)):
            self._session.tell("That box is outside the image: drag it over the sample")
        else:
            document.annotation.add_box(box)


class Scribble(PromptTool):
    """A stroke along the object; with a modifier over what does not belong to it."""

    name = "scribble"

    def _clicked(self, document: Document, at: Point, *, minus: bool) -> None:
        document.annotation.add_point(at, BACKGROUND if minus else FOREGROUND)

    def _dragged(self, document: Document, path: Sequence[Point], *, minus: bool) -> None:
        inside = [point for point in path if is_on_sample(document, point)]
        points = points_along(inside, self._screen_px(STROKE_STEP_PX))
        document.annotation.add_points(points, BACKGROUND if minus else FOREGROUND)


class Polygon(PromptTool):
    """Clicks around the object; a double-click, Return, or a click on the first one closes it."""

    name = "polygon"

    def __init__(
        self,
        session: Session,
        screen_px: Callable[[float], float],
        show_lines: ShowLines,
        pressed: Callable[[], None],
    ) -> None:
        super().__init__(session, screen_px, show_lines)
        self._on_pressed = pressed

    def _pressed(self) -> None:
        self._on_pressed()

    def _clicked(self, document: Document, at: Point, *, minus: bool) -> None:
        annotation = document.annotation
        state = annotation.state
        if state.polygon_rc and not state.is_closed:
            first = np.subtract(state.polygon_rc[0], at)
            if np.hypot(*first) <= self._screen_px(NEAR_PX) and annotation.close_polygon():
                return
        annotation.add_corner(at)

    def _dragged(self, document: Document, path: Sequence[Point], *, minus: bool) -> None:
        # The mouse slipped: a corner is where it was let go.
        if is_on_sample(document, path[-1]):
            document.annotation.add_corner(path[-1])


def points_along(path: Sequence[Point], step: float) -> list[Point]:
    """Points at even distances along a path, at least `step` apart, at most `STROKE_POINTS`."""
    line = np.asarray(path, dtype=float)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    count = int(np.clip(lengths[-1] // step + 1, 1, STROKE_POINTS))
    # Not at the ends: a stroke is often begun and ended a little beside the object.
    wanted = (np.arange(count) + 0.5) / count * lengths[-1]
    rows, cols = (np.interp(wanted, lengths, line[:, axis]) for axis in (0, 1))
    return [(float(row), float(col)) for row, col in zip(rows, cols, strict=True)]


def corners_of(box_rc: BoxRC) -> list[Point]:
    """The outline of a box, back to its first corner."""
    row0, col0, row1, col1 = box_rc
    return [(row0, col0), (row0, col1), (row1, col1), (row1, col0), (row0, col0)]


def _point(layer: Any, event: Any) -> Point:
    row, col = layer.world_to_data(event.position)
    return float(row), float(col)
