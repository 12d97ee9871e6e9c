"""One block of Hiera, SAM2's trunk, on tokens in the order of its windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from segsem.segmentation.inference.layers import Linear, attend
from segsem.segmentation.inference.token_order import WindowGroup

if TYPE_CHECKING:
    from sam2.modeling.backbones.hieradet import MultiScaleBlock
    from torch import Tensor


class FastBlock:
    """A `MultiScaleBlock` for inference.

    Parameters
    ----------
    block : MultiScaleBlock
        Its weights are read now: later changes are not seen.
    dtype : torch.dtype
        Of its matrix products; the residual stream is float32.
    """

    def __init__(self, block: MultiScaleBlock, dtype: torch.dtype) -> None:
        attention = block.attn
        self.window = int(block.window_size)
        self.pools = block.q_stride is not None
        self._widens = block.dim != block.dim_out
        self._heads = int(attention.num_heads)
        self._dim_out = int(block.dim_out)
        self._dtype = dtype
        self._norms = [(n.normalized_shape, n.weight, n.bias, n.eps) for n in _norms(block)]
        weight, bias = _scaled_qkv(block)
        self._pad_key, self._pad_value = (
            part.detach().to(dtype).reshape(1, self._heads, 1, -1)
            for part in bias[self._dim_out :].chunk(2)
        )
        if self._widens:
            weight = torch.cat([weight, block.proj.weight])
            bias = torch.cat([bias, block.proj.bias])
        first, second = block.mlp.layers
        self._inward = Linear(weight, bias, dtype)
        self._outward = Linear(attention.proj.weight, attention.proj.bias, dtype)
        self._first = Linear(first.weight, first.bias, dtype, gelu=True)
        self._second = Linear(second.weight, second.bias, dtype)

    def __call__(self, x: Tensor, layout: Sequence[WindowGroup]) -> Tensor:
        """Compute the block; `x` may be overwritten.

        Parameters
        ----------
        x : (B, N, C) float32 tensor
        layout : sequence of WindowGroup
            Order of its tokens.

        Returns
        -------
        (B, N, C) or, after pooling, (B, N/4, C') float32 tensor
        """
        inward = self._inward(self._normed(x, 0))
        if self._widens:
            x = inward[..., 3 * self._dim_out :]
        if self.pools:
            x = _pool(x, layout)
        if self._widens:
            x = x.to(torch.float32, copy=not self.pools)
        x = x.add_(self._outward(self._attention(inward, layout)))
        return x.add_(self._second(self._first(self._normed(x, 1))))

    def _normed(self, x: Tensor, which: int) -> Tensor:
        return F.layer_norm(x, *self._norms[which]).to(self._dtype)

    def _attention(self, inward: Tensor, layout: Sequence[WindowGroup]) -> Tensor:
        """Attention of all tokens, or in windows: (B, N, 3 C ...) to (B, N, C)."""
        n_images, split = len(inward), self._dim_out
        if self.window == 0:
            q = inward[..., :split]
            q = _pool(q, layout) if self.pools else q
            return self._attend(q, inward[..., split : 3 * split], 0)
        parts = []
        for group in layout:
            part = inward[:, group.start : group.stop]
            q = _pool(part[..., :split], (group.moved(0),)) if self.pools else part[..., :split]
            windows = n_images * group.count
            out = self._attend(
                q.reshape(windows, -1, split),
                part[..., split : 3 * split].reshape(windows, group.tokens, -1),
                group.padding,
            )
            parts.append(out.reshape(n_images, -1, split))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _attend(self, q: Tensor, keys_values: Tensor, padding: int) -> Tensor:
        """Attention in W windows: queries (W, Q, C), keys and values (W, K, 2 C) to (W, Q, C)."""
        windows, n_queries, channels = q.shape
        queries = q.reshape(windows, n_queries, self._heads, -1).transpose(1, 2)
        both = torch.unflatten(keys_values, -1, (2, self._heads, -1))
        keys, values = both[:, :, 0].transpose(1, 2), both[:, :, 1].transpose(1, 2)
        if padding:
            keys = torch.cat([keys, self._pad_key.expand(windows, -1, padding, -1)], dim=2)
            values = torch.cat([values, self._pad_value.expand(windows, -1, padding, -1)], dim=2)
        return attend(queries, keys, values).transpose(1, 2).reshape(windows, n_queries, channels)


def is_plain(block: MultiScaleBlock) -> bool:
    """Whether a block is one that `FastBlock` can stand for."""
    mlp = block.mlp
    return (
        block.q_stride in (None, (2, 2))
        and (block.q_stride is None or block.dim != block.dim_out)
        and isinstance(mlp.act, nn.GELU)
        and mlp.act.approximate == "none"
        and len(mlp.layers) == 2
        and not mlp.sigmoid_output
        and all(isinstance(norm, nn.LayerNorm) for norm in _norms(block))
    )


def _norms(block: MultiScaleBlock) -> tuple[nn.LayerNorm, nn.LayerNorm]:
    return block.norm1, block.norm2


def _scaled_qkv(block: MultiScaleBlock) -> tuple[Tensor, Tensor]:
    """Weights and bias of queries, keys and values; the scale of the scores is in the queries."""
    layer = block.attn.qkv
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    scale = (block.dim_out // block.attn.num_heads) ** -0.5
    weight[: block.dim_out] *= scale
    bias[: block.dim_out] *= scale
    return weight, bias


def _pool(tokens: Tensor, layout: Sequence[WindowGroup]) -> Tensor:
    """Largest of each 2 x 2 tokens: (B, N, C) to (B, N/4, C)."""
    parts = []
    for group in layout:
        part = tokens[:, group.start : group.stop]
        grid = torch.unflatten(part, 1, (group.count * group.rows // 2, 2, group.cols // 2, 2))
        upper = torch.maximum(grid[:, :, 0, :, 0], grid[:, :, 0, :, 1])
        lower = torch.maximum(grid[:, :, 1, :, 0], grid[:, :, 1, :, 1])
        parts.append(torch.maximum(upper, lower).flatten(1, 2))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
