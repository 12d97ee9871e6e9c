"""What the mouse does to accepted objects: brush, eraser, cut, split, merge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from napari_segsem._corrections import Corrections
from napari_segsem._document import Document
from napari_segsem._pen import Pen
from napari_segsem._session import Session
from napari_segsem._stroke import Stroke
from segsem.core.types import MaskArray
from segsem.editing.strokes import erase, paint
from segsem.editing.window import Box, Slices

MINUS_MODIFIERS = {"Control", "Alt"}
ALL_MODIFIER = "Shift"
CUT_PX = 1.0
LINE_SCREEN_PX = 2.5
CLICK_SCREEN_PX = 4.0

Show = Callable[[Stroke | None, Any], None]
"""Shows a stroke, or what of it changed; None: nothing is drawn any more."""


class Easel(Protocol):
    """What is drawn on: a session, or one region that is edited."""

    @property
    def document(self) -> Document | None:
        """The image, with the objects that strokes change."""
        ...

    def tell(self, text: str) -> None:
        """Show a message."""
        ...


class StrokeTool(ABC):
    """Follows the mouse from press to release, and shows what comes of it.

    Parameters
    ----------
    session : Easel
    show : callable
        Shows the stroke while it is drawn.
    """

    name = ""

    def __init__(self, session: Easel, show: Show) -> None:
        self._session, self._show = session, show

    def on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """Draw a stroke; nothing changes before the button is released."""
        document = self._session.document
        start = _point(layer, event)
        if document is None:
            return
        if not _is_on_sample(document, start):
            self._session.tell("That is outside the image: start on the sample")
            return
        held = event.modifiers
        modifiers = {name for name in (*MINUS_MODIFIERS, ALL_MODIFIER) if name in held}
        stroke = self._begin(document, start, modifiers)
        if stroke is None:
            return
        self._show(stroke, None)
        yield
        while event.type == "mouse_move":
            self._show(stroke, stroke.move_to(_point(layer, event)))
            yield
        # The last moves may have been left out: the release says where the mouse is.
        stroke.move_to(_point(layer, event))
        self._show(None, None)
        if document is self._session.document:
            self._end(document, stroke, modifiers)

    @abstractmethod
    def _begin(
        self, document: Document, start: tuple[float, float], modifiers: set[str]
    ) -> Stroke | None: ...

    @abstractmethod
    def _end(self, document: Document, stroke: Stroke, modifiers: set[str]) -> None: ...


class Brush(StrokeTool):
    """Paints: from an object on it grows that one, from background on it makes a new one.

    Parameters
    ----------
    session : Easel
    show : callable
        Shows the stroke while it is drawn.
    pen : Pen
    """

    name = "brush"

    def __init__(self, session: Easel, show: Show, pen: Pen) -> None:
        super().__init__(session, show)
        self._pen = pen
        self._object_id = 0
        self._erases = False

    def _begin(
        self, document: Document, start: tuple[float, float], modifiers: set[str]
    ) -> Stroke | None:
        self._erases = bool(modifiers & MINUS_MODIFIERS)
        self._object_id = self._target(document, start)
        if self._erases:
            return self._begin_erasing(document, start, set())
        labels, object_id = document.annotation.labels, self._object_id

        def painted(window: Slices, covered: MaskArray) -> MaskArray:
            here = labels[window]
            mine = covered & (here == 0)
            return np.asarray(mine | (here == object_id)) if object_id else mine

        return Stroke(start, self._pen.diameter_px, _limits(document), painted)

    def _target(self, document: Document, start: tuple[float, float]) -> int:
        """Id of the object that a stroke is for; 0 where it begins on none."""
        return _object_at(document, start)

    def _begin_erasing(
        self, document: Document, start: tuple[float, float], modifiers: set[str]
    ) -> Stroke | None:
        labels, everything = document.annotation.labels, ALL_MODIFIER in modifiers
        object_id = self._object_id = self._target(document, start)
        if not object_id and not everything:
            self._session.tell("Start on the object to erase from, or hold Shift to erase from all")
            return None
        if everything:
            self._object_id = 0

        def left(window: Slices, covered: MaskArray) -> MaskArray:
            here = labels[window]
            return np.asarray(covered & ((here > 0) if everything else (here == object_id)))

        return Stroke(start, self._pen.diameter_px, _limits(document), left)

    def _end(self, document: Document, stroke: Stroke, modifiers: set[str]) -> None:
        annotation, window = document.annotation, stroke.window
        before = annotation.labels[window]
        if self._erases:
            after = erase(before, stroke.covered, self._object_id or None)
            name = "eraser stroke"
        else:
            after = paint(before, stroke.covered, self._object_id or annotation.image.next_id)
            name = "brush stroke"
        if not annotation.change(name, stroke.offset_rc, after):
            self._session.tell("Nothing to change here: other objects keep their pixels")


class Eraser(Brush):
    """Erases from the object that the stroke starts on; with Shift from all."""

    name = "eraser"

    def _begin(
        self, document: Document, start: tuple[float, float], modifiers: set[str]
    ) -> Stroke | None:
        self._erases = True
        return self._begin_erasing(document, start, modifiers)


class LineTool(StrokeTool):
    """A line that tells where to cut, split or merge.

    Parameters
    ----------
    session : Session
    show : callable
        Shows the line while it is drawn.
    corrections : Corrections
    screen_px : callable
        Gives the length in image px of so many px on the screen.
    """

    def __init__(
        self,
        session: Session,
        show: Show,
        corrections: Corrections,
        screen_px: Callable[[float], float],
    ) -> None:
        super().__init__(session, show)
        self._corrections, self._screen_px = corrections, screen_px

    def _begin(
        self, document: Document, start: tuple[float, float], modifiers: set[str]
    ) -> Stroke | None:
        # As broad as it takes to be seen, whatever the zoom.
        width = max(self._screen_px(LINE_SCREEN_PX), CUT_PX)
        return Stroke(start, width, _limits(document), lambda _window, covered: covered)


class Cut(LineTool):
    """Cuts objects apart along a line; with Shift the smaller part is removed."""

    name = "cut"

    def _end(self, document: Document, stroke: Stroke, modifiers: set[str]) -> None:
        keep = ALL_MODIFIER not in modifiers
        self._corrections.cut(np.array(stroke.path), CUT_PX, keep_pieces=keep)


class Split(LineTool):
    """Parts an object between the two ends of a line, at the narrowest place."""

    name = "split"

    def _end(self, document: Document, stroke: Stroke, modifiers: set[str]) -> None:
        first, last = stroke.path[0], stroke.path[-1]
        if not _is_on_sample(document, last) or not _object_at(document, first):
            self._session.tell("Split: drag from one part of an object to the other")
            return
        self._corrections.split_between(_pixel(first), _pixel(last))


class Merge(LineTool):
    """Makes the objects on a line one; two clicks do it too, without a bridge.

    Parameters
    ----------
    session : Session
    show : callable
    corrections : Corrections
    screen_px : callable
    pen : Pen
        The bridge across a gap is as broad as it.
    """

    name = "merge"

    def __init__(
        self,
        session: Session,
        show: Show,
        corrections: Corrections,
        screen_px: Callable[[float], float],
        pen: Pen,
    ) -> None:
        super().__init__(session, show, corrections, screen_px)
        self._pen = pen
        self._first: tuple[Document, int] | None = None

    def _end(self, document: Document, stroke: Stroke, modifiers: set[str]) -> None:
        moved = np.ptp(np.array(stroke.path), axis=0).max()
        if moved > self._screen_px(CLICK_SCREEN_PX):
            self._first = None
            self._corrections.merge(np.array(stroke.path), self._pen.diameter_px)
            return
        clicked = _object_at(document, stroke.path[0])
        if not clicked:
            self._session.tell("Merge: drag from one object to another, or click on both")
        elif self._first is None or self._first[0] is not document or self._first[1] == clicked:
            self._first = (document, clicked)
            self._session.tell(f"Merge: now click on what belongs to object {clicked}")
        else:
            first, self._first = self._first[1], None
            self._corrections.join([first, clicked])


def _point(layer: Any, event: Any) -> tuple[float, float]:
    row, col = layer.world_to_data(event.position)
    return float(row), float(col)


def _pixel(point_rc: tuple[float, float]) -> tuple[int, int]:
    return round(point_rc[0]), round(point_rc[1])


def _is_on_sample(document: Document, point_rc: tuple[float, float]) -> bool:
    (top, bottom), width = document.image.valid_rows, document.image.shape[1]
    row, col = _pixel(point_rc)
    return top <= row < bottom and 0 <= col < width


def _object_at(document: Document, point_rc: tuple[float, float]) -> int:
    if not _is_on_sample(document, point_rc):
        return 0
    return int(document.annotation.labels[_pixel(point_rc)])


def _limits(document: Document) -> Box:
    top, bottom = document.image.valid_rows
    return (top, 0, bottom, document.image.shape[1])
