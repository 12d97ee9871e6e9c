"""One object that is asked for among many, and its answer."""

from __future__ import annotations

from dataclasses import dataclass

from segsem.core.mask_patch import MaskPatch
from segsem.segmentation.prompts import Prompts


@dataclass(frozen=True, slots=True)
class Question:
    """One object that is asked for.

    Attributes
    ----------
    prompts : Prompts
        In the image's frame, without `mask_input`.
    known : MaskPatch or None
        A mask of it, in the image's frame; the prompts hold its box.
    """

    prompts: Prompts
    known: MaskPatch | None = None


@dataclass(frozen=True, slots=True)
class ObjectAnswer:
    """Masks for one of many questions, best first, each cut to what is set.

    Attributes
    ----------
    index : int
        Of the question.
    masks : tuple of MaskPatch
    iou_pred : tuple of float
        The model's own estimate for each; not a confidence.
    complete : bool
        False where the object goes on beyond what was looked at.
    match : float or None
        Of an instance that was found: how much it is like the object, at most 1.
    from_template : bool
        The mask is the object's own, moved: the model saw something else there.
    """

    index: int
    masks: tuple[MaskPatch, ...]
    iou_pred: tuple[float, ...]
    complete: bool = True
    match: float | None = None
    from_template: bool = False
