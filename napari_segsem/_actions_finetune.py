"""What commands and buttons do with fine-tuning."""

from __future__ import annotations

from napari_segsem._actions import Actions
from napari_segsem._finetune import FineTuning
from napari_segsem._finetune_state import Phase
from napari_segsem._session import Session
from napari_segsem._training_set import TrainingSet


def finetune_actions(session: Session, tuning: FineTuning, training: TrainingSet) -> Actions:
    """Actions of Fine-tune, by the names of the keymap."""

    def start() -> None:
        summary = training.summary
        if tuning.is_running:
            session.tell("A model is being fine-tuned already")
        elif not summary.n_images:
            session.tell("The training set is empty: put annotated images in first (Shift+T)")
        elif summary.missing:
            session.tell(f"Not enough to learn from: {summary.missing[0]}")
        else:
            tuning.start()

    def pause() -> None:
        if tuning.state.phase is Phase.PAUSED:
            tuning.go_on()
        else:
            tuning.pause()

    return {
        "start": start,
        "pause": pause,
        "cancel": tuning.cancel,
        "resume": tuning.resume,
        "go_back": tuning.go_back,
    }
