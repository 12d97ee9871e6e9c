"""Which part of the image a click lies in, as a hint to the mask decoder.

Attention over cells of 16 px cannot tell which of many narrow lines was clicked on, nor follow it
across the frame. But an image of a chip falls into two classes, features and spaces, and what is
clicked on is a connected part of one of them. A small head divides the stride-4 features into the
two classes at stride 2; the parts that positive and negative clicks fall into, and those whose
extent is that of a box, are drawn for the decoder, at three thresholds, since a bridge or a gap
decides what is connected. It remains the decoder's to believe them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from segsem.models.components import label_parts

LEVELS = (-1.5, 0.0, 1.5)
"""Logits at which the two classes are cut."""

CELLS = 2
"""Parts are found at this many cells along each stride-4 cell."""

CHANNELS = 3 * len(LEVELS) + 1
HIDDEN = 32

FIT_POWER = 4
"""Exponent of the overlap of a part's extent with a box: near misses are to stand out as such."""


class RegionHints(nn.Module):
    """Turn clicks and stride-4 features into hints at stride 4 and stride 16.

    Parameters
    ----------
    channels : int
        Of the stride-4 features.
    embed_dim : int
        Of the embedding at stride 16.
    """

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        self.classes = nn.Sequential(
            nn.Conv2d(channels, HIDDEN, kernel_size=3, padding=1),
            nn.GELU(),
            nn.Conv2d(HIDDEN, HIDDEN, kernel_size=3, padding=1),
            nn.GELU(),
            nn.Conv2d(HIDDEN, CELLS**2, kernel_size=1),
            nn.PixelShuffle(CELLS),
        )
        self.fine = nn.Sequential(
            nn.Conv2d(CHANNELS * CELLS**2, HIDDEN, kernel_size=3, padding=1),
            nn.GELU(),
            nn.Conv2d(HIDDEN, channels, kernel_size=1),
        )
        self.coarse = nn.Sequential(
            nn.Conv2d(CHANNELS, HIDDEN, kernel_size=4, stride=4),
            nn.GELU(),
            nn.Conv2d(HIDDEN, embed_dim, kernel_size=1),
        )
        # At first the hints change nothing: a model trained without them can go on with them.
        for layers in (self.fine, self.coarse):
            for parameter in layers[-1].parameters():
                nn.init.zeros_(parameter)

    def class_logits(self, feat_s0: Tensor) -> Tensor:
        """Two-class logits (B, 2h, 2w) of stride-4 features (B, C, h, w)."""
        logits: Tensor = self.classes(feat_s0)[:, 0].float()
        return logits

    def forward(
        self, feat_s0: Tensor, clicks: Tensor, boxes: Tensor, frame_index: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw the parts that clicks fall into and that fill boxes.

        Parameters
        ----------
        feat_s0 : (B, C, h, w) tensor
            Stride-4 features of the frames.
        clicks : (N, 2, h, w) tensor
            Blobs at positive and at negative clicks, 1 at their centres.
        boxes : (N, h, w) tensor
            Share of each cell that a box covers; 0 where there is none.
        frame_index : (N,) int tensor, optional
            Frame of each prompt; without it there is one frame, or one for each prompt.

        Returns
        -------
        fine : (N, C, h, w) tensor
        coarse : (N, D, h/4, w/4) tensor
        """
        logits = self.class_logits(feat_s0)
        with torch.no_grad():
            parts = torch.stack([label_parts(logits > level) for level in LEVELS], dim=1)
            fits = _fits(parts, boxes, frame_index)
        if frame_index is not None:
            logits, parts = logits[frame_index], parts[frame_index]
        drawn = torch.cat(
            [
                _drawn(parts, clicks[:, :1]),
                _drawn(parts, clicks[:, 1:]),
                torch.sigmoid(logits).unsqueeze(1).expand(len(clicks), -1, -1, -1),
                fits,
            ],
            dim=1,
        ).to(clicks.dtype)
        fine: Tensor = self.fine(F.pixel_unshuffle(drawn, CELLS))
        coarse: Tensor = self.coarse(F.avg_pool2d(drawn, CELLS))
        return fine, coarse


@torch.no_grad()
def _drawn(parts: Tensor, blobs: Tensor) -> Tensor:
    """Give each part the largest value that a blob has in it: (N, L, 2h, 2w)."""
    count, levels = len(blobs), parts.shape[1]
    fine = F.interpolate(blobs.float(), scale_factor=CELLS, mode="bilinear", align_corners=False)
    values = fine.flatten(2).expand(count, levels, -1)
    names = parts.flatten(2).expand(count, levels, -1)
    strongest = torch.zeros_like(values).scatter_reduce(2, names, values, "amax")
    return strongest.gather(2, names).reshape(count, levels, *parts.shape[2:])


def _fits(parts: Tensor, boxes: Tensor, frame_index: Tensor | None) -> Tensor:
    """Say how well each part's extent is that of the box: (N, L, 2h, 2w), 1 where it is."""
    size = parts.shape[2:]
    if not bool(boxes.any()):
        return torch.zeros(len(boxes), parts.shape[1], *size, device=boxes.device)
    wanted = [_extent(boxes.amax(dim=other)) for other in (2, 1)]
    found = [_extents_of_parts(parts, axis) for axis in (0, 1)]
    overlap = area_found = torch.ones((), device=boxes.device)
    area_wanted = torch.ones(len(boxes), 1, 1, device=boxes.device)
    for (low, high), (start, stop) in zip(wanted, found, strict=True):
        first, last = (v if frame_index is None else v[frame_index] for v in (start, stop))
        low, high = low[:, None, None], high[:, None, None]
        overlap = overlap * (torch.minimum(last, high) - torch.maximum(first, low)).clamp(min=0)
        area_found, area_wanted = area_found * (last - first), area_wanted * (high - low)
    share = overlap / (area_found + area_wanted - overlap).clamp(min=1e-6)
    present = boxes.flatten(1).any(dim=1)[:, None, None]
    return (share**FIT_POWER * present).reshape(len(boxes), parts.shape[1], *size)


def _extent(profile: Tensor) -> tuple[Tensor, Tensor]:
    """Where a covered stretch (N, n) of cells begins and ends, (N,) each, in cells of the parts."""
    covered = profile.float() / profile.amax(dim=1, keepdim=True).float().clamp(min=1e-6)
    first = (covered > 0).float().argmax(dim=1)
    length = covered.sum(dim=1)
    share = covered.gather(1, first[:, None])[:, 0]
    # The first cell is covered up to its end, unless the stretch lies within it.
    low = first + 1.0 - share
    return low * CELLS, (low + length) * CELLS


def _extents_of_parts(parts: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """First and last edge along an axis of the part that each pixel is in: (B, L, 2h * 2w)."""
    names = parts.flatten(2)
    shape = (-1, 1) if axis == 0 else (1, -1)
    at = torch.arange(parts.shape[2 + axis], device=parts.device, dtype=torch.float32)
    where = at.reshape(shape).expand(parts.shape[2:]).flatten().expand(names.shape)
    start = torch.full_like(where, torch.inf).scatter_reduce(2, names, where, "amin")
    stop = torch.full_like(where, -1.0).scatter_reduce(2, names, where, "amax")
    return start.gather(2, names), stop.gather(2, names) + 1.0
