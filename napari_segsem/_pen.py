"""The pen of brush and eraser: its size, and the circle that shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psygnal import Signal

from napari_segsem._toolbox import Toolbox

SMALLEST_PX, LARGEST_PX, FIRST_PX = 1, 400, 12
STEP = 1.25
"""Factor from one size to the next: as many steps from 2 to 4 px as from 100 to 200."""

ROUND, CROSS = "circle", "crosshair"
CURSORS = {"brush": ROUND, "eraser": ROUND, "cut": CROSS, "split": CROSS, "merge": CROSS}


class Pen:
    """Diameter of the pen in px of the image."""

    changed = Signal(int)

    def __init__(self) -> None:
        self.diameter_px = FIRST_PX

    def resize(self, diameter_px: int) -> None:
        """Give it another size, as near as there is one."""
        wanted = min(max(int(diameter_px), SMALLEST_PX), LARGEST_PX)
        if wanted != self.diameter_px:
            self.diameter_px = wanted
            self.changed.emit(wanted)

    def larger(self) -> None:
        """Take the next size."""
        self.resize(max(self.diameter_px + 1, round(self.diameter_px * STEP)))

    def smaller(self) -> None:
        """Take the size before."""
        self.resize(min(self.diameter_px - 1, round(self.diameter_px / STEP)))


READY_PX = 32
"""Any size at which napari draws a circle."""


def make_circle(viewer: Any) -> None:
    """Have napari make the circle of a pen, which it otherwise does when a pen is first taken.

    That takes about a tenth of a second, for which nobody should wait with the mouse in hand.
    """
    cursor = viewer.cursor
    before = cursor.size, cursor.style
    cursor.size, cursor.style = READY_PX / max(viewer.scene.camera.zoom, 1e-9), ROUND
    cursor.size, cursor.style = before


class PenCursor:
    """Shows what is in hand: a circle as large as the pen, or a cross.

    napari draws the circle itself, in the size that the image is zoomed to; below 8 px on the
    screen and above its canvas it draws a cross instead.

    Parameters
    ----------
    pen : Pen
    toolbox : Toolbox
    layer : callable
        Gives the prompts layer, or None where there is none yet.
    nm_per_px : callable
        Gives the size of an image pixel in the viewer.
    """

    def __init__(
        self,
        pen: Pen,
        toolbox: Toolbox,
        layer: Callable[[], Any],
        nm_per_px: Callable[[], float],
    ) -> None:
        self._pen, self._toolbox = pen, toolbox
        self._layer, self._nm_per_px = layer, nm_per_px
        pen.changed.connect(self.show)
        toolbox.changed.connect(self.show)

    def show(self, _changed: object = None) -> None:
        """Give the layer the cursor of the tool in hand."""
        layer = self._layer()
        if layer is None:
            return
        layer.cursor_size = self._pen.diameter_px * self._nm_per_px()
        layer.cursor = CURSORS.get(self._toolbox.name, "standard")
