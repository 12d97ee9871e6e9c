"""What a person has asked with so far, for the object in work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segsem.core.types import BoxRC
from segsem.segmentation.prompts import Prompts


@dataclass(frozen=True, slots=True)
class PromptState:
    """Clicks and box for the object in work; empty at first."""

    points_rc: tuple[tuple[float, float], ...] = ()
    point_labels: tuple[int, ...] = ()
    box_rc: BoxRC | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask with."""
        return not self.points_rc and self.box_rc is None

    def prompts(self) -> Prompts:
        """Return them as the model's prompts."""
        return Prompts(self.points_rc, self.point_labels, self.box_rc)

    def as_json(self) -> dict[str, Any]:
        """Say as plain JSON values what was asked with; empty where nothing was."""
        return {} if self.is_empty else self.prompts().as_json()
