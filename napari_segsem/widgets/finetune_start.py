"""The part of Fine-tune from which a run is started: what there is, what is missing, the button."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segsem._finetune_plan import obstacles, split_lines
from napari_segsem._finetune_state import duration
from napari_segsem._sessions import Shared
from napari_segsem.widgets.finetune_expert import ExpertForm
from napari_segsem.widgets.parts import button, follow, row, text_label
from napari_segsem.widgets.training_set_box import count_text

EMPTY = (
    "A model learns from masks that you have corrected. Accept and correct objects in a few "
    "images, and put those images into the training set (Shift+T)."
)


class StartBox(QWidget):
    """Empty and ready.

    Parameters
    ----------
    shared : Shared
    expert : ExpertForm
        Where the parameters are.
    go_to_annotate : callable
    """

    def __init__(
        self, shared: Shared, expert: ExpertForm, go_to_annotate: Callable[[], None]
    ) -> None:
        super().__init__()
        self._shared, self._tuning, self._expert = shared, shared.tuning, expert
        self.hint = text_label(tip="What to do first")
        self.count_label = text_label(tip="The training set, as it is now")
        self.split_label = text_label(
            tip="Held-out images are never learnt from; they say whether the new model is better"
        )
        self.missing_label = text_label(tip="What keeps a model from learning from it")
        self.annotate_button = button(
            "Go to Annotate", "Correct masks and put images into the training set",
            go_to_annotate, primary=True,
        )  # fmt: skip
        self.start_button = button(
            "Fine-tune",
            "Have the model learn from the training set, beside your work",
            self._start,
            primary=True,
        )
        self.time_label = text_label(tip="Expected time on this computer, for all epochs")
        self.time_button = button(
            "How long?", "Try a few steps and say how long it would take", self._measure
        )
        self.model_label = text_label(tip="The model that answers prompts and extracts")
        self.back_button = button("Go back", "", self._tuning.go_back)
        self._time_row = row(self.time_label, self.time_button)
        self._model_row = row(self.model_label, self.back_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.hint,
            self.count_label,
            self.missing_label,
            self.split_label,
            self.annotate_button,
            self._time_row,
            self.start_button,
            self._model_row,
        ):
            layout.addWidget(widget)
        follow(self, shared.training_set.changed, self._training_set_changed)
        follow(self, shared.tuning.changed, self.show_state)
        follow(self, shared.model_choice.changed, self.show_state)
        expert.changed.connect(self._expert_changed)
        self.show_state()

    def show_state(self) -> None:
        """Show what there is to learn from."""
        summary = self._shared.training_set.summary
        lines = obstacles(summary)
        is_empty, is_ready = summary.n_images == 0, summary.n_images > 0 and not lines
        self.hint.setVisible(is_empty)
        self.hint.setText(EMPTY)
        self.count_label.setVisible(not is_empty)
        self.count_label.setText(f"Training set: {count_text(summary)}")
        self.missing_label.setVisible(not is_empty and bool(lines))
        self.missing_label.setText("\n".join(("Before it can be learnt from:", *lines)))
        self.split_label.setVisible(is_ready)
        self.annotate_button.setVisible(not is_ready)
        self.start_button.setVisible(is_ready)
        self._time_row.setVisible(is_ready)
        if is_ready:
            self._show_split()
            self._show_time()
        self._show_model()

    def _show_split(self) -> None:
        project = self._shared.session.series.project
        if project is not None:
            seed = self._expert.params.seed
            summary = self._shared.training_set.summary
            self.split_label.setText("\n".join(split_lines(project, summary, seed)))

    def _show_time(self) -> None:
        expected = self._tuning.expected_s
        self.time_button.setVisible(expected is None)
        self.start_button.setEnabled(self._expert.is_valid)
        if expected is None:
            self.time_label.setText("The time is measured when it begins.")
        else:
            self.time_label.setText(f"Takes {duration(expected)} at most on this computer.")

    def _show_model(self) -> None:
        before = self._shared.model_choice.before
        self._model_row.setVisible(before is not None)
        self.model_label.setText(f"In use: {self._shared.model_choice.name}")
        self.back_button.setText(f"Go back to {before}")
        self.back_button.setToolTip(f"Work with {before} again; no model is deleted")

    def _start(self) -> None:
        self._tuning.start(self._expert.changed_params, self._expert.base)

    def _measure(self) -> None:
        self._tuning.measure_time(self._expert.changed_params, self._expert.base)

    def _training_set_changed(self) -> None:
        self._tuning.forget_time()
        self.show_state()

    def _expert_changed(self) -> None:
        self._tuning.forget_time()
        self.show_state()
