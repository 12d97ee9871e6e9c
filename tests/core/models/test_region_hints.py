from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage as ndi

from segsem.models.components import _by_propagation, label_parts
from segsem.models.raster_prompt_encoder import RasterPromptEncoder
from segsem.models.region_hints import LEVELS, RegionHints, _drawn, _fits

CELLS = 16
FRAME = 4 * CELLS


def pattern(seed: int, side: int = 48) -> torch.Tensor:
    noise = np.random.default_rng(seed).normal(size=(side, side))
    return torch.from_numpy(ndi.gaussian_filter(noise, 2.0) > 0)


@pytest.mark.parametrize("label", [label_parts, _by_propagation])
def test_pixels_share_a_name_where_they_are_connected(label) -> None:  # type: ignore[no-untyped-def]
    inside = torch.stack([pattern(seed) for seed in range(4)])
    names = label(inside)

    assert int(names.min()) >= 0
    assert int(names.max()) < inside[0].numel()
    for plane, found in zip(inside.numpy(), names.numpy(), strict=True):
        features, n_features = ndi.label(plane)
        gaps, n_gaps = ndi.label(~plane)
        wanted = np.where(plane, features, gaps + n_features)
        pairs = set(zip(wanted.ravel().tolist(), found.ravel().tolist(), strict=True))
        assert len(pairs) == n_features + n_gaps == len(np.unique(found))


def bars() -> torch.Tensor:
    """Parts (1, L, 32, 32) of an image with two upright bars, alike at all levels."""
    inside = torch.zeros(1, 32, 32, dtype=torch.bool)
    inside[:, 4:28, 6:10] = inside[:, 4:28, 16:24] = True
    return torch.stack([label_parts(inside)] * len(LEVELS), dim=1)


def raster(points: list[tuple[float, float]], box: list[float] | None) -> torch.Tensor:
    encoder = RasterPromptEncoder(16, FRAME)
    coords = torch.tensor([points]) if points else None
    tokens = None if coords is None else (coords, torch.ones(1, len(points), dtype=torch.int64))
    boxes = None if box is None else torch.tensor([box])
    return encoder.rasterise(tokens, boxes, None, FRAME, 1)


def test_a_click_draws_the_part_it_lies_in() -> None:
    # (x, y) in frame px; two of them are one cell of the parts.
    drawn = _drawn(bars(), raster([(15.0, 40.0)], None)[:, 1:2])

    assert drawn.shape == (1, len(LEVELS), 32, 32)
    assert float(drawn[0, 0, 4:28, 6:10].min()) > 0.8
    assert float(drawn[0, 0, 4:28, 16:24].max()) < 0.05


def test_a_box_draws_the_part_that_fills_it() -> None:
    # Cells 16..24 and 4..28 of the parts, as the outermost pixel centres of the second bar.
    fits = _fits(bars(), raster([], [32.0, 8.0, 47.0, 55.0])[:, 0], None)

    assert torch.allclose(fits[0, :, 4:28, 16:24], torch.ones(()), atol=1e-4)
    assert float(fits[0, 0, 4:28, 6:10].max()) == 0.0
    background = float(fits[0, 0, 0, 0])
    assert background == pytest.approx((24 * 8 / 32**2) ** 4, rel=1e-3)


def test_no_box_fits_nothing() -> None:
    assert not _fits(bars(), torch.zeros(3, CELLS, CELLS), None).any()


def test_hints_of_many_prompts_are_those_of_each() -> None:
    torch.manual_seed(0)
    hints = RegionHints(8, 32)
    for parameter in hints.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features = torch.randn(2, 8, CELLS, CELLS)
    clicks, boxes = torch.rand(3, 2, CELLS, CELLS), torch.zeros(3, CELLS, CELLS)
    boxes[1, 2:9, 3:11] = 1.0
    index = torch.tensor([0, 1, 1])

    together = hints(features, clicks, boxes, index)
    for i, frame in enumerate(index.tolist()):
        alone = hints(features[frame : frame + 1], clicks[i : i + 1], boxes[i : i + 1])
        for one, many in zip(alone, together, strict=True):
            assert torch.allclose(one[0], many[i], atol=1e-5)


def test_new_hints_change_nothing() -> None:
    fine, coarse = RegionHints(8, 32)(
        torch.randn(1, 8, CELLS, CELLS),
        torch.rand(2, 2, CELLS, CELLS),
        torch.zeros(2, CELLS, CELLS),
    )

    assert fine.shape == (2, 8, CELLS, CELLS)
    assert coarse.shape == (2, 32, CELLS // 4, CELLS // 4)
    assert not fine.any()
    assert not coarse.any()
