"""A real viewer on a real (virtual) screen, and a hand that clicks in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from scipy import ndimage

REQUIRED = os.environ.get("SEGSEM_REQUIRE_GUI") == "1"
PIXEL_NM = 2.5
WAIT_MS = 60_000


@pytest.fixture(scope="session", autouse=True)
def display() -> None:
    """Skip where there is no screen; fail where the caller says that there must be one."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    reason = "no display: run under xvfb-run, or set DISPLAY"
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real engine process, with a predictor that needs no torch."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "fakes"))
    monkeypatch.setenv("SEGSEM_PREDICTOR", "fake_predictor:make")


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings of the plugin in a folder of this test, as napari's own fixture has them."""
    from napari import settings

    folder = tmp_path / "settings"
    folder.mkdir()
    monkeypatch.setattr(settings, "_CFG_PATH", str(folder / "settings.yaml"))
    monkeypatch.setenv("SEGSEM_CONFIG_HOME", str(folder))
    settings._clear_plugin_settings_cache()
    yield folder
    settings._clear_plugin_settings_cache()


@pytest.fixture(autouse=True)
def no_child_survives(display: None) -> Iterator[None]:
    """No test may leave a process behind."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    left = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=5)
    assert not alive


@pytest.fixture(scope="session")
def pads() -> np.ndarray:
    """(300, 400) uint8: six bright 50 px pads on dark ground, at rows 40/180, cols 40/170/300."""
    image = np.full((300, 400), 60.0)
    for row in (40, 180):
        for col in (40, 170, 300):
            image[row : row + 50, col : col + 50] = 190.0
    image = ndimage.gaussian_filter(image, 1.2)
    image += np.random.default_rng(1).normal(0, 4, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@pytest.fixture
def samples(tmp_path: Path, pads: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sample folder with the pads in it."""
    folder = tmp_path / "sample_data"
    (folder / "images").mkdir(parents=True)
    tifffile.imwrite(folder / "images" / "line_space_000.tif", pads)
    (folder / "manifest.csv").write_text(
        f"path,pixel_size_nm\nimages/line_space_000.tif,{PIXEL_NM}\n", encoding="utf-8"
    )
    monkeypatch.setenv("SEGSEM_SAMPLE_DATA", str(folder))
    return folder


@pytest.fixture
def pads_file(samples: Path) -> Path:
    """The pads as a file that names no pixel size."""
    return samples / "images" / "line_space_000.tif"


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """A napari viewer that is really shown."""
    shown = make_napari_viewer(show=True)
    shown.window.resize(1300, 850)
    return shown


@pytest.fixture
def dock(viewer: Any, qtbot: Any) -> Callable[[str], Any]:
    """Open one of the plugin's panels as its menu does."""

    def open_panel(name: str) -> Any:
        _, widget = viewer.window.add_plugin_dock_widget("napari-segsem", name)
        qtbot.waitUntil(widget.isVisible, timeout=WAIT_MS)
        return widget

    return open_panel


class Hand:
    """Mouse and keyboard on the canvas, in image coordinates."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self._viewer, self._qtbot = viewer, qtbot
        self.image_name = "line_space_000"

    @property
    def canvas(self) -> Any:
        return self._viewer.window._qt_viewer.canvas.native

    def at(self, row: float, col: float) -> Any:
        from qtpy.QtCore import QPoint

        (image,) = (x for x in self._viewer.layers if x.name == self.image_name)
        scale = np.asarray(image.scale)
        offset = np.array([row, col]) * scale - np.asarray(self._viewer.scene.camera.center)[-2:]
        dy, dx = (float(v) for v in offset * self._viewer.scene.camera.zoom)
        size = self.canvas.size()
        return QPoint(round(size.width() / 2 + dx), round(size.height() / 2 + dy))

    def click(self, row: float, col: float, modifier: Any = None) -> None:
        from qtpy.QtCore import Qt

        held = Qt.KeyboardModifier.NoModifier if modifier is None else modifier
        self._qtbot.mouseClick(self.canvas, Qt.MouseButton.LeftButton, held, self.at(row, col))

    def double_click(self, row: float, col: float) -> None:
        from qtpy.QtCore import Qt

        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        self._qtbot.mouseClick(self.canvas, left, none, self.at(row, col))
        self._qtbot.mouseDClick(self.canvas, left, none, self.at(row, col))

    def drag(
        self, start: tuple[float, float], stop: tuple[float, float], modifier: Any = None
    ) -> None:
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        left = Qt.MouseButton.LeftButton
        none = Qt.KeyboardModifier.NoModifier if modifier is None else modifier
        self._qtbot.mousePress(self.canvas, left, none, self.at(*start))
        for part in np.linspace(0.2, 1, 5):
            point = self.at(*(np.array(start) * (1 - part) + np.array(stop) * part))
            moved = QMouseEvent(QEvent.Type.MouseMove, QPointF(point), left, left, none)
            QApplication.sendEvent(self.canvas, moved)
        self._qtbot.mouseRelease(self.canvas, left, none, self.at(*stop))

    def press(self, row: float, col: float) -> None:
        from qtpy.QtCore import Qt

        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        self._qtbot.mousePress(self.canvas, left, none, self.at(row, col))

    def drag_to(self, row: float, col: float) -> None:
        from qtpy.QtCore import Qt

        self._move(row, col, Qt.MouseButton.LeftButton)

    def release(self, row: float, col: float) -> None:
        from qtpy.QtCore import Qt

        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        self._qtbot.mouseRelease(self.canvas, left, none, self.at(row, col))

    def move(self, row: float, col: float) -> None:
        self._qtbot.mouseMove(self.canvas, self.at(row, col))

    def hover(self, row: float, col: float) -> None:
        """Move without a button, at once and without the window system."""
        from qtpy.QtCore import Qt

        self._move(row, col, Qt.MouseButton.NoButton)

    def _move(self, row: float, col: float, button: Any) -> None:
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        point, none = QPointF(self.at(row, col)), Qt.KeyboardModifier.NoModifier
        moved = QMouseEvent(QEvent.Type.MouseMove, point, button, button, none)
        QApplication.sendEvent(self.canvas, moved)

    def key(self, key: Any, modifier: Any = None) -> None:
        from qtpy.QtCore import Qt

        held = Qt.KeyboardModifier.NoModifier if modifier is None else modifier
        self._qtbot.keyClick(self.canvas, key, held)


@pytest.fixture
def hand(viewer: Any, qtbot: Any) -> Hand:
    return Hand(viewer, qtbot)


@pytest.fixture
def until(qtbot: Any) -> Callable[[Callable[[], bool]], None]:
    """Wait for something to become true; the window works on meanwhile."""

    def wait(condition: Callable[[], bool]) -> None:
        qtbot.waitUntil(condition, timeout=WAIT_MS)

    return wait


PADS = {1: (40, 40), 2: (40, 170), 3: (40, 300), 4: (180, 40)}
"""Upper left corners of those pads of the image that are objects in `accepted_pads`."""


@pytest.fixture
def accepted_pads(dock: Any, pads_file: Path, until: Any) -> Any:
    """The Annotate panel, with four of the six pads accepted as exact squares."""
    from napari_segsem._annotation import Made
    from segsem.core.contour import Source
    from segsem.project.label_edit import LabelObject

    made = dock("Annotate")
    made.session.open_files([pads_file])
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
    squares = [Made(corner, np.ones((50, 50), bool), origin) for corner in PADS.values()]
    made.session.annotation.add("objects", squares)
    return made


@pytest.fixture
def done(panel: Any, until: Any) -> Callable[[], None]:
    """Wait until no correction is being worked out."""
    return lambda: until(lambda: panel.shared.correct.corrections.is_idle)


@pytest.fixture
def point_at(panel: Any, hand: Hand, until: Any) -> Callable[[float, float], None]:
    """Move the mouse to a place of the image."""

    def move(row: float, col: float) -> None:
        def is_there() -> bool:
            # Where two moves come at once, napari leaves one out.
            hand.hover(row, col)
            at = panel.shared.correct.pixel_under_cursor()
            return at is not None and bool(np.abs(np.subtract(at, (row, col))).max() <= 1)

        until(is_there)

    return move


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images of 60 x 80 px."""
    made = tmp_path / "images"
    made.mkdir()
    for number, name in enumerate("abcd"):
        grey = np.random.default_rng(number).integers(0, 255, (60, 80)).astype(np.uint8)
        tifffile.imwrite(made / f"{name}.tif", grey)
    return made


def pad_region(region_id: int, source: Any, confidence: float, **more: Any) -> Any:
    """One of the pads, outlined along its pixels."""
    from segsem.core.contour import Contour, Region, Source

    row, col = ((40, 40), (40, 170), (180, 40), (180, 170))[region_id - 1]
    side = np.arange(0.0, 50.0, 2.0)
    zero = np.zeros_like(side)
    turn = np.stack([[side, zero], [zero + 50, side], [50 - side, zero + 50], [zero, 50 - side]])
    ring = turn.transpose(0, 2, 1).reshape(-1, 2) + np.array([row - 0.5, col - 0.5])
    flat = np.zeros(len(ring))
    contour = Contour(
        contour_id=region_id,
        vertices_rc=ring,
        raw_vertices_rc=ring,
        normals_rc=np.repeat([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], len(side), axis=0),
        closed=True,
        is_hole=False,
        sigma_px=flat + 0.1,
        slope=flat + 10,
        contrast=flat + 80,
        confidence=flat + 0.9,
        source_code=np.full(len(ring), int(source is Source.SAUVOLA), np.uint8),
        flags=np.zeros(len(ring), np.uint8),
    )
    reason = "low contrast" if source is Source.SAUVOLA else None
    mask = np.ones((50, 50), bool)
    return Region(region_id, (row, col), mask, (contour,), source, confidence, reason, **more)


LOT = ("wafer_a", "wafer_b", "wafer_c")


@pytest.fixture
def pads_lot(tmp_path: Path, pads: np.ndarray) -> Path:
    """Results of three images with four of the pads each; one region needs a decision."""
    from segsem.core.contour import Source
    from segsem.core.extraction import Extraction
    from segsem.export.outputs import write_results
    from segsem.imaging.read import read_image

    made = tmp_path / "out"
    for number, name in enumerate(LOT):
        path = tmp_path / "images" / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        grey = pads.copy()
        grey[0, 0] = number
        tifffile.imwrite(path, grey)
        regions = (
            pad_region(1, Source.SAM2, 0.97),
            pad_region(2, Source.SAM2, 0.96 - number / 100),
            pad_region(3, Source.SAUVOLA, 0.6 + number / 100),
            pad_region(4, Source.SAM2, 0.3 + number / 100, needs_human=name == "wafer_b"),
        )
        said = {"threshold": 0.8, "image_path": str(path), "image_sha256": read_image(path).sha256}
        said |= {"groups": {"dose": str(20 + number)}, "snr": 8.0 - 3 * number, "blur_px": 1.2}
        said |= {"tone": "bright"}
        shape, confidence = (300, 400), np.ones((300, 400), np.float32)
        valid, size = (0, 300), (PIXEL_NM, PIXEL_NM)
        write_results(Extraction(name, shape, valid, size, "user", regions, confidence, said), made)
    return made


@pytest.fixture
def lot_panel(dock: Any, pads_lot: Path, until: Any, hand: Hand) -> Any:
    """The review panel with the lot open, its least sure region (4 of wafer_b) in sight."""
    made = dock("Review and export")
    made.open_results(pads_lot)
    until(lambda: made.desk.lot is not None and made.session.review is not None)
    hand.image_name = "wafer_b"
    return made
