"""Corrections in the Annotate panel: the pen's size, and what is done to the object pointed at."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QSizePolicy, QSlider, QVBoxLayout, QWidget

from napari_segsem._pen import LARGEST_PX, SMALLEST_PX
from napari_segsem._sessions import Shared
from napari_segsem.widgets.parts import button, follow, row, text_label

COLUMNS = 3
SLIDER_STEPS = 100
"""Of the slider: equal steps are equal factors, so that small pens can be set finely."""

BUTTONS = (
    ("fill_hole", "Fill hole"),
    ("split_object", "Split"),
    ("snap", "Snap to edge"),
    ("grow", "Grow ¼ px"),
    ("shrink", "Shrink ¼ px"),
)


TIPS = {
    "fill_hole": "Fill all holes",
    "split_object": "Make pieces, or blobs that touch in a neck, objects of their own",
    "snap": "Move the outline onto the edge that the image shows",
    "grow": "Move the outline outwards",
    "shrink": "Move the outline inwards",
}


class CorrectBox(QWidget):
    """Size of the pen, and corrections of the object that was changed last.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._pen = shared.correct.pen
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, SLIDER_STEPS)
        self.slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.size_label = text_label(tip="Diameter of brush and eraser, in px of the image")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(self.size_label, self.slider))
        self._correct, self._keys = shared.correct, shared.keys
        self.buttons = {
            action: button(text, "", partial(self._correct.apply_to_last, action))
            for action, text in BUTTONS
        }
        holder = QWidget()
        grid = QGridLayout(holder)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for number, made in enumerate(self.buttons.values()):
            made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            grid.addWidget(made, number // COLUMNS, number % COLUMNS)
        layout.addWidget(holder)
        follow(self, shared.keys.changed, self._show_keys)
        self._show_keys()
        self.slider.valueChanged.connect(self._resize)
        follow(self, self._pen.changed, self._show)
        self._show(self._pen.diameter_px)

    def _show_keys(self) -> None:
        smaller, larger = (self._keys[action].qt for action in ("pen_smaller", "pen_larger"))
        self.slider.setToolTip(f"Diameter of brush and eraser ({smaller} and {larger})")
        for action, made in self.buttons.items():
            key = self._keys[action].qt
            made.setToolTip(f"{TIPS[action]}: the object changed last; {key}: that under the mouse")

    def _resize(self, step: int) -> None:
        self._pen.resize(diameter_at(step))

    def _show(self, diameter_px: int) -> None:
        self.size_label.setText(f"Pen {diameter_px} px")
        if diameter_at(self.slider.value()) != diameter_px:
            blocked = self.slider.blockSignals(True)
            self.slider.setValue(step_of(diameter_px))
            self.slider.blockSignals(blocked)


def diameter_at(step: int) -> int:
    """Diameter in px at a step of the slider."""
    factor: float = (LARGEST_PX / SMALLEST_PX) ** (step / SLIDER_STEPS)
    return round(SMALLEST_PX * factor)


def step_of(diameter_px: int) -> int:
    """Step of the slider that is nearest to a diameter."""
    steps = range(SLIDER_STEPS + 1)
    return int(min(steps, key=lambda step: abs(diameter_at(step) - diameter_px)))
