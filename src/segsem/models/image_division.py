"""An image divided into two classes, its connected parts, and which of them a prompt means.

Divided by the grey of its parts, or by the edges between them: images that show rims alone have
the same grey on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from segsem.models.components import basins, label_parts
from segsem.segmentation.division import CLASS_LEVELS, DIVISION_PX, EDGE_DEPTHS

CELLS = 4 // DIVISION_PX
"""Parts are found at this many cells along each stride-4 cell."""

FIT_POWER = 4
"""Exponent of the overlap of a part's extent with a box: near misses are to stand out as such."""

FAINT = 0.02
"""A blob ends where it is fainter."""


@dataclass(frozen=True, slots=True)
class Division:
    """B frames of H x W cells and the parts they consist of at each of L levels.

    Attributes
    ----------
    logits : (B, H, W) tensor
        Of the two classes.
    names : (B, L, H * W) int64 tensor
        Part of each cell, from 0 to below P.
    extents : (B, L, 4, P) tensor
        First and last edge along rows, then along columns, of each part, in cells.
    """

    logits: Tensor
    names: Tensor
    extents: Tensor

    def take(self, index: Tensor) -> Division:
        """Give the frames named by `index` (N,), one for each prompt."""
        return Division(self.logits[index], self.names[index], self.extents[index])

    def clicked(self, blobs: Tensor) -> Tensor:
        """Give each part the largest value that a blob has in it.

        Parameters
        ----------
        blobs : (N, h, w) tensor
            At stride 4.

        Returns
        -------
        (N, L, H, W) tensor
        """
        fine = F.interpolate(
            blobs.unsqueeze(1).float(), scale_factor=CELLS, mode="bilinear", align_corners=False
        ).flatten(1)
        prompt, cell = torch.nonzero(fine > FAINT, as_tuple=True)
        levels = self.names.shape[1]
        strongest = fine.new_zeros(len(blobs), levels, self.extents.shape[3])
        if len(prompt) == 0:
            return self._shown(strongest)
        frame = prompt if len(self.names) > 1 else torch.zeros_like(prompt)
        name = self.names[frame, :, cell]
        level = torch.arange(levels, device=fine.device)
        slot = (prompt[:, None] * levels + level) * strongest.shape[2] + name
        value = fine[prompt, cell][:, None].expand_as(slot)
        strongest.view(-1).scatter_reduce_(0, slot.flatten(), value.flatten(), "amax")
        return self._shown(strongest)

    def filled(self, boxes: Tensor) -> Tensor:
        """Say how well each part's extent is that of the box.

        Parameters
        ----------
        boxes : (N, h, w) tensor
            Share of each stride-4 cell that the box covers; 0 where there is none.

        Returns
        -------
        (N, L, H, W) tensor
            1 where the part's extent is the box's.
        """
        present = boxes.flatten(1).any(dim=1)
        if not bool(present.any()):
            return self._shown(boxes.new_zeros(len(boxes), self.names.shape[1], 1))
        shared, own, wanted = [], [], []
        for axis, other in ((0, 2), (1, 1)):
            low, high = (edge[:, None, None] for edge in _extent(boxes.amax(dim=other)))
            first, last = self.extents[:, :, 2 * axis], self.extents[:, :, 2 * axis + 1]
            shared.append((torch.minimum(last, high) - torch.maximum(first, low)).clamp(min=0))
            own.append(last - first)
            wanted.append(high - low)
        overlap = shared[0] * shared[1]
        union = own[0] * own[1] + wanted[0] * wanted[1] - overlap
        share = overlap / union.clamp(min=1e-6)
        return self._shown(share**FIT_POWER * present[:, None, None])

    def _shown(self, of_part: Tensor) -> Tensor:
        """Bring values (N, L, P) of parts to their cells; one value stands for all parts."""
        count, levels, parts = of_part.shape
        size = self.logits.shape[1:]
        if parts == 1:
            return of_part[..., None].expand(-1, -1, *size)
        names = self.names.expand(count, -1, -1)
        return of_part.gather(2, names).reshape(count, levels, *size)


def divide(logits: Tensor) -> Division:
    """Divide frames by the logits (B, H, W) of two classes; the logits keep their gradient."""
    with torch.no_grad():
        names = torch.stack([label_parts(logits > level) for level in CLASS_LEVELS], dim=1)
    return _measured(logits, names)


def divide_at_edges(logits: Tensor) -> Division:
    """Divide frames by the logits (B, H, W) of edges; the logits keep their gradient.

    A faint stretch of an edge parts what lies beside it as well as a strong one does, unlike with
    a threshold, as long as it is a ridge.
    """
    with torch.no_grad():
        names = basins(torch.sigmoid(logits), EDGE_DEPTHS)
    return _measured(logits, names)


@torch.no_grad()
def _measured(logits: Tensor, names: Tensor) -> Division:
    """Find the extents of the parts named by (B, L, H, W)."""
    flat = names.flatten(2)
    count = int(flat.max()) + 1
    edges = []
    for axis in (0, 1):
        at = torch.arange(names.shape[2 + axis], device=names.device, dtype=torch.float32)
        where = at.reshape((-1, 1) if axis == 0 else (1, -1)).expand(names.shape[2:])
        where = where.flatten().expand(flat.shape)
        start = where.new_full((*flat.shape[:2], count), torch.inf)
        stop = where.new_full((*flat.shape[:2], count), -1.0)
        edges.append(start.scatter_reduce(2, flat, where, "amin"))
        edges.append(stop.scatter_reduce(2, flat, where, "amax") + 1.0)
    extents = torch.stack(edges, dim=2)
    # Names that no part has: an extent without area, that fits no box.
    extents = torch.where(torch.isfinite(extents), extents, 0.0)
    return Division(logits, flat, extents)


def _extent(profile: Tensor) -> tuple[Tensor, Tensor]:
    """Where a covered stretch (N, n) of stride-4 cells begins and ends, (N,) each, in our cells."""
    covered = profile.float() / profile.amax(dim=1, keepdim=True).float().clamp(min=1e-6)
    first = (covered > 0).float().argmax(dim=1)
    share = covered.gather(1, first[:, None])[:, 0]
    # The first cell is covered up to its end, unless the stretch lies within it.
    low = first + 1.0 - share
    return low * CELLS, (low + covered.sum(dim=1)) * CELLS
