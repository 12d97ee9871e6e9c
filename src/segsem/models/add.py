"""Take weights into a model folder: checked against the architecture, written as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsem.core.exceptions import ModelError
from segsem.models.build import NANO_EMBED_DIM, build_model
from segsem.models.registry import (
    MODELS,
    NANO_CONFIG,
    config_named,
    frame_px_of,
    known_configs,
)
from segsem.models.store import (
    WEIGHTS_FILE,
    ModelDescription,
    file_sha256,
    folder_for,
    write_description,
)
from segsem.models.weights import first_difference, read_state, save_state

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

_BLOCKS = "image_encoder.trunk.blocks."
_SIZES = {(96, 12): "t", (96, 16): "s", (112, 24): "b+", (144, 48): "l"}
"""Width and depth of SAM2's image encoders, which tell its sizes apart."""

_ONLY_IN_2_1 = "no_obj_embed_spatial"


def add_model(
    file: Path, config: str, name: str | None = None, added_from: str | None = None
) -> ModelDescription:
    """Add a weights file to the user's models.

    Parameters
    ----------
    file : Path
        `.pt` or `.safetensors`.
    config : str
        Configuration, its file's name, or the name of a published model that has it.
    name : str, optional
        Name of the added model: by default that of the published model with this configuration.
    added_from : str, optional
        Where the file comes from, for the record; by default its name.

    Returns
    -------
    ModelDescription

    Raises
    ------
    ModelError
        If the file is unusable, does not fit, or claims a published model's name with other
        bytes than were published.
    """
    config = config_named(config)
    published = {spec.config: spec for spec in MODELS.values()}.get(config)
    chosen = name or (published.name if published is not None else config)
    folder = folder_for(chosen)
    state = read_state(file)
    model = build_model(config)
    difference = first_difference(model.state_dict(), state)
    if difference is not None:
        raise ModelError(_misfit(file, config, difference, state))
    # After reading: were the file changed meanwhile, its hash would be another one.
    sha256 = file_sha256(file)
    spec = MODELS.get(chosen)
    if spec is not None and spec.sha256 != sha256:
        msg = (
            f"{file} (sha256 {sha256[:12]}...) is not the published {chosen}. "
            "Download it again, or give it a name of its own with --name."
        )
        raise ModelError(msg)
    model.load_state_dict(state)
    del state  # as large as the model, and writing needs memory of its own
    provenance = {"added_from": added_from or file.name, "source_sha256": sha256}
    return write_model(model, folder, chosen, config, provenance)


def fitting_config(state: Mapping[str, Tensor]) -> str | None:
    """Find the configuration that a state dict fits; None where no known one does.

    Parameters
    ----------
    state : mapping of str to Tensor
    """
    candidate = _candidate(state)
    if candidate is None or first_difference(build_model(candidate).state_dict(), state):
        return None
    return candidate


def _candidate(state: Mapping[str, Tensor]) -> str | None:
    """Configuration that width, depth and version of a state dict point at."""
    patches = state.get("image_encoder.trunk.patch_embed.proj.weight")
    if patches is None or patches.ndim == 0:
        return None
    depth = len({key.split(".")[3] for key in state if key.startswith(_BLOCKS)})
    size = _SIZES.get((int(patches.shape[0]), depth))
    if size is None:
        return NANO_CONFIG if patches.shape[0] == NANO_EMBED_DIM else None
    return f"{'sam2.1' if _ONLY_IN_2_1 in state else 'sam2'}_hiera_{size}"


def _misfit(file: Path, config: str, difference: str, state: Mapping[str, Tensor]) -> str:
    fitting = fitting_config(state)
    advice = (
        f"It fits --config {fitting}."
        if fitting is not None
        else f"It fits none of the known configurations: {', '.join(known_configs())}."
    )
    return f"{file} does not fit {config}: {difference}. {advice}"


def write_model(
    model: SAM2Base, folder: Path, name: str, config: str, provenance: dict[str, Any]
) -> ModelDescription:
    """Write a model folder: weights, then the description that names their hash."""
    # The bundled model travels with the package: half the bytes for a change that no mask shows.
    save_state(model, folder / WEIGHTS_FILE, half=config == NANO_CONFIG)
    return describe_model(model, folder, name, config, provenance)


def describe_model(
    model: SAM2Base, folder: Path, name: str, config: str, provenance: dict[str, Any]
) -> ModelDescription:
    """Write the description of a folder whose weights are there."""
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
