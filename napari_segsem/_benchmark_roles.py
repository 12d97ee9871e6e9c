"""A person's hands in two windows: ours with the plugin at work, and one with napari alone.

Both get the same mouse events. Where ours gets a key, the control changes its layers as the
plugin would: what napari takes for that is not ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsem import _layers
from napari_segsem._annotation import Made
from napari_segsem._benchmark_images import Place, Point
from napari_segsem._heartbeat import PAD_PX
from napari_segsem._heartbeat_run import STILL_DRAWING, Control, Ours, Screen, Wait
from segsem.core.contour import Source
from segsem.project.label_edit import LabelObject

PEN_PX = 24
"""A stroke of the control covers so many pixels across."""

_test: Any = QTest
_LEFT, _NO_BUTTON = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
_NONE, _CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
_SHIFT = Qt.KeyboardModifier.ShiftModifier


class Hand(Screen):
    """Mouse and keyboard on the canvas, and when a frame is on the screen."""

    def __init__(self, viewer: Any, shape: tuple[int, int]) -> None:
        super().__init__(viewer, shape)
        self._is_ready: Callable[[], bool] | None = None
        self._drawing = False
        self._since = 0.0
        self._pressed_at = QPoint()
        self.elapsed_ms = 0.0
        # napari has no public name for its canvas; a frame counts once it was swapped, since
        # the time that OpenGL takes comes after the draw event.
        canvas = viewer.window._qt_viewer.canvas
        canvas._scene_canvas.events.draw.connect(self._on_draw)
        self._canvas.frameSwapped.connect(self._on_swap)

    def time_frame(self, is_ready: Callable[[], bool]) -> None:
        """Take the time from now to the first frame that is drawn while something is true."""
        self._is_ready, self._drawing, self._since = is_ready, False, time.perf_counter()

    def shown(self) -> bool:
        """Whether that frame is on the screen; `elapsed_ms` says how long it took."""
        return self._is_ready is None

    def draw(self) -> None:
        """Have a frame drawn."""
        self._canvas.update()

    def press(self, at_rc: Point) -> None:
        """Press the left button."""
        self._pressed_at = self._point(at_rc)
        _test.mousePress(self._canvas, _LEFT, _NONE, self._pressed_at)

    def release(self, at_rc: Point) -> None:
        """Let it go."""
        _test.mouseRelease(self._canvas, _LEFT, _NONE, self._point(at_rc))

    def drag_to(self, at_rc: Point) -> None:
        """Move with the button held."""
        self._moved(self._point(at_rc), _LEFT)

    def drag_by(self, cols_px: int) -> None:
        """Move on with the button held, so many px on the screen to the right."""
        self._pressed_at += QPoint(cols_px, 0)
        self._moved(self._pressed_at, _LEFT)

    def release_here(self) -> None:
        """Let the button go where the mouse is."""
        _test.mouseRelease(self._canvas, _LEFT, _NONE, self._pressed_at)

    def hover(self, at_rc: Point) -> None:
        """Move without a button."""
        self._moved(self._point(at_rc), _NO_BUTTON)

    def key(self, key: Any, modifier: Any = _NONE) -> None:
        """Press a key and let it go."""
        _test.keyClick(self._canvas, key, modifier)

    def hold_space(self, held: bool) -> None:
        """Press the space bar, or let it go."""
        act = _test.keyPress if held else _test.keyRelease
        act(self._canvas, Qt.Key.Key_Space, _NONE)

    def _moved(self, point: QPoint, button: Any) -> None:
        event = QMouseEvent(QEvent.Type.MouseMove, QPointF(point), button, button, _NONE)
        QApplication.sendEvent(self._canvas, event)

    def _on_draw(self, _event: Any) -> None:
        self._drawing = self._is_ready is not None and self._is_ready()

    def _on_swap(self) -> None:
        if self._drawing and self._is_ready is not None:
            self.elapsed_ms = (time.perf_counter() - self._since) * 1e3
            self._is_ready, self._drawing = None, False


class OurHands(Ours):
    """Our window, by mouse and keyboard alone."""

    def __init__(self, viewer: Any, images: list[Path], model: str) -> None:
        super().__init__(viewer, images, model)
        self.viewer = viewer
        self.session = self._session
        self.hand: Hand

    @property
    def annotation(self) -> Any:
        """Of the image that is shown."""
        return self.session.annotation

    def outlined(self) -> bool:
        """Whether the preview layer has the outline."""
        return self.answered() and bool(self.viewer.layers[_layers.PREVIEW].data.any())

    def settled(self) -> bool:
        """Whether nothing is asked for, or the answer is there."""
        annotation = self.annotation
        return annotation is not None and (not annotation.state.asks or self.answered())

    def is_empty_handed(self) -> bool:
        """Whether nothing is in work."""
        return self.annotation is not None and self.annotation.state.is_empty

    def has_found(self) -> bool:
        """Whether all others of the repeated object are there."""
        proposals = self.annotation.proposals
        return proposals.is_complete and bool(proposals.shown)

    def fill(self, corners: Sequence[tuple[int, int]]) -> None:
        """Have many objects in the image."""
        origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
        square = np.ones((PAD_PX, PAD_PX), dtype=bool)
        self.annotation.add("objects", [Made(corner, square, origin) for corner in corners])

    def asked(self, place: Place, *, box: bool) -> None:
        """Nothing more than what the mouse did."""

    def stroke_moved(self, at_rc: Point) -> None:
        """Nothing more than the move."""

    def stroke_ended(self) -> None:
        """Nothing more than the release."""

    def take(self, tool: str) -> None:
        """Take a tool in hand."""
        self.hand.key({"prompt": Qt.Key.Key_Q, "brush": Qt.Key.Key_D}[tool])

    def accept(self) -> None:
        """Accept the outline."""
        self.hand.key(Qt.Key.Key_Return)

    def clear(self) -> None:
        """Drop the prompts."""
        self.hand.key(Qt.Key.Key_Escape)

    def undo(self) -> None:
        """Take back."""
        self.hand.key(Qt.Key.Key_Z, _CTRL)

    def redo(self) -> None:
        """Do again."""
        self.hand.key(Qt.Key.Key_Z, _CTRL | _SHIFT)

    def cycle_view(self) -> None:
        """Outlines, filled, hidden."""
        self.hand.key(Qt.Key.Key_H)

    def turn(self) -> Wait:
        """Show the other image."""
        document = self.session.document
        self.hand.key(Qt.Key.Key_N)
        return lambda: self.session.document is not document and self.settled()

    def repeat(self) -> None:
        """Look for the others of the object in work."""
        self.hand.key(Qt.Key.Key_R)

    def accept_all(self) -> None:
        """Accept what was found."""
        self.hand.key(Qt.Key.Key_Return, _SHIFT)

    def hold_to_pan(self, held: bool) -> None:
        """Hold the key that moves the image."""
        self.hand.hold_space(held)


class ControlHands(Control):
    """napari's window with layers like ours, changed as ours change."""

    def __init__(self, viewer: Any, images: list[Path]) -> None:
        super().__init__(viewer, images)
        self.hand: Hand
        self._fills: Any = None
        self._look = 0
        self._stroke: list[Point] = []
        self._done: list[tuple[Any, Any, Any]] = []
        self._undone: list[tuple[Any, Any, Any]] = []

    def outlined(self) -> bool:
        """Whether the preview layer has the outline."""
        return bool(self._preview.data.any())

    def settled(self) -> bool:
        """Whether the outline is there, where one was asked for."""
        return not self._answer.isActive()

    def is_empty_handed(self) -> bool:
        """Whether nothing is shown of a prompt."""
        return not self._points

    def fill(self, corners: Sequence[tuple[int, int]]) -> None:
        """Have many objects in the image."""
        labels = np.zeros_like(self._objects.data)
        for number, (row, col) in enumerate(corners, start=1):
            labels[row : row + PAD_PX, col : col + PAD_PX] = number
        self._objects.data = labels

    def asked(self, place: Place, *, box: bool) -> None:
        """Show click or box, and an outline when an engine would have answered."""
        if box:
            row0, col0, row1, col1 = place.box_rc
            corners = np.array([[row0, col0], [row0, col1], [row1, col1], [row1, col0]])
            self._viewer.layers["box"].data = _layers.segments(corners, closed=True)
        self.clicked(place.at_rc)

    def stroke_moved(self, at_rc: Point) -> None:
        """Draw on in the preview."""
        fresh = not self._stroke
        self._stroke.append(at_rc)
        if fresh:
            self._preview.data = np.zeros((512, 512), np.uint8)
            self._preview.translate = np.asarray(at_rc) - 256
        at = self._pixels([at_rc], np.asarray(self._stroke[0]) - 256, (512, 512))
        self._preview.data_setitem(at, 1)

    def stroke_ended(self) -> None:
        """Paint the stroke."""
        path, self._stroke = self._stroke, []
        self._preview.data = np.zeros((1, 1), np.uint8)
        self._paint(self._pixels(path, np.zeros(2), self._objects.data.shape))

    def take(self, tool: str) -> None:
        """There are no tools."""

    def accept(self) -> None:
        """Paint an object where the outline is and take the outline away."""
        if self._points:
            self._paint(self._pixels([self._points[-1]], np.zeros(2), self._objects.data.shape))
        self.clear()

    def clear(self) -> None:
        """Take outline, clicks and box away."""
        super().clear()
        if len(self._viewer.layers["box"].data):
            self._viewer.layers["box"].data = np.zeros((0, 2, 2))

    def undo(self) -> None:
        """Paint what was there before."""
        if self._done:
            at, before, after = self._done.pop()
            self._set(at, before)
            self._undone.append((at, before, after))

    def redo(self) -> None:
        """Paint it again."""
        if self._undone:
            at, before, after = self._undone.pop()
            self._set(at, after)
            self._done.append((at, before, after))

    def cycle_view(self) -> None:
        """Outlines, filled, hidden."""
        self._look = (self._look + 1) % 3
        self._objects.opacity = 0.0 if self._look == 2 else 1.0
        if self._look == 1:
            if self._fills is None:
                self._fills = self._viewer.add_layer(_layers.fills_layer(np.zeros((1, 1), int)))
                self._viewer.layers.selection.active = self._prompts
            self._fills.data = self._objects.data.copy()
        if self._fills is not None:
            self._fills.visible = self._look == 1

    def turn(self) -> Wait:
        """Show the other image."""
        self._done.clear()
        self._undone.clear()
        super().turn()
        if self._look == 1:
            self._fills.data = self._objects.data.copy()
        return STILL_DRAWING

    def hold_to_pan(self, held: bool) -> None:
        """Hold the key that moves the image."""
        self._prompts.mouse_pan = held

    def _paint(self, at: tuple[Any, Any]) -> None:
        self._accepted += 1
        before = self._objects.data[at].copy()
        self._set(at, self._accepted)
        self._done.append((at, before, self._accepted))
        self._undone.clear()

    def _set(self, at: tuple[Any, Any], values: Any) -> None:
        self._objects.data_setitem(at, values)
        if self._fills is not None and self._fills.visible:
            self._fills.data_setitem(at, values)

    def _pixels(self, path: Sequence[Point], corner: Any, shape: tuple[int, int]) -> Any:
        """Pixels around some points, as index of an array that starts at `corner`."""
        half = PEN_PX // 2 if len(path) > 1 or self._stroke else PAD_PX // 2
        rows, cols = (grid.ravel() for grid in np.mgrid[-half:half, -half:half])
        places = np.rint(np.asarray(path) - corner).astype(int)
        at = np.unique(
            np.concatenate([np.column_stack([rows + row, cols + col]) for row, col in places]),
            axis=0,
        )
        inside = ((at >= 0) & (at < shape)).all(axis=1)
        return at[inside, 0], at[inside, 1]
