"""The training loop: prompts in rounds, SAM2's losses, averaged weights, resumable."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from segsem.core.exceptions import TaskError
from segsem.core.files import atomic_path
from segsem.core.progress import Progress
from segsem.segmentation.sam2_forward import Features, encode_pixels, normalise_pixels
from segsem.training.batch import Batch
from segsem.training.history import History
from segsem.training.losses import LossParts, edge_cells, two_class_loss
from segsem.training.priors import prior_logits
from segsem.training.rounds import Asked, ask_in_rounds

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

    from segsem.models.region_hints import RegionHints

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train.

    Attributes
    ----------
    steps : int
    seed : int
        Of everything that is random after the weights are there.
    learning_rate, final_learning_rate : float
        Cosine from the first to the second.
    warmup_steps : int
    weight_decay, grad_clip, ema_decay : float
    box_share : float
        Share of objects that are asked for with a box.
    round_shares : tuple of float
        Shares of steps with no, one, two ... rounds of correction clicks.
    checkpoint_every, history_every : int
        In steps.
    bf16 : bool
        Run under bfloat16 autocast.
    """

    steps: int
    seed: int = 0
    learning_rate: float = 8e-4
    final_learning_rate: float = 1e-5
    warmup_steps: int = 200
    weight_decay: float = 0.02
    grad_clip: float = 1.0
    ema_decay: float = 0.998
    box_share: float = 0.5
    round_shares: tuple[float, ...] = (0.45, 0.35, 0.2)
    checkpoint_every: int = 200
    history_every: int = 20
    bf16: bool = False


class Trainer:
    """Trains a model on batches that a function of the step number gives.

    All chance of a step comes from (seed, step), so that a run that was interrupted goes on as if
    it had not been.

    Parameters
    ----------
    model : SAM2Base
        Trained in place; what shall not be trained has `requires_grad` off.
    options : TrainOptions
    folder : Path
        Where checkpoint and history go.
    """

    def __init__(
        self,
        model: SAM2Base,
        options: TrainOptions,
        folder: Path,
    ) -> None:
        self.model = model
        self.options = options
        self.folder = folder
        self.averaged = copy.deepcopy(model).eval().requires_grad_(False)
        self.step = 0
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(
            _decay_groups(self._trained, options.weight_decay),
            lr=options.learning_rate,
            fused=True,
        )
        self._hints: RegionHints | None = getattr(model.sam_mask_decoder, "region_hints", None)
        self._history = History(folder)
        self._last_loss = math.nan

    def run(self, batches: Callable[[int], Batch]) -> Generator[Progress, None, None]:
        """Train from the present step to the last one; closing the generator keeps what is done.

        Parameters
        ----------
        batches : callable
            From the step's number to its batch.

        Yields
        ------
        Progress
            After each step.

        Raises
        ------
        TaskError
            If the loss is no longer finite.
        """
        self.model.train()
        while self.step < self.options.steps:
            batch = batches(self.step)
            if len(batch.frame_index):
                self._train_step(batch)
            self.step += 1
            if self.step % self.options.history_every == 0:
                self._write_history(batch.grey.shape[-1])
            if self.step % self.options.checkpoint_every == 0:
                self.save()
            try:
                yield Progress(self.step, self.options.steps, f"loss {self._last_loss:.3f}")
            except GeneratorExit:
                self.save()
                raise
        self.save()

    def save(self) -> None:
        """Write the checkpoint, from which `resume` goes on."""
        state = {
            "step": self.step,
            "options": asdict(self.options),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        with atomic_path(self.folder / CHECKPOINT) as temporary:
            torch.save(state, temporary)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; False where there is none."""
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return False
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        self._history.cut_after(self.step)
        return True

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then a cosine to the final one."""
        options = self.options
        warmup = min(1.0, (step + 1) / max(options.warmup_steps, 1))
        turn = 0.5 * (1.0 + math.cos(math.pi * min(step / options.steps, 1.0)))
        span = options.learning_rate - options.final_learning_rate
        return warmup * (options.final_learning_rate + span * turn)

    def _train_step(self, batch: Batch) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)
        loss = self._loss(batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._trained, self.options.grad_clip)
        self._optimizer.step()
        self._average()
        self._history.record(loss=loss.detach())

    def _write_history(self, side_px: int) -> None:
        # Only here does a GPU have to be waited for.
        row = self._history.write_row(self.step, side_px, self.learning_rate(self.step))
        self._last_loss = row.get("loss", math.nan)
        if "loss" in row and not math.isfinite(self._last_loss):
            msg = (
                f"The loss is no longer finite at step {self.step}. Lower the learning rate and "
                "go on from the last checkpoint."
            )
            raise TaskError(msg)

    def _loss(self, batch: Batch) -> Tensor:
        device = self.model.device
        rng = np.random.default_rng([self.options.seed, self.step])
        generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        rounds = 1 + int(rng.choice(len(self.options.round_shares), p=self.options.round_shares))
        labels = _tensor(batch.labels, device)
        # One region for all rounds: the weights are converted once.
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.options.bf16):
            features = encode_pixels(self.model, _pixels(batch, device))
            total = self._rounds(batch, features, labels, generator, rounds)
        if self._hints is not None:
            total = total + self._hints_loss(features, labels)
        return total

    def _hints_loss(self, features: Features, labels: Tensor) -> Tensor:
        """Loss of dividing the frames into two classes, whichever is the first, and at edges."""
        assert self._hints is not None
        with torch.autocast(labels.device.type, enabled=False):
            feat_s0 = features.high_res[0].float()
            logits = self._hints.class_logits(feat_s0)
            share = F.avg_pool2d((labels > 0).float(), labels.shape[-1] // logits.shape[-1])
            classes = two_class_loss(logits, share)
            wanted = edge_cells(labels, logits.shape[-1])
            edges = F.binary_cross_entropy_with_logits(self._hints.edge_logits(feat_s0), wanted)
        self._history.record(classes=classes.detach(), edges=edges.detach())
        return classes + edges

    def _rounds(
        self,
        batch: Batch,
        features: Features,
        labels: Tensor,
        generator: torch.Generator,
        rounds: int,
    ) -> Tensor:
        device = labels.device
        index = _tensor(batch.frame_index, device)
        target = labels[index] == _tensor(batch.object_label, device)[:, None, None]
        per_prompt = features.take(index)
        if self._hints is not None:
            per_prompt.high_res[0] = features.high_res[0]
        asked = Asked(
            per_prompt,
            None if self._hints is None else index,
            _tensor(batch.prompts.points_xy, device),
            _tensor(batch.prompts.labels, device),
            _tensor(batch.prompts.boxed, device),
            target,
            prior_logits(batch.prior, target.float(), generator),
        )
        return ask_in_rounds(self.model, asked, rounds, generator, self._record_round)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.options.ema_decay, (1 + self.step) / (10 + self.step))
        kept, new = list(self.averaged.parameters()), list(self.model.parameters())
        torch._foreach_lerp_(kept, new, 1.0 - decay)

    def _record_round(self, number: int, parts: LossParts) -> None:
        if number > 0:
            self._history.record(corrected_iou=parts.ranked_iou)
            return
        self._history.record(
            focal=parts.focal,
            dice=parts.dice,
            iou_loss=parts.iou,
            best_iou=parts.best_iou,
            ranked_iou=parts.ranked_iou,
        )


def _tensor(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    # A copy: arrays that came through a pipe are read-only.
    return torch.from_numpy(np.array(array)).to(device, non_blocking=True)


def _pixels(batch: Batch, device: torch.device) -> Tensor:
    pixels = normalise_pixels(_tensor(batch.grey, device))
    at = torch.arange(batch.grey.shape[-1], device=device)
    filled = _tensor(batch.filled_px, device)
    rows, cols = at < filled[:, :1], at < filled[:, 1:]
    return pixels * (rows[:, :, None] & cols[:, None, :]).unsqueeze(1)


def _decay_groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only, as is usual."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
