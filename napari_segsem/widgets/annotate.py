"""The Annotate panel: prompt SAM2 with clicks and boxes, accept outlines as objects."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segsem._annotation import Annotation
from napari_segsem._keymap import MOUSE_HELP
from napari_segsem._object_view import ObjectLook
from napari_segsem.widgets.action_button import ActionButton
from napari_segsem.widgets.correct_box import CorrectBox
from napari_segsem.widgets.first_steps import FirstSteps
from napari_segsem.widgets.keys_box import KeysBox
from napari_segsem.widgets.object_list import ObjectList
from napari_segsem.widgets.panel import Panel
from napari_segsem.widgets.parts import button, fold, follow, row, text_label
from napari_segsem.widgets.repeat_box import RepeatBox
from napari_segsem.widgets.series_box import SeriesBox
from napari_segsem.widgets.shortcuts import PanelShortcuts
from napari_segsem.widgets.tool_row import ToolRow
from napari_segsem.widgets.training_set_box import TrainingSetBox
from segsem.engine.answers import Candidates, EngineState

LOOKS = {ObjectLook.OUTLINE: "Outlines", ObjectLook.FILL: "Filled", ObjectLook.OFF: "Hidden"}


class AnnotatePanel(Panel):
    """Prompt, look at the outline, accept."""

    title = "Annotate"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        keys = self.shared.keys
        self.open_button = button(
            "Open image(s)…",
            "Open SEM images; or drop images or a folder on this panel",
            self.open_dialog,
            primary=True,
        )
        self.hint = text_label(tip="What to do next")
        self.first_steps = FirstSteps(keys, self._hints_read)
        self.resume_button = ActionButton(keys, "prompt", "Prompt in the image")
        self.tools = ToolRow(self.shared.toolbox, keys)
        self.accept_button = ActionButton(keys, "accept", "Accept object", primary=True)
        self.mask_label = text_label(
            tip="SAM2 offers three masks; the score is its own estimate, not a confidence"
        )
        self.cycle_button = ActionButton(keys, "cycle", "Next mask")
        self.undo_button = ActionButton(keys, "undo", "Undo")
        self.redo_button = ActionButton(keys, "redo", "Redo")
        self.clear_button = ActionButton(keys, "clear", "Clear")
        self.look_button = ActionButton(keys, "cycle_view", "")
        self.count_label = text_label(tip="Objects accepted in this image")
        self.repeat_box = RepeatBox(self.shared)
        self.correct_box = CorrectBox(self.shared)
        self.objects_box = ObjectList(self.shared)
        self.keys_box = KeysBox(keys, self.viewer, MOUSE_HELP)
        self._fill_body()
        PanelShortcuts(self, keys)
        self._followed: Annotation | None = None
        self._connect()
        self._show_document()
        self.shared.annotate_layers.want_prompts()

    def _folds(self) -> dict[str, QWidget]:
        """Give what is folded away, by title; a box of another module is a line here."""
        return {
            "Find the others": self.repeat_box,
            "Correct": self.correct_box,
            "Accepted objects": self.objects_box,
            "Images": SeriesBox(self.shared),
            "Training set": TrainingSetBox(self.shared),
        }

    def _fill_body(self) -> None:
        self._work = QWidget()
        work_layout = QVBoxLayout(self._work)
        work_layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.tools,
            self.resume_button,
            self.accept_button,
            row(self.mask_label, self.cycle_button),
            row(self.undo_button, self.redo_button, self.clear_button, self.look_button),
            self.count_label,
        ):
            work_layout.addWidget(widget)
        for widget in (self.open_button, self.hint, self.first_steps, self._work):
            self.body.addWidget(widget)
        self.folds = {title: fold(title, box) for title, box in self._folds().items()}
        for part in self.folds.values():
            self.body.addWidget(part)
        self.keys_fold = fold("Keys and mouse", self.keys_box)
        self.body.addWidget(self.keys_fold)
        self.body.addStretch(1)

    def _connect(self) -> None:
        follow(self, self.session.document_changed, self._show_document)
        follow(self, self.session.engine_changed, self._show_prompts)
        follow(self, self.viewer.layers.selection.events.active, self._show_prompts)
        follow(self, self.shared.annotate_layers.object_view.changed, self._show_look)
        follow(self, self.shared.help_wanted, self._show_help)
        self._show_look()

    def _show_help(self) -> None:
        self.keys_fold.expand(animate=False)
        self.show_widget(self.keys_box)

    def _hints_read(self) -> None:
        self.shared.memory.remember(hints_read=True)

    def _show_look(self) -> None:
        self.look_button.setText(LOOKS[self.shared.annotate_layers.object_view.look])

    def _show_document(self) -> None:
        annotation = self.session.annotation
        is_open = annotation is not None
        self.open_button.setVisible(not is_open)
        self._work.setVisible(is_open)
        for part in self.folds.values():
            part.setVisible(is_open)
        self.first_steps.setVisible(is_open and not self.shared.memory.state.hints_read)
        if annotation is not None:
            # Loading the model takes seconds: it is ready when the first click comes.
            self.session.start_engine()
        if annotation is not None and annotation is not self._followed:
            self._followed = annotation
            follow(self, annotation.prompts_changed, self._show_prompts)
            follow(self, annotation.candidates_changed, self._show_prompts)
            follow(self, annotation.objects_changed, self._show_objects)
            follow(self, annotation.proposals.changed, self._show_prompts)
        self._show_objects()

    def _show_prompts(self, _event: Any = None) -> None:
        annotation = self.session.annotation
        candidates = None if annotation is None else annotation.candidates
        prompting = self.shared.annotate_layers.is_prompting
        self.hint.setText(self._hint(annotation))
        self.resume_button.setVisible(annotation is not None and not prompting)
        proposed = annotation is not None and bool(annotation.proposals.shown)
        finished = candidates is not None and not candidates.partial
        self.accept_button.setEnabled(finished or (candidates is None and proposed))
        self.cycle_button.setEnabled(candidates is not None)
        if annotation is None:
            return
        self.clear_button.setEnabled(not annotation.state.is_empty)
        self.undo_button.setEnabled(annotation.history.undo_name is not None)
        self.redo_button.setEnabled(annotation.history.redo_name is not None)
        self.mask_label.setText(mask_text(candidates, annotation.choice))
        if self.first_steps.isVisible():
            self.first_steps.follow(annotation)

    def _hint(self, annotation: Annotation | None) -> str:
        if annotation is None:
            return "Open an SEM image to start, or drop images or a folder here."
        if not self.shared.annotate_layers.is_prompting:
            return "Prompting is paused while another layer is selected."
        if annotation.state.is_empty:
            return "Click on an object, or drag a box around it."
        if annotation.candidates is None:
            if self.session.engine_state is EngineState.FAILED:
                return "No outline: see what the engine says above."
            if annotation.state.polygon_rc and not annotation.state.is_closed:
                return "Click around the object; a double-click or Return closes the polygon."
            if not annotation.state.asks:
                return "Click proposals to accept them, Ctrl+click to reject; or accept all."
            return "Waiting for the outline…"
        return "Ctrl+click what does not belong to it, click what is missing; then accept."

    def _show_objects(self) -> None:
        annotation = self.session.annotation
        self.objects_box.show_objects()
        count = 0 if annotation is None else len(annotation.objects)
        noun = "object" if count == 1 else "objects"
        self.count_label.setText(f"{count:,} {noun} accepted" if count else "")
        self._show_prompts()


def mask_text(candidates: Candidates | None, choice: int) -> str:
    """Say which of the masks is shown and how the model scores it."""
    if candidates is None:
        return "No outline yet"
    rest = "" if candidates.complete else ", not the whole object"
    if candidates.partial:
        rest = ", following it…"
    score = candidates.iou_pred[choice]
    return f"Mask {choice + 1} of {len(candidates)}, score {score:.2f}{rest}"
