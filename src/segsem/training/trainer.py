"""The training loop: prompts in rounds, SAM2's losses, averaged weights, resumable."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from segsem.core.exceptions import TaskError
from segsem.core.files import atomic_path
from segsem.core.progress import Progress
from segsem.segmentation.sam2_forward import (
    Features,
    decode_all_masks,
    encode_pixels,
    normalise_pixels,
)
from segsem.training.batch import Batch
from segsem.training.history import History
from segsem.training.losses import LossParts, prompt_loss
from segsem.training.prompt_simulation import (
    SimulatedPrompts,
    correction_click,
    draw_plans,
    simulate,
)

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

OTHER_WEIGHT_CLEAR, OTHER_WEIGHT_AMBIGUOUS = 0.4, 0.1
"""Weight of the two masks that are not the best of three; more than 0 even for a click, since a
small model otherwise ranks them badly."""

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
    correction_share : float
        Share of steps with a round of correction clicks.
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
    correction_share: float = 0.5
    checkpoint_every: int = 200
    history_every: int = 20
    bf16: bool = False


class AuxiliaryHead(nn.Module):
    """Foreground and edge from the stride-4 features; used in training only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, kernel_size=3, padding=1),
            nn.GELU(),
            nn.Conv2d(16, 2, kernel_size=1),
        )

    def loss(self, features: Tensor, share: Tensor) -> Tensor:
        """Cross-entropy of foreground and edge for the foreground share (B, h, w) of each cell."""
        edge = ((share > 0.02) & (share < 0.98)).float()
        wanted = torch.stack([share, edge], dim=1)
        return F.binary_cross_entropy_with_logits(self.layers(features).float(), wanted)


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
    auxiliary : nn.Module, optional
        Trained along, dropped afterwards.
    """

    def __init__(
        self,
        model: SAM2Base,
        options: TrainOptions,
        folder: Path,
        auxiliary: AuxiliaryHead | None = None,
    ) -> None:
        self.model = model
        self.options = options
        self.folder = folder
        self.auxiliary = auxiliary
        self.averaged = copy.deepcopy(model).eval().requires_grad_(False)
        self.step = 0
        self._trained = [p for p in model.parameters() if p.requires_grad]
        extra = [] if auxiliary is None else list(auxiliary.parameters())
        self._optimizer = torch.optim.AdamW(
            _decay_groups([*self._trained, *extra], options.weight_decay),
            lr=options.learning_rate,
            fused=True,
        )
        self._history = History(folder)

    def run(
        self, batches: Callable[[int, np.random.Generator], Batch]
    ) -> Generator[Progress, None, None]:
        """Train from the present step to the last one; closing the generator keeps what is done.

        Parameters
        ----------
        batches : callable
            (step, generator of this step) to Batch.

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
            rng = np.random.default_rng([self.options.seed, self.step])
            batch = batches(self.step, rng)
            loss = self._train_step(batch, rng) if len(batch.masks) else math.nan
            self.step += 1
            if self.step % self.options.history_every == 0:
                side = batch.grey.shape[-1]
                self._history.write_row(self.step, side, self.learning_rate(self.step))
            if self.step % self.options.checkpoint_every == 0:
                self.save()
            try:
                yield Progress(self.step, self.options.steps, f"loss {loss:.3f}")
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
            "auxiliary": {} if self.auxiliary is None else self.auxiliary.state_dict(),
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
        if self.auxiliary is not None:
            self.auxiliary.load_state_dict(state["auxiliary"])
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

    def _train_step(self, batch: Batch, rng: np.random.Generator) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)
        loss = self._loss(batch, rng)
        value = float(loss.detach())
        if not math.isfinite(value):
            msg = f"The loss is {value} at step {self.step}. Resume with a lower learning rate."
            raise TaskError(msg)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._trained, self.options.grad_clip)
        self._optimizer.step()
        self._average()
        self._history.record(loss=value)
        return value

    def _loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        device = self.model.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.options.bf16):
            features = encode_pixels(self.model, _pixels(batch, device))
        share = F.avg_pool2d(torch.from_numpy(batch.masks).to(device).float(), 4)
        plans = draw_plans(rng, self.options.box_share, len(batch.masks))
        background = ~batch.features[batch.frame_index]
        prompts = simulate(rng, batch.masks, background, plans)
        rounds = 2 if rng.random() < self.options.correction_share else 1
        total = self._rounds(batch, features, share, prompts, rng, rounds)
        if self.auxiliary is not None:
            foreground = torch.from_numpy(batch.features).to(device).float()
            total = total + self.auxiliary.loss(
                features.high_res[0].float(), F.avg_pool2d(foreground, 4)
            )
        return total

    def _rounds(
        self,
        batch: Batch,
        features: Features,
        share: Tensor,
        prompts: SimulatedPrompts,
        rng: np.random.Generator,
        rounds: int,
    ) -> Tensor:
        index = torch.from_numpy(batch.frame_index).to(share.device)
        per_prompt = features.take(index)
        previous: Tensor | None = None
        total = share.new_zeros(())
        for number in range(rounds):
            logits, iou_pred, parts = self._ask(per_prompt, prompts, previous, share)
            total = total + parts.total / rounds
            self._record_round(number, parts)
            if number + 1 < rounds:
                previous = _ranked_first(logits.detach(), iou_pred.detach())
                prompts = _corrected(rng, prompts, previous, batch.masks)
        return total

    def _ask(
        self,
        features: Features,
        prompts: SimulatedPrompts,
        previous: Tensor | None,
        share: Tensor,
    ) -> tuple[Tensor, Tensor, LossParts]:
        device = share.device
        points = torch.from_numpy(prompts.points_xy).to(device)
        labels = torch.from_numpy(prompts.labels).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.options.bf16):
            logits, iou_pred, score = decode_all_masks(
                self.model, features, points, labels, masks=previous
            )
        logits, iou_pred, score = logits.float(), iou_pred.float(), score.float()
        # A box (or a correction) leaves no other reading open: all three masks learn from it.
        clear = torch.from_numpy(prompts.boxed).to(device) | (previous is not None)
        weight = torch.where(clear, OTHER_WEIGHT_CLEAR, OTHER_WEIGHT_AMBIGUOUS)
        parts = prompt_loss(logits, iou_pred, score, share, weight)
        return logits, iou_pred, parts

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.options.ema_decay, (1 + self.step) / (10 + self.step))
        kept, new = list(self.averaged.parameters()), list(self.model.parameters())
        torch._foreach_lerp_(kept, new, 1.0 - decay)

    def _record_round(self, number: int, parts: LossParts) -> None:
        if number > 0:
            self._history.record(corrected_iou=float(parts.ranked_iou))
            return
        self._history.record(
            focal=float(parts.focal),
            dice=float(parts.dice),
            iou_loss=float(parts.iou),
            best_iou=float(parts.best_iou),
            ranked_iou=float(parts.ranked_iou),
        )


def _pixels(batch: Batch, device: torch.device) -> Tensor:
    pixels = normalise_pixels(torch.from_numpy(batch.grey).to(device))
    for i, (height, width) in enumerate(batch.filled_px.tolist()):
        pixels[i, :, height:] = 0.0
        pixels[i, :, :, width:] = 0.0
    return pixels


def _ranked_first(logits: Tensor, iou_pred: Tensor) -> Tensor:
    """Logits (N, 1, h, w) of the mask of three that the model ranks first."""
    best = iou_pred[:, 1:].argmax(dim=1) + 1
    return logits[torch.arange(len(logits), device=logits.device), best].unsqueeze(1)


def _corrected(
    rng: np.random.Generator, prompts: SimulatedPrompts, previous: Tensor, masks: Any
) -> SimulatedPrompts:
    frame_px = masks.shape[-1]
    full = F.interpolate(previous, size=(frame_px, frame_px), mode="bilinear", align_corners=False)
    predicted = (full[:, 0] > 0).cpu().numpy()
    clicks = [correction_click(rng, p, m) for p, m in zip(predicted, masks, strict=True)]
    return prompts.with_clicks(np.array(clicks, dtype=np.float64))


def _decay_groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only, as is usual."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
