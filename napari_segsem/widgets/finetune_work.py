"""The part of Fine-tune that is seen while a model learns, and where that ended early."""

from __future__ import annotations

from napari.utils import progress
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_segsem._finetune import FineTuning
from napari_segsem._finetune_state import Phase, TrainingState, duration
from napari_segsem._sessions import Shared
from napari_segsem.widgets.parts import button, follow, row, text_label

PARTS = 1000
"""Of the bar."""

MEANWHILE = "Go on working: what you annotate now is for the next run."


class WorkBox(QWidget):
    """How far it is, for how long, and the buttons that stop it.

    Parameters
    ----------
    shared : Shared

    Attributes
    ----------
    notes : QWidget
        What to know meanwhile, to be laid out below the curves, which are looked at more often.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._tuning = shared.tuning
        self._activity: progress | None = None
        self.phase_label = text_label(tip="What is being done")
        self.bar = QProgressBar()
        self.bar.setRange(0, PARTS)
        self.bar.setToolTip("Progress of this part")
        self.time_label = text_label(
            tip="For all epochs; it ends earlier where more of them bring nothing"
        )
        self.pause_button = button("Pause", "Rest after the step in hand", self._pause)
        self.cancel_button = button(
            "Cancel", "End it now; the last whole epoch is kept", self._tuning.cancel
        )
        self.meanwhile = text_label(MEANWHILE)
        self.notes_label = text_label(tip="What makes the result worth less")
        controls = row(self.bar, self.pause_button, self.cancel_button)
        _stack(self, self.phase_label, controls, self.time_label)
        self.notes = QWidget()
        _stack(self.notes, self.meanwhile, self.notes_label)
        follow(self, shared.tuning.changed, self.show_state)
        follow(self, shared.tuning.progressed, self.show_progress)
        self.show_state()

    def show_state(self) -> None:
        """Show the phase."""
        state = self._tuning.state
        paused = state.phase is Phase.PAUSED
        self.pause_button.setText("Go on" if paused else "Pause")
        self.pause_button.setToolTip("Go on learning" if paused else "Rest after the step in hand")
        self.pause_button.setVisible(state.phase in (Phase.TRAINING, Phase.PAUSED))
        self.pause_button.setEnabled(not self._tuning.is_timing)
        self.cancel_button.setEnabled(state.phase is not Phase.ENDING)
        self.notes.setVisible(self._tuning.is_running)
        self.notes_label.setVisible(bool(state.warnings))
        self.notes_label.setText("\n".join(state.warnings))
        self._show_activity()
        self.show_progress()

    def show_progress(self) -> None:
        """Show how far it is."""
        state = self._tuning.state
        self.phase_label.setText(phase_text(state, is_timing=self._tuning.is_timing))
        unknown = state.phase in (Phase.PREPARING, Phase.ENDING) or self._tuning.is_timing
        unknown = unknown or (state.phase is Phase.TRAINING and state.expected_s is None)
        self.bar.setRange(0, 0 if unknown else PARTS)
        self.bar.setTextVisible(not unknown)
        self.bar.setValue(round(state.fraction * PARTS))
        left = self._tuning.left_s()
        self.time_label.setVisible(left is not None)
        if left is not None:
            self.time_label.setText(f"{duration(left)} left at most")
        if self._activity is not None and not unknown:
            self._activity.n = round(state.fraction * PARTS)
            self._activity.refresh()

    def _pause(self) -> None:
        if self._tuning.state.phase is Phase.PAUSED:
            self._tuning.go_on()
        else:
            self._tuning.pause()

    def _show_activity(self) -> None:
        running = self._tuning.is_running
        if running and self._activity is None:
            self._activity = progress(total=PARTS, desc="Fine-tuning")
        elif not running and self._activity is not None:
            self._activity.close()
            self._activity = None


class StoppedBox(QWidget):
    """A run that failed or was cancelled: what happened, and how to go on.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._tuning: FineTuning = shared.tuning
        self.message_label = text_label(tip="What happened")
        self.resume_button = button(
            "Resume", "Go on after the last whole epoch", self._tuning.resume, primary=True
        )
        _stack(self, self.message_label, self.resume_button)
        follow(self, shared.tuning.changed, self.show_state)
        self.show_state()

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to say."""
        phase = self._tuning.state.phase
        return phase in (Phase.FAILED, Phase.STOPPED) or (
            phase is Phase.IDLE and self._tuning.unfinished is not None
        )

    def show_state(self) -> None:
        """Say what happened."""
        kept = self._tuning.unfinished
        self.resume_button.setVisible(kept is not None)
        self.message_label.setText(stopped_text(self._tuning.state, kept))


def _stack(box: QWidget, *widgets: QWidget) -> None:
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)


def stopped_text(state: TrainingState, kept: str | None) -> str:
    """Say why a run ended, and what is left of it."""
    rest = (
        f"The last whole epoch of {kept} is kept: resume it. Fine-tuning anew drops it."
        if kept is not None
        else "Nothing is left of it; the model in use is as it was."
    )
    if state.phase is Phase.FAILED:
        return f"Fine-tuning failed. {state.message}\n{rest}"
    if state.phase is Phase.STOPPED:
        return f"Cancelled. {rest}"
    return f"A run was not finished. {rest}"


def phase_text(state: TrainingState, *, is_timing: bool = False) -> str:
    """Say what is being done."""
    if is_timing:
        return "Measuring how long it would take…"
    if state.phase is Phase.TRAINING and state.expected_s is None:
        return "Timing the first steps…"
    texts = {
        Phase.PREPARING: "Starting…",
        Phase.READING: f"Reading the training set: {state.done + 1} of {state.total}",
        Phase.CHECKING: f"Before and after on held-out images: {state.done + 1} of {state.total}",
        Phase.CALIBRATING: f"Calibrating its confidence: {state.done + 1} of {state.total}",
        Phase.ENDING: "Ending…",
    }
    if state.phase in texts:
        return texts[state.phase]
    epoch = f"epoch {max(state.epoch, 1)} of {state.epochs}, step {state.step} of {state.steps}"
    return f"{'Paused at' if state.phase is Phase.PAUSED else 'Learning:'} {epoch}"
