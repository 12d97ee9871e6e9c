"""`segsem-nano` from scratch, on synthetic crops that are drawn while it trains."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from segsem.core.files import write_json
from segsem.core.progress import Progress
from segsem.models.build import NANO_D_MODEL, build_model
from segsem.models.registry import NANO_CONFIG
from segsem.training.augmentation import augment
from segsem.training.batch import Batch, make_batch
from segsem.training.crop_stream import CropStream
from segsem.training.history import History
from segsem.training.trainer import AuxiliaryHead, Trainer, TrainOptions

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

OPTIONS_FILE = "options.json"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the curriculum.

    Attributes
    ----------
    share : float
        Share of all steps.
    size_px : int
        Side of the crops.
    n_crops, n_objects : int
        Crops of a batch, and objects of a crop.
    fresh : int
        Crops of a batch that are new; the others were seen a few times, with other augmentation.
    """

    share: float
    size_px: int
    n_crops: int
    n_objects: int
    fresh: int


CURRICULUM = (
    Stage(0.60, 128, 8, 5, 4),
    Stage(0.40, 256, 4, 5, 2),
)


class StagedCrops:
    """Batches of the curriculum, by step; one crop process at a time."""

    def __init__(self, options: TrainOptions, curriculum: tuple[Stage, ...] = CURRICULUM) -> None:
        self._options = options
        ends = np.cumsum([stage.share for stage in curriculum]) * options.steps
        self._ends = [round(float(end)) for end in ends]
        self._curriculum = curriculum
        self._stage: int | None = None
        self._stream: CropStream | None = None

    def stage_of(self, step: int) -> int:
        """Index of the stage a step belongs to."""
        past = [i for i, end in enumerate(self._ends) if step < end]
        return past[0] if past else len(self._curriculum) - 1

    def batch(self, step: int, rng: np.random.Generator) -> Batch:
        """Draw the batch of a step."""
        number = self.stage_of(step)
        stage = self._curriculum[number]
        if self._stream is None or self._stage != number:
            self.close()
            start = 0 if number == 0 else self._ends[number - 1]
            self._stream = CropStream(
                self._options.seed, stage.size_px, stage.fresh, first=step - start
            )
            self._stage = number
        crops = [augment(rng, crop) for crop in self._stream.draw(rng, stage.n_crops)]
        return make_batch(rng, crops, stage.n_objects)

    def close(self) -> None:
        """End the crop process."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def pretrain_nano(
    folder: Path, options: TrainOptions, resume: bool = False, device: str = "cpu"
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
        If the loss is no longer finite, or the process that draws crops died.
    """
    write_json(folder / OPTIONS_FILE, asdict(options))
    torch.manual_seed(options.seed)
    model = build_model(NANO_CONFIG).to(device)
    auxiliary = AuxiliaryHead(NANO_D_MODEL // 8).to(device)
    trainer = Trainer(model, options, folder, auxiliary)
    if resume and trainer.resume():
        yield Progress(trainer.step, options.steps, "resumed")
    else:
        History(folder).cut_after(0)
    crops = StagedCrops(options)
    try:
        yield from trainer.run(crops.batch)
    finally:
        crops.close()
    return trainer.averaged
