"""Prompts in rounds: objects are asked for, and corrected where the answer is wrong.

Shared by training from scratch and by fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from segsem.segmentation.sam2_forward import Features, decode_all_masks
from segsem.training.corrections import correction_clicks
from segsem.training.losses import LossParts, prompt_loss

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

OTHER_WEIGHT_CLEAR, OTHER_WEIGHT_AMBIGUOUS = 0.4, 0.1
"""Weight of the two masks that are not the best of three; more than 0 even for a click, since a
small model otherwise ranks them badly."""

NOT_RATED_LOGIT = -20.0
"""Where the truth is not to be looked at: certain background, as the target is there, so that no
loss comes from it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """N objects, how they are asked for, and what the answers are compared with.

    Attributes
    ----------
    features : Features
        Of N frames, one for each object; the stride-4 ones by the frame where `index` is given.
    index : (N,) int tensor or None
        Frame of each object, for decoders that take it.
    points_xy : (N, K, 2) float tensor
    kinds : (N, K) int tensor
        SAM2's labels of the points.
    clear : (N,) bool tensor
        Whether the prompt leaves no other reading open.
    target : (N, S, S) bool tensor
    previous : (N, 1, S/4, S/4) tensor or None
        What is known before.
    not_rated : (N, S, S) bool tensor or None
        Where nothing is known of the truth; the target is empty there.
    """

    features: Features
    index: Tensor | None
    points_xy: Tensor
    kinds: Tensor
    clear: Tensor
    target: Tensor
    previous: Tensor | None = None
    not_rated: Tensor | None = None


def ask_in_rounds(
    model: SAM2Base,
    asked: Asked,
    rounds: int,
    generator: torch.Generator,
    record: Callable[[int, LossParts], None],
) -> Tensor:
    """Ask for objects, then correct each answer with a click; gradients flow.

    Parameters
    ----------
    model : SAM2Base
    asked : Asked
    rounds : int
        1 for no corrections.
    generator : torch.Generator
        Draws the corrections, on the model's device.
    record : callable
        Takes the number of each round and its loss.

    Returns
    -------
    scalar tensor
        Mean loss of the rounds.
    """
    points, kinds, previous = asked.points_xy, asked.kinds, asked.previous
    total = points.new_zeros(())
    for number in range(rounds):
        # A box, or anything known before, leaves no other reading open.
        weight = torch.where(
            asked.clear | (previous is not None), OTHER_WEIGHT_CLEAR, OTHER_WEIGHT_AMBIGUOUS
        )
        logits, iou_pred, parts = _ask(model, asked, points, kinds, previous, weight)
        total = total + parts.total / rounds
        record(number, parts)
        if number + 1 < rounds:
            previous = ranked_first(logits.detach(), iou_pred.detach())
            predicted = at_frame_resolution(previous, asked.target.shape[-1])[:, 0] > 0
            if asked.not_rated is not None:
                predicted = predicted & ~asked.not_rated
            clicks, click_kinds = correction_clicks(predicted, asked.target, generator)
            points = torch.cat([points, clicks[:, None]], dim=1)
            kinds = torch.cat([kinds, click_kinds[:, None]], dim=1)
    return total


def _ask(
    model: SAM2Base,
    asked: Asked,
    points: Tensor,
    kinds: Tensor,
    previous: Tensor | None,
    other_weight: Tensor,
) -> tuple[Tensor, Tensor, LossParts]:
    logits, iou_pred, score = decode_all_masks(
        model, asked.features, points, kinds, masks=previous, frame_index=asked.index
    )
    with torch.autocast(points.device.type, enabled=False):
        logits, iou_pred, score = logits.float(), iou_pred.float(), score.float()
        # Compared pixel by pixel, as the masks are used: at the decoder's own quarter of the
        # resolution nothing would teach it where within a cell an edge lies.
        full = at_frame_resolution(logits, asked.target.shape[-1])
        if asked.not_rated is not None:
            full = full.masked_fill(asked.not_rated.unsqueeze(1), NOT_RATED_LOGIT)
        parts = prompt_loss(full, iou_pred, score, asked.target.float(), other_weight)
    return logits, iou_pred, parts


def ranked_first(logits: Tensor, iou_pred: Tensor) -> Tensor:
    """Logits (N, 1, h, w) of the mask of three that the model ranks first."""
    best = iou_pred[:, 1:].argmax(dim=1) + 1
    return logits[torch.arange(len(logits), device=logits.device), best].unsqueeze(1)


def at_frame_resolution(logits: Tensor, side_px: int) -> Tensor:
    """Bring logits (N, M, S/4, S/4) to (N, M, S, S)."""
    return F.interpolate(logits, size=(side_px, side_px), mode="bilinear", align_corners=False)
