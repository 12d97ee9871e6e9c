"""After a restart: panels, the last image, how objects looked and which layers were hidden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari import current_viewer
from napari.layers import Image

from napari_segsem import _layers
from napari_segsem._memory import Memory
from napari_segsem._object_view import ObjectLook, ObjectView
from napari_segsem._session import Session
from napari_segsem._tasks import soon

PLUGIN = "napari-segsem"

NOT_THE_USERS = {_layers.DATA_BAR, _layers.FILLS}
"""Layers that are shown and hidden by the plugin alone."""


class Restorer:
    """Follows what is to be remembered, and brings it back with the first panel.

    napari tells plugins nothing of its start, so that the first of our panels is the moment.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    memory : Memory
    object_view : ObjectView
    is_paused : callable
        Whether the plugin itself has hidden the layers of Annotate.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        memory: Memory,
        object_view: ObjectView,
        is_paused: Callable[[], bool],
    ) -> None:
        self._viewer, self._session, self._memory = viewer, session, memory
        self._view, self._is_paused = object_view, is_paused
        self._wanted = memory.state
        self._panels: list[str] = []
        self._watched: list[Any] = []
        self._hide = set(memory.state.hidden_layers)
        self._closed = False
        if memory.state.look in set(ObjectLook):
            object_view.set_look(ObjectLook(memory.state.look))
        object_view.changed.connect(self._keep_look)
        session.document_changed.connect(self._keep_image)

    @property
    def panels(self) -> tuple[str, ...]:
        """Names of the panels that are open."""
        return tuple(self._panels)

    def panel_opened(self, name: str) -> None:
        """Note an open panel; with the first one the others come back."""
        self._panels.append(name)
        if len(self._panels) == 1:
            soon(self._bring_back)
        self._keep_panels()

    def panel_closed(self, name: str) -> None:
        """Note that a panel is gone, unless the whole window is."""
        if name in self._panels:
            self._panels.remove(name)
        if current_viewer() is self._viewer:
            self._keep_panels()

    def watch(self, layer: Any) -> None:
        """Remember whether a layer of ours is hidden."""
        self._watched.append(layer)
        layer.events.visible.connect(self._keep_hidden)

    def close(self) -> None:
        """Follow nothing any more; write what is not written."""
        self._closed = True
        self._session.document_changed.disconnect(self._keep_image, missing_ok=True)
        self._view.changed.disconnect(self._keep_look, missing_ok=True)
        for layer in self._watched:
            layer.events.visible.disconnect(self._keep_hidden)
        self._memory.write()

    def _bring_back(self) -> None:
        if self._closed or current_viewer() is not self._viewer:
            return
        docks = self._viewer.window.dock_widgets
        for name in self._wanted.panels:
            if name not in self._panels and docks:
                self._viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        path = Path(self._wanted.image) if self._wanted.image else None
        if path is not None and self._session.document is None and not self._has_image():
            if path.is_file():
                self._session.series.come_back(path)
            else:
                self._session.tell(f"The last image is not there any more: {path}")

    def _has_image(self) -> bool:
        return any(isinstance(layer, Image) for layer in self._viewer.layers)

    def _keep_panels(self) -> None:
        self._memory.remember(panels=tuple(dict.fromkeys(self._panels)))

    def _keep_look(self) -> None:
        self._memory.remember(look=self._view.look.value)

    def _keep_image(self) -> None:
        document = self._session.document
        path = None if document is None else document.image.path
        self._memory.remember(image="" if path is None else str(path.resolve()))
        if self._hide:
            # Once the layers are there, and prompting has begun.
            soon(lambda: soon(self._hide_again))

    def _hide_again(self) -> None:
        names, self._hide = self._hide, set()
        for layer in self._viewer.layers:
            if layer.name in names:
                _layers.show(layer, False)

    def _keep_hidden(self, _event: Any = None) -> None:
        if self._hide or self._is_paused():
            return
        mine = [layer for layer in self._watched if layer.name not in NOT_THE_USERS]
        hidden = [x.name for x in mine if not x.visible and x in self._viewer.layers]
        self._memory.remember(hidden_layers=tuple(hidden))
