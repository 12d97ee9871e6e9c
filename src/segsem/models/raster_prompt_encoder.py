"""SAM2's prompt encoder and mask decoder with the prompts drawn into the dense path as well.

SAM2 describes prompts by a few tokens and leaves it to attention to relate them to places in the
image, which takes very long to learn from scratch. Here the same prompts are also rasterised at
the mask-input resolution (a quarter of the frame): box filled, positive and negative points as
small Gaussian blobs, and the previous logits. A small convolution brings them into the dense
embedding, where SAM2 adds its own mask input, and the raster itself travels along in extra
channels of the dense embedding up to the decoder's stride-4 features. Callers see SAM2's own
interface; the raster is a property of the model.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam.prompt_encoder import PromptEncoder
from sam2.modeling.sam2_utils import LayerNorm2d
from torch import Tensor, nn

from segsem.models.region_hints import RegionHints

RASTER_CHANNELS = 6
"""Box, positive points, negative points, previous logits, surroundings of the positive points."""

BOX_CHANNEL, CLICK_CHANNELS = 0, slice(1, 3)
"""The box, and positive and negative points, among them."""

MASK_STRIDE = 4
"""Frame px per cell of the mask input."""

CELLS_PER_TOKEN = 4
"""Mask-input cells per side of one dense embedding (stride 16)."""

BLOB_SIGMA_CELLS = 1.0
NEAR_SIGMA_CELLS, FAR_SIGMA_CELLS = 4.0, 12.0
"""Surroundings of a click: without them like objects far away answer to it as well."""

LOGIT_SCALE = 4.0
"""Previous logits enter the raster as tanh(logits / LOGIT_SCALE)."""

NEGATIVE, POSITIVE, BOX_START, BOX_END = 0, 1, 2, 3
"""SAM2's labels of point tokens."""


class RasterPromptEncoder(PromptEncoder):  # type: ignore[misc]
    """SAM2's prompt encoder for any square frame, with rasterised prompts in the dense path.

    Dense embeddings have `RASTER_CHANNELS * CELLS_PER_TOKEN**2` channels more than SAM2's;
    `RasterMaskDecoder` takes them off again.

    Parameters
    ----------
    embed_dim : int
        Channels of the embeddings.
    frame_px : int
        Side of the frame that is assumed where a call names none.
    mask_in_chans : int
        Hidden channels of the mask-input convolutions, as in SAM2.
    """

    any_frame = True
    """Calls may name another frame than the one assumed."""

    def __init__(self, embed_dim: int, frame_px: int, mask_in_chans: int = 16) -> None:
        tokens = frame_px // (MASK_STRIDE * CELLS_PER_TOKEN)
        super().__init__(embed_dim, (tokens, tokens), (frame_px, frame_px), mask_in_chans)
        self.raster_downscaling = nn.Sequential(
            nn.Conv2d(RASTER_CHANNELS, mask_in_chans, kernel_size=2, stride=2),
            LayerNorm2d(mask_in_chans),
            nn.GELU(),
            nn.Conv2d(mask_in_chans, 2 * mask_in_chans, kernel_size=2, stride=2),
            LayerNorm2d(2 * mask_in_chans),
            nn.GELU(),
            nn.Conv2d(2 * mask_in_chans, embed_dim, kernel_size=1),
        )

    def get_dense_pe(self, frame_px: int | None = None) -> Tensor:
        """Positional encoding (1, C, h, w) of the dense embedding of a frame."""
        tokens = (frame_px or self.input_image_size[0]) // (MASK_STRIDE * CELLS_PER_TOKEN)
        encoding: Tensor = self.pe_layer((tokens, tokens))
        return encoding.unsqueeze(0)

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        masks: Tensor | None,
        frame_px: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Embed prompts given in px of a square frame.

        Parameters
        ----------
        points : ((B, N, 2), (B, N)) tensors or None
            Points as (x, y) in frame px and SAM2's labels: 0 and 1 points, 2 and 3 box corners,
            -1 padding.
        boxes : (B, 4) tensor or None
            (x0, y0, x1, y1) in frame px.
        masks : (B, 1, S/4, S/4) tensor or None
            Previous logits.
        frame_px : int, optional
            Side S of the frame.

        Returns
        -------
        sparse : (B, K, C) tensor
        dense : (B, C + 96, S/16, S/16) tensor
        """
        frame = frame_px or self.input_image_size[0]
        n_prompts = self._get_batch_size(points, boxes, masks)
        sparse = self._sparse(points, boxes, frame, n_prompts)
        raster = self.rasterise(points, boxes, masks, frame, n_prompts)
        dense = self.raster_downscaling(raster)
        if masks is None:
            dense = dense + self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        else:
            dense = dense + self._embed_masks(masks)
        return sparse, torch.cat([dense, F.pixel_unshuffle(raster, CELLS_PER_TOKEN)], dim=1)

    def _sparse(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        frame_px: int,
        n_prompts: int,
    ) -> Tensor:
        # SAM2 divides by its own fixed frame: coordinates are brought into that frame first.
        scale = self.input_image_size[0] / frame_px
        tokens = [torch.empty((n_prompts, 0, self.embed_dim), device=self._get_device())]
        if points is not None:
            coords = (points[0] + 0.5) * scale - 0.5
            tokens.append(self._embed_points(coords, points[1], pad=boxes is None))
        if boxes is not None:
            tokens.append(self._embed_boxes((boxes + 0.5) * scale - 0.5))
        return torch.cat(tokens, dim=1)

    def rasterise(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        masks: Tensor | None,
        frame_px: int,
        n_prompts: int,
    ) -> Tensor:
        """Draw prompts: (B, RASTER_CHANNELS, S/4, S/4), all in [-1, 1]."""
        cells = frame_px // MASK_STRIDE
        device = self._get_device()
        box = torch.zeros((n_prompts, cells, cells), device=device)
        positive, negative, near, far = (torch.zeros_like(box) for _ in range(4))
        if boxes is not None:
            box = _box_coverage(boxes[:, :2], boxes[:, 2:], cells)
        if points is not None:
            coords, labels = points
            clicked = labels == POSITIVE
            positive = _blobs(coords, clicked, cells)
            negative = _blobs(coords, labels == NEGATIVE, cells)
            near = _blobs(coords, clicked, cells, NEAR_SIGMA_CELLS)
            far = _blobs(coords, clicked, cells, FAR_SIGMA_CELLS)
            box = torch.maximum(box, _box_of_tokens(coords, labels, cells))
        previous = torch.zeros_like(box) if masks is None else torch.tanh(masks[:, 0] / LOGIT_SCALE)
        return torch.stack([box, positive, negative, previous, near, far], dim=1)


class RasterMaskDecoder(MaskDecoder):  # type: ignore[misc]
    """SAM2's mask decoder that also lets its stride-4 features see the rasterised prompts."""

    def __init__(self, *, transformer_dim: int, **options: Any) -> None:
        super().__init__(transformer_dim=transformer_dim, **options)
        channels = transformer_dim // 8
        self.raster_s0 = nn.Sequential(
            nn.Conv2d(RASTER_CHANNELS, channels, kernel_size=3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels, channels, kernel_size=1),
        )
        self.region_hints = RegionHints(channels, transformer_dim)

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        repeat_image: bool,
        high_res_features: list[Tensor] | None = None,
        frame_index: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predict all four masks; see `MaskDecoder.predict_masks`.

        With `frame_index` (N,), the stride-4 features are those of the frames rather than of the
        prompts: training asks for many objects of each frame.
        """
        if high_res_features is None:
            msg = "Expected `high_res_features`, but got None"
            raise ValueError(msg)
        channels = self.transformer_dim
        raster = F.pixel_shuffle(dense_prompt_embeddings[:, channels:], CELLS_PER_TOKEN)
        feat_s0, feat_s1 = high_res_features
        fine, coarse = self.region_hints(
            feat_s0, raster[:, CLICK_CHANNELS], raster[:, BOX_CHANNEL], frame_index
        )
        if frame_index is not None:
            feat_s0 = feat_s0[frame_index]
        answer: tuple[Tensor, Tensor, Tensor, Tensor] = super().predict_masks(
            image_embeddings=image_embeddings,
            image_pe=image_pe,
            sparse_prompt_embeddings=sparse_prompt_embeddings,
            dense_prompt_embeddings=dense_prompt_embeddings[:, :channels] + coarse,
            repeat_image=repeat_image,
            high_res_features=[feat_s0 + self.raster_s0(raster) + fine, feat_s1],
        )
        return answer


def _box_of_tokens(coords: Tensor, labels: Tensor, cells: int) -> Tensor:
    start, end = (labels == BOX_START).unsqueeze(-1), (labels == BOX_END).unsqueeze(-1)
    present = start.any(dim=1) & end.any(dim=1)
    corner0 = torch.where(start, coords, 0.0).sum(dim=1)
    corner1 = torch.where(end, coords, 0.0).sum(dim=1)
    return _box_coverage(corner0, corner1, cells) * present.unsqueeze(-1)


def _box_coverage(corner0: Tensor, corner1: Tensor, cells: int) -> Tensor:
    """Covered fraction (B, cells, cells) of each cell; corners (B, 2) are pixel centres (x, y)."""
    edges = torch.arange(cells, device=corner0.device, dtype=corner0.dtype)
    low = corner0.unsqueeze(-1) / MASK_STRIDE
    high = (corner1.unsqueeze(-1) + 1.0) / MASK_STRIDE
    covered = (torch.minimum(high, edges + 1.0) - torch.maximum(low, edges)).clamp(0.0, 1.0)
    return covered[:, 1, :, None] * covered[:, 0, None, :]


def _blobs(
    coords: Tensor, active: Tensor, cells: int, sigma_cells: float = BLOB_SIGMA_CELLS
) -> Tensor:
    """Gaussian blobs (B, cells, cells), value 1 at the points (B, N, 2), the largest wins."""
    if coords.shape[1] == 0:
        return coords.new_zeros((coords.shape[0], cells, cells))
    centres = torch.arange(cells, device=coords.device, dtype=coords.dtype) + 0.5
    distance = (coords.unsqueeze(-1) + 0.5) / MASK_STRIDE - centres
    profile = torch.exp(-0.5 * (distance / sigma_cells) ** 2) * active[..., None, None]
    blobs: Tensor = (profile[:, :, 1, :, None] * profile[:, :, 0, None, :]).amax(dim=1)
    return blobs
