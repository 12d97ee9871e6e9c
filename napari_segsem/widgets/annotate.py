"""The Annotate panel: prompt SAM2 with clicks and boxes, accept outlines as objects."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_segsem._annotation import Annotation
from napari_segsem._keymap import MOUSE_HELP, PROMPT_KEYS, help_lines
from napari_segsem.widgets.panel import Panel
from napari_segsem.widgets.parts import button, fold, form, row, text_label
from segsem.engine.answers import EngineState

_ID_ROLE = 256
"""Qt's first role for own data."""

WAITING = {EngineState.STARTING, EngineState.LOADING, EngineState.ENCODING}


class AnnotatePanel(Panel):
    """Prompt, look at the outline, accept."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        actions = self.shared.prompt_actions
        self.open_button = button(
            "Open image(s)…", "Open SEM images; or drop them on this panel", self.open_dialog
        )
        self.hint = text_label(tip="What to do next")
        self.resume_button = button(
            "Prompt in the image",
            "Make clicks in the image prompts again",
            self._resume,
        )
        self.mask_label = text_label(
            tip="SAM2 offers three masks; the score is its own estimate, not a confidence"
        )
        self.cycle_button = button(
            "Next mask", "Show the next of the three masks (T)", actions["cycle"]
        )
        self.accept_button = button(
            "Accept object",
            "Keep the outline as an object (Return)",
            actions["accept"],
            primary=True,
        )
        self.clear_button = button("Clear", "Clear the prompts (Esc)", actions["clear"])
        self.undo_button = button("Undo", "Undo (Ctrl+Z)", actions["undo"])
        self.redo_button = button("Redo", "Redo (Ctrl+Shift+Z)", actions["redo"])
        self.count_label = text_label(tip="Objects accepted in this image")
        self.object_list = QListWidget()
        self.object_list.setToolTip("Accepted objects with their area")
        self.object_list.setMaximumHeight(140)
        self.delete_button = button(
            "Delete object", "Delete the object chosen in the list", self._delete_chosen
        )
        self._fill_body()
        self._followed: Annotation | None = None
        self.session.document_changed.connect(self._show_document)
        self.session.engine_changed.connect(self._show_prompts)
        self.viewer.layers.selection.events.active.connect(self._show_prompts)
        self._show_document()
        self.shared.annotate_layers.want_prompts()

    def _fill_body(self) -> None:
        objects = QWidget()
        objects_layout = QVBoxLayout(objects)
        objects_layout.setContentsMargins(0, 0, 0, 0)
        objects_layout.addWidget(self.object_list)
        objects_layout.addWidget(self.delete_button)
        self._work = QWidget()
        work_layout = QVBoxLayout(self._work)
        work_layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.resume_button,
            self.accept_button,
            row(self.mask_label, self.cycle_button),
            row(self.undo_button, self.redo_button, self.clear_button),
            self.count_label,
            fold("Accepted objects", objects),
        ):
            work_layout.addWidget(widget)
        for widget in (self.open_button, self.hint, self._work):
            self.body.addWidget(widget)
        self.body.addWidget(fold("Keys and mouse", form(help_lines(PROMPT_KEYS, MOUSE_HELP))))
        self.body.addStretch(1)

    def _resume(self) -> None:
        self.shared.annotate_layers.start_prompting()

    def _show_document(self) -> None:
        annotation = self.session.annotation
        if annotation is not None:
            # Loading the model takes seconds: it is ready when the first click comes.
            self.session.start_engine()
        if annotation is not None and annotation is not self._followed:
            self._followed = annotation
            annotation.prompts_changed.connect(self._show_prompts)
            annotation.candidates_changed.connect(self._show_prompts)
            annotation.objects_changed.connect(self._show_objects)
        self._show_objects()
        self._show_prompts()

    def _show_prompts(self, _event: Any = None) -> None:
        annotation = self.session.annotation
        is_open = annotation is not None
        candidates = None if annotation is None else annotation.candidates
        self.hint.setText(self._hint(annotation))
        self.resume_button.setVisible(is_open and not self.shared.annotate_layers.is_prompting)
        self._work.setVisible(is_open)
        self.accept_button.setEnabled(candidates is not None and not candidates.partial)
        self.cycle_button.setEnabled(candidates is not None)
        self.clear_button.setEnabled(annotation is not None and not annotation.state.is_empty)
        self.undo_button.setEnabled(
            annotation is not None and annotation.history.undo_name is not None
        )
        self.redo_button.setEnabled(
            annotation is not None and annotation.history.redo_name is not None
        )
        if annotation is None or candidates is None:
            self.mask_label.setText("No outline yet")
            return
        score = candidates.iou_pred[annotation.choice]
        rest = "" if candidates.complete else ", not the whole object"
        if candidates.partial:
            rest = ", following it…"
        self.mask_label.setText(
            f"Mask {annotation.choice + 1} of {len(candidates)}, score {score:.2f}{rest}"
        )

    def _hint(self, annotation: Annotation | None) -> str:
        if annotation is None:
            return "Open an SEM image to start, or drop it here."
        if not self.shared.annotate_layers.is_prompting:
            return "Prompting is paused while another layer is selected."
        if annotation.state.is_empty:
            return "Click on an object, or drag a box around it."
        if annotation.candidates is None:
            if self.session.engine_state is EngineState.FAILED:
                return "No outline: see what the engine says above."
            return "Waiting for the outline…"
        return "Ctrl+click what does not belong to it, click what is missing; then accept."

    def _show_objects(self) -> None:
        document = self.session.document
        self.object_list.clear()
        if document is None:
            self.count_label.setText("")
            return
        objects = document.annotation.objects
        noun = "object" if len(objects) == 1 else "objects"
        self.count_label.setText(f"{len(objects)} {noun} accepted" if objects else "")
        for accepted in objects.values():
            area = document.area_text(accepted.area_px)
            item = QListWidgetItem(f"Object {accepted.object_id}: {area}")
            item.setData(_ID_ROLE, accepted.object_id)
            self.object_list.addItem(item)
        self.delete_button.setEnabled(bool(objects))
        self._show_prompts()

    def _delete_chosen(self) -> None:
        item, annotation = self.object_list.currentItem(), self.session.annotation
        if item is None or annotation is None:
            self.session.tell("Choose an object in the list first")
            return
        annotation.delete(int(item.data(_ID_ROLE)))
