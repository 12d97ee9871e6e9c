"""Find the others like an object: the Annotate panel's box for proposals."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QSizePolicy, QSlider, QVBoxLayout, QWidget

from napari_segsem._annotation import Annotation
from napari_segsem._sessions import Shared
from napari_segsem.widgets.action_button import ActionButton
from napari_segsem.widgets.parts import button, follow, row, text_label

STEPS = 100
"""Of the slider: hundredths of a score."""


class RepeatBox(QWidget):
    """Find, show by score, accept all, drop.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared, self._session = shared, shared.session
        self._followed: Annotation | None = None
        self.find_button = ActionButton(shared.keys, "repeat", "Find the others like this")
        self.turned = QCheckBox("Also turned or mirrored")
        self.turned.setToolTip("Find others that are turned by 90° or mirrored; takes longer")
        self.turned.toggled.connect(self._set_turned)
        self.count_label = text_label(tip="Proposals that are shown, and how many there are in all")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slider.setToolTip("Least likeness: others that are less like the object are hidden")
        self.slider.valueChanged.connect(self._set_least)
        self.least_label = text_label(tip="Likeness at which others are shown: 1 is the same")
        self.accept_button = ActionButton(shared.keys, "accept_all", "Accept all")
        self.drop_button = button("Drop", "Drop all proposals", self._drop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.find_button,
            self.turned,
            row(self.least_label, self.slider),
            self.count_label,
            row(self.accept_button, self.drop_button),
        ):
            layout.addWidget(widget)
        follow(self, self._session.document_changed, self._follow)
        self._follow()

    def _follow(self) -> None:
        annotation = self._session.annotation
        if annotation is not None and annotation is not self._followed:
            self._followed = annotation
            follow(self, annotation.proposals.changed, self._show)
            follow(self, annotation.prompts_changed, self._show)
        self._show()

    def _show(self, _keys: Any = None) -> None:
        annotation = self._session.annotation
        shown = {} if annotation is None else annotation.proposals.shown
        scores = [] if annotation is None else annotation.proposals.scores
        repeats = annotation is not None and annotation.state.repeat is not None
        self.slider.setEnabled(bool(scores))
        self.accept_button.setEnabled(bool(shown))
        self.drop_button.setEnabled(annotation is not None and annotation.state.proposes)
        if annotation is None:
            return
        proposals = annotation.proposals
        self.slider.blockSignals(True)
        self.slider.setValue(round(proposals.least_score * STEPS))
        self.slider.blockSignals(False)
        self.least_label.setText(f"Likeness ≥ {proposals.least_score:.2f}" if scores else "")
        self.count_label.setText(_count(len(shown), len(scores), repeats, proposals.is_complete))

    def _set_least(self, value: int) -> None:
        annotation = self._session.annotation
        if annotation is not None:
            annotation.proposals.set_least_score(value / STEPS)

    def _set_turned(self, turned: bool) -> None:
        self._shared.proposing.turned = turned

    def _drop(self) -> None:
        annotation = self._session.annotation
        if annotation is not None:
            annotation.drop_proposals()


def _count(shown: int, found: int, repeats: bool, complete: bool) -> str:
    noun = "proposal" if shown == 1 else "proposals"
    text = f"{shown} {noun}" if shown or repeats else ""
    if found > shown:
        text += f", {found - shown} less alike hidden"
    return text if complete else f"{text}, looking…".lstrip(", ").capitalize()
