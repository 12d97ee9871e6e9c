"""What fine-tuning tells whoever watches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from segsem.training.few_shot_images import FewShotImage
from segsem.training.finetune_run import Run
from segsem.training.finetune_trainer import EpochRow, FinetuneTrainer, StepDone


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for whoever watches.

    Attributes
    ----------
    name : str
        `reading`, `started`, `timing`, `step`, `epoch`, `checking`, `calibrating`, `done`.
    values : dict
        JSON values.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)


def started(
    run: Run,
    images: Sequence[FewShotImage],
    warnings: Sequence[str],
    trainer: FinetuneTrainer,
    steps_per_epoch: int,
    resumed: bool,
    n_learning: int,
) -> Event:
    """Say what learns from what."""
    held = set(run.split.held_out)
    return Event(
        "started",
        {
            "base": run.base,
            "train": run.params.train.value,
            "weights_learning": n_learning,
            "images": {"train": list(run.split.train), "held_out": list(run.split.held_out)},
            "objects": {
                "train": sum(_objects(i) for i in images if i.image_id not in held),
                "held_out": sum(_objects(i) for i in images if i.image_id in held),
            },
            "validation_sites": len(run.split.sites),
            "epochs": run.params.epochs,
            "steps_per_epoch": steps_per_epoch,
            "resumed_after_epoch": trainer.epochs_done if resumed else None,
            "warnings": list(warnings),
        },
    )


def timing(trainer: FinetuneTrainer, steps_per_epoch: int, run: Run, seconds_after: float) -> Event:
    """Time a few steps, and say how long all of them will take.

    Parameters
    ----------
    trainer : FinetuneTrainer
    steps_per_epoch : int
    run : Run
    seconds_after : float
        From the last epoch to the end.
    """
    per_step, per_validation = trainer.time_steps()
    left = run.params.epochs - trainer.epochs_done
    expected = left * (steps_per_epoch * per_step + per_validation) + seconds_after
    return Event(
        "timing",
        {
            "expected_s": round(expected, 1),
            "step_s": round(per_step, 3),
            "validation_s": round(per_validation, 3),
            "after_s": round(seconds_after, 1),
            "steps_left": left * steps_per_epoch,
        },
    )


def told(happened: StepDone | EpochRow) -> Event:
    """Say what the trainer did."""
    if isinstance(happened, StepDone):
        return Event("step", {**asdict(happened), "loss": round(happened.loss, 5)})
    val = happened.val
    return Event(
        "epoch",
        {
            "epoch": happened.epoch,
            "train_loss": happened.train_loss,
            "val_loss": val.loss,
            "val_iou": val.iou,
            "val_boundary_f1": val.boundary_f1,
            "val_edge_px": val.edge_px,
            "best": happened.best,
        },
    )


def _objects(image: FewShotImage) -> int:
    return int(image.labels.max())
