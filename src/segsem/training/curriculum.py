"""The curriculum of `segsem-nano`: from small crops to whole frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segsem.synth.training_look import RIMS_ALONE


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a curriculum.

    Attributes
    ----------
    share : float
        Share of all steps.
    size_px : int
        Side of the crops.
    n_crops, n_objects : int
        Crops of a batch, and objects of a crop.
    rims : float
        Share of crops that show features by their rims alone.
    """

    share: float
    size_px: int
    n_crops: int
    n_objects: int
    rims: float = RIMS_ALONE


def stage_at(step: int, steps: int, curriculum: Sequence[Stage]) -> Stage:
    """Stage that a step of a run of so many steps belongs to."""
    end = 0.0
    for stage in curriculum:
        end += stage.share
        if step < round(end * steps):
            return stage
    return curriculum[-1]
