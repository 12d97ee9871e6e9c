"""The loop of fine-tuning: epochs, validation, checkpoints; the same numbers after any stop."""

from __future__ import annotations

import copy
import json
import math
import pickle
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from segsem.core.exceptions import ExportError, InputError, TaskError
from segsem.core.files import atomic_path
from segsem.training.few_shot_frames import FrameSource
from segsem.training.finetune_average import WeightAverage
from segsem.training.finetune_loss import StepGradient
from segsem.training.finetune_params import FinetuneParams
from segsem.training.finetune_parts import parameter_groups, set_modes
from segsem.training.validation import Validation, ValidationScore

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

CHECKPOINT = "checkpoint.pt"
FINAL_RATE = 0.05
"""Learning rate of the last step over the highest one; a cosine in between."""

TIMED_STEPS = 3
_UNUSABLE = (
    OSError,
    RuntimeError,
    LookupError,
    TypeError,
    ValueError,
    EOFError,
    AttributeError,
    pickle.UnpicklingError,
)


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One row of `history.csv`.

    Attributes
    ----------
    epoch : int
        0 is the base model.
    train_loss : float or None
    val : ValidationScore
    rate : float
        Highest learning rate at the epoch's end.
    best : bool
        Whether no epoch before was as good.
    """

    epoch: int
    train_loss: float | None
    val: ValidationScore
    rate: float
    best: bool


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step, counted within its epoch from 1."""

    epoch: int
    step: int
    steps: int
    loss: float


@dataclass(slots=True)
class _State:
    """What a checkpoint holds beside weights and optimiser."""

    epoch: int = 0
    best_epoch: int = 0
    rows: list[EpochRow] = field(default_factory=list)


class FinetuneTrainer:
    """Fine-tunes a model whose learning parts have been chosen.

    Parameters
    ----------
    model : SAM2Base
        Trained in place; `choose_learning` has been called.
    source : FrameSource
    validation : Validation
    gradient : StepGradient
    params : FinetuneParams
    rate : float
        Highest learning rate.
    folder : Path
        Where the checkpoint goes.
    """

    def __init__(
        self,
        model: SAM2Base,
        source: FrameSource,
        validation: Validation,
        gradient: StepGradient,
        params: FinetuneParams,
        rate: float,
        folder: Path,
    ) -> None:
        self.model, self._source, self._validation = model, source, validation
        self._gradient, self._params, self._folder = gradient, params, folder
        self._trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._groups = parameter_groups(model, params, rate)
        self._optimizer = torch.optim.AdamW(self._groups, lr=rate)
        self._state = _State()
        self._best: dict[str, Tensor] = {}
        self._average = WeightAverage(self._trained, params.averaging)

    @property
    def rows(self) -> list[EpochRow]:
        """What became of the epochs so far."""
        return self._state.rows

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights `use_best` takes."""
        return self._state.best_epoch

    @property
    def total_steps(self) -> int:
        """Steps if it does not end early."""
        return self._params.epochs * self._source.steps_per_epoch

    @property
    def validation_objects(self) -> int:
        """Objects that validation asks for."""
        return self._validation.objects

    @property
    def epochs_done(self) -> int:
        """Epochs whose weights are in the checkpoint."""
        return self._state.epoch

    def time_steps(self) -> tuple[float, float]:
        """Time a few steps and a validation; nothing is changed by it.

        Returns
        -------
        seconds_per_step, seconds_per_validation : float
        """
        set_modes(self.model, self._params.train)
        began = time.perf_counter()
        for number in range(TIMED_STEPS):
            self._step_gradient(number % self._source.steps_per_epoch)
        per_step = (time.perf_counter() - began) / TIMED_STEPS
        self._optimizer.zero_grad(set_to_none=True)
        began = time.perf_counter()
        self._validation.score(self.model)
        return per_step, time.perf_counter() - began

    def run(self) -> Generator[StepDone | EpochRow, None, None]:
        """Train to the last epoch, or until the validation sites get no better.

        Closing the generator keeps the checkpoint of the last whole epoch.

        Raises
        ------
        TaskError
            If the loss is no longer finite.
        ExportError
            If the checkpoint cannot be written.
        """
        if not self._state.rows:
            self._state.rows.append(
                EpochRow(0, None, self._validation.score(self.model), 0.0, False)
            )
            yield self._state.rows[0]
        while self._goes_on():
            yield from self._epoch(self._state.epoch + 1)

    def use_best(self) -> None:
        """Give the model the weights of its best epoch."""
        with torch.no_grad():
            for name, weights in self._best.items():
                self._trained[name].copy_(weights)

    def _goes_on(self) -> bool:
        since_best = self._state.epoch - self._state.best_epoch
        return self._state.epoch < self._params.epochs and since_best < self._params.patience

    def _epoch(self, epoch: int) -> Generator[StepDone | EpochRow, None, None]:
        set_modes(self.model, self._params.train)
        steps = self._source.steps_per_epoch
        losses = []
        for number in range(steps):
            step = (epoch - 1) * steps + number
            loss = self._step(step)
            if loss is not None:
                losses.append(loss)
                yield StepDone(epoch, number + 1, steps, loss)
        with self._average.in_place():
            val = self._validation.score(self.model)
        before = [row.val.score for row in self.rows if row.epoch > 0]
        best = not before or val.score > max(before)
        mean = sum(losses) / len(losses) if losses else None
        row = EpochRow(epoch, mean, val, self._rate_share(epoch * steps - 1), best)
        self._state.rows.append(row)
        self._state.epoch = epoch
        if best:
            self._state.best_epoch = epoch
            self._best = {n: w.detach().cpu().clone() for n, w in self._average.weights.items()}
        self.save()
        yield row

    def _step(self, step: int) -> float | None:
        share = self._rate_share(step)
        for group in self._optimizer.param_groups:
            group["lr"] = group["rate"] * share
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._step_gradient(step)
        if loss is None:
            return None
        if not math.isfinite(loss):
            msg = (
                f"The loss is no longer finite in step {step + 1}: lower the learning rate and "
                "start under another name"
            )
            raise TaskError(msg)
        nn.utils.clip_grad_norm_(list(self._trained.values()), self._params.grad_clip)
        self._optimizer.step()
        self._average.update(step)
        return loss

    def _step_gradient(self, step: int) -> float | None:
        frames = self._source.batch(step)
        if len(frames.batch.frame_index) == 0:
            return None
        # What a layer draws by itself must not depend on what came before a stop.
        seed = (self._params.seed, step)
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        return self._gradient(frames, seed)

    def _rate_share(self, step: int) -> float:
        """Learning rate over its highest: linear warm-up, then a cosine."""
        total = self.total_steps
        warm = self._params.warmup * total
        if step + 1 < warm:
            return (step + 1) / warm
        turn = 0.5 * (1.0 + math.cos(math.pi * min((step - warm) / max(total - warm, 1.0), 1.0)))
        return FINAL_RATE + (1.0 - FINAL_RATE) * turn

    def save(self) -> None:
        """Write the checkpoint.

        Raises
        ------
        ExportError
            If the disk is full, or the folder cannot be written to.
        """
        state = {
            "state": json.dumps(asdict(self._state)),
            "trained": {name: p.detach() for name, p in self._trained.items()},
            "average": self._average.weights,
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
        }
        path = self._folder / CHECKPOINT
        with atomic_path(path) as temporary:
            try:
                with temporary.open("wb") as file:
                    torch.save(state, file)
            except (OSError, RuntimeError) as error:
                msg = f"Cannot write {path}: {_reason(error)}. Make space, then give --resume."
                raise ExportError(msg) from error

    def resume(self) -> bool:
        """Go on from the checkpoint; False where there is none yet.

        Raises
        ------
        InputError
            If it is damaged, or of another model.
        """
        path = self._folder / CHECKPOINT
        if not path.is_file():
            return False
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            trained: dict[str, Any] = saved["trained"]
            if set(trained) != set(self._trained):
                msg = "it is of another model"
                raise ValueError(msg)
            with torch.no_grad():
                for name, weights in trained.items():
                    self._trained[name].copy_(weights)
            self._average.restore(saved["average"])
            self._optimizer.load_state_dict(copy.deepcopy(saved["optimizer"]))
            self._best = saved["best"]
            self._state = _state_of(json.loads(saved["state"]))
        except _UNUSABLE as error:
            msg = f"{path} cannot be gone on from ({_first_line(error)}): start under another name"
            raise InputError(msg) from error
        return True


def _state_of(saved: dict[str, Any]) -> _State:
    rows = [EpochRow(**{**row, "val": ValidationScore(**row["val"])}) for row in saved["rows"]]
    return _State(int(saved["epoch"]), int(saved["best_epoch"]), rows)


def _reason(error: Exception) -> str:
    """Why a file could not be written; torch hides a full disk behind an error of its own."""
    hidden = error if isinstance(error, OSError) else error.__context__
    named = hidden.strerror if isinstance(hidden, OSError) else None
    return named or _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
