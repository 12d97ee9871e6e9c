"""The tools of the mouse as buttons, one of them down."""

from __future__ import annotations

from qtpy.QtWidgets import QButtonGroup, QGridLayout, QPushButton, QSizePolicy, QWidget

from napari_segsem._key_bindings import Keys
from napari_segsem._toolbox import Toolbox
from napari_segsem.widgets.action_button import tip
from napari_segsem.widgets.parts import follow

COLUMNS = 4


class ToolRow(QWidget):
    """One button for each tool; the one in hand is down.

    Parameters
    ----------
    toolbox : Toolbox
    keys : Keys
        A tool whose name is an action is taken by that action, and shows its key.
    """

    def __init__(self, toolbox: Toolbox, keys: Keys) -> None:
        super().__init__()
        # Where the panel is short of room it scrolls; buttons are not cut.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._toolbox, self._keys = toolbox, keys
        self.buttons: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        order = [key.action for key in keys]
        # As in the help: ways to prompt, then ways to correct.
        names = sorted(toolbox.names, key=lambda n: order.index(n) if n in keys else len(order))
        for number, name in enumerate(names):
            made = self._button(name)
            layout.addWidget(made, number // COLUMNS, number % COLUMNS)
        # A lone tool would be as wide as the panel.
        for column in range(COLUMNS):
            layout.setColumnStretch(column, 1)
        follow(self, toolbox.changed, self._show)
        follow(self, keys.changed, self._show)
        self._show()

    def _button(self, name: str) -> QPushButton:
        made = self.buttons[name] = QPushButton(name.replace("_", " ").capitalize())
        made.setCheckable(True)
        made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        made.clicked.connect(lambda _checked, tool=name: self._take(tool))
        self._group.addButton(made)
        return made

    def _take(self, name: str) -> None:
        if name in self._keys:
            self._keys.run(name)
        else:
            self._toolbox.take(name)
        self._show()

    def _show(self) -> None:
        for name, made in self.buttons.items():
            made.setChecked(name == self._toolbox.name)
            made.setToolTip(tip(self._keys, name) if name in self._keys else made.text())
