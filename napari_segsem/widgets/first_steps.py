"""Hints for the first object: a few lines, gone for good when they were read."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QFrame, QVBoxLayout

from napari_segsem._annotation import Annotation
from napari_segsem._key_bindings import Keys
from napari_segsem.widgets.parts import button, follow, text_label

DONE, NOW, LATER = "✓", "▸", "·"


class FirstSteps(QFrame):
    """Three steps, the next one marked.

    Parameters
    ----------
    keys : Keys
        For the keys that the hints name.
    on_dismiss : callable
        Called when the person has read enough.
    """

    def __init__(self, keys: Keys, on_dismiss: Callable[[], None]) -> None:
        super().__init__()
        self._keys, self._on_dismiss = keys, on_dismiss
        self._done = 0
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = text_label(tip="How to make the first object")
        self.dismiss_button = button("Hide these hints", "Do not show them again", self._dismiss)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(self.dismiss_button)
        follow(self, keys.changed, self._write)
        self._write()

    def follow(self, annotation: Annotation | None) -> None:
        """Mark the step that comes next."""
        if annotation is None:
            return
        if annotation.objects:
            self._done = 3
        elif annotation.candidates is not None:
            self._done = max(self._done, 1)
        self._write()

    def _write(self) -> None:
        key = {name: self._keys[name].qt for name in ("cycle", "accept", "undo", "help")}
        lines = (
            "Click on an object, or drag a box around it.",
            f"Wrong outline? Ctrl+click what is too much, or {key['cycle']} for the next mask.",
            f"{key['accept']} accepts it as an object.",
            f"{key['undo']} takes anything back; {key['help']} shows all keys.",
        )
        # While there is an outline, the person may correct it or accept it.
        now = {1, 2} if self._done == 1 else {self._done}
        marks = [DONE if n < self._done else NOW if n in now else LATER for n in range(len(lines))]
        self.text.setText(
            "\n".join(f"{mark} {line}" for mark, line in zip(marks, lines, strict=True))
        )

    def _dismiss(self) -> None:
        self.hide()
        self._on_dismiss()
