"""The keys of the image, also while the mouse was last in a panel."""

from __future__ import annotations

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLineEdit,
    QShortcut,
    QWidget,
)

from napari_segsem._key_bindings import Keys
from napari_segsem.widgets.parts import follow

PRESS_KEYS = {"Return", "Space"}
"""A button that has the focus is pressed with these."""


class PanelShortcuts(QObject):
    """Makes keys work while the focus is in a panel; fields that are typed in keep theirs.

    Parameters
    ----------
    panel : QWidget
    keys : Keys
    """

    def __init__(self, panel: QWidget, keys: Keys) -> None:
        super().__init__(panel)
        self._panel, self._keys = panel, keys
        self._shortcuts: list[QShortcut] = []
        follow(self, keys.changed, self._make)
        self._make()

    def _make(self) -> None:
        for old in self._shortcuts:
            old.setParent(None)
            old.deleteLater()
        self._shortcuts = []
        for key in self._keys:
            if not key.key:
                continue
            made = QShortcut(QKeySequence(key.qt), self._panel)
            made.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            made.activated.connect(lambda name=key.action, qt=key.qt: self._run(name, qt))
            self._shortcuts.append(made)

    def _run(self, action: str, qt: str) -> None:
        focused = QApplication.focusWidget()
        if isinstance(focused, QLineEdit):
            if qt == "Return":
                # The shortcut has taken it from the field, which waits for it.
                focused.editingFinished.emit()
            return
        if isinstance(focused, QAbstractButton) and qt in PRESS_KEYS:
            focused.click()
            return
        self._keys.run(action)
