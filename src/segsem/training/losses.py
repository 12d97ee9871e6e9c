"""SAM2's losses: 20 focal + dice + IoU + object score, back-propagated through the best mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

FOCAL_WEIGHT = 20.0
FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 2.0


@dataclass(frozen=True, slots=True)
class LossParts:
    """Weighted loss of N prompts and its parts, scalars, and what the masks were worth.

    Attributes
    ----------
    total, focal, dice, iou, score : scalar tensors
    best_iou, ranked_iou : scalar tensors
        Mean IoU of the best of the three masks, and of the one the model ranked first.
    """

    total: Tensor
    focal: Tensor
    dice: Tensor
    iou: Tensor
    score: Tensor
    best_iou: Tensor
    ranked_iou: Tensor


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean focal loss over the last two axes.

    Parameters
    ----------
    logits : (..., h, w) tensor
    target : (..., h, w) tensor
        Foreground share of each cell, in [0, 1].

    References
    ----------
    Lin et al., "Focal loss for dense object detection", ICCV 2017.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = torch.sigmoid(logits)
    miss = probability + target - 2.0 * probability * target
    alpha = FOCAL_ALPHA * target + (1.0 - FOCAL_ALPHA) * (1.0 - target)
    return (alpha * cross_entropy * miss**FOCAL_GAMMA).mean(dim=(-2, -1))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice loss over the last two axes, with 1 added above and below as in SAM2."""
    probability = torch.sigmoid(logits)
    overlap = (probability * target).sum(dim=(-2, -1))
    total = probability.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    return 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)


def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU over the last two axes of `logits > 0` with `target > 0.5`; 1 where both are empty."""
    predicted, wanted = logits > 0, target > 0.5
    overlap = (predicted & wanted).sum(dim=(-2, -1)).float()
    union = (predicted | wanted).sum(dim=(-2, -1)).float()
    return torch.where(union > 0, overlap / union.clamp(min=1.0), 1.0)


def two_class_loss(logits: Tensor, share: Tensor) -> Tensor:
    """Cross-entropy of dividing frames into two classes, whichever of them is called the first.

    Parameters
    ----------
    logits : (B, h, w) tensor
    share : (B, h, w) tensor
        Share of each cell that is of one class, in [0, 1].

    Returns
    -------
    scalar tensor
        An image does not tell which of its two greys is the feature: for each frame, the naming
        that fits better counts.
    """
    ways = [
        F.binary_cross_entropy_with_logits(signed, share, reduction="none").mean(dim=(-2, -1))
        for signed in (logits, -logits)
    ]
    return torch.minimum(*ways).mean()


def edge_cells(labels: Tensor, size: int) -> Tensor:
    """Cells of a coarser grid that an edge between labels passes through or touches.

    Parameters
    ----------
    labels : (B, S, S) tensor
    size : int
        Cells along each side of the grid; S is an even multiple of it.

    Returns
    -------
    (B, size, size) float tensor
        1 where pixels of the cell, or of a margin of half of it, differ in their label.
    """
    cell = labels.shape[-1] // size
    values = labels[:, None].float()
    high, low = (
        sign * F.max_pool2d(sign * values, 2 * cell, stride=cell, padding=cell // 2)
        for sign in (1.0, -1.0)
    )
    return (high != low)[:, 0].float()


def prompt_loss(
    logits: Tensor,
    iou_pred: Tensor,
    score: Tensor,
    target: Tensor,
    other_weight: Tensor,
    single_weight: float = 0.5,
) -> LossParts:
    """Loss of one round of prompts.

    Parameters
    ----------
    logits : (N, 4, h, w) tensor
        The single mask and the three masks, at the target's resolution.
    iou_pred : (N, 4) tensor
        The model's own estimates; supervised on all four.
    score : (N, 1) tensor
        Object score logits.
    target : (N, h, w) tensor
        Foreground share of each cell.
    other_weight : (N,) tensor
        Weight of the two masks that are not the best of the three: 0 for an ambiguous prompt,
        where they are to stay free for other readings of it.
    single_weight : float
        Weight of the single mask.

    Returns
    -------
    LossParts
    """
    wanted = target.unsqueeze(1).expand_as(logits)
    focal, dice = focal_loss(logits, wanted), dice_loss(logits, wanted)
    with torch.no_grad():
        actual = mask_iou(logits, wanted)
        rows = torch.arange(len(logits), device=logits.device)
        best = (FOCAL_WEIGHT * focal + dice)[:, 1:].argmin(dim=1) + 1
        ranked = iou_pred[:, 1:].argmax(dim=1) + 1
        weights = other_weight.unsqueeze(1).repeat(1, logits.shape[1])
        weights[:, 0] = single_weight
        weights[rows, best] = 1.0
        weights /= weights.sum(dim=1, keepdim=True)
    focal_mean = (weights * focal).sum(dim=1).mean()
    dice_mean = (weights * dice).sum(dim=1).mean()
    iou_mean = F.l1_loss(iou_pred, actual)
    present = (target.amax(dim=(-2, -1)) > 0.5).float().unsqueeze(1)
    score_mean = F.binary_cross_entropy_with_logits(score, present)
    total = FOCAL_WEIGHT * focal_mean + dice_mean + iou_mean + score_mean
    return LossParts(
        total,
        focal_mean.detach(),
        dice_mean.detach(),
        iou_mean.detach(),
        score_mean.detach(),
        actual[:, 1:].amax(dim=1).mean(),
        actual[rows, ranked].mean(),
    )
