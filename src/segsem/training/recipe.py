"""Recipes for `segsem-nano`: what is shown, how it is learnt, and what is learnt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from segsem.training.curriculum import Stage

PROMPTED_PARTS = ("sam_prompt_encoder", "sam_mask_decoder")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way of training.

    Attributes
    ----------
    curriculum : tuple of Stage
    options : dict
        Fields of `TrainOptions` that are not the defaults.
    trained : tuple of str
        Parts of the model that learn; empty for all of them.
    """

    curriculum: tuple[Stage, ...]
    options: dict[str, Any] = field(default_factory=dict)
    trained: tuple[str, ...] = ()


RECIPES = {
    "small": Recipe((Stage(0.5, 128, 8, 5), Stage(0.5, 256, 4, 5))),
    "large": Recipe(
        (Stage(0.15, 128, 128, 8), Stage(0.85, 256, 80, 8)),
        {
            "learning_rate": 1e-3,
            "final_learning_rate": 5e-6,
            "warmup_steps": 250,
            "ema_decay": 0.9985,
            "checkpoint_every": 300,
            "history_every": 50,
            "bf16": True,
        },
    ),
    "clicks": Recipe(
        (Stage(1.0, 256, 64, 8),),
        {
            "learning_rate": 7e-4,
            "final_learning_rate": 5e-6,
            "warmup_steps": 60,
            "ema_decay": 0.995,
            "box_share": 0.35,
            "bf16": True,
        },
    ),
    "boxes": Recipe(
        (Stage(1.0, 256, 4, 6),),
        {
            "learning_rate": 3e-4,
            "final_learning_rate": 5e-6,
            "warmup_steps": 20,
            "ema_decay": 0.99,
            "box_share": 0.6,
            "checkpoint_every": 50,
            "history_every": 10,
        },
        PROMPTED_PARTS,
    ),
    "edges": Recipe(
        (Stage(1.0, 256, 5, 6, rims=0.35),),
        {
            "learning_rate": 2.5e-4,
            "final_learning_rate": 5e-6,
            "warmup_steps": 20,
            "ema_decay": 0.995,
            "box_share": 0.5,
            "round_shares": (0.35, 0.35, 0.3),
            "checkpoint_every": 50,
            "history_every": 10,
        },
    ),
}
"""`small` is for two CPU cores, `large` for a GPU; `clicks` (a GPU), `boxes` and `edges` (a CPU) go
on from a model that is there."""
