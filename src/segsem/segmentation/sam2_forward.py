"""SAM2's forward pass: the encode and decode functions that training and inference share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

FEATURE_STRIDE = 16
"""Frame px per embedding cell."""

PIXEL_MEAN, PIXEL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""SAM2's input normalisation, of grey values in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Features:
    """What the image encoder sees in B frames of S x S px.

    Attributes
    ----------
    image_embed : (B, C, S/16, S/16) tensor
    high_res : list of (B, C/8, S/4, S/4) and (B, C/4, S/8, S/8) tensors
    """

    image_embed: Tensor
    high_res: list[Tensor]

    @property
    def frame_px(self) -> int:
        """Side S of the frame."""
        return int(self.image_embed.shape[-1]) * FEATURE_STRIDE

    def take(self, index: Tensor) -> Features:
        """Features of the frames named by `index` (N,), one for each prompt."""
        return Features(self.image_embed[index], [level[index] for level in self.high_res])


def normalise_pixels(grey: Tensor) -> Tensor:
    """Bring grey frames (B, S, S) uint8 to what the encoder expects, (B, 3, S, S) float32.

    The value 0 of the result is the grey that padding gets.
    """
    mean = torch.tensor(PIXEL_MEAN, device=grey.device).reshape(1, 3, 1, 1)
    std = torch.tensor(PIXEL_STD, device=grey.device).reshape(1, 3, 1, 1)
    return (grey.unsqueeze(1).float() / 255.0 - mean) / std


def encode_pixels(model: SAM2Base, pixels: Tensor) -> Features:
    """Encode normalised frames; gradients flow.

    Parameters
    ----------
    model : SAM2Base
        From `models.build`.
    pixels : (B, 3, S, S) float tensor
        Normalised by SAM2's mean and standard deviation.

    Returns
    -------
    Features
    """
    levels = model.forward_image(pixels)["backbone_fpn"][-model.num_feature_levels :]
    embed = levels[-1]
    if model.directly_add_no_mem_embed:
        embed = embed + model.no_mem_embed.reshape(1, -1, 1, 1)
    return Features(embed, list(levels[:-1]))


def decode_prompts(
    model: SAM2Base,
    features: Features,
    points: Tensor | None,
    labels: Tensor | None,
    boxes: Tensor | None = None,
    masks: Tensor | None = None,
    multimask: bool = True,
    positions: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Decode N prompts; gradients flow.

    Parameters
    ----------
    model : SAM2Base
    features : Features
        Of one frame for all prompts, or of N frames, one for each prompt.
    points : (N, K, 2) float tensor or None
        (x, y) in frame px, pixel centres at integers.
    labels : (N, K) int tensor or None
        1 foreground, 0 background, -1 padding.
    boxes : (N, 4) float tensor or None
        (x0, y0, x1, y1) in frame px.
    masks : (N, 1, S/4, S/4) float tensor or None
        Logits of an earlier answer.
    multimask : bool
        Three masks, or one.
    positions : (1, C, S/16, S/16) tensor, optional
        `dense_positions` of the frame, where they are at hand.

    Returns
    -------
    low_res_logits : (N, M, S/4, S/4) tensor
    iou_pred : (N, M) tensor
    object_score : (N, 1) tensor
        Logits.
    """
    inputs = _decoder_inputs(model, features, points, labels, boxes, masks, positions)
    logits, iou_pred, _, score = model.sam_mask_decoder(multimask_output=multimask, **inputs)
    return logits, iou_pred, score


def decode_all_masks(
    model: SAM2Base,
    features: Features,
    points: Tensor | None,
    labels: Tensor | None,
    boxes: Tensor | None = None,
    masks: Tensor | None = None,
    frame_index: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Decode all four masks (the single one first) in one pass, as training wants them.

    See `decode_prompts`; M is 4. `frame_index` (N,) is for decoders that take their stride-4
    features by the frame, see `RasterMaskDecoder`.
    """
    inputs = _decoder_inputs(model, features, points, labels, boxes, masks)
    if frame_index is not None:
        inputs["frame_index"] = frame_index
    logits, iou_pred, _, score = model.sam_mask_decoder.predict_masks(**inputs)
    return logits, iou_pred, score


def dense_positions(model: SAM2Base, frame_px: int) -> Tensor:
    """Positional encoding (1, C, S/16, S/16) of a frame's image tokens."""
    positions: Tensor = model.sam_prompt_encoder.get_dense_pe(**_frame(model, frame_px))
    return positions


def point_tokens(
    points: Tensor | None, labels: Tensor | None, boxes: Tensor | None
) -> tuple[Tensor, Tensor] | None:
    """Box corners (labels 2 and 3) before the points, as in SAM2's own predictor."""
    if boxes is None:
        return None if points is None or labels is None else (points, labels)
    corners = boxes.reshape(-1, 2, 2)
    corner_labels = torch.tensor([[2, 3]], device=boxes.device).expand(len(boxes), -1)
    if points is None or labels is None:
        return corners, corner_labels
    return torch.cat([corners, points], dim=1), torch.cat([corner_labels, labels], dim=1)


def _decoder_inputs(
    model: SAM2Base,
    features: Features,
    points: Tensor | None,
    labels: Tensor | None,
    boxes: Tensor | None,
    masks: Tensor | None,
    positions: Tensor | None = None,
) -> dict[str, Any]:
    tokens = point_tokens(points, labels, boxes)
    frame_px = features.frame_px
    sparse, dense = model.sam_prompt_encoder(
        points=tokens, boxes=None, masks=masks, **_frame(model, frame_px)
    )
    return {
        "image_embeddings": features.image_embed,
        "image_pe": dense_positions(model, frame_px) if positions is None else positions,
        "sparse_prompt_embeddings": sparse,
        "dense_prompt_embeddings": dense,
        "repeat_image": features.image_embed.shape[0] != sparse.shape[0],
        "high_res_features": features.high_res,
    }


def _frame(model: SAM2Base, frame_px: int) -> dict[str, int]:
    # Only our own prompt encoder knows other frames than the one it was built for.
    return {} if frame_px == model.image_size else {"frame_px": frame_px}
