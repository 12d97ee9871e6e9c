"""Buttons that do what a key does, and say which key."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton

from napari_segsem._key_bindings import Keys
from napari_segsem.widgets.parts import follow, make_primary


class ActionButton(QPushButton):
    """Button of an action; its tooltip follows the action's key.

    Parameters
    ----------
    keys : Keys
    action : str
        Name of the action.
    text : str
    primary : bool
        Whether it is the panel's first.
    """

    def __init__(self, keys: Keys, action: str, text: str, *, primary: bool = False) -> None:
        super().__init__(text)
        self._keys, self._action = keys, action
        if primary:
            make_primary(self)
        self.clicked.connect(self._run)
        follow(self, keys.changed, self._show_key)
        self._show_key()

    def _run(self) -> None:
        self._keys.run(self._action)

    def _show_key(self) -> None:
        self.setToolTip(tip(self._keys, self._action))


def tip(keys: Keys, action: str) -> str:
    """Say what an action does and which key does it."""
    key = keys[action]
    return f"{key.help} ({key.qt})" if key.key else key.help
