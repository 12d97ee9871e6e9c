"""SAM2's mask decoder for inference: one preparation for an image, then one quick answer a prompt.

The same function as the module's own forward (held to it by tests). Image tokens stay tokens up to
the logits: a transposed convolution whose kernel is its stride is a linear layer for each token,
and a norm over channels is then an ordinary layer norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam.prompt_encoder import PromptEncoder
from sam2.modeling.sam.transformer import TwoWayTransformer
from torch import nn

from segsem.segmentation.inference.layers import Linear
from segsem.segmentation.inference.transformer import FastTransformer, Projected

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from segsem.segmentation.sam2_forward import Features

TOKENS_AT_ONCE = 1024
"""Tokens that are enlarged to logits at once, 16 cells each: they stay in the cache."""


@dataclass(frozen=True, slots=True)
class PreparedFrame:
    """What all prompts on one image share.

    Attributes
    ----------
    size : (int, int)
        (h, w) of the image tokens.
    image : (1, T, C) tensor
        Image tokens, with the embedding of no mask.
    embed : (1, T, C) tensor
        Image tokens alone.
    projected : Projected
        Of `image`, for the first layer.
    fine, finest : (1, T, 4, C/4) and (1, T, 16, C/8) tensors
        High-resolution features in the order of the tokens.
    """

    size: tuple[int, int]
    image: Tensor
    embed: Tensor
    projected: Projected
    fine: Tensor
    finest: Tensor


class FastDecoder:
    """Prompt encoder and mask decoder of an official SAM2 model, for inference.

    Parameters
    ----------
    model : SAM2Base
        Its weights are read now: later changes are not seen.
    """

    def __init__(self, model: SAM2Base) -> None:
        self._encoder = model.sam_prompt_encoder
        self._decoder = decoder = model.sam_mask_decoder
        with torch.inference_mode():
            self._transformer = FastTransformer(decoder.transformer)
            first, self._norm, _, second, _ = decoder.output_upscaling
            self._enlarge_first, self._enlarge_second = _per_token(first), _per_token(second)
            self._positions = _tokens(self._encoder.get_dense_pe())
            parts = [decoder.iou_token.weight, decoder.mask_tokens.weight]
            parts = [decoder.obj_score_token.weight, *parts] if decoder.pred_obj_scores else parts
            self._own_tokens = torch.cat(parts).unsqueeze(0)
            self._first_own = len(parts) - 2

    @torch.inference_mode()
    def prepare(self, features: Features) -> PreparedFrame:
        """Compute what does not depend on the prompt, for features of one frame."""
        embed = _tokens(features.image_embed)
        image = embed + self._encoder.no_mask_embed.weight
        finest, fine = features.high_res
        return PreparedFrame(
            size=(features.image_embed.shape[-2], features.image_embed.shape[-1]),
            image=image,
            embed=embed,
            projected=self._transformer.project(image, self._positions),
            fine=_sub_tokens(fine, 1),
            finest=_sub_tokens(finest, 2),
        )

    @torch.inference_mode()
    def __call__(
        self,
        frame: PreparedFrame,
        points: tuple[Tensor, Tensor] | None,
        masks: Tensor | None,
        multimask: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Decode N prompts.

        Parameters
        ----------
        frame : PreparedFrame
        points : ((N, K, 2), (N, K)) tensors or None
            (x, y) in frame px and SAM2's labels, box corners among them.
        masks : (N, 1, S/4, S/4) tensor or None
            Logits of an earlier answer.
        multimask : bool
            Three masks, or one.

        Returns
        -------
        low_res_logits : (N, M, S/4, S/4) tensor
        iou_pred : (N, M) tensor
        """
        sparse, dense = self._encoder(points=points, boxes=None, masks=masks)
        tokens = torch.cat([self._own_tokens.expand(len(sparse), -1, -1), sparse], dim=1)
        image, projected = frame.image, frame.projected
        if masks is not None:
            image = frame.embed + _tokens(dense)
            projected = self._transformer.project(image, self._positions)
        tokens, image = self._transformer(image, self._positions, tokens, projected)
        return self._answers(frame, tokens, image, multimask)

    def _answers(
        self, frame: PreparedFrame, tokens: Tensor, image: Tensor, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        decoder, own = self._decoder, self._first_own
        wanted = range(1, decoder.num_mask_tokens) if multimask else range(decoder.num_mask_tokens)
        iou_pred = decoder.iou_prediction_head(tokens[:, own])
        heads = decoder.output_hypernetworks_mlps
        weights = torch.stack([heads[i](tokens[:, own + 1 + i]) for i in wanted], dim=-1)
        logits = self._logits(frame, image, weights)
        if multimask:
            return logits, iou_pred[:, 1:]
        if decoder.dynamic_multimask_via_stability:
            answer: tuple[Tensor, Tensor] = decoder._dynamic_multimask_via_stability(
                logits, iou_pred
            )
            return answer
        return logits[:, :1], iou_pred[:, :1]

    def _logits(self, frame: PreparedFrame, image: Tensor, weights: Tensor) -> Tensor:
        """Image tokens (N, T, C) and mask weights (N, C/8, M) to logits (N, M, 4 h, 4 w)."""
        parts = []
        for first in range(0, image.shape[1], TOKENS_AT_ONCE):
            part = slice(first, first + TOKENS_AT_ONCE)
            x = torch.unflatten(self._enlarge_first(image[:, part]), -1, (4, -1))
            x = x.add_(frame.fine[:, part])
            norm = self._norm
            x = F.gelu(F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps))
            x = torch.unflatten(self._enlarge_second(x), -1, (4, -1)).flatten(2, 3)
            x = F.gelu(x.add_(frame.finest[:, part]))
            parts.append(torch.matmul(x.flatten(1, 2), weights))
        n_prompts, _, n_masks = weights.shape
        height, width = frame.size
        # Cells of a token: (row, column) of the first enlargement, then of the second.
        grid = torch.cat(parts, dim=1).reshape(n_prompts, height, width, 2, 2, 2, 2, n_masks)
        ordered = grid.permute(0, 7, 1, 3, 5, 2, 4, 6)
        return ordered.reshape(n_prompts, n_masks, 4 * height, 4 * width)


def can_decode_fast(model: SAM2Base) -> bool:
    """Whether `FastDecoder` can stand for a model's own prompt encoder and mask decoder."""
    decoder = model.sam_mask_decoder
    if type(decoder) is not MaskDecoder or type(model.sam_prompt_encoder) is not PromptEncoder:
        return False
    return (
        type(decoder.transformer) is TwoWayTransformer
        and bool(decoder.use_high_res_features)
        and all(
            isinstance(decoder.output_upscaling[i], nn.GELU)
            and decoder.output_upscaling[i].approximate == "none"
            for i in (2, 4)
        )
    )


def _per_token(convolution: nn.ConvTranspose2d) -> Linear:
    """Make a transposed 2 x 2 convolution of stride 2 a linear layer to (2, 2, C') values."""
    assert convolution.bias is not None
    weight = convolution.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)
    return Linear(weight, convolution.bias.detach().repeat(4), torch.float32)


def _tokens(maps: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h w, C), contiguous."""
    return maps.flatten(2).transpose(1, 2).contiguous()


def _sub_tokens(maps: Tensor, times: int) -> Tensor:
    """Maps (B, C, 2^t h, 2^t w) to (B, h w, 4^t, C), cells in the order of `times` doublings."""
    batch, channels, height, width = maps.shape
    scale = 2**times
    halves = [2] * times
    split = maps.reshape(batch, channels, height // scale, *halves, width // scale, *halves)
    rows = list(range(3, 3 + times))
    cols = list(range(4 + times, 4 + 2 * times))
    cells = [axis for pair in zip(rows, cols, strict=True) for axis in pair]
    ordered = split.permute(0, 2, 3 + times, *cells, 1)
    return ordered.flatten(1, 2).flatten(2, 1 + 2 * times).contiguous()
