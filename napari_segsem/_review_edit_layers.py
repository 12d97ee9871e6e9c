"""Layers of a region that is edited: its outline, strokes and clicks, and corners to drag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from napari.layers import Shapes

from napari_segsem import _layers
from napari_segsem._key_bindings import bind_hold_to_pan
from napari_segsem._pen import Pen, PenCursor
from napari_segsem._review_edit import RegionEdit
from napari_segsem._review_edit_tools import HINTS, RegionBrush, RegionEraser, RegionPrompt
from napari_segsem._review_layers import LINE_SCREEN_PX, ReviewLayers
from napari_segsem._stroke_view import StrokeView
from napari_segsem._toolbox import Toolbox
from segsem.review.handles import Handles, handles_of, longest

CLICKS = "SegSEM edit"
STROKE = "SegSEM edit stroke"
CORNERS = "SegSEM edit corners"
CORNER_TOOL = "corners"
HANDLE_SCREEN_PX = 10


class EditLayers:
    """What is seen of an edit, and what the mouse does to it.

    Parameters
    ----------
    viewer : napari.Viewer
    edit : RegionEdit
    review_layers : ReviewLayers
        Shows the outline that is drawn.
    bind : callable
        Gives a layer the keys of the review.
    pen : Pen
        The one of Annotate: one size everywhere.
    """

    def __init__(
        self,
        viewer: Any,
        edit: RegionEdit,
        review_layers: ReviewLayers,
        bind: Callable[[Any], None],
        pen: Pen,
    ) -> None:
        self._viewer, self._edit, self._bind = viewer, edit, bind
        self._review_layers = review_layers
        self._layers: dict[str, Any] = {}
        self.tool = ""
        """Name of the tool in hand; empty while nothing is edited."""
        self.toolbox = Toolbox()
        show = StrokeView(edit, lambda: self._layers.get(STROKE), self._clear_stroke).show
        for tool in (
            RegionBrush(edit, show, pen),
            RegionEraser(edit, show, pen),
            RegionPrompt(edit),
        ):
            self.toolbox.add(tool)
        self._cursor = PenCursor(
            pen, self.toolbox, lambda: self._layers.get(CLICKS), self._nm_per_px
        )
        self._handles: Handles | None = None
        self._showing = False
        edit.changed.connect(self._show)

    def take(self, tool: str) -> None:
        """Edit with a tool; what is not edited yet is taken to the bench first."""
        if not self._edit.is_active:
            self._edit.begin(lambda: self.take(tool))
            return
        self.tool = tool
        self._make_layers()
        if tool == CORNER_TOOL:
            self._offer_corners()
        else:
            self.toolbox.take(tool)
        # What is hidden takes no tool.
        self._edit.changed.emit()
        self._activate()
        self._edit.tell(HINTS[tool])

    def close(self) -> None:
        """Let go of the edit."""
        self._edit.changed.disconnect(self._show, missing_ok=True)

    def _activate(self) -> None:
        layer = self._layers[CORNERS if self.tool == CORNER_TOOL else CLICKS]
        self._viewer.layers.selection.active = layer
        if self.tool == CORNER_TOOL:
            layer.mode = "direct"
            layer.selected_data = {0} if len(layer.data) else set()
        else:
            layer.mode, layer.mouse_pan = "pan_zoom", False
            self._cursor.show()

    def _make_layers(self) -> None:
        document = self._edit.document
        if document is None:
            return
        made: Mapping[str, Callable[[], Any]] = {
            STROKE: lambda: _layers.labels_layer(
                STROKE, np.zeros((1, 1), np.uint8), _layers.PREVIEW_COLOR, 0
            ),
            CORNERS: _corner_layer,
            CLICKS: _click_layer,
        }
        for name, make in made.items():
            layer = self._layers.get(name)
            if layer is None or layer not in self._viewer.layers:
                layer = self._layers[name] = make()
                self._viewer.add_layer(layer)
                self._adopt(name, layer)
            _layers.place(layer, document)

    def _adopt(self, name: str, layer: Any) -> None:
        self._bind(layer)
        if name == CLICKS:
            layer.mouse_drag_callbacks.append(self.toolbox.on_press)
            bind_hold_to_pan(layer, self.toolbox.lay_aside)
        elif name == CORNERS:
            layer.events.data.connect(self._corners_moved)

    def _show(self) -> None:
        draft = self._edit.draft
        self._review_layers.show_draft(None if draft is None else draft.region)
        if draft is None:
            self._put_away()
            return
        if not self.tool or CLICKS not in self._layers:
            return
        _layers.show(self._layers[CLICKS], True)
        _layers.show(self._layers[STROKE], True)
        _layers.show(self._layers[CORNERS], self.tool == CORNER_TOOL)
        _layers.show_points(self._layers[CLICKS], draft.points_rc, draft.point_labels)
        if self.tool == CORNER_TOOL and not self._edit.is_busy:
            self._offer_corners()

    def _put_away(self) -> None:
        if not self.tool:
            return
        self.tool = ""
        self._handles = None
        self._clear_stroke()
        for layer in self._layers.values():
            _layers.show(layer, False)
        self._review_layers.activate()

    def _offer_corners(self) -> None:
        """Show the outline's corners as one shape; which of them were moved is seen from it."""
        draft, layer = self._edit.draft, self._layers[CORNERS]
        if draft is None:
            return
        handles = handles_of(draft.region, longest(draft.region.contours))
        known = self._handles
        if known is not None and _same(layer, known) and _same(layer, handles):
            return
        self._handles = handles
        self._showing = True
        try:
            kind = "polygon" if handles.closed else "path"
            layer.data = []
            layer.add(
                [handles.points_rc],
                shape_type=kind,
                edge_width=self._review_layers.image_px(LINE_SCREEN_PX),
                edge_color=_layers.PREVIEW_COLOR,
                face_color="transparent",
            )
            layer.selected_data = {0}
        finally:
            self._showing = False

    def _corners_moved(self, _event: Any = None) -> None:
        handles, layer = self._handles, self._layers.get(CORNERS)
        if self._showing or handles is None or layer is None or not self._edit.is_active:
            return
        if len(layer.data) != 1 or len(layer.data[0]) != len(handles.points_rc):
            # Something took corners away: they belong to the outline.
            self._handles = None
            self._offer_corners()
        elif not _same(layer, handles):
            self._edit.drag(handles, np.array(layer.data[0], dtype=float))

    def _clear_stroke(self) -> None:
        layer = self._layers.get(STROKE)
        if layer is not None and layer.data.any():
            _layers.put(layer, np.zeros((1, 1), np.uint8))

    def _nm_per_px(self) -> float:
        document = self._edit.document
        return 1.0 if document is None else float(document.scale[1])


def _click_layer() -> Any:
    layer = _layers.prompts_layer()
    layer.name = CLICKS
    return layer


def _corner_layer() -> Any:
    return Shapes(ndim=2, name=CORNERS, opacity=1.0)


def _same(layer: Any, handles: Handles) -> bool:
    return (
        len(layer.data) == 1
        and len(layer.data[0]) == len(handles.points_rc)
        and bool(np.allclose(layer.data[0], handles.points_rc, atol=1e-6))
    )
