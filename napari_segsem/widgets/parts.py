"""Small Qt parts that the panels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

ARROW_WIDTH = 28
NARROW = QSizePolicy.Policy.Ignored


def follow(owner: QObject, signal: Any, slot: Callable[..., object]) -> None:
    """Call a method of a part of a panel at each signal, until Qt has deleted that part.

    Its Python side may live longer: whatever holds it would have it write into labels that are no
    more, which ends the program.

    Parameters
    ----------
    owner : QObject
        The part.
    signal : psygnal's or napari's
        Of something that outlives it.
    slot : callable
        A method of the part.
    """
    signal.connect(slot)
    owner.destroyed.connect(lambda *_: signal.disconnect(slot))


def button(
    text: str, tip: str, on_click: Callable[[], object], *, primary: bool = False
) -> QPushButton:
    """Button with a tooltip; the primary one of a panel is taller and bold."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(_without_arguments(on_click))
    if primary:
        make_primary(made)
    return made


def make_primary(made: QPushButton) -> None:
    """Make a button the first of its panel: taller and bold."""
    font = made.font()
    font.setBold(True)
    made.setFont(font)
    made.setMinimumHeight(32)


def _without_arguments(action: Callable[[], object]) -> Callable[..., None]:
    # Qt tells `clicked` whether the button is checked.
    def act(*_arguments: object) -> None:
        action()

    return act


class WrappedLabel(QLabel):
    """Label as high as its wrapped text: layouts in a scroll area cut the last line off."""

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Say no: the height is set here, layouts would add their own guess to it."""
        return False

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Show a text."""
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Wrap anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        height = self.heightForWidth(self.width())
        if height >= 0 and height != self.height():
            self.setFixedHeight(height)


def arrow(text: str, tip: str, on_click: Callable[[], object]) -> QPushButton:
    """Narrow button for next and previous."""
    made = button(text, tip, on_click)
    made.setFixedWidth(ARROW_WIDTH)
    return made


def text_label(text: str = "", tip: str = "") -> QLabel:
    """Label that wraps and never widens its panel."""
    label = WrappedLabel(text)
    label.setWordWrap(True)
    label.setToolTip(tip)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(NARROW, QSizePolicy.Policy.Fixed)
    return label


def row(*widgets: QWidget) -> QWidget:
    """Widgets side by side."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        # Text takes what the buttons leave.
        takes_rest = widget.sizePolicy().horizontalPolicy() == NARROW
        layout.addWidget(widget, 1 if takes_rest else 0)
    return holder


def column(*widgets: QWidget) -> QWidget:
    """Widgets one below the other."""
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return holder


def form(rows: Sequence[tuple[str, str]]) -> QWidget:
    """Two columns of text, as for a list of keys."""
    holder = QWidget()
    layout = QFormLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    for left, right in rows:
        layout.addRow(QLabel(left), text_label(right))
    return holder


def fold(title: str, content: QWidget) -> QCollapsible:
    """Part of a panel that is folded away at first."""
    made = QCollapsible(title)
    made.setDuration(0)
    made.layout().setContentsMargins(0, 0, 0, 0)
    made.layout().setSpacing(2)
    made.addWidget(content)
    made.collapse(animate=False)
    return made
