"""What is known of a run of fine-tuning, out of its events. Knows no Qt and no processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """What a run is at."""

    IDLE = "idle"
    PREPARING = "preparing"
    READING = "reading"
    TRAINING = "training"
    PAUSED = "paused"
    CHECKING = "checking"
    CALIBRATING = "calibrating"
    ENDING = "ending"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"

    @property
    def is_running(self) -> bool:
        """Whether there is, or will be, a child process."""
        return self not in (Phase.IDLE, Phase.STOPPED, Phase.FAILED, Phase.DONE)


@dataclass(frozen=True, slots=True)
class EpochPoint:
    """What the validation sites said after an epoch; epoch 0 is the base model.

    Attributes
    ----------
    epoch : int
    iou, boundary_f1, edge_px : float
    best : bool
    """

    epoch: int
    iou: float
    boundary_f1: float
    edge_px: float
    best: bool


@dataclass
class TrainingState:
    """A run as its events tell it.

    Attributes
    ----------
    name : str
        Of the model that it makes.
    phase : Phase
    message : str
        What is read or checked, or why it failed.
    done, total : int
        Images of the phase in hand.
    epoch, epochs, step, steps : int
        Of the training; `steps` of an epoch.
    train_ids, held_out_ids : tuple of str
    n_objects : (int, int)
        That teach, and that are held out.
    warnings : tuple of str
    expected_s : float or None
        Of all epochs, as the first steps let expect it; None before they were timed.
    losses : list of (float, float)
        Place in epochs and loss, one for each step.
    epoch_losses : list of (int, float)
        Mean of each epoch.
    points : list of EpochPoint
    """

    name: str = ""
    phase: Phase = Phase.IDLE
    message: str = ""
    done: int = 0
    total: int = 0
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    train_ids: tuple[str, ...] = ()
    held_out_ids: tuple[str, ...] = ()
    n_objects: tuple[int, int] = (0, 0)
    warnings: tuple[str, ...] = ()
    expected_s: float | None = None
    losses: list[tuple[float, float]] = field(default_factory=list)
    epoch_losses: list[tuple[int, float]] = field(default_factory=list)
    points: list[EpochPoint] = field(default_factory=list)
    _first_step: int = 0
    _worked_s: float = 0.0
    _since: float | None = None
    _after_steps_s: float = 0.0

    def take(self, event: dict[str, Any], now_s: float) -> None:
        """Take an event of `segsem finetune --events jsonl`; those that are not known say nothing.

        Parameters
        ----------
        event : dict
        now_s : float
            Of a clock that only goes forward.
        """
        name = str(event.get("event", ""))
        take = getattr(self, f"_{name}", None) if name in _KNOWN else None
        if take is not None:
            take(event, now_s)

    @property
    def fraction(self) -> float:
        """Share of the phase in hand that is done, 0 to 1."""
        if self.phase in (Phase.TRAINING, Phase.PAUSED):
            total = self.epochs * self.steps
            return self._steps_done / total if total else 0.0
        return self.done / self.total if self.total else 0.0

    def left_s(self, now_s: float) -> float | None:
        """How long it still takes, if all epochs are trained; None while nobody can know."""
        if self.expected_s is None or self.phase not in (Phase.TRAINING, Phase.PAUSED):
            return None
        new, left = self._steps_done - self._first_step, self._steps_left
        if new == 0:
            return self.expected_s
        worked = self._worked_s + (0.0 if self._since is None else now_s - self._since)
        return worked / new * left + self._after_steps_s

    @property
    def has_checkpoint(self) -> bool:
        """Whether an epoch was finished, to go on after."""
        return any(point.epoch > 0 for point in self.points) or self._first_step > 0

    def forget_unfinished_epoch(self) -> None:
        """Drop the losses after the last whole epoch: those steps are done again."""
        last = max((point.epoch for point in self.points), default=0)
        self.losses = [(at, loss) for at, loss in self.losses if at <= last]
        self.expected_s, self._worked_s, self._since = None, 0.0, None

    @property
    def _steps_done(self) -> int:
        return max(self.epoch - 1, 0) * self.steps + self.step

    @property
    def _steps_left(self) -> int:
        return max(self.epochs * self.steps - self._steps_done, 0)

    def _reading(self, event: dict[str, Any], _now_s: float) -> None:
        self.phase = Phase.READING
        self._count(event)

    def _checking(self, event: dict[str, Any], _now_s: float) -> None:
        self.phase, self._since = Phase.CHECKING, None
        self._count(event)

    def _calibrating(self, event: dict[str, Any], _now_s: float) -> None:
        self.phase, self._since = Phase.CALIBRATING, None
        self._count(event)

    def _count(self, event: dict[str, Any]) -> None:
        self.done, self.total = int(event["done"]), int(event["total"])
        self.message = str(event["message"])

    def _started(self, event: dict[str, Any], _now_s: float) -> None:
        self.phase, self.message = Phase.TRAINING, ""
        self.epochs, self.steps = int(event["epochs"]), int(event["steps_per_epoch"])
        self.train_ids = tuple(event["images"]["train"])
        self.held_out_ids = tuple(event["images"]["held_out"])
        objects = event["objects"]
        self.n_objects = int(objects["train"]), int(objects["held_out"])
        self.warnings = tuple(event["warnings"])
        self.epoch = int(event["resumed_after_epoch"] or 0)
        self.step = self.steps if self.epoch else 0
        self._first_step = self._steps_done

    def _timing(self, event: dict[str, Any], now_s: float) -> None:
        self.expected_s = float(event["expected_s"])
        self._after_steps_s = float(event["after_s"])
        self._since = now_s

    def _step(self, event: dict[str, Any], _now_s: float) -> None:
        self.phase = Phase.TRAINING
        self.epoch, self.step = int(event["epoch"]), int(event["step"])
        self.steps = int(event["steps"])
        at = self.epoch - 1 + self.step / max(self.steps, 1)
        self.losses.append((at, float(event["loss"])))

    def _epoch(self, event: dict[str, Any], _now_s: float) -> None:
        number = int(event["epoch"])
        iou, boundary_f1, edge_px = (
            float(event[name]) for name in ("val_iou", "val_boundary_f1", "val_edge_px")
        )
        self.points = [point for point in self.points if point.epoch < number]
        self.points.append(EpochPoint(number, iou, boundary_f1, edge_px, bool(event["best"])))
        if event["train_loss"] is not None:
            self.epoch_losses.append((number, float(event["train_loss"])))

    def _paused(self, _event: dict[str, Any], now_s: float) -> None:
        self.phase = Phase.PAUSED
        if self._since is not None:
            self._worked_s += now_s - self._since
            self._since = None

    def _resumed(self, _event: dict[str, Any], now_s: float) -> None:
        self.phase, self._since = Phase.TRAINING, now_s


_KNOWN = {
    "reading",
    "started",
    "timing",
    "step",
    "epoch",
    "paused",
    "resumed",
    "checking",
    "calibrating",
}


def duration(seconds: float) -> str:
    """Put a time into words, as precise as it is known."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
