"""All keys of a panel: looked up, and changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QHeaderView,
    QKeySequenceEdit,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_segsem import _layers
from napari_segsem._key_bindings import Keys
from napari_segsem._key_names import napari_uses
from napari_segsem._keymap import HOLD_TO_PAN, HOLD_TO_PAN_SHADOWS, Key
from napari_segsem.widgets.parts import button, follow, row, text_label
from segsem.core.exceptions import InputError

ACTION_ROLE = Qt.ItemDataRole.UserRole
SHADOWS_TITLE = "Keys that napari uses otherwise"
LIST_HEIGHT = 300
TEXT_MARGIN, ROW_MARGIN = 16, 4


class KeysBox(QWidget):
    """A list of keys with a search field, and an editor for the one that is chosen.

    Parameters
    ----------
    keys : Keys
    viewer : napari.Viewer
    mouse : sequence of (str, str)
        What the mouse does, for the top of the list.
    """

    def __init__(self, keys: Keys, viewer: Any, mouse: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__()
        self._keys, self._viewer, self._mouse = keys, viewer, mouse
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search keys")
        self.search.setClearButtonEnabled(True)
        self.search.setToolTip("Show only the lines with this text")
        self.search.textChanged.connect(self._filter)
        self.list = QTreeWidget()
        self.list.setToolTip("Choose a line to give it another key")
        self.list.setHeaderHidden(True)
        self.list.setColumnCount(2)
        self.list.setRootIsDecorated(False)
        self.list.setIndentation(6)
        self.list.setWordWrap(True)
        self.list.setFixedHeight(LIST_HEIGHT)
        header = cast("QHeaderView", self.list.header())
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.sectionResized.connect(self._fit_rows)
        self.list.currentItemChanged.connect(self._show_chosen)
        self.editor = QKeySequenceEdit()
        self.editor.setToolTip("Press the new key here")
        self.set_button = button("Set key", "Use this key from now on", self._set)
        self.default_button = button("Default", "Use the default key again", self._reset)
        self.state = text_label(tip="About the chosen key")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.search,
            self.list,
            row(self.editor, self.set_button, self.default_button),
            self.state,
        ):
            layout.addWidget(widget)
        follow(self, keys.changed, self._fill)
        self._fill()
        self._show_chosen()

    def choose(self, action: str) -> None:
        """Choose the line of an action."""
        for item in self._items():
            if item.data(0, ACTION_ROLE) == action:
                self.list.setCurrentItem(item)

    @property
    def chosen(self) -> str | None:
        """Action of the line that is chosen; None where there is none."""
        item = self.list.currentItem()
        return None if item is None else item.data(0, ACTION_ROLE)

    def _fill(self) -> None:
        chosen = self.chosen
        self.list.clear()
        for title, lines in self._groups().items():
            heading = QTreeWidgetItem([title])
            heading.setFlags(Qt.ItemFlag.ItemIsEnabled)
            font = heading.font(0)
            font.setBold(True)
            heading.setFont(0, font)
            self.list.addTopLevelItem(heading)
            heading.setFirstColumnSpanned(True)
            for key, text, action in lines:
                item = QTreeWidgetItem([key, text])
                item.setToolTip(0, text)
                item.setToolTip(1, text)
                item.setData(0, ACTION_ROLE, action)
                heading.addChild(item)
        self.list.expandAll()
        self._fit_rows()
        self._filter()
        if chosen is not None:
            self.choose(chosen)

    def _groups(self) -> dict[str, list[tuple[str, str, str | None]]]:
        groups: dict[str, list[tuple[str, str, str | None]]] = {}
        if self._mouse:
            groups["Mouse"] = [(key, text, None) for key, text in self._mouse]
        shadows: list[tuple[str, str, str | None]] = []
        for key in self._keys:
            groups.setdefault(key.group, []).append((key.qt, key.help, key.action))
            if reason := self._shadows(key):
                shadows.append((key.qt, reason, None))
        if self._mouse:
            shadows.append((HOLD_TO_PAN, HOLD_TO_PAN_SHADOWS, None))
        if shadows:
            groups[SHADOWS_TITLE] = shadows
        return groups

    def _shadows(self, key: Key) -> str:
        """Say what of napari's a key takes the place of on our layers; empty where it is free."""
        if not key.key or not napari_uses(key.key, *_layers.KINDS, self._viewer):
            return ""
        is_own = key.key == self._keys.default(key.action).key
        return key.shadows if is_own and key.shadows else "napari's own use of it is not reachable"

    def _fit_rows(self, *_section: int) -> None:
        """Make rows as high as their wrapped text: a tree leaves the second line out."""
        width, metrics = self.list.columnWidth(1) - TEXT_MARGIN, self.list.fontMetrics()
        for item in self._items():
            wrapped = metrics.boundingRect(
                0, 0, width, LIST_HEIGHT, int(Qt.TextFlag.TextWordWrap), item.text(1)
            )
            item.setSizeHint(1, QSize(width, wrapped.height() + ROW_MARGIN))

    def _filter(self) -> None:
        wanted = self.search.text().casefold()
        for number in range(self.list.topLevelItemCount()):
            heading = cast("QTreeWidgetItem", self.list.topLevelItem(number))
            shown = 0
            for item in _children(heading):
                found = wanted in f"{item.text(0)} {item.text(1)}".casefold()
                item.setHidden(not found)
                shown += found
            heading.setHidden(not shown)

    def _items(self) -> list[QTreeWidgetItem]:
        tops = [self.list.topLevelItem(n) for n in range(self.list.topLevelItemCount())]
        return [item for top in tops for item in _children(top)]

    def _show_chosen(self, *_items: Any) -> None:
        action = self.chosen
        for widget in (self.editor, self.set_button, self.default_button):
            widget.setEnabled(action is not None)
        if action is None:
            self.editor.clear()
            self.state.setText("Choose a line to give it another key.")
            return
        key = self._keys[action]
        self.editor.setKeySequence(QKeySequence(key.qt))
        self.state.setText(self._shadows(key) or key.help)

    def _set(self) -> None:
        action = self.chosen
        if action is None:
            return
        sequence = self.editor.keySequence()
        typed = QKeySequence(sequence[0]).toString() if sequence.count() else ""
        self._try(lambda: self._keys.change(action, typed))

    def _reset(self) -> None:
        action = self.chosen
        if action is not None:
            self._try(lambda: self._keys.reset(action))

    def _try(self, change: Any) -> None:
        try:
            change()
        except InputError as error:
            self._show_chosen()
            self.state.setText(str(error))
        else:
            self._show_chosen()


def _children(item: Any) -> list[Any]:
    return [item.child(number) for number in range(item.childCount())]
