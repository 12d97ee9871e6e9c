"""The order in which the image encoder keeps its tokens: window by window.

Linear layers, norms and attention over all tokens do not care about the order of tokens, and
attention in windows wants those of a window beside each other. Kept so, nothing has to be copied
into windows and back for every block, as SAM2's own forward does.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class WindowGroup:
    """Windows of one shape, one behind the other.

    Attributes
    ----------
    start : int
        First token.
    count : int
        Number of windows.
    rows, cols : int
        Tokens of a window that lie in the frame.
    padding : int
        Tokens that SAM2 pads a window at the frame's end with.
    """

    start: int
    count: int
    rows: int
    cols: int
    padding: int

    @property
    def tokens(self) -> int:
        """Tokens of one window."""
        return self.rows * self.cols

    @property
    def stop(self) -> int:
        """One past the last token."""
        return self.start + self.count * self.tokens

    def moved(self, start: int) -> WindowGroup:
        """Return the same windows at another place."""
        return replace(self, start=start)

    def part(self, count: int) -> WindowGroup:
        """So many of the windows, by themselves."""
        return replace(self, start=0, count=count)


@dataclass(frozen=True, slots=True, eq=False)
class TokenOrder:
    """Tokens of a (height, width) grid, ordered by windows.

    Attributes
    ----------
    height, width, window : int
        In tokens; windows at the lower and right end may be cut.
    groups : tuple of WindowGroup
        Whole windows first, then those cut on the right, below, and in both ways.
    from_raster : (N,) int64
        Raster index of each token.
    to_raster : (N,) int64
        The inverse: where each raster token is.
    """

    height: int
    width: int
    window: int
    groups: tuple[WindowGroup, ...]
    from_raster: Tensor
    to_raster: Tensor

    @property
    def whole_windows(self) -> bool:
        """Whether no window is cut."""
        return len(self.groups) == 1 and self.groups[0].padding == 0

    @property
    def can_pool(self) -> bool:
        """Whether each 2 x 2 tokens lie in one window."""
        return self.window % 2 == 0 and self.height % 2 == 0 and self.width % 2 == 0

    def pooled(self) -> TokenOrder:
        """Order of the tokens after pooling 2 x 2 in every window."""
        device = self.from_raster.device
        return window_order(self.height // 2, self.width // 2, self.window // 2, device)


CPU = torch.device("cpu")


@functools.lru_cache(maxsize=64)
def window_order(height: int, width: int, window: int, device: torch.device = CPU) -> TokenOrder:
    """Order the tokens of a grid by windows.

    Parameters
    ----------
    height, width : int
        Size of the grid in tokens.
    window : int
        Side of a window in tokens.
    device : torch.device
        Where its indices are needed.

    Returns
    -------
    TokenOrder
    """
    # Built once for a frame size, and used in every later call: no inference tensors.
    with torch.inference_mode(mode=False):
        raster = torch.arange(height * width).reshape(height, width)
        whole_h, whole_w = height - height % window, width - width % window
        parts, groups, start = [], [], 0
        for rows in (slice(0, whole_h), slice(whole_h, height)):
            for cols in (slice(0, whole_w), slice(whole_w, width)):
                block = raster[rows, cols]
                if block.numel() == 0:
                    continue
                h, w = min(window, block.shape[0]), min(window, block.shape[1])
                windows = block.reshape(block.shape[0] // h, h, block.shape[1] // w, w)
                parts.append(windows.transpose(1, 2).reshape(-1))
                group = WindowGroup(start, block.numel() // (h * w), h, w, window**2 - h * w)
                groups.append(group)
                start = group.stop
        from_raster = torch.cat(parts)
        to_raster = torch.empty_like(from_raster)
        to_raster[from_raster] = torch.arange(len(from_raster))
        indices = from_raster.to(device), to_raster.to(device)
    return TokenOrder(height, width, window, tuple(groups), *indices)


def change_order(tokens: Tensor, old: TokenOrder, new: TokenOrder) -> Tensor:
    """Bring tokens (B, N, C) of one order of the same grid into another."""
    if old is new:
        return tokens
    return tokens.index_select(1, old.to_raster[new.from_raster])


def as_map(tokens: Tensor, order: TokenOrder) -> Tensor:
    """Lay tokens (B, N, C) out as a map (B, C, height, width), contiguous."""
    raster = tokens.index_select(1, order.to_raster)
    return torch.unflatten(raster.transpose(1, 2), 2, (order.height, order.width)).contiguous()
