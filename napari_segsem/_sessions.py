"""Which session belongs to which viewer, and when it ends."""

from __future__ import annotations

import atexit
from typing import Any
from weakref import WeakKeyDictionary

from napari.utils.notifications import show_error

from napari_segsem._actions import prompt_actions, review_actions
from napari_segsem._extraction import ExtractionRun
from napari_segsem._layer_adapters import AnnotateLayers
from napari_segsem._review_layers import ReviewLayers
from napari_segsem._session import Session
from napari_segsem._tasks import in_gui_thread, run_in_background
from napari_segsem._toolbox import Toolbox


class Shared:
    """What all panels of a viewer share: session, extraction, layers, actions."""

    def __init__(self, viewer: Any) -> None:
        self.session = Session(in_gui_thread, background=run_in_background)
        self.extraction = ExtractionRun(self.session)
        self.prompt_actions = prompt_actions(
            self.session, lambda: self.annotate_layers.object_under_cursor()
        )
        self.review_actions = review_actions(
            self.session, lambda: self.review_layers.go_to_current()
        )
        self.toolbox = Toolbox()
        self.annotate_layers = AnnotateLayers(
            viewer, self.session, self.prompt_actions, self.toolbox
        )
        self.review_layers = ReviewLayers(
            viewer, self.session, self.review_actions, self.annotate_layers.pause
        )
        self.panels = 0
        self.session.message.connect(_notify)

    def close(self) -> None:
        """End the child processes and let go of the viewer."""
        self.extraction.cancel()
        self.session.close()
        self.annotate_layers.close()
        self.review_layers.close()


def _notify(text: str, is_error: bool) -> None:
    if is_error:
        show_error(text)


_shared: WeakKeyDictionary[Any, Shared] = WeakKeyDictionary()


def real_viewer(viewer: Any) -> Any:
    """Give the viewer behind the proxy that napari hands to plugins.

    A proxy lives as short as the panel that holds it, and each panel has its own.
    """
    return getattr(viewer, "__wrapped__", viewer)


def enter(viewer: Any) -> Shared:
    """Give a panel the shared state of its viewer; each panel leaves when it is destroyed."""
    shared = _shared.get(viewer)
    if shared is None:
        shared = _shared[viewer] = Shared(viewer)
    shared.panels += 1
    return shared


def leave(shared: Shared) -> None:
    """Take a panel's leave; with the last one the child processes end."""
    shared.panels -= 1
    if shared.panels <= 0:
        shared.close()
        for viewer, known in list(_shared.items()):
            if known is shared:
                del _shared[viewer]


@atexit.register
def _end_children() -> None:
    for shared in list(_shared.values()):
        shared.extraction.cancel()
        shared.session.close()
