"""The image encoder as inference runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.backbones.image_encoder import FpnNeck

from segsem.segmentation.inference.block import is_plain
from segsem.segmentation.inference.neck import FoldedNeck, is_plain_neck
from segsem.segmentation.inference.trunk import Checkpoint, FastTrunk
from segsem.segmentation.sam2_forward import Features

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor


class FastEncoder:
    """Trunk and neck of a SAM2 model, for inference.

    Parameters
    ----------
    model : SAM2Base
        Its weights are read now: later changes are not seen.
    dtype : torch.dtype
        Of the trunk's matrix products: float32, or bfloat16 where the hardware has it.
    """

    def __init__(self, model: SAM2Base, dtype: torch.dtype = torch.float32) -> None:
        with torch.inference_mode():
            self._neck = FoldedNeck(model)
            self._trunk = FastTrunk(model.image_encoder.trunk, self._neck.taps, dtype)

    @torch.inference_mode()
    def __call__(self, pixels: Tensor, checkpoint: Checkpoint | None = None) -> Features:
        """Encode normalised frames, as `sam2_forward.encode_pixels` does.

        Parameters
        ----------
        pixels : (B, 3, S, S) float32 tensor
        checkpoint : callable, optional
            Called every few steps; what it raises ends the encoding.

        Returns
        -------
        Features
            In float32.
        """
        *high_res, embed = self._neck(self._trunk(pixels, checkpoint))
        return Features(embed, high_res)


def can_be_fast(model: SAM2Base) -> bool:
    """Whether `FastEncoder` can stand for a model's own image encoder."""
    encoder = model.image_encoder
    return (
        isinstance(encoder.trunk, Hiera)
        and bool(encoder.trunk.return_interm_layers)
        and isinstance(encoder.neck, FpnNeck)
        and is_plain_neck(model)
        and all(is_plain(block) for block in encoder.trunk.blocks)
    )
