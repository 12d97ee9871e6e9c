"""Buttons that change the current region of the review, and those of an edit under way."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QSlider, QVBoxLayout, QWidget

from napari_segsem._key_bindings import Keys
from napari_segsem._review_edit_tools import HINTS
from napari_segsem._sessions import Shared
from napari_segsem.widgets.action_button import ActionButton
from napari_segsem.widgets.correct_box import SLIDER_STEPS, diameter_at, step_of
from napari_segsem.widgets.parts import follow, row, text_label

START = (
    ("edit", "Edit"),
    ("switch_source", "Switch"),
    ("before_after", "Before"),
    ("to_training_set", "To training"),
)
"""At rest; the first is the way into an edit."""

SHAPES = (("snap", "Snap to edge"), ("grow", "Grow ¼ px"), ("shrink", "Shrink ¼ px"))
END = (
    ("edit_done", "Done"),
    ("edit_cancel", "Cancel"),
    ("undo", "Undo"),
    ("before_after", "Before"),
)
SPACING_PX = 2


class EditBox(QWidget):
    """Edit, switch, compare and learn from the current region.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._edit, self._switching = shared.edit, shared.switching
        self._layers, self._review_layers = shared.edit_layers, shared.review_layers
        self._desk, self._session = shared.desk, shared.session
        self._pen = shared.correct.pen
        keys = shared.review_keys
        self.start = _buttons(keys, START)
        self.tools = _buttons(keys, tuple((name, name.capitalize()) for name in HINTS))
        self.shapes, self.end = _buttons(keys, SHAPES), _buttons(keys, END)
        for made in (*self.tools.values(), *self._before_buttons):
            made.setCheckable(True)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, SLIDER_STEPS)
        self.slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slider.setToolTip("Diameter of brush and eraser ([ and ])")
        self.size_label = text_label(tip="Diameter of brush and eraser, in px of the image")
        self.state = text_label(tip="What is edited")
        self._at_rest = _grid(self.start)
        self._in_edit = QWidget()
        lines = QVBoxLayout(self._in_edit)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(SPACING_PX)
        for part in (
            self.state,
            _grid(self.tools),
            row(self.size_label, self.slider),
            _grid(self.shapes),
            _grid(self.end),
        ):
            lines.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._at_rest)
        layout.addWidget(self._in_edit)
        self.slider.valueChanged.connect(self._resize)
        follow(self, self._pen.changed, self._show_pen)
        for signal in (
            self._edit.changed,
            self._switching.changed,
            self._review_layers.before_changed,
            self._desk.decisions_changed,
            self._desk.current_changed,
            self._session.review_changed,
        ):
            follow(self, signal, self._show)
        follow(self, self._layers.toolbox.changed, self._show_tool)
        self._show_pen(self._pen.diameter_px)
        self._show()

    @property
    def _before_buttons(self) -> tuple[QPushButton, QPushButton]:
        return self.start["before_after"], self.end["before_after"]

    def _show(self) -> None:
        edit, review = self._edit, self._session.review
        region = None if review is None else review.current
        self._at_rest.setVisible(not edit.is_active)
        self._in_edit.setVisible(edit.is_active)
        for name, made in self.start.items():
            made.setEnabled(region is not None and not edit.is_opening)
            if name == "switch_source":
                made.setText("Switching…" if self._switching.is_busy else "Switch")
        self.start["edit"].setText("Preparing…" if edit.is_opening else "Edit")
        for made in self._before_buttons:
            made.setChecked(self._review_layers.shows_before)
        changed = review is not None and region is not None and region.region_id in review.replaced
        self.start["before_after"].setEnabled(changed)
        self._show_tool()
        if edit.is_active:
            doing = "working…" if edit.is_busy else "changed" if edit.is_changed else "not changed"
            self.state.setText(f"Editing region {edit.region_id}: {doing}")

    def _show_tool(self, _name: str = "") -> None:
        for name, made in self.tools.items():
            made.setChecked(name == self._layers.tool)

    def _resize(self, step: int) -> None:
        self._pen.resize(diameter_at(step))

    def _show_pen(self, diameter_px: int) -> None:
        self.size_label.setText(f"Pen {diameter_px} px")
        if diameter_at(self.slider.value()) != diameter_px:
            blocked = self.slider.blockSignals(True)
            self.slider.setValue(step_of(diameter_px))
            self.slider.blockSignals(blocked)


def _buttons(keys: Keys, named: tuple[tuple[str, str], ...]) -> dict[str, QPushButton]:
    made: dict[str, QPushButton] = {}
    for action, text in named:
        made[action] = ActionButton(keys, action, text)
        made[action].setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return made


def _grid(buttons: dict[str, QPushButton]) -> QWidget:
    """One line of buttons of equal width."""
    holder = QWidget()
    grid = QGridLayout(holder)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setSpacing(SPACING_PX)
    for column, made in enumerate(buttons.values()):
        grid.addWidget(made, 0, column)
        grid.setColumnStretch(column, 1)
    return holder
