"""A run as its events tell it: phases, places on the curves, the time that is left."""

from __future__ import annotations

from typing import Any

import pytest

from napari_segsem._finetune_state import Phase, TrainingState, duration

STARTED = {
    "event": "started",
    "images": {"train": ["a", "b", "c"], "held_out": ["d"]},
    "objects": {"train": 9, "held_out": 3},
    "epochs": 2,
    "steps_per_epoch": 5,
    "resumed_after_epoch": None,
    "warnings": [],
}
TIMING = {"event": "timing", "expected_s": 16.0, "step_s": 1.0, "validation_s": 1.0, "after_s": 4.0}


def told(*events: dict[str, Any]) -> TrainingState:
    state = TrainingState("tuned-1", Phase.PREPARING)
    for event, now_s in events:  # type: ignore[misc]
        state.take(event, now_s)
    return state


def step(epoch: int, number: int) -> dict[str, Any]:
    return {"event": "step", "epoch": epoch, "step": number, "steps": 5, "loss": 0.5}


def epoch(number: int, best: bool = True) -> dict[str, Any]:
    return {
        "event": "epoch",
        "epoch": number,
        "train_loss": 0.4 if number else None,
        "val_iou": 0.8,
        "val_boundary_f1": 0.7,
        "val_edge_px": 0.5,
        "best": best,
    }


def test_the_time_left_follows_the_pace_that_was_kept() -> None:
    timing = {**TIMING, "steps_left": 10}
    state = told((STARTED, 0.0), (timing, 10.0))
    assert state.left_s(10.0) == pytest.approx(16.0)
    # Twice as slow as was timed: 8 steps of 2 s, and the 4 s after the last step.
    state.take(step(1, 1), 12.0)
    state.take(step(1, 2), 14.0)
    assert state.left_s(14.0) == pytest.approx(8 * 2.0 + 4.0)
    assert state.fraction == pytest.approx(0.2)


def test_a_pause_is_no_slow_step() -> None:
    state = told((STARTED, 0.0), ({**TIMING, "steps_left": 10}, 0.0), (step(1, 1), 1.0))
    state.take({"event": "paused"}, 1.0)
    assert state.phase is Phase.PAUSED
    assert state.left_s(500.0) == pytest.approx(9 + 4.0)
    state.take({"event": "resumed"}, 1000.0)
    state.take(step(1, 2), 1001.0)
    assert state.left_s(1001.0) == pytest.approx(8 + 4.0)


def test_steps_and_epochs_lie_at_their_places() -> None:
    state = told((STARTED, 0.0), (epoch(0), 0.0), (step(1, 5), 1.0), (epoch(1), 1.0))
    assert state.losses == [(1.0, 0.5)]
    assert state.epoch_losses == [(1, 0.4)]
    assert [point.epoch for point in state.points] == [0, 1]
    assert state.has_checkpoint


def test_resuming_drops_what_is_learnt_again() -> None:
    state = told((STARTED, 0.0), (step(1, 5), 0.0), (epoch(1), 0.0), (step(2, 3), 0.0))
    state.forget_unfinished_epoch()
    assert state.losses == [(1.0, 0.5)]
    state.take({**STARTED, "resumed_after_epoch": 1}, 0.0)
    state.take({**TIMING, "steps_left": 5}, 0.0)
    assert state.fraction == pytest.approx(0.5)
    assert state.left_s(0.0) == pytest.approx(16.0)


def test_what_is_not_known_says_nothing() -> None:
    state = told(({"event": "take"}, 0.0), ({"event": "left_s"}, 0.0), ({}, 0.0))
    assert state.phase is Phase.PREPARING


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (89, "89 s"), (130, "2 min"), (7200, "2.0 h")]
)
def test_times_are_told_as_precisely_as_they_are_known(seconds: float, words: str) -> None:
    assert duration(seconds) == words
