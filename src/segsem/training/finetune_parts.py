"""What of a model learns, what stays as it is, and the proof of both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segsem.core.exceptions import ModelError
from segsem.models.registry import NANO_CONFIG
from segsem.training.finetune_params import FinetuneParams, TrainedPart
from segsem.training.lora import add_lora

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor, nn

ENCODER, PROMPTS, DECODER, HINTS, OTHER = (
    "image_encoder",
    "sam_prompt_encoder",
    "sam_mask_decoder",
    "sam_mask_decoder.region_hints",
    "other",
)
PARTS = (ENCODER, PROMPTS, DECODER, HINTS, OTHER)
"""The hint heads are `segsem-nano`'s own; `other` are memory parts and lone embeddings."""

LEARNING = {
    TrainedPart.IMAGE_ENCODER: (ENCODER,),
    TrainedPart.MASK_DECODER: (DECODER, HINTS),
    TrainedPart.ALL: (ENCODER, PROMPTS, DECODER, HINTS),
    TrainedPart.LORA: (ENCODER,),
}

NANO_RATES = {
    TrainedPart.IMAGE_ENCODER: 3e-4,
    TrainedPart.MASK_DECODER: 3e-4,
    TrainedPart.ALL: 3e-4,
    TrainedPart.LORA: 2e-3,
}
OFFICIAL_RATES = {
    TrainedPart.IMAGE_ENCODER: 1e-5,
    TrainedPart.MASK_DECODER: 1e-5,
    TrainedPart.ALL: 1e-5,
    TrainedPart.LORA: 1e-4,
}
"""SAM2's own fine-tuning takes 3e-6 for the encoder, over 40 epochs of far more images."""


def part_of(name: str) -> str:
    """Name the part that a parameter or buffer belongs to."""
    for part in (HINTS, ENCODER, PROMPTS, DECODER):
        if name.startswith(f"{part}."):
            return part
    return OTHER


def choose_learning(model: SAM2Base, params: FinetuneParams) -> None:
    """Let one part of a model learn; the rest is frozen, and all in evaluation mode.

    Parameters
    ----------
    model : SAM2Base
        Changed in place; with `lora`, its attention gets layers that `merge_lora` takes away.
    params : FinetuneParams
    """
    model.requires_grad_(False)
    model.eval()
    if params.train is TrainedPart.LORA:
        add_lora(model.image_encoder.trunk, params.lora_rank, params.seed)
        return
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in LEARNING[params.train])


def set_modes(model: SAM2Base, train: TrainedPart) -> None:
    """Put what learns into training mode, and only that: nothing frozen drops anything out."""
    model.eval()
    for part in LEARNING[train]:
        if part != HINTS:
            model.get_submodule(part).train()


def learning_rate(config: str, params: FinetuneParams) -> float:
    """Highest learning rate: what was asked for, or what suits model and part."""
    if params.learning_rate > 0:
        return params.learning_rate
    rates = NANO_RATES if config == NANO_CONFIG else OFFICIAL_RATES
    return rates[params.train]


def parameter_groups(model: SAM2Base, params: FinetuneParams, rate: float) -> list[dict[str, Any]]:
    """Groups for an optimiser: deeper blocks learn faster, matrices alone decay.

    Each has `rate`, its highest learning rate, beside what the optimiser knows.

    References
    ----------
    Layer-wise decay: K. Clark et al., "ELECTRA", ICLR 2020; as in SAM2's own fine-tuning.
    """
    trunk = model.image_encoder.trunk
    depth = int(trunk.get_num_layers())
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = 1.0
        if name.startswith("image_encoder.trunk.") and "pos_embed" not in name:
            scale = params.layer_decay ** (depth + 1 - int(trunk.get_layer_id(name)))
        decay = params.weight_decay if parameter.ndim > 1 else 0.0
        group = groups.setdefault(
            (scale, decay),
            {"params": [], "lr": rate * scale, "rate": rate * scale, "weight_decay": decay},
        )
        group["params"].append(parameter)
    return list(groups.values())


def part_hashes(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Sha256 of the names, types, shapes and bytes of each part of a state dict.

    Parameters
    ----------
    state : mapping of str to Tensor
        Of a model; parts that it does not have are left out.
    """
    digests: dict[str, Any] = {}
    for name in sorted(state):
        digest = digests.setdefault(part_of(name), hashlib.sha256())
        kept = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{kept.dtype}:{tuple(kept.shape)}\0".encode())
        digest.update(kept.numpy().tobytes())
    return {part: digests[part].hexdigest() for part in PARTS if part in digests}


@dataclass(frozen=True, slots=True)
class FrozenProof:
    """Hashes of each part before and after training.

    Attributes
    ----------
    before, after : dict of str to str
    learning : tuple of str
        Parts that were to change.
    """

    before: dict[str, str]
    after: dict[str, str]
    learning: tuple[str, ...]

    def check(self) -> None:
        """Make sure that the frozen parts are the same bytes, and something else changed.

        Raises
        ------
        ModelError
            If a frozen part has changed, or nothing has.
        """
        moved = [part for part in self.before if self.before[part] != self.after.get(part)]
        wrong = [part for part in moved if part not in self.learning]
        if wrong:
            msg = f"{wrong[0]} was to stay as it is, but its weights have changed: not saved"
            raise ModelError(msg)
        if not moved:
            msg = "No weight has changed: raise the learning rate, or train for longer"
            raise ModelError(msg)


def numel_learning(model: nn.Module) -> int:
    """Number of weights that learn."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
