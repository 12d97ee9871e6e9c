"""What a model may know of a mask before it is asked: a coarse view, or what a neighbour found.

Inference at native resolution hands on masks as `mask_input`: from a wide, reduced window to the
windows in it, and from a window to the next one along a long feature. Training shows both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from segsem.core.types import MaskArray

CELL_PX = 4
"""Frame px per cell of a mask input."""

COARSEST = 8
"""A coarse view has up to so many cells in one."""

STRIP_PX = (12, 96)
"""Widths of a strip that a neighbouring window has answered for."""

MIN_KNOWN_PX = 12
LOGIT_RANGE = (2.0, 12.0)


class Prior(Enum):
    """Kind of previous knowledge."""

    NONE = "none"
    COARSE = "coarse"
    STRIP = "strip"


@dataclass(frozen=True, slots=True)
class PriorSpec:
    """Previous knowledge of N objects.

    Attributes
    ----------
    kind : Prior
    unknown_px : (N, 4) float32
        Rectangle (row0, col0, row1, col1), half-open, of which a strip knows nothing.
    coarseness : (N,) float32
        Cells that a coarse view has in one, along each axis.
    height : (N,) float32
        Logit well inside; minus that well outside.
    """

    kind: Prior
    unknown_px: npt.NDArray[np.float32]
    coarseness: npt.NDArray[np.float32]
    height: npt.NDArray[np.float32]

    @classmethod
    def none(cls, count: int) -> PriorSpec:
        """Nothing is known of any of the objects."""
        zeros = np.zeros(count, dtype=np.float32)
        return cls(Prior.NONE, np.zeros((count, 4), dtype=np.float32), zeros, zeros)


def draw_prior(rng: np.random.Generator, kind: Prior, masks: npt.NDArray[np.bool_]) -> PriorSpec:
    """Draw how much is known of each of N objects; masks is (N, S, S)."""
    if kind is Prior.NONE:
        return PriorSpec.none(len(masks))
    unknown = [_unknown_part(rng, mask) for mask in masks]
    return PriorSpec(
        kind,
        np.array(unknown, dtype=np.float32).reshape(-1, 4),
        np.exp2(rng.integers(1, COARSEST.bit_length(), len(masks))).astype(np.float32),
        rng.uniform(*LOGIT_RANGE, len(masks)).astype(np.float32),
    )


def known_part(mask: MaskArray, unknown_px: npt.NDArray[np.float32]) -> MaskArray:
    """Part of a mask outside the unknown rectangle."""
    row0, col0, row1, col1 = (int(v) for v in unknown_px)
    known = mask.copy()
    known[row0:row1, col0:col1] = False
    return known


def prior_logits(spec: PriorSpec, masks: Tensor, generator: torch.Generator) -> Tensor | None:
    """Render previous logits (N, 1, S/4, S/4) of masks (N, S, S) float; None for no knowledge."""
    if spec.kind is Prior.NONE:
        return None
    share = F.avg_pool2d(masks.unsqueeze(1), CELL_PX)
    height = torch.tensor(spec.height, device=masks.device).reshape(-1, 1, 1, 1)
    if spec.kind is Prior.COARSE:
        share = _coarse(share, torch.tensor(spec.coarseness, device=masks.device), generator)
    logits = (2.0 * share - 1.0) * height
    if spec.kind is Prior.STRIP:
        logits = logits * _known_cells(spec, logits)
    return logits


def _unknown_part(rng: np.random.Generator, mask: MaskArray) -> tuple[int, int, int, int]:
    """Leave strips along one or two sides known, with something of the object in them."""
    size = mask.shape[0]
    for _ in range(6):
        # Whole cells: what a neighbour says of a cell it says of all of it.
        width = int(rng.integers(STRIP_PX[0], min(STRIP_PX[1], size // 2) + 1))
        width = max(width // CELL_PX, 1) * CELL_PX
        rectangle = [0, 0, size, size]
        sides = rng.choice(4, 1 if rng.random() < 0.75 else 2, replace=False)
        for side in sides:
            rectangle[side] = width if side < 2 else size - width
        row0, col0, row1, col1 = rectangle
        hidden = int(mask[row0:row1, col0:col1].sum())
        if int(mask.sum()) - hidden >= MIN_KNOWN_PX:
            return row0, col0, row1, col1
    return 0, 0, 0, 0


def _coarse(share: Tensor, coarseness: Tensor, generator: torch.Generator) -> Tensor:
    """Reduce, shake and enlarge again, each object by its own factor."""
    out = share.clone()
    cells = share.shape[-1]
    for factor in torch.unique(coarseness).tolist():
        chosen = coarseness == factor
        small = F.avg_pool2d(share[chosen], int(factor))
        noise = torch.randn(small.shape, generator=generator, device=share.device)
        # Errors of a coarse answer sit at its edges, where cells are neither in nor out.
        doubt = 4.0 * small * (1.0 - small)
        small = (small + 0.35 * doubt * noise).clamp(0.0, 1.0)
        out[chosen] = F.interpolate(small, size=(cells, cells), mode="bilinear")
    return out


def _known_cells(spec: PriorSpec, logits: Tensor) -> Tensor:
    edges = torch.tensor(spec.unknown_px, device=logits.device) / CELL_PX
    row0, col0, row1, col1 = (edges[:, i, None] for i in range(4))
    at = torch.arange(logits.shape[-1], device=logits.device)[None]
    rows = (at >= row0) & (at < row1)
    cols = (at >= col0) & (at < col1)
    return (~(rows[:, :, None] & cols[:, None, :])).unsqueeze(1).to(logits.dtype)
