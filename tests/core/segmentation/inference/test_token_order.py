from __future__ import annotations

import pytest
import torch
from sam2.modeling.backbones.utils import window_partition

from segsem.segmentation.inference.token_order import as_map, change_order, window_order

SIZES = [(16, 16, 8), (20, 20, 14), (10, 10, 8), (10, 10, 7), (5, 9, 4), (3, 3, 8), (14, 28, 14)]


@pytest.mark.parametrize(("height", "width", "window"), SIZES)
def test_tokens_lie_window_by_window(height: int, width: int, window: int) -> None:
    order = window_order(height, width, window)
    # SAM2's own windows of the raster index; padding is -1.
    raster = torch.arange(height * width, dtype=torch.float).reshape(1, height, width, 1) + 1
    expected = {
        tuple(sorted(w[w > 0].long().tolist())): int((w == 0).sum())
        for w in window_partition(raster, window)[0].flatten(1)
    }

    found = {}
    for group in order.groups:
        tokens = order.from_raster[group.start : group.stop].reshape(group.count, -1)
        for row in tokens:
            found[tuple(sorted((row + 1).tolist()))] = group.padding

    assert found == expected


@pytest.mark.parametrize(("height", "width", "window"), SIZES)
def test_orders_are_permutations(height: int, width: int, window: int) -> None:
    order = window_order(height, width, window)
    raster = torch.rand(2, height * width, 3)
    tokens = raster.index_select(1, order.from_raster)

    assert sum(group.count * group.tokens for group in order.groups) == height * width
    assert torch.equal(tokens.index_select(1, order.to_raster), raster)
    assert torch.equal(as_map(tokens, order), raster.transpose(1, 2).reshape(2, 3, height, width))


def test_from_one_order_to_another() -> None:
    old, new = window_order(12, 12, 4), window_order(12, 12, 8)
    raster = torch.rand(1, 144, 2)

    tokens = change_order(raster.index_select(1, old.from_raster), old, new)

    assert torch.equal(tokens, raster.index_select(1, new.from_raster))


@pytest.mark.parametrize(("height", "window"), [(16, 8), (20, 14), (10, 8), (8, 2)])
def test_pooling_in_windows_is_pooling_in_the_map(height: int, window: int) -> None:
    order = window_order(height, height, window)
    assert order.can_pool
    values = torch.rand(1, 1, height, height)
    tokens = values.flatten(2).transpose(1, 2).index_select(1, order.from_raster)

    parts = []
    for group in order.groups:
        part = tokens[:, group.start : group.stop]
        grid = part.reshape(group.count, group.rows // 2, 2, group.cols // 2, 2)
        parts.append(grid.amax(dim=(2, 4)).reshape(1, -1, 1))

    pooled = as_map(torch.cat(parts, dim=1), order.pooled())
    assert torch.equal(pooled, torch.nn.functional.max_pool2d(values, 2))


def test_odd_windows_cannot_be_pooled() -> None:
    assert not window_order(14, 14, 7).can_pool
