"""Corrections of one viewer: pen, tools, cursor and actions, put together."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segsem import _layers
from napari_segsem._actions_correct import correct_actions, object_actions
from napari_segsem._correct_tools import Brush, Cut, Eraser, Merge, Split
from napari_segsem._corrections import Corrections
from napari_segsem._documents import Background
from napari_segsem._layer_adapters import AnnotateLayers
from napari_segsem._pen import Pen, PenCursor, make_circle
from napari_segsem._session import Session
from napari_segsem._stroke_view import StrokeView
from napari_segsem._toolbox import Toolbox
from segsem.project.label_edit import LabelEdit


class Correct:
    """Brush, eraser, cut, split, merge, fill, grow, snap.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    toolbox : Toolbox
        The tools are put into it.
    layers : AnnotateLayers
    background : callable
        Where corrections are worked out.

    Attributes
    ----------
    pen : Pen
    corrections : Corrections
    actions : dict of str to callable
        By the names of the keymap.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        toolbox: Toolbox,
        layers: AnnotateLayers,
        background: Background,
    ) -> None:
        self._viewer, self._session = viewer, session
        self.pen = Pen()
        self.corrections = Corrections(session, background)
        show = StrokeView(session, lambda: self._layer(_layers.PREVIEW), layers.show_preview).show
        for tool in (
            Brush(session, show, self.pen),
            Eraser(session, show, self.pen),
            Cut(session, show, self.corrections, layers.screen_px),
            Split(session, show, self.corrections, layers.screen_px),
            Merge(session, show, self.corrections, layers.screen_px, self.pen),
        ):
            toolbox.add(tool)
        self._on_object = object_actions(self.corrections)
        self._last = 0
        session.document_changed.connect(self._follow)
        self._cursor = PenCursor(
            self.pen, toolbox, lambda: self._layer(_layers.PROMPTS), self._nm_per_px
        )
        session.document_changed.connect(self._cursor.show)
        make_circle(viewer)
        self.actions = correct_actions(
            session,
            self.corrections,
            toolbox,
            self.pen,
            layers.start_prompting,
            self.pixel_under_cursor,
        )

    def apply_to_last(self, action: str) -> None:
        """Do what a key does, to the object that was changed last: a button has no mouse there."""
        annotation = self._session.annotation
        if annotation is None or not annotation.objects:
            self._session.tell("No object is accepted yet: accept one first")
            return
        last = self._last if self._last in annotation.objects else max(annotation.objects)
        self._on_object[action](last)

    def pixel_under_cursor(self) -> tuple[int, int] | None:
        """Row and column of the pixel under the mouse; None outside the image."""
        document = self._session.document
        if document is None:
            return None
        position = np.asarray(self._viewer.cursor.position, dtype=float)[-2:]
        row, col = np.rint(position / np.asarray(document.scale)).astype(int).tolist()
        (top, bottom), width = document.image.valid_rows, document.image.shape[1]
        return (row, col) if top <= row < bottom and 0 <= col < width else None

    def _follow(self) -> None:
        annotation = self._session.annotation
        if annotation is not None:
            annotation.edited.disconnect(self._note, missing_ok=True)
            annotation.edited.connect(self._note)

    def _note(self, happening: str, edit: LabelEdit) -> None:
        objects = edit.before if happening == "undo" else edit.after
        self._last = max((i for i, item in objects.items() if item is not None), default=0)

    def _layer(self, name: str) -> Any:
        layers = self._viewer.layers
        return next((layer for layer in layers if layer.name == name), None)

    def _nm_per_px(self) -> float:
        document = self._session.document
        return 1.0 if document is None else float(document.scale[1])
