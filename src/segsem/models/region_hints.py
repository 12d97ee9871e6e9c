"""Which part of the image a click lies in, as a hint to the mask decoder.

Attention over cells of 16 px cannot tell which of many narrow lines was clicked on, nor follow it
across the frame. But an image of a chip falls into two classes, features and spaces, and what is
clicked on is a connected part of one of them. A small head divides the stride-4 features into the
two classes at stride 2; the parts that positive and negative clicks fall into, and those whose
extent is that of a box, are drawn for the decoder, at three thresholds, since a bridge or a gap
decides what is connected. Where rims alone are seen, with the same grey on both sides, the two
classes cannot be told apart; so a second head marks edges, and the parts between them, found by
watershed at two depths, are drawn as well. It remains the decoder's to believe any of it.
"""

from __future__ import annotations

import weakref

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from segsem.models.image_division import CELLS, Division, divide, divide_at_edges
from segsem.segmentation.division import CLASS_LEVELS, EDGE_DEPTHS

CHANNELS = 3 * len(CLASS_LEVELS) + 1 + 3 * len(EDGE_DEPTHS) + 1
HIDDEN = 32


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
        self.classes = _head(channels)
        self.edges = _head(channels)
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
        self._last: tuple[weakref.ref[Tensor], tuple[Division, Division]] | None = None
        # At first the hints change nothing: a model trained without them can go on with them.
        for layers in (self.fine, self.coarse):
            for parameter in layers[-1].parameters():
                nn.init.zeros_(parameter)

    def class_logits(self, feat_s0: Tensor) -> Tensor:
        """Two-class logits (B, 2h, 2w) of stride-4 features (B, C, h, w)."""
        logits: Tensor = self.classes(feat_s0)[:, 0].float()
        return logits

    def edge_logits(self, feat_s0: Tensor) -> Tensor:
        """Logits (B, 2h, 2w) of an edge of stride-4 features (B, C, h, w)."""
        logits: Tensor = self.edges(feat_s0)[:, 0].float()
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
        maps = []
        for division in self._divided(feat_s0):
            if frame_index is not None:
                division = division.take(frame_index)
            maps += _drawn(division, clicks, boxes)
        drawn = torch.cat(maps, dim=1).to(clicks.dtype)
        fine: Tensor = self.fine(F.pixel_unshuffle(drawn, CELLS))
        coarse: Tensor = self.coarse(F.avg_pool2d(drawn, CELLS))
        return fine, coarse

    def _divided(self, feat_s0: Tensor) -> tuple[Division, Division]:
        """Divide frames, or give the divisions back that an earlier prompt needed."""
        last = self._last
        if last is not None and last[0]() is feat_s0 and not torch.is_grad_enabled():
            return last[1]
        found = divide(self.class_logits(feat_s0)), divide_at_edges(self.edge_logits(feat_s0))
        self._last = None if torch.is_grad_enabled() else (weakref.ref(feat_s0), found)
        return found


def _drawn(division: Division, clicks: Tensor, boxes: Tensor) -> list[Tensor]:
    """Maps (N, L, H, W) of what clicks and boxes mean in a division, and itself (N, 1, H, W)."""
    shown = torch.sigmoid(division.logits).unsqueeze(1).expand(len(clicks), -1, -1, -1)
    with torch.no_grad():
        positive, negative = (division.clicked(clicks[:, i]) for i in range(2))
        filled = division.filled(boxes)
    return [positive, negative, shown, filled]


def _head(channels: int) -> nn.Sequential:
    """One logit at stride 2 from stride-4 features."""
    return nn.Sequential(
        nn.Conv2d(channels, HIDDEN, kernel_size=3, padding=1),
        nn.GELU(),
        nn.Conv2d(HIDDEN, HIDDEN, kernel_size=3, padding=1),
        nn.GELU(),
        nn.Conv2d(HIDDEN, CELLS**2, kernel_size=1),
        nn.PixelShuffle(CELLS),
    )
