"""SAM2's two-way transformer for inference: what no prompt changes is computed once for an image.

Before the first layer has answered a prompt, the image's tokens are the same for all of them, and
so are their projections in that layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from segsem.segmentation.inference.layers import Linear

if TYPE_CHECKING:
    from sam2.modeling.sam.transformer import Attention, TwoWayAttentionBlock, TwoWayTransformer
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Projected:
    """Image tokens as a layer's two cross attentions want them, (B, T, C') each.

    Attributes
    ----------
    keys, values : tensor
        For the tokens that look at the image.
    queries : tensor or None
        For the image that looks at the tokens; None behind the last layer.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor | None


class FastTransformer:
    """A `TwoWayTransformer` for inference.

    Parameters
    ----------
    transformer : TwoWayTransformer
        Its weights are read now: later changes are not seen.
    """

    def __init__(self, transformer: TwoWayTransformer) -> None:
        self._transformer = transformer
        self._layers = [_Layer(layer) for layer in transformer.layers]
        self._final = _ImageProjection(transformer.final_attn_token_to_image, None)

    def project(self, image: Tensor, positions: Tensor) -> Projected:
        """Project image tokens (B, T, C) for the first layer."""
        return self._layers[0].projection(image, positions)

    def __call__(
        self, image: Tensor, positions: Tensor, tokens: Tensor, first: Projected
    ) -> tuple[Tensor, Tensor]:
        """Let tokens and image look at each other.

        Parameters
        ----------
        image : (B or 1, T, C) tensor
        positions : (1, T, C) tensor
        tokens : (B, K, C) tensor
        first : Projected
            `project(image, positions)`.

        Returns
        -------
        tokens : (B, K, C) tensor
        image : (B, T, C) tensor
        """
        queries, projected = tokens, first
        for number, layer in enumerate(self._layers):
            if number:
                projected = layer.projection(image, positions)
            queries, image = layer(queries, image, tokens, projected)
        projected = self._final(image, positions)
        attention = self._transformer.final_attn_token_to_image
        queries = queries + _attend_to_image(attention, queries + tokens, projected)
        return self._transformer.norm_final_attn(queries), image


class _Layer:
    def __init__(self, layer: TwoWayAttentionBlock) -> None:
        self._layer = layer
        towards_tokens = layer.cross_attn_image_to_token
        self.projection = _ImageProjection(layer.cross_attn_token_to_image, towards_tokens)
        self._out = _linear(towards_tokens.out_proj)

    def __call__(
        self, queries: Tensor, image: Tensor, tokens: Tensor, projected: Projected
    ) -> tuple[Tensor, Tensor]:
        layer = self._layer
        if layer.skip_first_layer_pe:
            queries = layer.self_attn(q=queries, k=queries, v=queries)
        else:
            q = queries + tokens
            queries = queries + layer.self_attn(q=q, k=q, v=queries)
        queries = layer.norm1(queries)
        attention = layer.cross_attn_token_to_image
        queries = queries + _attend_to_image(attention, queries + tokens, projected)
        queries = layer.norm2(queries)
        queries = layer.norm3(queries + layer.mlp(queries))
        return queries, layer.norm4(image + self._image_attends(queries, tokens, projected))

    def _image_attends(self, queries: Tensor, tokens: Tensor, projected: Projected) -> Tensor:
        attention = self._layer.cross_attn_image_to_token
        keys = _heads(attention.k_proj(queries + tokens), attention.num_heads)
        values = _heads(attention.v_proj(queries), attention.num_heads)
        assert projected.queries is not None
        q = _heads(projected.queries, attention.num_heads).expand(len(keys), -1, -1, -1)
        return self._out(_joined(F.scaled_dot_product_attention(q, keys, values)))


class _ImageProjection:
    """Keys and queries of image tokens with their positions, values of them without."""

    def __init__(self, to_image: Attention, to_tokens: Attention | None) -> None:
        # One layer for both would be no quicker: attention is slower on halves of a tensor.
        self._keys = _linear(to_image.k_proj)
        self._values = _linear(to_image.v_proj)
        self._queries = None if to_tokens is None else _linear(to_tokens.q_proj)

    def __call__(self, image: Tensor, positions: Tensor) -> Projected:
        placed = image + positions
        queries = None if self._queries is None else self._queries(placed)
        return Projected(self._keys(placed), self._values(image), queries)


def _linear(layer: nn.Linear) -> Linear:
    return Linear(layer.weight, layer.bias, torch.float32)


def _attend_to_image(attention: Attention, tokens: Tensor, projected: Projected) -> Tensor:
    q = _heads(attention.q_proj(tokens), attention.num_heads)
    k, v = (
        _heads(part, attention.num_heads).expand(len(q), -1, -1, -1)
        for part in (projected.keys, projected.values)
    )
    out: Tensor = attention.out_proj(_joined(F.scaled_dot_product_attention(q, k, v)))
    return out


def _heads(x: Tensor, number: int) -> Tensor:
    """(B, T, C) to (B, heads, T, C / heads)."""
    return torch.unflatten(x, -1, (number, -1)).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    """Undo `_heads`."""
    return x.transpose(1, 2).flatten(2)
