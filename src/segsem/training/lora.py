"""LoRA on the image encoder's attention, and how it becomes ordinary weights again."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)

ADAPTED = ("qkv", "proj")


class LoRALinear(nn.Module):
    """A frozen linear layer plus a change of low rank, which begins as none.

    Parameters
    ----------
    base : nn.Linear
        Kept as it is.
    rank : int
    generator : torch.Generator
        Draws the first factor.

    References
    ----------
    E. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022.
    """

    def __init__(self, base: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        rank = min(rank, base.in_features, base.out_features)
        bound = 1.0 / math.sqrt(base.in_features)
        drawn = (2 * torch.rand(rank, base.in_features, generator=generator) - 1) * bound
        like = base.weight
        self.down = nn.Parameter(drawn.to(like))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank).to(like))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer and its change."""
        changed: Tensor = self.base(x) + (x @ self.down.T) @ self.up.T
        return changed

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return the layer with its change in its weights."""
        self.base.weight += self.up @ self.down
        return self.base


def add_lora(trunk: nn.Module, rank: int, seed: int) -> None:
    """Put changes of low rank beside query, key, value and output of each attention."""
    generator = torch.Generator().manual_seed(seed)
    for owner, name, layer in _attention_layers(trunk, nn.Linear):
        setattr(owner, name, LoRALinear(layer, rank, generator))


def merge_lora(model: nn.Module) -> None:
    """Turn the changes into ordinary weights; nothing where there are none."""
    for owner, name, layer in _attention_layers(model, LoRALinear):
        setattr(owner, name, layer.merged())


def _attention_layers(model: nn.Module, kind: type[Layer]) -> list[tuple[nn.Module, str, Layer]]:
    found: list[tuple[nn.Module, str, Layer]] = []
    for path, module in model.named_modules():
        if path.rpartition(".")[2] != "attn":
            continue
        for name in ADAPTED:
            layer = getattr(module, name, None)
            if isinstance(layer, kind):
                found.append((module, name, layer))
    return found
