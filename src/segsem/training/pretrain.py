"""`segsem-nano` from scratch, on synthetic crops that are drawn while it trains."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from segsem.core.files import write_json
from segsem.core.progress import Progress
from segsem.models.build import build_model
from segsem.models.registry import NANO_CONFIG
from segsem.models.weights import load_state
from segsem.training.example_stream import ExampleStream, default_workers
from segsem.training.history import History
from segsem.training.recipe import RECIPES, Recipe
from segsem.training.trainer import Trainer, TrainOptions

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

__all__ = ["RECIPES", "TrainOptions", "pretrain_nano"]

OPTIONS_FILE = "options.json"


def pretrain_nano(
    folder: Path,
    options: TrainOptions,
    resume: bool = False,
    device: str = "cpu",
    recipe: Recipe = RECIPES["small"],
    start: Mapping[str, Tensor] | None = None,
    workers: int | None = None,
) -> Generator[Progress, None, SAM2Base]:
    """Train `segsem-nano`.

    Checkpoint, history and options are written into the folder; a run may be resumed with another
    number of steps, which then sets the rest of its schedule.

    Parameters
    ----------
    folder : Path
        Checkpoint and history go here.
    options : TrainOptions
        The recipe's own are not looked at: whoever calls has put them in.
    resume : bool
        Go on from the folder's checkpoint.
    device : str
    recipe : Recipe
        Curriculum, and what is trained.
    start : mapping of str to Tensor, optional
        Weights to begin with instead of random ones.
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
    curriculum = recipe.curriculum
    settings = {**asdict(options), "curriculum": [asdict(stage) for stage in curriculum]}
    write_json(folder / OPTIONS_FILE, settings)
    torch.manual_seed(options.seed)
    model = build_model(NANO_CONFIG).to(device)
    if start is not None:
        load_state(model, start, "the model to start from")
    if recipe.trained:
        model.requires_grad_(False)
        for part in recipe.trained:
            getattr(model, part).requires_grad_(True)
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
