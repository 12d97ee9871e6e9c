from __future__ import annotations

import copy

import pytest
import torch

from segsem.segmentation.inference.decoder import FastDecoder, can_decode_fast
from segsem.segmentation.sam2_forward import Features, decode_prompts, point_tokens

FRAME_PX = 1024


@pytest.fixture(scope="module")
def model(random_model):
    return random_model("sam2.1_hiera_t")


@pytest.fixture(scope="module")
def features() -> Features:
    generator = torch.Generator().manual_seed(5)
    sizes = ((256, 64), (32, 256), (64, 128))
    embed, finest, fine = (torch.randn(1, c, s, s, generator=generator) for c, s in sizes)
    return Features(embed, [finest, fine])


def prompts(kind: str, count: int) -> dict[str, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(count)
    points = torch.rand(count, 3, 2, generator=generator) * FRAME_PX
    labels = torch.tensor([[1, 0, 1]]).expand(count, -1)
    corners = torch.rand(count, 4, generator=generator) * FRAME_PX
    masks = 8 * torch.randn(count, 1, 256, 256, generator=generator)
    wanted = kind.split("+")
    return {
        "points": points if "points" in wanted else None,
        "labels": labels if "points" in wanted else None,
        "boxes": corners if "box" in wanted else None,
        "masks": masks if "mask" in wanted else None,
    }


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["points", "box", "box+points", "points+mask", "mask"])
def test_same_function_as_the_modules_own_forward(
    model, features: Features, kind: str, count: int, multimask: bool
) -> None:
    asked = prompts(kind, count)
    decoder = FastDecoder(model)
    with torch.inference_mode():
        logits, iou_pred, _ = decode_prompts(model, features, **asked, multimask=multimask)

    tokens = point_tokens(asked["points"], asked["labels"], asked["boxes"])
    found = decoder(decoder.prepare(features), tokens, asked["masks"], multimask)

    assert found[0].shape == logits.shape
    assert (found[0] - logits).abs().max() < 1e-4
    assert (found[1] - iou_pred).abs().max() < 1e-5


def test_a_single_answer_without_looking_at_stability(model, features: Features) -> None:
    plain = copy.deepcopy(model)
    plain.sam_mask_decoder.dynamic_multimask_via_stability = False
    asked = prompts("points", 2)
    decoder = FastDecoder(plain)
    with torch.inference_mode():
        logits, iou_pred, _ = decode_prompts(plain, features, **asked, multimask=False)

    found = decoder(decoder.prepare(features), (asked["points"], asked["labels"]), None, False)

    assert (found[0] - logits).abs().max() < 1e-4
    assert (found[1] - iou_pred).abs().max() < 1e-5


def test_answers_leave_what_is_prepared_alone(model, features: Features) -> None:
    decoder = FastDecoder(model)
    frame = decoder.prepare(features)
    asked = prompts("points", 1)
    tokens = (asked["points"], asked["labels"])
    first = decoder(frame, tokens, None)[0].clone()
    decoder(frame, None, prompts("mask", 1)["masks"])

    assert torch.equal(decoder(frame, tokens, None)[0], first)


def test_segsem_nano_has_a_decoder_of_its_own(random_model) -> None:
    assert not can_decode_fast(random_model("segsem-nano"))
