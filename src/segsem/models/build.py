"""Build SAM2's image model from the `sam2` package's own modules and configurations."""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING

import torch
from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import TwoWayTransformer
from sam2.modeling.sam2_base import SAM2Base

from segsem.core.exceptions import ModelError
from segsem.models.raster_prompt_encoder import RasterMaskDecoder, RasterPromptEncoder
from segsem.models.registry import NANO_CONFIG, NANO_FRAME_PX, OFFICIAL_CONFIGS

if TYPE_CHECKING:
    from collections.abc import Mapping

NANO_EMBED_DIM = 40
NANO_STAGES = (1, 2, 6, 1)
NANO_GLOBAL_BLOCKS = (4, 6, 8)
NANO_D_MODEL = 128

STABILITY_OPTIONS: Mapping[str, bool | float] = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}
"""What SAM2's own `build_sam2` sets for the single-mask answer."""


def build_model(config: str) -> SAM2Base:
    """Build a model with random weights, in evaluation mode.

    Parameters
    ----------
    config : str
        `segsem-nano` or the name of one of SAM2's configurations, such as `sam2.1_hiera_t`.

    Returns
    -------
    SAM2Base
        Image encoder, prompt encoder and mask decoder; the official ones with their memory
        parts, so that the official state dicts fit.

    Raises
    ------
    ModelError
        For an unknown configuration.
    """
    if config == NANO_CONFIG:
        return _build_nano().eval()
    if config not in OFFICIAL_CONFIGS:
        known = ", ".join([NANO_CONFIG, *OFFICIAL_CONFIGS])
        msg = f"Unknown model configuration {config!r}. Choose one of: {known}."
        raise ModelError(msg)
    return _build_official(OFFICIAL_CONFIGS[config]).eval()


def count_parameters(model: torch.nn.Module) -> int:
    """Number of trainable and frozen parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def _build_official(yaml_path: str) -> SAM2Base:
    # hydra and omegaconf come with sam2; reading the file avoids hydra's global state.
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    text = importlib.resources.files("sam2").joinpath(yaml_path).read_text(encoding="utf-8")
    config = OmegaConf.create(text)
    config.model.sam_mask_decoder_extra_args = dict(STABILITY_OPTIONS)
    return instantiate(config.model, _recursive_=True)


def _build_nano() -> SAM2Base:
    # All levels of the neck are top-down: with one block at stride 4, only context from below
    # lets the high-resolution features tell a feature's inside from its outside.
    trunk = Hiera(
        embed_dim=NANO_EMBED_DIM,
        num_heads=1,
        stages=NANO_STAGES,
        global_att_blocks=NANO_GLOBAL_BLOCKS,
        window_spec=(8, 4, 8, 4),
        window_pos_embed_bkg_spatial_size=(8, 8),
    )
    neck = FpnNeck(
        position_encoding=PositionEmbeddingSine(num_pos_feats=NANO_D_MODEL),
        d_model=NANO_D_MODEL,
        backbone_channel_list=trunk.channel_list,
        fpn_top_down_levels=[0, 1, 2, 3],
        fpn_interp_model="nearest",
    )
    model = SAM2Base(
        image_encoder=ImageEncoder(trunk=trunk, neck=neck, scalp=1),
        memory_attention=None,
        memory_encoder=None,
        num_maskmem=1,
        image_size=NANO_FRAME_PX,
        use_high_res_features_in_sam=True,
        directly_add_no_mem_embed=True,
        multimask_output_in_sam=True,
        iou_prediction_use_sigmoid=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
    )
    model.sam_prompt_encoder = RasterPromptEncoder(NANO_D_MODEL, NANO_FRAME_PX)
    model.sam_mask_decoder = RasterMaskDecoder(
        num_multimask_outputs=3,
        transformer=TwoWayTransformer(
            depth=2, embedding_dim=NANO_D_MODEL, mlp_dim=1024, num_heads=8
        ),
        transformer_dim=NANO_D_MODEL,
        iou_head_depth=3,
        iou_head_hidden_dim=256,
        use_high_res_features=True,
        iou_prediction_use_sigmoid=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        **STABILITY_OPTIONS,
    )
    return model
