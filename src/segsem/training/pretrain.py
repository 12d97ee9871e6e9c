"""`segsem-nano` from scratch, on synthetic crops that are drawn while it trains."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from segsem.core.files import write_json
from segsem.core.progress import Progress
from segsem.models.build import build_model
from segsem.models.registry import NANO_CONFIG
from segsem.training.curriculum import CURRICULA, SMALL, Stage
from segsem.training.example_stream import ExampleStream, default_workers
from segsem.training.history import History
from segsem.training.trainer import Trainer, TrainOptions

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

__all__ = ["CURRICULA", "RECIPES", "TrainOptions", "pretrain_nano"]

OPTIONS_FILE = "options.json"

RECIPES: dict[str, dict[str, Any]] = {
    "small": {},
    "large": {
        "learning_rate": 1e-3,
        "final_learning_rate": 5e-6,
        "warmup_steps": 250,
        "ema_decay": 0.9985,
        "checkpoint_every": 300,
        "history_every": 50,
        "bf16": True,
    },
}
"""Options that go with a curriculum, where they are not the defaults."""


def pretrain_nano(
    folder: Path,
    options: TrainOptions,
    resume: bool = False,
    device: str = "cpu",
    curriculum: Sequence[Stage] = SMALL,
    workers: int | None = None,
) -> Generator[Progress, None, SAM2Base]:
    """Train `segsem-nano` from random weights.

    Checkpoint, history and options are written into the folder; a run may be resumed with another
    number of steps, which then sets the rest of its schedule.

    Parameters
    ----------
    folder : Path
        Checkpoint and history go here.
    options : TrainOptions
    resume : bool
        Go on from the folder's checkpoint.
    device : str
    curriculum : sequence of Stage
    workers : int, optional
        Processes that draw examples; the result does not depend on it.

    Yields
    ------
    Progress

    Returns
    -------
    SAM2Base
        The averaged weights.

    Raises
    ------
    ExportError
        If the folder cannot be written to.
    TaskError
        If the loss is no longer finite, or a process that draws examples died.
    """
    settings = {**asdict(options), "curriculum": [asdict(stage) for stage in curriculum]}
    write_json(folder / OPTIONS_FILE, settings)
    torch.manual_seed(options.seed)
    model = build_model(NANO_CONFIG).to(device)
    trainer = Trainer(model, options, folder)
    if resume and trainer.resume():
        yield Progress(trainer.step, options.steps, "resumed")
    else:
        History(folder).cut_after(0)
    with ExampleStream(
        options.seed,
        options.steps,
        curriculum,
        options.box_share,
        first=trainer.step,
        workers=workers or default_workers(),
    ) as examples:
        yield from trainer.run(examples.batch)
    return trainer.averaged
