from __future__ import annotations

import math

import pytest
import torch

from segsem.models.raster_prompt_encoder import RasterPromptEncoder

SIDE = 128
CELLS = SIDE // 4


@pytest.fixture
def encoder() -> RasterPromptEncoder:
    torch.manual_seed(0)
    return RasterPromptEncoder(32, 256).eval()


def raster(encoder: RasterPromptEncoder, points, labels, masks=None) -> torch.Tensor:  # type: ignore[no-untyped-def]
    tokens = torch.tensor(points, dtype=torch.float32), torch.tensor(labels)
    return encoder.rasterise(tokens, None, masks, SIDE, len(points))


def test_box_covers_each_cell_by_its_share_of_pixels(encoder: RasterPromptEncoder) -> None:
    # Pixel centres 6..13 in x and 8..11 in y: the pixels [6, 14) x [8, 12).
    drawn = raster(encoder, [[[6.0, 8.0], [13.0, 11.0]]], [[2, 3]])[0, 0]

    pixels = torch.zeros(SIDE, SIDE)
    pixels[8:12, 6:14] = 1.0
    expected = pixels.reshape(CELLS, 4, CELLS, 4).mean(dim=(1, 3))
    assert torch.allclose(drawn, expected, atol=1e-6)


def test_points_are_blobs_in_a_channel_of_their_kind(encoder: RasterPromptEncoder) -> None:
    # The centre of cell (5, 3) lies between pixels: 4 * 3 + 1.5 in x, 4 * 5 + 1.5 in y.
    drawn = raster(encoder, [[[13.5, 21.5], [61.5, 101.5]]], [[1, 0]])[0]

    assert drawn[1, 5, 3] == pytest.approx(1.0)
    assert drawn[1, 5, 4] == pytest.approx(0.6065, abs=1e-3)
    assert drawn[2, 25, 15] == pytest.approx(1.0)
    assert drawn[1, 25, 15] < 1e-6
    assert drawn[0].abs().max() == 0.0


def test_surroundings_of_positive_points_are_wider_and_of_positive_points_only(
    encoder: RasterPromptEncoder,
) -> None:
    drawn = raster(encoder, [[[13.5, 21.5], [61.5, 101.5]]], [[1, 0]])[0]

    for channel, sigma in ((4, 4.0), (5, 12.0)):
        assert drawn[channel, 5, 3] == pytest.approx(1.0)
        assert drawn[channel, 5, 3 + 4] == pytest.approx(math.exp(-0.5 * (4 / sigma) ** 2))
        assert drawn[channel, 25, 15] < 0.2


def test_padding_points_draw_nothing(encoder: RasterPromptEncoder) -> None:
    drawn = raster(encoder, [[[13.5, 21.5], [61.5, 101.5]]], [[-1, -1]])

    assert drawn.abs().max() == 0.0


def test_previous_logits_are_squashed_into_the_last_channel(encoder: RasterPromptEncoder) -> None:
    masks = torch.linspace(-30, 30, CELLS * CELLS).reshape(1, 1, CELLS, CELLS)

    drawn = raster(encoder, [[[1.0, 1.0]]], [[-1]], masks)[0, 3]

    assert torch.equal(drawn > 0, masks[0, 0] > 0)
    assert drawn.abs().max() <= 1.0


def test_sparse_tokens_depend_on_the_place_in_the_frame_only(encoder: RasterPromptEncoder) -> None:
    labels = torch.tensor([[1]])
    small, _ = encoder((torch.tensor([[[31.5, 63.5]]]), labels), None, None, frame_px=128)
    large, _ = encoder((torch.tensor([[[63.5, 127.5]]]), labels), None, None, frame_px=256)

    assert torch.allclose(small, large, atol=1e-5)


def test_box_as_tensor_and_as_corner_tokens_draw_the_same(encoder: RasterPromptEncoder) -> None:
    box = torch.tensor([[5.0, 9.0, 60.0, 33.0]])
    as_box = encoder.rasterise(None, box, None, SIDE, 1)
    as_tokens = raster(encoder, [[[5.0, 9.0], [60.0, 33.0]]], [[2, 3]])

    assert torch.equal(as_box, as_tokens)
