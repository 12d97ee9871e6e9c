"""The training set: what is in it, what is wrong with it, what is missing."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segsem._sessions import Shared
from napari_segsem.widgets.action_button import ActionButton
from napari_segsem.widgets.parts import follow, text_label
from segsem.dataset.training_set import TrainingSummary

NAMED = 3
"""So many images are named in a line; the others are counted."""


class TrainingSetBox(QWidget):
    """Counts, duplicates, cut objects, what is missing; and the button that puts an image in.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._series, self._training = shared.session.series, shared.training_set
        self.add_button = ActionButton(shared.keys, "to_training_set", "Into the training set")
        self.count_label = text_label(tip="Images that the model is to learn from, as they are now")
        self.state_label = text_label(tip="What keeps it from being trained on")
        self.notes_label = text_label(tip="What is worth a look before training")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.add_button, self.count_label, self.state_label, self.notes_label):
            layout.addWidget(widget)
        follow(self, self._series.changed, self._show_button)
        follow(self, self._training.changed, self.show_summary)
        self._show_button()
        self.show_summary()

    def show_summary(self) -> None:
        """Show what is in the training set."""
        summary = self._training.summary
        self.count_label.setText(count_text(summary))
        self.state_label.setText(state_text(summary))
        notes = note_lines(summary)
        self.notes_label.setText("\n".join(notes))
        self.notes_label.setVisible(bool(notes))

    def _show_button(self) -> None:
        self.add_button.setEnabled(len(self._series) > 0)
        inside = self._series.is_in_training_set
        self.add_button.setText("Out of the training set" if inside else "Into the training set")


def count_text(summary: TrainingSummary) -> str:
    """Say how many images and objects there are, by class where classes are named."""
    images = "image" if summary.n_images == 1 else "images"
    objects = "object" if summary.n_objects == 1 else "objects"
    text = f"{summary.n_images:,} {images}, {summary.n_objects:,} {objects}"
    if summary.classes:
        named = [f"{name or 'no class'} {count:,}" for name, count in summary.classes.items()]
        text += f" ({', '.join(named)})"
    return text


def state_text(summary: TrainingSummary) -> str:
    """Say whether it is enough, and what is missing."""
    if not summary.n_images:
        return "Empty: accept objects, then put the image in"
    if summary.missing:
        return "\n".join(("Missing:", *summary.missing))
    return "; ".join(("Enough to train on", *summary.advice))


def note_lines(summary: TrainingSummary) -> list[str]:
    """Say what is worth a look."""
    lines = [f"Same picture: {', '.join(ids)}; keep one" for ids in summary.duplicates]
    if summary.empty:
        lines.append(f"Without objects: {_names(summary.empty)}")
    if summary.n_border:
        are = "object is" if summary.n_border == 1 else "objects are"
        lines.append(f"{summary.n_border:,} {are} cut by the border of the image")
    return [*lines, *summary.problems]


def _names(ids: tuple[str, ...]) -> str:
    more = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {more} more" if more > 0 else "")
