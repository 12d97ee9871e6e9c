from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from segsem.segmentation.inference import layers
from segsem.segmentation.inference.encoder import FastEncoder, can_be_fast
from segsem.segmentation.inference.layers import attend
from segsem.segmentation.sam2_forward import Features, encode_pixels


def frames(side_px: int, count: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(side_px)
    return torch.randn(count, 3, side_px, side_px, generator=generator)


def maps_of(features: Features) -> list[torch.Tensor]:
    return [features.image_embed, *features.high_res]


def assert_equal(found: Features, expected: Features, tolerance: float) -> None:
    for ours, own in zip(maps_of(found), maps_of(expected), strict=True):
        assert ours.shape == own.shape
        assert ours.dtype == torch.float32
        assert (ours - own).abs().max() <= tolerance


# Frames that windows do not divide come with padding: 160 and 320 in several stages.
@pytest.mark.parametrize(
    ("config", "side_px"),
    [
        ("segsem-nano", 128),
        ("segsem-nano", 160),
        ("segsem-nano", 256),
        ("sam2.1_hiera_t", 320),
        pytest.param("sam2.1_hiera_b+", 320, marks=pytest.mark.slow),
        pytest.param("sam2.1_hiera_l", 320, marks=pytest.mark.slow),
    ],
)
def test_same_function_as_the_modules_own_forward(random_model, config, side_px) -> None:
    model, pixels = random_model(config), frames(side_px)
    assert can_be_fast(model)
    with torch.inference_mode():
        expected = encode_pixels(model, pixels)

    assert_equal(FastEncoder(model)(pixels), expected, tolerance=1e-4)


def test_a_batch_is_encoded_as_one_by_one(random_model) -> None:
    encoder, pixels = FastEncoder(random_model("segsem-nano")), frames(160, count=3)

    together = encoder(pixels)

    for i in range(3):
        one = Features(together.image_embed[i : i + 1], [m[i : i + 1] for m in together.high_res])
        assert_equal(encoder(pixels[i : i + 1]), one, tolerance=1e-5)


def test_calls_leave_no_trace(random_model) -> None:
    encoder = FastEncoder(random_model("segsem-nano"))
    first = [m.clone() for m in maps_of(encoder(frames(128)))]
    encoder(frames(160))

    again = maps_of(encoder(frames(128)))

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_chunks_change_nothing(random_model, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = FastEncoder(random_model("segsem-nano"))
    whole = encoder(frames(256))

    monkeypatch.setattr("segsem.segmentation.inference.trunk.CHUNK_VALUES", 1)

    assert_equal(encoder(frames(256)), whole, tolerance=1e-5)


def test_without_packed_layers(random_model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other processors and GPUs run."""
    monkeypatch.setattr(layers, "has_packed_linear", lambda device: False)
    model = random_model("segsem-nano")
    with torch.inference_mode():
        expected = encode_pixels(model, frames(160))

    assert_equal(FastEncoder(model)(frames(160)), expected, tolerance=1e-4)


@pytest.mark.parametrize("config", ["segsem-nano", "sam2.1_hiera_t"])
def test_bf16_is_near(random_model, config: str) -> None:
    model, pixels = random_model(config), frames(256)

    near, exact = FastEncoder(model, torch.bfloat16)(pixels), FastEncoder(model)(pixels)

    for ours, own in zip(maps_of(near), maps_of(exact), strict=True):
        assert ours.dtype == torch.float32
        assert not torch.equal(ours, own)
        assert (ours - own).std() < 0.02 * own.std()


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_attention_in_pieces(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = (torch.randn(2, 3, 16, 8, dtype=torch.bfloat16) for _ in range(3))
    monkeypatch.setattr(layers, "SCORES_BYTES", rows * 6 * 16 * 2)
    scores = torch.softmax(q.float() @ k.float().transpose(-1, -2), dim=-1)

    assert (attend(q, k, v).float() - scores @ v.float()).abs().max() < 0.05


def test_another_architecture_is_left_alone(random_model) -> None:
    model = copy.deepcopy(random_model("segsem-nano"))
    assert can_be_fast(model)
    model.image_encoder.trunk.blocks[0].mlp.act = nn.GELU(approximate="tanh")
    assert not can_be_fast(model)

    model.image_encoder.trunk = nn.Identity()
    assert not can_be_fast(model)


def test_an_averaging_neck_is_left_alone(random_model) -> None:
    model = copy.deepcopy(random_model("segsem-nano"))
    model.image_encoder.neck.fuse_type = "avg"

    assert not can_be_fast(model)


def test_the_checkpoint_is_called_all_along(random_model) -> None:
    encoder = FastEncoder(random_model("segsem-nano"))
    calls: list[int] = []

    encoder(frames(256), lambda: calls.append(1))

    n_blocks = len(random_model("segsem-nano").image_encoder.trunk.blocks)
    # The blocks of the first stages are run together.
    assert n_blocks / 2 <= len(calls) <= n_blocks + 2
