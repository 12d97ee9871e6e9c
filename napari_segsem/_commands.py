"""Every action as a command of napari's palette: on the viewer that is in front.

The manifest names `_commands:annotate_accept` and the like; the functions are made on demand from
the table of keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari import current_viewer

from napari_segsem import _sessions
from napari_segsem._key_bindings import Keys
from napari_segsem._key_settings import PLUGIN
from napari_segsem._keymap import TABLES

PANELS = {"annotate": "Annotate", "finetune": "Fine-tune", "review": "Review and export"}

NEEDS_NO_IMAGE = {"help"}


def __getattr__(name: str) -> Callable[[], None]:
    table, _, action = name.partition("_")
    if action not in {key.action for key in TABLES.get(table, ())}:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)

    def command() -> None:
        _run(table, action)

    return command


def _run(table: str, action: str) -> None:
    viewer = current_viewer()
    if viewer is None:
        return
    shared = _sessions.known(viewer)
    if shared is None:
        viewer.window.add_plugin_dock_widget(PLUGIN, PANELS[table])
        shared = _sessions.known(viewer)
    if shared is None:
        return
    needs_image = table != "finetune" and action not in NEEDS_NO_IMAGE
    if shared.session.document is None and needs_image:
        shared.session.tell("Open an SEM image first")
        return
    _keys(shared, table).run(action)


def _keys(shared: Any, table: str) -> Keys:
    tables: dict[str, Keys] = {
        "annotate": shared.keys,
        "finetune": shared.finetune_keys,
        "review": shared.review_keys,
    }
    return tables[table]
