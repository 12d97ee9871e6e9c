"""SAM2's feature pyramid with what the decoder's first layers make of it, as one linear map.

Between the trunk and the mask decoder everything is linear: 1 x 1 convolutions, upsampling, sums,
and the decoder's own 1 x 1 convolutions of the fine levels. So each wanted map is a sum of
upsampled projections of the trunk's stages, and the projections can be multiplied beforehand.
SAM2's own forward computes 256 channels at the finest level to keep 32 of them, and positional
encodings that images have no use for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812

from segsem.segmentation.inference.layers import Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

N_MAPS = 3
"""Two high-resolution maps and the embedding."""


@dataclass(frozen=True, slots=True)
class _Projection:
    """What one stage gives to one map: weights (O, C) and bias (O,)."""

    target: int
    weight: Tensor
    bias: Tensor


class FoldedNeck:
    """The neck and the first convolutions of the decoder.

    Parameters
    ----------
    model : SAM2Base
        Its weights are read now: later changes are not seen.

    Attributes
    ----------
    taps : list of Linear
        For each stage, fine to coarse: what is needed of it, in float32.
    """

    def __init__(self, model: SAM2Base) -> None:
        neck = model.image_encoder.neck
        self._upsampling: str = neck.fpn_interp_model
        levels = [_stage_projections(model, level) for level in range(len(neck.convs))]
        self._parts = [[(p.target, len(p.bias)) for p in level] for level in levels]
        self.taps = [
            Linear(
                torch.cat([p.weight for p in level]),
                torch.cat([p.bias for p in level]),
                torch.float32,
            )
            for level in levels
        ]

    def __call__(self, tapped: Sequence[Tensor]) -> list[Tensor]:
        """Put the maps together.

        Parameters
        ----------
        tapped : sequence of (B, O, h, w) float32 tensors
            The taps' answers, fine to coarse.

        Returns
        -------
        list of (B, C, h, w) float32 tensors
            Strides 4, 8 and 16.
        """
        maps: dict[int, Tensor] = {}
        for level in reversed(range(len(tapped))):
            pieces = torch.split(tapped[level], [size for _, size in self._parts[level]], dim=1)
            for (target, _), piece in zip(self._parts[level], pieces, strict=True):
                maps[target] = piece + self._enlarged(maps[target]) if target in maps else piece
        return [maps[target].contiguous() for target in range(N_MAPS)]

    def _enlarged(self, small: Tensor) -> Tensor:
        corners = None if self._upsampling == "nearest" else False
        return F.interpolate(small, scale_factor=2.0, mode=self._upsampling, align_corners=corners)


def is_plain_neck(model: SAM2Base) -> bool:
    """Whether a model's neck is one that `FoldedNeck` can stand for."""
    encoder = model.image_encoder
    neck = encoder.neck
    return (
        neck.fuse_type == "sum"
        and encoder.scalp == 1
        and len(neck.convs) == N_MAPS + 1
        and model.num_feature_levels == N_MAPS
        and bool(model.use_high_res_features_in_sam)
        and all(stage.conv.kernel_size == (1, 1) for stage in neck.convs)
    )


def _stage_projections(model: SAM2Base, level: int) -> list[_Projection]:
    """For each map that a stage contributes to: that map's convolution after the neck's."""
    neck = model.image_encoder.neck
    conv = neck.convs[len(neck.convs) - 1 - level].conv
    weight, bias = conv.weight.detach().flatten(1), conv.bias.detach()
    found = []
    for target in range(min(level + 1, N_MAPS)):
        if any(below not in neck.fpn_top_down_levels for below in range(target, level)):
            continue
        after = _convolution_of(model, target)
        own = level == target
        if after is None:
            extra = model.no_mem_embed.detach().flatten() if _adds_no_memory(model, own) else 0.0
            found.append(_Projection(target, weight, bias + extra))
            continue
        matrix = after.weight.detach().flatten(1)
        extra = after.bias.detach() if own and after.bias is not None else 0.0
        found.append(_Projection(target, matrix @ weight, matrix @ bias + extra))
    return found


def _convolution_of(model: SAM2Base, target: int) -> torch.nn.Conv2d | None:
    decoder = model.sam_mask_decoder
    return (decoder.conv_s0, decoder.conv_s1, None)[target]


def _adds_no_memory(model: SAM2Base, own: bool) -> bool:
    return own and bool(model.directly_add_no_mem_embed)
