"""One run of the heartbeat in a process of its own: ours, or the control without the plugin."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import psutil
import tifffile
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest

from napari_segsem import _layers
from napari_segsem._heartbeat import PAD_PX, PITCH_PX
from napari_segsem._heartbeat_gaps import BEAT_MS, Heartbeat
from napari_segsem.widgets.annotate import AnnotatePanel
from segsem.engine.answers import EngineState

PATIENCE_MS = 120_000.0
SETTLE_MS = 300.0
STILL_DRAWING = 60.0
ANSWER_MS = 15
"""How long the control takes to an outline."""

# The stubs of PyQt5 take these functions for methods.
_mouse: Any = QTest

Wait = float | Callable[[], bool]
"""So many ms, or until something is true."""


class Screen:
    """The mouse on the canvas, in image coordinates."""

    def __init__(self, viewer: Any, shape: tuple[int, int]) -> None:
        self.viewer, self._shape = viewer, shape
        self._rng = np.random.default_rng(11)

    def somewhere(self) -> tuple[float, float]:
        """Centre of a pad, the same ones in every run."""
        row, col = self._rng.uniform(0.1, 0.9, 2) * self._shape // PITCH_PX * PITCH_PX
        return float(row) + PAD_PX / 2, float(col) + PAD_PX / 2

    def click(self, at_rc: tuple[float, float]) -> None:
        """Press and release."""
        none = Qt.KeyboardModifier.NoModifier
        _mouse.mouseClick(self._canvas, Qt.MouseButton.LeftButton, none, self._point(at_rc))

    def move(self, at_rc: tuple[float, float]) -> None:
        """Move without a button."""
        _mouse.mouseMove(self._canvas, self._point(at_rc))

    @property
    def _canvas(self) -> Any:
        # napari has no public name for the widget that the mouse is over.
        return self.viewer.window._qt_viewer.canvas.native

    def _point(self, at_rc: tuple[float, float]) -> QPoint:
        offset = np.asarray(at_rc) - np.asarray(self.viewer.scene.camera.center)[-2:]
        dy, dx = offset * self.viewer.scene.camera.zoom
        size = self._canvas.size()
        return QPoint(round(size.width() / 2 + dx), round(size.height() / 2 + dy))


class Ours:
    """The plugin at work."""

    def __init__(self, viewer: Any, images: list[Path], model: str) -> None:
        self._images, self._turned = images, 0
        panel = AnnotatePanel(viewer)
        viewer.window.add_dock_widget(panel, name="Annotate (SegSEM)")
        self._session = panel.session
        self._session.model = model

    def open(self) -> Wait:
        """Open both images; the first is shown."""
        self._session.open_files(self._images)
        return lambda: self._session.document is not None

    def clicked(self, at_rc: tuple[float, float]) -> None:
        """Leave it to the plugin."""

    def answered(self) -> bool:
        """Whether the outline is there."""
        annotation = self._session.annotation
        known = None if annotation is None else annotation.candidates
        return known is not None and not known.partial

    def accept(self) -> None:
        """Accept the outline."""
        if self._session.annotation is not None:
            self._session.annotation.accept()

    def clear(self) -> None:
        """Drop the prompts."""
        if self._session.annotation is not None:
            self._session.annotation.clear()

    def turn(self) -> Wait:
        """Show the other image."""
        self._session.step(1)
        self._turned = 1 - self._turned
        wanted = self._images[self._turned].stem
        return lambda: (
            self._session.document is not None and self._session.document.image.name == wanted
        )

    def kill(self) -> Wait:
        """Kill the engine as the kernel does."""
        pid = self._session.engine_pid
        if pid is not None:
            psutil.Process(pid).kill()
        return lambda: self._session.engine_state is EngineState.READY

    def close(self) -> None:
        """End the engine."""
        self._session.close()


class Control:
    """The same layers and changes of their data; no plugin, no engine."""

    def __init__(self, viewer: Any, images: list[Path]) -> None:
        self._viewer, self._images = viewer, images
        self._data: list[Any] = []
        self._turned = self._accepted = 0
        self._points: list[tuple[float, float]] = []
        self._answer = QTimer()
        self._answer.setSingleShot(True)
        self._answer.timeout.connect(self._show_outline)

    def open(self) -> Wait:
        """Show the first image with the layers of the plugin."""
        self._data = [tifffile.imread(path) for path in self._images]
        shape = self._data[0].shape
        self._image = self._viewer.add_image(self._data[0], name="image")
        self._labels = [np.zeros(shape, np.int32) for _ in self._data]
        add = self._viewer.add_layer
        self._objects = add(
            _layers.labels_layer("objects", self._labels[0], _layers.OBJECT_COLOR, 2)
        )
        small = np.zeros((1, 1), np.uint8)
        self._preview = add(_layers.labels_layer("preview", small, _layers.PREVIEW_COLOR, 0))
        add(_layers.lines_layer("box", _layers.PREVIEW_COLOR))
        self._prompts = add(_layers.prompts_layer())
        self._prompts.mode = "pan_zoom"
        self._prompts.mouse_pan = False
        self._viewer.reset_view()
        return STILL_DRAWING

    def clicked(self, at_rc: tuple[float, float]) -> None:
        """Show the click at once, and an outline when an engine would have answered."""
        self._points.append(at_rc)
        _layers.show_points(self._prompts, self._points, [1] * len(self._points))
        self._answer.start(ANSWER_MS)

    def answered(self) -> bool:
        """Whether the outline is shown."""
        return bool(self._points) and not self._answer.isActive()

    def _show_outline(self) -> None:
        outline = np.ones((PAD_PX, PAD_PX), np.uint8)
        outline[2:-2, 2:-2] = 0
        self._preview.data = outline
        self._preview.translate = np.asarray(self._points[-1]) - PAD_PX / 2

    def accept(self) -> None:
        """Paint an object and take the outline away."""
        rows, cols = np.indices((PAD_PX, PAD_PX))
        self._accepted += 1
        # Another value each time: napari draws nothing where nothing changes.
        at = (rows.ravel() + 100, cols.ravel() + 100)
        self._objects.data_setitem(at, self._accepted)
        self.clear()

    def clear(self) -> None:
        """Take the outline and the clicks away."""
        self._answer.stop()
        self._points.clear()
        if self._preview.data.any():
            self._preview.data = np.zeros((1, 1), np.uint8)
        _layers.show_points(self._prompts, [], [])

    def turn(self) -> Wait:
        """Show the other image."""
        self._turned = 1 - self._turned
        self._image.data = self._data[self._turned]
        self._objects.data = self._labels[self._turned]
        self.clear()
        self._viewer.reset_view()
        return STILL_DRAWING

    def kill(self) -> Wait:
        """There is no engine."""
        return STILL_DRAWING

    def close(self) -> None:
        """There is nothing to end."""


def visit(beat: Heartbeat, screen: Screen, role: Ours | Control, clicks: int) -> Iterator[Wait]:
    """Go through the phases of a visit; yields what to wait for."""

    def click(at_rc: tuple[float, float]) -> None:
        screen.click(at_rc)
        role.clicked(at_rc)

    beat.enter("open")
    yield role.open()
    yield SETTLE_MS
    beat.enter("first click")
    click(screen.somewhere())
    yield role.answered
    yield SETTLE_MS
    beat.enter("clicks")
    for _ in range(clicks):
        role.clear()
        yield STILL_DRAWING
        click(screen.somewhere())
        yield role.answered
        yield STILL_DRAWING
    beat.enter("quick clicks")
    role.clear()
    yield STILL_DRAWING
    place = screen.somewhere()
    for number in range(clicks):
        click((place[0] + number % 4, place[1] + number // 4))
        yield STILL_DRAWING
    yield role.answered
    beat.enter("moves")
    for _ in range(clicks):
        role.clear()
        yield STILL_DRAWING
        click(screen.somewhere())
        for _ in range(8):
            screen.move(screen.somewhere())
            yield float(BEAT_MS)
    yield role.answered
    beat.enter("accept")
    for _ in range(clicks):
        role.clear()
        yield STILL_DRAWING
        click(screen.somewhere())
        yield role.answered
        yield STILL_DRAWING
        role.accept()
        yield STILL_DRAWING
    beat.enter("next image")
    for _ in range(4):
        yield role.turn()
        click(screen.somewhere())
        yield role.answered
        yield STILL_DRAWING
    beat.enter("engine killed")
    yield role.kill()
    click(screen.somewhere())
    yield role.answered
    yield SETTLE_MS


class Driver:
    """Takes the steps of a visit from within the event loop."""

    def __init__(self, steps: Iterator[Wait], on_end: Callable[[], None]) -> None:
        self._steps, self._on_end = steps, on_end
        self.is_done = False
        """Whether all steps were taken; not where one was waited for in vain."""
        self._wait: Wait = SETTLE_MS
        self._since = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(BEAT_MS)

    def _look(self) -> None:
        waited_ms = (time.perf_counter() - self._since) * 1e3
        if waited_ms > PATIENCE_MS:
            self._end()
            return
        if waited_ms < self._wait if isinstance(self._wait, float) else not self._wait():
            return
        try:
            self._wait = next(self._steps)
        except StopIteration:
            self.is_done = True
            self._end()
        self._since = time.perf_counter()

    def _end(self) -> None:
        self._timer.stop()
        self._on_end()


def main() -> None:
    """Run one role and print the gaps as JSON."""
    parser = argparse.ArgumentParser(prog="python -m napari_segsem._heartbeat_run")
    parser.add_argument("role", choices=("ours", "control"))
    parser.add_argument("images", type=Path, nargs=2)
    parser.add_argument("--clicks", type=int, default=15)
    parser.add_argument("--model", default="segsem-nano")
    options = parser.parse_args()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1300, 850)
    role: Ours | Control
    if options.role == "ours":
        role = Ours(viewer, options.images, options.model)
    else:
        role = Control(viewer, options.images)
    beat = Heartbeat()
    screen = Screen(viewer, tifffile.imread(options.images[0]).shape)

    def end() -> None:
        print(json.dumps({"role": options.role, "gaps": beat.gaps}), flush=True)  # noqa: T201
        role.close()
        viewer.close()

    driver = Driver(visit(beat, screen, role, options.clicks), end)
    napari.run()
    del driver


if __name__ == "__main__":
    main()
