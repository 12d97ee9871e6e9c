"""Hiera, SAM2's trunk, for inference: tokens stay in the order of the windows.

The same function as the module's own forward (held to it by tests), with these differences:

- Tokens are ordered by windows once for each stage, not copied there and back in every block.
- SAM2 pads frames that windows do not divide; all padding has the same key and value, which are
  put in beside the real ones instead of being computed from zeros.
- The scale of the scores is in the query weights, and the shortcut's projection is computed
  together with queries, keys and values.
- The first stages, which look at windows only, are computed a few windows at a time: what lies
  between two layers stays in the cache instead of being 100 MB of fresh memory.
- Stage outputs are projected at once to the few channels that are needed of them.
- Positions are interpolated once for each frame size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812

from segsem.segmentation.inference.block import FastBlock
from segsem.segmentation.inference.token_order import (
    TokenOrder,
    as_map,
    change_order,
    window_order,
)

if TYPE_CHECKING:
    from sam2.modeling.backbones.hieradet import Hiera
    from torch import Tensor

CHUNK_VALUES = 4096 * 96
"""Values of the residual stream computed at once in the stages that look at windows only."""

ANY_WINDOW = 8
"""Order of the tokens where the first block does not ask for one."""

Tap = Callable[["Tensor"], "Tensor"]
Checkpoint = Callable[[], None]


class FastTrunk:
    """Hiera with projections of its stages.

    Parameters
    ----------
    trunk : Hiera
        Its weights are read now: later changes are not seen.
    taps : sequence of callables
        What is wanted of each stage's output, fine to coarse: (B, N, C) float32 tokens to
        (B, N, O).
    dtype : torch.dtype
        Of its matrix products.
    """

    def __init__(self, trunk: Hiera, taps: Sequence[Tap], dtype: torch.dtype) -> None:
        # Nothing else of the trunk is held: its weights are in the blocks, packed.
        self._taps = dict(zip(trunk.stage_ends, taps, strict=True))
        self._blocks = [FastBlock(block, dtype) for block in trunk.blocks]
        self._pos_embed = trunk.pos_embed.detach()
        self._pos_embed_window = trunk.pos_embed_window.detach()
        self._positions: dict[TokenOrder, Tensor] = {}
        patches = trunk.patch_embed.proj
        # In this format the convolution writes tokens, not maps.
        self._patch_weight = patches.weight.detach().contiguous(memory_format=torch.channels_last)
        self._patch_bias = patches.bias.detach()
        self._patch_layout = {"stride": patches.stride, "padding": patches.padding}

    def __call__(self, pixels: Tensor, checkpoint: Checkpoint | None = None) -> list[Tensor]:
        """Compute all stages.

        Parameters
        ----------
        pixels : (B, 3, S, S) float32 tensor
            S is a multiple of 32.
        checkpoint : callable, optional
            Called before each block or chunk; what it raises ends the computation.

        Returns
        -------
        list of (B, O, h, w) float32 tensors
            The taps' answers, fine to coarse.
        """
        check = checkpoint if checkpoint is not None else _go_on
        check()
        patches = self._patch_embed(pixels)
        window = self._blocks[0].window or ANY_WINDOW
        order = window_order(*patches.shape[1:3], window, patches.device)
        orders = self._leading_orders(order)
        x, tapped = self._leading_blocks(patches.flatten(1, 2), orders, check)
        order = orders[-1]
        for number in range(len(orders) - 1, len(self._blocks)):
            check()
            block = self._blocks[number]
            wanted = _order_for(block, order)
            x, order = change_order(x, order, wanted), wanted
            x = block(x, order.groups)
            order = order.pooled() if block.pools else order
            if number in self._taps:
                tapped.append(as_map(self._taps[number](x), order))
        return tapped

    def _patch_embed(self, pixels: Tensor) -> Tensor:
        """Patches (B, h, w, C), contiguous."""
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        maps = F.conv2d(pixels, self._patch_weight, self._patch_bias, **self._patch_layout)
        return maps.permute(0, 2, 3, 1).contiguous()

    def _leading_orders(self, order: TokenOrder) -> list[TokenOrder]:
        """Orders before each of the first blocks, as long as windows stay whole, and after them."""
        orders = [order]
        for block in self._blocks:
            order = orders[-1]
            if block.window != order.window or not order.whole_windows:
                break
            orders.append(order.pooled() if block.pools else order)
        return orders

    def _leading_blocks(
        self, patches: Tensor, orders: Sequence[TokenOrder], check: Checkpoint
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute the blocks that look at whole windows only, some windows at a time."""
        order, n_blocks = orders[0], len(orders) - 1
        positions = self._position(order)
        last: list[Tensor] = []
        tapped: dict[int, list[Tensor]] = {n: [] for n in self._taps if n < n_blocks}
        for part, count in _chunks(order, patches, whole=n_blocks == 0):
            check()
            x = patches.index_select(1, order.from_raster[part]).add_(positions[:, part])
            for number in range(n_blocks):
                x = self._blocks[number](x, (orders[number].groups[0].part(count),))
                if number in tapped:
                    tapped[number].append(self._taps[number](x))
            last.append(x)
        maps = [as_map(_joined(parts), orders[n + 1]) for n, parts in tapped.items()]
        return _joined(last), maps

    def _position(self, order: TokenOrder) -> Tensor:
        """Positions (1, N, C) in the order of the first block."""
        if order not in self._positions:
            size = (order.height, order.width)
            whole = F.interpolate(self._pos_embed, size=size, mode="bicubic")
            window = self._pos_embed_window
            repeats = [n // m for n, m in zip(size, window.shape[-2:], strict=True)]
            positions = (whole + window.tile(repeats)).flatten(2).transpose(1, 2)
            self._positions[order] = positions.index_select(1, order.from_raster)
        return self._positions[order]


def _chunks(order: TokenOrder, tokens: Tensor, whole: bool) -> Iterator[tuple[slice, int]]:
    """Token ranges of a few windows each, and the number of their windows."""
    group = order.groups[0]
    if whole or tokens.device.type != "cpu":
        yield slice(None), group.count
        return
    values = group.tokens * tokens.shape[0] * tokens.shape[-1]
    step = max(CHUNK_VALUES // values, 1)
    for first in range(0, group.count, step):
        count = min(step, group.count - first)
        yield slice(first * group.tokens, (first + count) * group.tokens), count


def _order_for(block: FastBlock, order: TokenOrder) -> TokenOrder:
    if block.window not in (0, order.window):
        return window_order(order.height, order.width, block.window, order.from_raster.device)
    if block.pools and not order.can_pool:
        return window_order(order.height, order.width, 2, order.from_raster.device)
    return order


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)


def _go_on() -> None:
    return
