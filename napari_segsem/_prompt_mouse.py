"""Mouse on the prompts layer: a click is a point, a drag is a box."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from napari_segsem._document import Document
from napari_segsem._session import Session
from segsem.core.types import BoxRC
from segsem.segmentation.prompts import BACKGROUND, FOREGROUND

DRAG_PX = 4.0
"""A press that moves less than this on the screen is a click."""

MINUS_MODIFIERS = {"Control", "Alt"}
"""Alt+drag moves windows on many Linux desktops, so that Control does it too."""


ShowPress = Callable[[tuple[tuple[float, float], int] | None], None]


class PromptMouse:
    """The tool "prompt": turns presses into prompts of the session's image.

    Parameters
    ----------
    session : Session
        Whose image is prompted.
    screen_px : callable
        Gives the length in image px of so many px on the screen.
    show_box : callable
        Shows a box while it is dragged; None: the box that stands.
    show_press : callable
        Shows a click, given as point and label, from when the button goes down; None: the clicks
        that stand.
    """

    def __init__(
        self,
        session: Session,
        screen_px: Callable[[float], float],
        show_box: Callable[[BoxRC | None], None],
        show_press: ShowPress,
    ) -> None:
        self._session, self._screen_px = session, screen_px
        self._show_box, self._show_press = show_box, show_press

    name = "prompt"

    def on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release."""
        start, modifiers = layer.world_to_data(event.position), set(event.modifiers)
        # A button is held for longer than the engine takes to look.
        self._session.foresight.look_at((float(start[0]), float(start[1])))
        self._pressed(start, minus=bool(modifiers & MINUS_MODIFIERS))
        yield
        while event.type == "mouse_move":
            end = layer.world_to_data(event.position)
            if self._is_drag(start, end):
                self._show_press(None)
                box = box_between(start, end)
                self._show_box(box)
                self._look_ahead(box)
            yield
        self._session.foresight.box_is_drawn()
        # The last moves may have been left out: the release says where the mouse is.
        end = layer.world_to_data(event.position)
        if self._is_drag(start, end):
            self._show_press(None)
            self._box_done(box_between(start, end))
        else:
            self._click_done(start, minus=bool(modifiers & MINUS_MODIFIERS))

    def _pressed(self, at: Any, *, minus: bool) -> None:
        """Show the click at once: drawn after the release, it would keep the outline waiting."""
        document, point = self._session.document, (float(at[0]), float(at[1]))
        if document is None or not is_on_sample(document, point):
            return
        if document.annotation.proposals.at(round(point[0]), round(point[1])) is None:
            self._show_press((point, BACKGROUND if minus else FOREGROUND))

    def _is_drag(self, start: Any, end: Any) -> bool:
        return is_drag(start, end, self._screen_px(DRAG_PX))

    def _look_ahead(self, box: BoxRC) -> None:
        document = self._session.document
        inside = None if document is None else on_sample(document, box)
        if inside is not None:
            self._session.foresight.look_at_box(inside)

    def _box_done(self, box: BoxRC) -> None:
        document = self._session.document
        if document is None:
            return
        inside = on_sample(document, box)
        if inside is not None:
            document.annotation.set_box(inside)
        else:
            self._show_box(document.annotation.state.box_rc)
            self._session.tell("That box is outside the image: drag it over the sample")

    def _click_done(self, at: Any, *, minus: bool) -> None:
        document = self._session.document
        if document is None:
            return
        point = float(at[0]), float(at[1])
        if not is_on_sample(document, point):
            self._session.tell("That is outside the image: click on the sample")
        elif not settle_proposal(document, point, minus=minus):
            document.annotation.add_point(point, BACKGROUND if minus else FOREGROUND)


def is_drag(start: Any, end: Any, threshold: float) -> bool:
    """Whether the mouse moved far enough, along both axes, for a box."""
    moved = np.abs(np.subtract(end, start))
    return bool(moved.max() > threshold and moved.min() > threshold / 2)


def box_between(start: Any, end: Any) -> BoxRC:
    """Box with two points as opposite corners."""
    (row0, col0), (row1, col1) = np.sort(np.stack([start, end]), axis=0)
    return float(row0), float(col0), float(row1), float(col1)


def settle_proposal(document: Document, at: tuple[float, float], *, minus: bool) -> bool:
    """Accept the proposal at a point, or reject it; tell whether there is one."""
    annotation = document.annotation
    found = annotation.proposals.at(round(at[0]), round(at[1]))
    if found is None:
        return False
    if minus or not annotation.accept_proposals([found.key]):
        # Or all of it belongs to others already.
        annotation.reject_proposal(found.key)
    return True


def is_on_sample(document: Document, at: tuple[float, float]) -> bool:
    """Whether a point lies in the image, and not on its data bar."""
    (top, bottom), width = document.image.valid_rows, document.image.shape[1]
    return top - 0.5 <= at[0] < bottom - 0.5 and -0.5 <= at[1] < width - 0.5


def on_sample(document: Document, box: BoxRC) -> BoxRC | None:
    """Part of a box that lies on the sample; None where there is none."""
    (top, bottom), width = document.image.valid_rows, document.image.shape[1]
    row0, row1 = np.clip((box[0], box[2]), top, bottom - 1)
    col0, col1 = np.clip((box[1], box[3]), 0, width - 1)
    if row1 <= row0 or col1 <= col0:
        return None
    return float(row0), float(col0), float(row1), float(col1)
