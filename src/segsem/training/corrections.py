"""Correction clicks where the masks are: the deepest place of the larger error."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

DEPTH_PX = 8
"""Depths are told apart up to here; deeper places are as good as each other."""


def correction_clicks(
    predicted: Tensor, target: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Click once into the error of each mask.

    As `prompt_simulation.correction_click`, for many masks at once on their own device.

    Parameters
    ----------
    predicted, target : (N, S, S) bool tensors
    generator : torch.Generator
        On the same device.

    Returns
    -------
    points_xy : (N, 2) float tensor
    labels : (N,) int tensor
        1 where something was missing (or nothing was wrong), 0 where something was too much.
    """
    missing, extra = target & ~predicted, predicted & ~target
    fine = ~(missing | extra).flatten(1).any(dim=1)
    missing = missing | (target & fine[:, None, None])
    depth_missing, depth_extra = _depth(missing), _depth(extra)
    positive = depth_missing.flatten(1).amax(dim=1) >= depth_extra.flatten(1).amax(dim=1)
    depth = torch.where(positive[:, None, None], depth_missing, depth_extra).flatten(1)
    strict = torch.rand(len(depth), 1, generator=generator, device=depth.device) < 0.5
    least = depth.amax(dim=1, keepdim=True) * torch.where(strict, 1.0, 0.5)
    lot = torch.rand(depth.shape, generator=generator, device=depth.device)
    chosen = torch.where((depth >= least) & (depth > 0), lot, -1.0).argmax(dim=1)
    side = predicted.shape[-1]
    points = torch.stack([chosen % side, chosen // side], dim=1).float()
    return points, positive.long()


def _depth(mask: Tensor) -> Tensor:
    """Chessboard distance (N, S, S) to the nearest pixel outside, at most `DEPTH_PX`.

    The frame's border counts as outside.
    """
    left = F.pad(mask.unsqueeze(1).float(), (1, 1, 1, 1))
    depth = left.clone()
    for _ in range(DEPTH_PX - 1):
        left = -F.max_pool2d(-left, kernel_size=3, stride=1, padding=1)
        left = F.pad(left[..., 1:-1, 1:-1], (1, 1, 1, 1))
        depth += left
    return depth[:, 0, 1:-1, 1:-1]
