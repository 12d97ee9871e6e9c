"""The Fine-tune panel: one button, the curves, before and after, and the decision."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_segsem._finetune_models import TunedModel
from napari_segsem._finetune_state import Phase
from napari_segsem._restore import PLUGIN
from napari_segsem._sessions import Shared
from napari_segsem.widgets.finetune_curves import Curves
from napari_segsem.widgets.finetune_expert import ExpertForm
from napari_segsem.widgets.finetune_result import ResultBox
from napari_segsem.widgets.finetune_start import StartBox
from napari_segsem.widgets.finetune_work import StoppedBox, WorkBox
from napari_segsem.widgets.panel import Panel
from napari_segsem.widgets.parts import button, fold, follow, row, text_label

TRAINING_SET = "Training set"


class FinetunePanel(Panel):
    """From corrected masks to a model that is adopted only if it is better."""

    title = "Fine-tune"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._seen: tuple[Phase, TunedModel | None] = (Phase.IDLE, None)
        self.expert = ExpertForm(self.shared)
        self.start_box = StartBox(self.shared, self.expert, self._go_to_annotate)
        self.work_box = WorkBox(self.shared)
        self.stopped_box = StoppedBox(self.shared)
        self.result_box = ResultBox(self.shared)
        self.curves = Curves()
        self.models_box = ModelsBox(self.shared)
        for widget in (
            self.work_box,
            self.stopped_box,
            self.result_box,
            self.curves,
            self.work_box.notes,
            self.start_box,
        ):
            self.body.addWidget(widget)
        self.models_fold = fold("Models of this project", self.models_box)
        self.expert_fold = fold("Expert", self.expert)
        self.body.addWidget(self.models_fold)
        self.body.addWidget(self.expert_fold)
        self.body.addStretch(1)
        follow(self, self.shared.tuning.changed, self._show_state)
        follow(self, self.shared.tuning.progressed, self._show_curves)
        self._show_state()
        if self.session.workplace is not None:
            # The project is what is learnt from, with or without an image.
            self.session.workplace.start()
        # The masks are what is learnt from: they are seen, and can be corrected, here as well.
        self.shared.annotate_layers.want_prompts()

    def _show_state(self) -> None:
        tuning = self.shared.tuning
        if (tuning.state.phase, tuning.result) != self._seen:
            self._seen = (tuning.state.phase, tuning.result)
            # What is new is at the top.
            self.show_widget(self.header)
        running, decided = tuning.is_running, tuning.result is None
        self.work_box.setVisible(running)
        self.stopped_box.setVisible(not running and decided and self.stopped_box.is_wanted)
        self.start_box.setVisible(not running and decided)
        self.models_fold.setVisible(not running and decided and bool(tuning.models))
        self.expert_fold.setVisible(not running and decided)
        self._show_curves()

    def _show_curves(self) -> None:
        tuning = self.shared.tuning
        state = tuning.state
        mine = tuning.result is None or tuning.result.name == state.name
        worth = state.phase is not Phase.IDLE and bool(state.losses or state.points)
        self.curves.setVisible(mine and worth and not tuning.is_timing)
        self.curves.show_state(state)

    def _go_to_annotate(self) -> None:
        dock, panel = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Annotate", tabify=True)
        dock.show()
        dock.raise_()
        part = panel.folds.get(TRAINING_SET)
        if part is not None and self.session.document is not None:
            part.expand(animate=False)
            panel.show_widget(part)


class ModelsBox(QWidget):
    """The project's fine-tuned models, to look at their figures and to adopt them later.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._tuning = shared.tuning
        self.field = QComboBox()
        self.field.setToolTip("Fine-tuned models, the newest first")
        self.show_button = button("Before and after", "Figures of this model", self._show)
        self.note = text_label("Adopt one after a look at its figures. None is ever deleted here.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(self.field, self.show_button))
        layout.addWidget(self.note)
        follow(self, shared.tuning.changed, self.show_models)
        self.show_models()

    def show_models(self) -> None:
        """List the models."""
        names = [model.name for model in reversed(self._tuning.models)]
        if names != [self.field.itemText(index) for index in range(self.field.count())]:
            self.field.clear()
            self.field.addItems(names)

    def _show(self) -> None:
        chosen = self.field.currentText()
        for model in self._tuning.models:
            if model.name == chosen:
                self._tuning.show(model)
