"""Accepted objects as outlines, filled, or hidden: switched without drawing outlines anew."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_segsem import _layers
from napari_segsem._document import Document
from segsem.core.types import LabelArray


class ObjectLook(StrEnum):
    """How accepted objects are drawn."""

    OUTLINE = "outline"
    FILL = "fill"
    OFF = "off"


LOOK_TEXTS = {
    ObjectLook.OUTLINE: "Objects as outlines",
    ObjectLook.FILL: "Objects filled, a colour for each",
    ObjectLook.OFF: "Objects hidden",
}


class ObjectView:
    """The look of a viewer's accepted objects.

    napari takes a third of a second to find the outlines of a 4096 x 4096 label image again after
    its layer was hidden. So outlines stay, and become transparent; fills are a layer of their own,
    with a copy of the labels that follows them while it is seen.

    Parameters
    ----------
    viewer : napari.Viewer
    adopt : callable
        Called with a layer before it is added: keys, status bar.
    """

    changed = Signal()

    def __init__(self, viewer: Any, adopt: Callable[[Any], None]) -> None:
        self._viewer, self._adopt = viewer, adopt
        self._look = ObjectLook.OUTLINE
        self._is_shown = True
        self._outlines: Any = None
        self._fills: Any = None
        self._document: Document | None = None

    @property
    def look(self) -> ObjectLook:
        """How objects are drawn."""
        return self._look

    @property
    def fills(self) -> Any:
        """The layer of fills; None before it was needed."""
        return self._fills

    def cycle(self) -> None:
        """Go on from outlines to fills to nothing, and to outlines again."""
        looks = list(ObjectLook)
        self.set_look(looks[(looks.index(self._look) + 1) % len(looks)])

    def set_look(self, look: ObjectLook) -> None:
        """Draw objects in another way."""
        if look is not self._look:
            self._look = look
            self._show()
            self.changed.emit()

    def attach(self, outlines: Any, document: Document) -> None:
        """Follow the layer of outlines, which shows a document's labels."""
        self._outlines, self._document = outlines, document
        self._show()

    def show(self, visible: bool) -> None:
        """Show objects, as they are to look, or take them out of sight."""
        self._is_shown = visible
        if self._outlines is not None:
            _layers.show(self._outlines, visible)
            self._show()

    def paint(self, at: tuple[npt.NDArray[Any], npt.NDArray[Any]], values: LabelArray) -> None:
        """Follow a change of the labels."""
        if self._fills is not None and self._fills.visible:
            self._fills.data_setitem(at, _color_numbers(values))

    def _show(self) -> None:
        if self._outlines is None:
            return
        opacity = 0.0 if self._look is ObjectLook.OFF else 1.0
        if self._outlines.opacity != opacity:
            self._outlines.opacity = opacity
        if self._look is ObjectLook.FILL and self._is_shown:
            self._show_fills()
        elif self._fills is not None:
            _layers.show(self._fills, False)

    def _show_fills(self) -> None:
        document = self._document
        if document is None:
            return
        layers, labels = self._viewer.layers, document.annotation.labels
        if self._fills is None or self._fills not in layers:
            self._fills = _layers.fills_layer(np.zeros((1, 1), np.uint8))
            _layers.place(self._fills, document)
            self._adopt(self._fills)
            active = layers.selection.active
            layers.insert(layers.index(self._outlines), self._fills)
            layers.selection.active = active
        fills = self._fills
        _layers.place(fills, document)
        numbers = _color_numbers(labels)
        if not fills.visible or not np.array_equal(fills.data, numbers):
            # Hidden, so that it is drawn once and not for each change.
            _layers.show(fills, False)
            fills.data = numbers
            _layers.show(fills, True)


def _color_numbers(labels: LabelArray) -> npt.NDArray[np.uint8]:
    """Number the colours of objects in 8 bits: napari draws those faster than 32."""
    ids = np.arange(int(labels.max(initial=0)) + 1)
    table = np.where(ids > 0, (ids - 1) % (_layers.FILL_COLORS - 1) + 1, 0).astype(np.uint8)
    return table[labels]
