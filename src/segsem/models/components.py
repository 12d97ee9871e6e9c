"""Connected parts of two-valued maps, on whatever device they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage as ndi
from torch import Tensor

from segsem.segmentation.basins import basins as basins_of_image

ROUNDS = 48
"""Rounds of label propagation on a GPU; each doubles how far a label has come along a band."""


def label_parts(inside: Tensor) -> Tensor:
    """Name the 4-connected parts, those of the inside and those of the outside.

    Parameters
    ----------
    inside : (B, H, W) bool tensor

    Returns
    -------
    (B, H, W) int64 tensor
        Equal where two pixels belong to one part, within [0, H * W). On a GPU, windings longer
        than `ROUNDS` reach may come out in pieces.
    """
    if inside.device.type == "cpu":
        return _by_scipy(inside)
    return _by_propagation(inside)


def basins(heights: Tensor, depths: Sequence[float]) -> Tensor:
    """Name the basins of heights that are deep enough, and share all pixels among them.

    Parameters
    ----------
    heights : (B, H, W) tensor
        In [0, 1]; see `segmentation.basins`.
    depths : sequence of float
        A basin shallower than this belongs to its neighbour.

    Returns
    -------
    (B, L, H, W) int64 tensor
        Within [0, H * W), one map for each of the L depths.
    """
    planes = heights.float().cpu().numpy()
    # Numbers count from 1.
    found = np.stack([basins_of_image(plane, depths) - 1 for plane in planes])
    return torch.from_numpy(found).to(heights.device)


def _by_scipy(inside: Tensor) -> Tensor:
    parts = np.empty(inside.shape, dtype=np.int64)
    for i, plane in enumerate(inside.numpy()):
        features, count = ndi.label(plane)
        gaps, _ = ndi.label(~plane)
        # From 0 on: at most one part for each pixel, so that names stay below H * W.
        parts[i] = np.where(plane, features - 1, gaps + count - 1)
    return torch.from_numpy(parts)


def _by_propagation(inside: Tensor) -> Tensor:
    count, height, width = inside.shape
    names = torch.arange(height * width, device=inside.device).reshape(1, height, width)
    names = names.expand(count, -1, -1).contiguous()
    same_row = inside[:, :, 1:] == inside[:, :, :-1]
    same_col = inside[:, 1:] == inside[:, :-1]
    for _ in range(ROUNDS):
        for axis, same in ((2, same_row), (1, same_col)):
            low = names.narrow(axis, 0, names.shape[axis] - 1)
            high = names.narrow(axis, 1, names.shape[axis] - 1)
            larger = torch.maximum(low, high)
            low_new, high_new = torch.where(same, larger, low), torch.where(same, larger, high)
            names = names.clone()
            names.narrow(axis, 0, names.shape[axis] - 1).copy_(low_new)
            tail = names.narrow(axis, 1, names.shape[axis] - 1)
            tail.copy_(torch.maximum(tail, high_new))
        # A name is a pixel of the same part: taking over that pixel's name jumps ahead.
        names = names.flatten(1).gather(1, names.flatten(1)).reshape(names.shape)
    return names
