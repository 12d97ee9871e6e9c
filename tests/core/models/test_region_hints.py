from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage as ndi

from segsem.models.components import _by_propagation, basins, label_parts
from segsem.models.image_division import Division, divide, divide_at_edges
from segsem.models.raster_prompt_encoder import RasterPromptEncoder
from segsem.models.region_hints import RegionHints
from segsem.segmentation.division import CLASS_LEVELS, EDGE_DEPTHS

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


def bars() -> Division:
    """An image of 32 x 32 cells with two upright bars, alike at all levels."""
    logits = torch.full((1, 32, 32), -9.0)
    logits[:, 4:28, 6:10] = logits[:, 4:28, 16:24] = 9.0
    return divide(logits)


def raster(points: list[tuple[float, float]], box: list[float] | None) -> torch.Tensor:
    encoder = RasterPromptEncoder(16, FRAME)
    coords = torch.tensor([points]) if points else None
    tokens = None if coords is None else (coords, torch.ones(1, len(points), dtype=torch.int64))
    boxes = None if box is None else torch.tensor([box])
    return encoder.rasterise(tokens, boxes, None, FRAME, 1)


def test_a_click_draws_the_part_it_lies_in() -> None:
    # (x, y) in frame px; two of them are one cell of the parts.
    drawn = bars().clicked(raster([(15.0, 40.0)], None)[:, 1])

    assert drawn.shape == (1, len(CLASS_LEVELS), 32, 32)
    assert float(drawn[0, 0, 4:28, 6:10].min()) > 0.8
    assert float(drawn[0, 0, 4:28, 16:24].max()) < 0.05


def test_a_box_draws_the_part_that_fills_it() -> None:
    # Cells 16..24 and 4..28 of the parts, as the outermost pixel centres of the second bar.
    fits = bars().filled(raster([], [32.0, 8.0, 47.0, 55.0])[:, 0])

    assert torch.allclose(fits[0, :, 4:28, 16:24], torch.ones(()), atol=1e-4)
    assert float(fits[0, 0, 4:28, 6:10].max()) == 0.0
    background = float(fits[0, 0, 0, 0])
    assert background == pytest.approx((24 * 8 / 32**2) ** 4, rel=1e-3)


def ring(gap: float) -> torch.Tensor:
    """Edge probability of a square ring of 20 x 20 cells, weaker at one place."""
    edge = torch.full((1, 32, 32), 0.02)
    edge[:, 6:26, 6:26] = 0.9
    edge[:, 8:24, 8:24] = 0.02
    edge[:, 6:8, 14:18] = gap
    return edge


@pytest.mark.parametrize("gap", [0.9, 0.5])
def test_a_faint_stretch_of_an_edge_still_parts(gap: float) -> None:
    names = basins(ring(gap), EDGE_DEPTHS)

    assert names.shape == (1, len(EDGE_DEPTHS), 32, 32)
    for level in names[0]:
        assert len(torch.unique(level)) == 2
        assert len(torch.unique(level[8:24, 8:24])) == 1
        assert level[16, 16] != level[1, 1]


def test_an_open_ring_is_one_basin_where_the_gap_is_no_ridge() -> None:
    deep = basins(ring(0.02), EDGE_DEPTHS)[0, 1]

    assert deep[16, 16] == deep[1, 1]


@pytest.mark.parametrize("value", [0.0, 0.5, float("nan")])
def test_what_is_flat_is_one_basin(value: float) -> None:
    names = basins(torch.full((2, 16, 16), value), EDGE_DEPTHS)

    assert not names.any()


def test_edges_draw_the_part_between_them() -> None:
    division = divide_at_edges(torch.logit(ring(0.5)))
    drawn = division.clicked(raster([(32.0, 32.0)], None)[:, 1])
    fits = division.filled(raster([], [14.0, 14.0, 49.0, 49.0])[:, 0])

    assert float(drawn[0, 0, 8:24, 8:24].min()) > 0.8
    assert float(drawn[0, 0, :5].max()) == 0.0
    assert float(fits[0, 0, 8:24, 8:24].min()) > 0.8


def test_no_box_fits_nothing() -> None:
    fits = bars().filled(torch.zeros(3, CELLS, CELLS))

    assert fits.shape == (3, len(CLASS_LEVELS), 32, 32)
    assert not fits.any()


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


def test_a_frame_is_divided_once_and_anew_when_it_changes() -> None:
    torch.manual_seed(0)
    hints = RegionHints(8, 32)
    for parameter in hints.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features, other = torch.randn(1, 8, CELLS, CELLS), torch.randn(1, 8, CELLS, CELLS)
    clicks, boxes = torch.rand(1, 2, CELLS, CELLS), torch.zeros(1, CELLS, CELLS)
    with torch.no_grad():
        first = hints(features, clicks, boxes)[0]
        again = hints(features, clicks, boxes)[0]
        changed = hints(other, clicks, boxes)[0]
    with_gradient = hints(features, clicks, boxes)[0]

    assert torch.equal(first, again)
    assert not torch.allclose(first, changed)
    assert torch.allclose(first, with_gradient.detach(), atol=1e-6)
    assert with_gradient.requires_grad
