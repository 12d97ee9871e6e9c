from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch

from segsem.models.build import build_model


@cache
def _random_model(config: str) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_model(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
        trunk = model.image_encoder.trunk
        for positions in (trunk.pos_embed, trunk.pos_embed_window, model.no_mem_embed):
            positions.normal_(0.0, 0.2)
    return model


@pytest.fixture(scope="session")
def random_model() -> Callable[[str], torch.nn.Module]:
    """Models of random weights whose biases, norms and positions are not those of a new model."""
    return _random_model
