"""A SAM2 model as inference runs it: the quick paths where they can stand for its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from segsem.segmentation.inference.decoder import FastDecoder, PreparedFrame, can_decode_fast
from segsem.segmentation.inference.encoder import FastEncoder, can_be_fast
from segsem.segmentation.inference.precision import choose_precision
from segsem.segmentation.sam2_forward import (
    Features,
    decode_prompts,
    dense_positions,
    encode_pixels,
    point_tokens,
)

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor


class ModelRunner:
    """Encode and decode without gradients.

    Parameters
    ----------
    model : SAM2Base
        On its device, in evaluation mode. Its weights are read now: later changes are not seen.
    precision : str
        Of the image encoder: `auto`, `fp32` or `bf16`, see `choose_precision`. Features and the
        decoder are float32 always.
    release : bool
        Take the image encoder out of the model where nothing needs it any more, and what is for
        video only: just one copy of the weights is held then, and the model is good for nothing
        else.
    """

    def __init__(self, model: SAM2Base, precision: str = "auto", release: bool = False) -> None:
        self._model = model
        self._device = torch.device(model.device)
        self.precision = choose_precision(precision, model, self._device)
        fast = can_be_fast(model)
        self._encoder = FastEncoder(model, self.precision.dtype) if fast else None
        self._decoder = FastDecoder(model) if can_decode_fast(model) else None
        if release and fast:
            model.image_encoder = nn.Identity()
            model.memory_attention = model.memory_encoder = None
        # What does not depend on the prompt, of the frame that was asked about last.
        self._last: tuple[Features, PreparedFrame] | None = None
        self._positions: dict[int, Tensor] = {}

    @torch.inference_mode()
    def encode(self, pixels: Tensor, checkpoint: Callable[[], None] | None = None) -> Features:
        """Encode normalised frames (B, 3, S, S); features are float32.

        `checkpoint` is called every few steps; what it raises ends the encoding.
        """
        if self._encoder is not None:
            return self._encoder(pixels, checkpoint)
        if checkpoint is not None:
            checkpoint()
        dtype = self.precision.dtype
        with torch.autocast(self._device.type, dtype, enabled=dtype != torch.float32):
            features = encode_pixels(self._model, pixels)
        high_res = [level.float() for level in features.high_res]
        return Features(features.image_embed.float(), high_res)

    @torch.inference_mode()
    def decode(
        self,
        features: Features,
        points: Tensor | None,
        labels: Tensor | None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        multimask: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Decode N prompts on one frame, see `sam2_forward.decode_prompts`.

        Returns
        -------
        low_res_logits : (N, M, S/4, S/4) tensor
        iou_pred : (N, M) tensor
        """
        if self._decoder is not None:
            tokens = point_tokens(points, labels, boxes)
            return self._decoder(self._prepared(features), tokens, masks, multimask)
        logits, iou_pred, _ = decode_prompts(
            self._model,
            features,
            points,
            labels,
            boxes,
            masks,
            multimask,
            positions=self._positions_of(features),
        )
        return logits, iou_pred

    @torch.inference_mode()
    def divide(self, features: Features) -> tuple[Tensor, Tensor] | None:
        """Two-class logits and edge probability (S/2, S/2) of a frame; None without such heads."""
        hints = getattr(self._model.sam_mask_decoder, "region_hints", None)
        if hints is None:
            return None
        feat_s0 = features.high_res[0].float()
        return hints.class_logits(feat_s0)[0], torch.sigmoid(hints.edge_logits(feat_s0))[0]

    def _prepared(self, features: Features) -> PreparedFrame:
        assert self._decoder is not None
        last = self._last
        if last is not None and last[0] is features:
            return last[1]
        # Let go of the old one first.
        self._last = last = None
        prepared = self._decoder.prepare(features)
        self._last = (features, prepared)
        return prepared

    def _positions_of(self, features: Features) -> Tensor:
        side = features.frame_px
        if side not in self._positions:
            self._positions[side] = dense_positions(self._model, side)
        return self._positions[side]
