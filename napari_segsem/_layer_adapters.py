"""The image and annotation of a session as napari layers, and back from the mouse."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer

from napari_segsem import _layers
from napari_segsem._annotation import Annotation
from napari_segsem._document import Document
from napari_segsem._key_bindings import bind_hold_to_pan
from napari_segsem._object_view import ObjectView
from napari_segsem._prompt_mouse import PromptMouse
from napari_segsem._session import Session
from napari_segsem._tasks import Pause, soon
from napari_segsem._toolbox import Toolbox
from segsem.core.types import LabelArray, MaskArray
from segsem.imaging.image import SEMImage

BOX_WIDTH_PX = 2.0

REST_MS = 120
"""A mouse that rests this long is taken to look at something."""


class AnnotateLayers:
    """Image, data bar, objects, preview and prompts of the image that is shown.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    session : Session
        Its session.
    adopt : callable
        Called with each layer: gives it keys and words for the status bar.
    toolbox : Toolbox
        What the mouse does.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        adopt: Callable[[Layer], None],
        toolbox: Toolbox,
    ) -> None:
        self._viewer, self._session, self._make_ours = viewer, session, adopt
        self._toolbox = toolbox
        self.object_view = ObjectView(viewer, adopt)
        self.is_paused = False
        self._document: Document | None = None
        self._adopted: dict[str, Image] = {}
        self._own_image: Image | None = None
        self._layers: dict[str, Any] = {}
        toolbox.add(PromptMouse(session, self.screen_px, self._show_box, self._show_press))
        self._rest = Pause(REST_MS)
        self._move_watchers: list[Callable[[tuple[float, float]], None]] = []
        self._double_click_watchers: list[Callable[[], None]] = []
        self._prompts_wanted = False
        session.document_changed.connect(self._show)
        viewer.layers.events.inserted.connect(self._on_inserted)

    @property
    def is_prompting(self) -> bool:
        """Whether clicks in the image are prompts."""
        prompts = self._layers.get(_layers.PROMPTS)
        return prompts is not None and self._viewer.layers.selection.active is prompts

    def want_prompts(self) -> None:
        """Show the layers for prompts and objects from now on: somebody annotates."""
        self._prompts_wanted = True
        if self._document is not None:
            self._show()
            self.start_prompting()

    def start_prompting(self) -> None:
        """Make clicks in the image prompts."""
        prompts = self._layers.get(_layers.PROMPTS)
        if prompts is not None and prompts in self._viewer.layers:
            self.is_paused = False
            self._set_visible(True)
            prompts.mode = "pan_zoom"
            prompts.mouse_pan = False
            self._viewer.layers.selection.active = prompts

    def watch_mouse(
        self,
        on_move: Callable[[tuple[float, float]], None],
        on_double_click: Callable[[], None],
    ) -> None:
        """Tell where the mouse is in the image while it prompts, as (row, column)."""
        self._move_watchers.append(on_move)
        self._double_click_watchers.append(on_double_click)

    def pause(self) -> None:
        """Take prompts and objects out of sight: the review has colours of its own."""
        self.is_paused = True
        self._set_visible(False)

    def adopt_open_image(self) -> None:
        """Take over the image that napari shows already."""
        images = [layer for layer in self._viewer.layers if self._is_foreign_image(layer)]
        active = self._viewer.layers.selection.active
        if images and self._session.document is None:
            self._adopt(active if active in images else images[-1])

    def close(self) -> None:
        """Let go of the viewer and of the layers' keys."""
        self._rest.stop()
        self._session.document_changed.disconnect(self._show, missing_ok=True)
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)

    def object_under_cursor(self) -> int:
        """Id of the accepted object under the mouse; 0 where there is none."""
        document, objects = self._document, self._layers.get(_layers.OBJECTS)
        if document is None or objects is None:
            return 0
        row, col = np.rint(objects.world_to_data(self._viewer.cursor.position)).astype(int)
        inside = 0 <= row < document.image.shape[0] and 0 <= col < document.image.shape[1]
        return int(document.annotation.labels[row, col]) if inside else 0

    def _on_inserted(self, event: Any) -> None:
        if self._is_foreign_image(event.value):
            self._adopt(event.value)

    def _is_foreign_image(self, layer: Layer) -> bool:
        ours = layer is self._own_image or layer in self._layers.values()
        return isinstance(layer, Image) and not ours and layer.ndim == 2 and not layer.rgb

    def _adopt(self, layer: Image) -> None:
        if any(layer is known for known in self._adopted.values()):
            return
        image = layer.metadata.get(_layers.IMAGE_KEY)
        if image is not None:
            self._take_over(layer, image)
        elif layer.source.path is not None:
            # Read again: napari's own readers drop what the vendor wrote.
            path = Path(str(layer.source.path))
            self._session.fetch(path, lambda document: self._take_over(layer, document.image))

    def _take_over(self, layer: Image, image: SEMImage) -> None:
        if layer not in self._viewer.layers:
            return
        if image.shape == layer.data.shape:
            self._adopted[image.sha256] = layer
            self._make_ours(layer)
        self._session.open_image(image)

    def _show(self) -> None:
        document = self._session.document
        if document is None:
            return
        fresh = document is not self._document
        self._document = document
        self._make_layers(document)
        self._show_image(document)
        self._place(document)
        if fresh:
            self._connect(document)
            self._viewer.reset_view()
            # napari selects a layer that was just added, after it has told us of it.
            soon(self.start_prompting)

    def _make_layers(self, document: Document) -> None:
        made: dict[str, Callable[[], Any]] = {_layers.DATA_BAR: _layers.data_bar_layer}
        if self._prompts_wanted:
            made |= self._prompt_layers(document)
        for name, make in made.items():
            layer = self._layers.get(name)
            if layer is not None and layer in self._viewer.layers:
                continue
            layer = self._layers[name] = make()
            _layers.place(layer, document)
            self._viewer.add_layer(layer)
            self._make_ours(layer)
            if name == _layers.PROMPTS:
                layer.mouse_drag_callbacks.append(self._toolbox.on_press)
                layer.mouse_move_callbacks.append(self._on_move)
                layer.mouse_double_click_callbacks.append(self._on_double_click)
                bind_hold_to_pan(layer, self._toolbox.lay_aside)

    def _on_move(self, layer: Any, event: Any) -> None:
        row, col = (float(value) for value in layer.world_to_data(event.position))
        for watch in self._move_watchers:
            watch((row, col))
        self._rest.restart(lambda: self._session.foresight.look_at((row, col)))

    def _on_double_click(self, _layer: Any, _event: Any) -> None:
        for watch in self._double_click_watchers:
            watch()

    def _prompt_layers(self, document: Document) -> dict[str, Callable[[], Any]]:
        return {
            _layers.OBJECTS: lambda: _layers.labels_layer(
                _layers.OBJECTS, document.annotation.labels, _layers.OBJECT_COLOR, 2
            ),
            _layers.PREVIEW: lambda: _layers.labels_layer(
                _layers.PREVIEW, np.zeros((1, 1), np.uint8), _layers.PREVIEW_COLOR, 0
            ),
            _layers.BOX: lambda: _layers.lines_layer(_layers.BOX, _layers.PREVIEW_COLOR),
            _layers.PROMPTS: _layers.prompts_layer,
        }

    def _show_image(self, document: Document) -> None:
        shown = self._adopted.get(document.image.sha256)
        if shown is None or shown not in self._viewer.layers:
            shown = self._own_layer(document)
        for layer in (*self._adopted.values(), self._own_image):
            if layer is not None and layer in self._viewer.layers:
                _layers.show(layer, layer is shown)
        if index := self._viewer.layers.index(shown):
            # Opened after ours, it would lie over outlines and prompts.
            self._viewer.layers.move(index, 0)
        _layers.place(shown, document)

    def _own_layer(self, document: Document) -> Image:
        layer = self._own_image
        if layer is None or layer not in self._viewer.layers:
            layer = self._own_image = _layers.image_layer(document)
            self._viewer.add_layer(layer)
            self._make_ours(layer)
            self._viewer.layers.move(self._viewer.layers.index(layer), 0)
        elif layer.data is not document.image.data:
            layer.data = document.image.data
            layer.contrast_limits_range = layer.contrast_limits = document.display_limits
            layer.name = document.image.name
        return layer

    def _place(self, document: Document) -> None:
        self._place_data_bar(document)
        self._viewer.canvas.overlays.scale_bar.visible = document.image.pixel_size_nm is not None
        if not self._prompts_wanted:
            return
        for name in (_layers.OBJECTS, _layers.BOX, _layers.PROMPTS):
            _layers.place(self._layers[name], document)
        objects = self._layers[_layers.OBJECTS]
        if objects.data is not document.annotation.labels:
            objects.data = document.annotation.labels
        self.object_view.attach(objects, document)
        self._show_prompts()
        self.show_preview()

    def _place_data_bar(self, document: Document) -> None:
        layer = self._layers[_layers.DATA_BAR]
        first, (height, width) = document.image.data_bar_row, document.image.shape
        _layers.show(layer, first is not None)
        if first is None:
            _layers.place(layer, document)
            return
        px_y, px_x = document.scale
        scale = ((height - first) * px_y, width * px_x)
        centre = ((first + height - 1) / 2 * px_y, (width - 1) / 2 * px_x)
        _layers.place_at(layer, scale, centre, document.units)

    def _connect(self, document: Document) -> None:
        annotation = document.annotation
        annotation.image.paint = partial(self._paint, annotation)
        for signal, slot in (
            (annotation.prompts_changed, self._show_prompts),
            (annotation.candidates_changed, self.show_preview),
        ):
            signal.disconnect(slot, missing_ok=True)
            signal.connect(slot)

    def _show_prompts(self) -> None:
        if self._document is None or not self._prompts_wanted:
            return
        state = self._document.annotation.state
        _layers.show_points(self._layers[_layers.PROMPTS], state.points_rc, state.point_labels)
        self._show_box(state.box_rc)

    def _show_press(self, press: tuple[tuple[float, float], int] | None) -> None:
        if self._document is None:
            return
        state, (points, labels) = self._document.annotation.state, ([], [])
        if press is not None:
            points, labels = [press[0]], [press[1]]
        layer = self._layers[_layers.PROMPTS]
        _layers.show_points(layer, [*state.points_rc, *points], [*state.point_labels, *labels])

    def _show_box(self, box_rc: tuple[float, float, float, float] | None) -> None:
        layer = self._layers[_layers.BOX]
        if box_rc is None or self._document is None:
            if len(layer.data):
                _layers.put(layer, np.zeros((0, 2, 2)))
            return
        row0, col0, row1, col1 = box_rc
        corners = np.array([[row0, col0], [row0, col1], [row1, col1], [row1, col0]])
        sides, width = _layers.segments(corners, closed=True), self.screen_px(BOX_WIDTH_PX)
        if layer.edge_width != width:
            layer.edge_width = width
        if not np.array_equal(layer.data, sides):
            _layers.put(layer, sides)

    def show_preview(self) -> None:
        """Show the chosen candidate; nothing where there is none."""
        if self._document is None or not self._prompts_wanted:
            return
        annotation, layer = self._document.annotation, self._layers[_layers.PREVIEW]
        outline = annotation.chosen_outline
        if outline is None:
            if layer.data.any():
                _layers.put(layer, np.zeros((1, 1), dtype=np.uint8))
            # Moving an empty layer back would draw it once more for nothing.
            scale, units = self._document.scale, self._document.units
            _layers.place_at(layer, scale, layer.translate, units)
            return
        # A small layer moved to its place: the whole image is never drawn anew for one click.
        _layers.put_at(layer, outline.data, self._document, outline.offset_rc)

    def _paint(
        self,
        annotation: Annotation,
        slices: tuple[slice, slice],
        mask: MaskArray,
        values: LabelArray,
    ) -> None:
        """Paint objects through the layer, which then draws that part and not the whole image."""
        layer = self._layers.get(_layers.OBJECTS)
        if layer is None or layer.data is not annotation.labels:
            annotation.image.paint_array(slices, mask, values)
            return
        rows, cols = np.nonzero(mask)
        at = (rows + slices[0].start, cols + slices[1].start)
        wanted = np.broadcast_to(values, rows.shape)
        layer.data_setitem(at, wanted)
        self.object_view.paint(at, wanted)

    def _set_visible(self, visible: bool) -> None:
        self.object_view.show(visible)
        for name in (_layers.PREVIEW, _layers.BOX, _layers.PROMPTS):
            if name in self._layers:
                _layers.show(self._layers[name], visible)

    def screen_px(self, width: float) -> float:
        """Width in image px of so many px on the screen."""
        scale = self._document.scale[1] if self._document is not None else 1.0
        return float(width / max(self._viewer.scene.camera.zoom * scale, 1e-9))
