from __future__ import annotations

import pytest
import torch
from sam2.build_sam import build_sam2

from segsem.core.exceptions import ModelError
from segsem.models.build import build_model, count_parameters
from segsem.models.registry import MODELS, known_configs


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sam2.1", "sam2"])
def test_official_state_dict_is_what_sam2_itself_builds(family: str) -> None:
    ours = build_model(f"{family}_hiera_t").state_dict()
    theirs = build_sam2(f"configs/{family}/{family}_hiera_t.yaml", device="cpu").state_dict()

    assert list(ours) == list(theirs)
    assert all(ours[key].shape == theirs[key].shape for key in ours)


def test_nano_is_small_and_in_evaluation_mode() -> None:
    model = build_model("segsem-nano")

    # Stored in 16 bits: what comes with the package stays under 12 MB.
    assert count_parameters(model) * 2 <= 12e6
    assert not model.training


def test_nano_has_no_global_attention_in_a_block_that_pools() -> None:
    trunk = build_model("segsem-nano").image_encoder.trunk

    assert not set(trunk.global_att_blocks) & set(trunk.q_pool_blocks)


@pytest.mark.parametrize("side", [128, 160, 256, 512])
def test_nano_takes_frames_of_any_multiple_of_32(side: int) -> None:
    model = build_model("segsem-nano")
    with torch.inference_mode():
        out = model.forward_image(torch.zeros(1, 3, side, side))["backbone_fpn"]

    assert [tuple(level.shape[1:]) for level in out] == [
        (16, side // 4, side // 4),
        (32, side // 8, side // 8),
        (128, side // 16, side // 16),
    ]


def test_unknown_configuration_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"segsem-nano, sam2\.1_hiera_t"):
        build_model("hiera_xxl")


def test_every_published_model_has_a_known_configuration() -> None:
    assert {spec.config for spec in MODELS.values()} <= set(known_configs())
    assert all(len(spec.sha256 or "") == 64 for spec in MODELS.values() if spec.url)
