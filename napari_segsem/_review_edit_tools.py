"""What the mouse does to a region that is edited: Annotate's pens, and clicks for the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_segsem._correct_tools import MINUS_MODIFIERS, Brush, Eraser, Show
from napari_segsem._document import Document
from napari_segsem._pen import Pen
from napari_segsem._prompt_mouse import is_on_sample
from napari_segsem._review_edit import RegionEdit
from segsem.segmentation.prompts import BACKGROUND, FOREGROUND

HINTS = {
    "brush": "Brush: paint what belongs to the region; Ctrl erases. Enter keeps the edit",
    "eraser": "Eraser: take away what does not belong to the region",
    "corners": "Corners: drag one, and the outline follows up to the next",
    "prompt": "Click what belongs to the region, Ctrl+click what does not",
}
"""By tool, in the order of their buttons."""


class RegionBrush(Brush):
    """Paints the region, wherever a stroke begins: its missing part may lie apart from it."""

    def __init__(self, edit: RegionEdit, show: Show, pen: Pen) -> None:
        super().__init__(edit, show, pen)
        self._edit = edit

    def _target(self, document: Document, start: tuple[float, float]) -> int:
        return self._edit.region_id


class RegionEraser(Eraser):
    """Takes pixels from the region alone, wherever a stroke begins."""

    def __init__(self, edit: RegionEdit, show: Show, pen: Pen) -> None:
        super().__init__(edit, show, pen)
        self._edit = edit

    def _begin(self, document: Document, start: tuple[float, float], modifiers: set[str]) -> Any:
        # Shift takes from all objects in Annotate; here there is only this one.
        return super()._begin(document, start, set())

    def _target(self, document: Document, start: tuple[float, float]) -> int:
        return self._edit.region_id


class RegionPrompt:
    """A click asks the model for the region anew.

    Parameters
    ----------
    edit : RegionEdit
    """

    name = "prompt"

    def __init__(self, edit: RegionEdit) -> None:
        self._edit = edit

    def on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release."""
        start, minus = (
            layer.world_to_data(event.position),
            bool(set(event.modifiers) & MINUS_MODIFIERS),
        )
        yield
        while event.type == "mouse_move":
            yield
        document = self._edit.document
        point = float(start[0]), float(start[1])
        if document is None:
            return
        if is_on_sample(document, point):
            self._edit.prompt(point, BACKGROUND if minus else FOREGROUND)
        else:
            self._edit.tell("That is outside the image: click on the sample")
