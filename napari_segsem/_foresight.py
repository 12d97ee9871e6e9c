"""What the engine does before anything is asked: it looks where the next prompt is likely to be."""

from __future__ import annotations

from collections.abc import Callable

from napari_segsem._document import Document
from segsem.core.types import BoxRC
from segsem.engine.client import EngineClient


class Foresight:
    """Has the engine look at where the mouse is, and at a box while it is drawn.

    Parameters
    ----------
    engine : EngineClient
    in_panels : callable
        Runs a callable in the panels' thread.
    shown : callable
        Gives the document that is shown.
    """

    def __init__(
        self,
        engine: EngineClient,
        in_panels: Callable[[Callable[[], None]], None],
        shown: Callable[[], Document | None],
    ) -> None:
        self._engine, self._in_panels, self._shown = engine, in_panels, shown
        self._drawn: BoxRC | None = None
        self._looking = False

    def look_at(self, point_rc: tuple[float, float]) -> None:
        """Look at where the mouse rests or a button is pressed, unless something is in work."""
        document = self._shown()
        if document is None or self._engine.pid is None or not document.annotation.state.is_empty:
            return
        (top, bottom), width = document.image.valid_rows, document.image.shape[1]
        if top <= point_rc[0] < bottom and 0 <= point_rc[1] < width:
            self._engine.warm(document.image.sha256, point_rc)

    def look_at_box(self, box_rc: BoxRC) -> None:
        """Look at a box that is being drawn; of those drawn meanwhile the newest comes next."""
        document = self._shown()
        if document is None or self._engine.pid is None:
            return
        self._drawn = box_rc
        if not self._looking:
            self._looking = True
            self._look_on(document)

    def box_is_drawn(self) -> None:
        """Look at no further box: the last one is asked for now."""
        self._drawn = None

    def _look_on(self, document: Document) -> None:
        box, self._drawn = self._drawn, None
        if box is None or document is not self._shown():
            self._looking = False
            return
        looked = self._engine.warm_box(document.image.sha256, box)
        looked.add_done_callback(lambda _done: self._in_panels(lambda: self._look_on(document)))
