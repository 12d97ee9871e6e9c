"""Strokes in the preview layer while they are drawn: only what changes is drawn anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_segsem import _layers
from napari_segsem._correct_tools import Easel
from napari_segsem._stroke import Stroke


class StrokeView:
    """Shows a stroke in place of the candidate.

    Parameters
    ----------
    session : Easel
    layer : callable
        Gives the preview layer, or None where there is none.
    restore : callable
        Shows the candidate again.
    """

    def __init__(
        self, session: Easel, layer: Callable[[], Any], restore: Callable[[], None]
    ) -> None:
        self._session, self._layer, self._restore = session, layer, restore

    def show(self, stroke: Stroke | None, change: Any) -> None:
        """Show a stroke from its start, or what of it changed; None: the candidate again."""
        layer, document = self._layer(), self._session.document
        if layer is None or document is None:
            return
        if stroke is None:
            self._restore()
        elif change is None or layer.data is not stroke.shown:
            _layers.put_at(layer, stroke.shown, document, stroke.offset_rc)
        else:
            (rows, cols), edge = change
            at = np.nonzero(stroke.shown[rows, cols] != edge)
            layer.data_setitem((at[0] + rows.start, at[1] + cols.start), edge[at])
