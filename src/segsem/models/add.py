"""Take weights into a model folder: checked against the architecture, written as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsem.core.exceptions import ModelError
from segsem.models.build import build_model
from segsem.models.registry import MODELS, frame_px_of
from segsem.models.store import (
    WEIGHTS_FILE,
    ModelDescription,
    file_sha256,
    folder_for,
    write_description,
)
from segsem.models.weights import load_state, read_state, save_state

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base


def add_model(file: Path, config: str, name: str | None = None) -> ModelDescription:
    """Add a weights file to the user's models.

    Parameters
    ----------
    file : Path
        `.pt` or `.safetensors`.
    config : str
        Configuration, or the name of a published model that has it.
    name : str, optional
        Name of the added model: by default that of the published model with this configuration.

    Returns
    -------
    ModelDescription

    Raises
    ------
    ModelError
        If the file is unusable, does not fit, or claims a published model's name with other
        bytes than were published.
    """
    if config in MODELS:
        config = MODELS[config].config
    model = build_model(config)
    load_state(model, read_state(file), str(file))
    published = {spec.config: spec for spec in MODELS.values()}.get(config)
    sha256 = file_sha256(file)
    chosen = name or (published.name if published is not None else config)
    spec = MODELS.get(chosen)
    if spec is not None and spec.sha256 != sha256:
        msg = (
            f"{file} (sha256 {sha256[:12]}...) is not the published {chosen}. "
            "Download it again, or give it a name of its own with --name."
        )
        raise ModelError(msg)
    provenance = {"added_from": file.name, "source_sha256": sha256}
    return write_model(model, folder_for(chosen), chosen, config, provenance)


def write_model(
    model: SAM2Base, folder: Path, name: str, config: str, provenance: dict[str, Any]
) -> ModelDescription:
    """Write a model folder: weights, then the description that names their hash."""
    save_state(model, folder / WEIGHTS_FILE)
    description = ModelDescription(
        name,
        config,
        frame_px_of(config),
        file_sha256(folder / WEIGHTS_FILE),
        _architecture(model),
        provenance,
    )
    write_description(folder, description)
    return description


def _architecture(model: SAM2Base) -> dict[str, Any]:
    trunk = model.image_encoder.trunk
    return {
        "embed_dim": int(trunk.patch_embed.proj.out_channels),
        "stages": [b - a for a, b in zip([-1, *trunk.stage_ends], trunk.stage_ends, strict=False)],
        "global_att_blocks": [int(block) for block in trunk.global_att_blocks],
        "window_spec": [int(side) for side in trunk.window_spec],
        "d_model": int(model.hidden_dim),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
