"""From labelled crops to a batch: frames, objects, and how they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.types import LabelArray, MaskArray
from segsem.training.augmentation import Crop
from segsem.training.priors import Prior, PriorSpec, draw_prior, known_part
from segsem.training.prompt_simulation import (
    PromptPlan,
    SimulatedPrompts,
    draw_plans,
    simulate,
)

MIN_OBJECT_PX = 16
PADDED_SHARE = 0.1
"""Share of frames of which the right and bottom part is blank, as where an image is smaller."""

INVERTED_SHARE = 0.12
"""Share of frames where the spaces are asked for: an image alone does not tell its tone."""

PRIOR_SHARES = {Prior.COARSE: 0.14, Prior.STRIP: 0.14}
"""Shares of steps that begin with previous knowledge."""

REST = 255
"""Label of the objects that are not asked for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B frames and N objects in them.

    Attributes
    ----------
    grey : (B, S, S) uint8
    filled_px : (B, 2) int
        Part (h, w) of each frame that the image fills; the rest is padding.
    labels : (B, S, S) uint8
        0 background, 1..K the objects asked for, `REST` the others.
    inverted : (B,) bool
        Whether the objects are the spaces between the features.
    frame_index : (N,) int
        Each object's frame.
    object_label : (N,) int
        Each object's label in that frame.
    prompts : SimulatedPrompts
        Of the N objects.
    prior : PriorSpec
        Of the N objects.
    """

    grey: npt.NDArray[np.uint8]
    filled_px: npt.NDArray[np.int64]
    labels: npt.NDArray[np.uint8]
    inverted: npt.NDArray[np.bool_]
    frame_index: npt.NDArray[np.int64]
    object_label: npt.NDArray[np.int64]
    prompts: SimulatedPrompts
    prior: PriorSpec

    @property
    def masks(self) -> npt.NDArray[np.bool_]:
        """(N, S, S) masks of the objects."""
        return np.asarray(self.labels[self.frame_index] == self.object_label[:, None, None])


def make_batch(
    rng: np.random.Generator,
    crops: Sequence[Crop],
    n_objects: int,
    box_share: float = 0.5,
    inverted_share: float = INVERTED_SHARE,
) -> Batch:
    """Choose objects of labelled crops and draw their prompts.

    Parameters
    ----------
    rng : numpy Generator
    crops : sequence of ((S, S) uint8, (S, S) int32)
    n_objects : int
        Objects of each frame, below 255; where a frame has fewer, they are repeated with other
        prompts.
    box_share : float
        Share of objects that are asked for with a box.
    inverted_share : float
        Share of frames of which the spaces are asked for instead of the features.

    Returns
    -------
    Batch
        Frames without any object are not asked for anything.
    """
    side = crops[0][0].shape[0]
    filled = np.full((len(crops), 2), side, dtype=np.int64)
    inverted = rng.random(len(crops)) < inverted_share
    labels = np.zeros((len(crops), side, side), dtype=np.uint8)
    frames: list[int] = []
    chosen: list[int] = []
    for i, (_, given) in enumerate(crops):
        if rng.random() < PADDED_SHARE:
            filled[i] = rng.integers(side // 2, side + 1, 2)
        height, width = filled[i]
        whole = _spaces(given) if inverted[i] else given
        kept = np.zeros_like(whole)
        kept[:height, :width] = whole[:height, :width]
        labels[i], own = name_objects(kept, choose_labels(rng, kept, n_objects))
        frames += [i] * len(own)
        chosen += own
    frame_index, object_label = np.array(frames, dtype=np.int64), np.array(chosen, dtype=np.int64)
    masks = np.asarray(labels[frame_index] == object_label[:, None, None])
    prompts, prior = ask_for(rng, masks, labels[frame_index] == 0, box_share)
    grey = np.stack([image for image, _ in crops])
    return Batch(grey, filled, labels, inverted, frame_index, object_label, prompts, prior)


def ask_for(
    rng: np.random.Generator,
    masks: npt.NDArray[np.bool_],
    background: npt.NDArray[np.bool_],
    box_share: float,
    cut: npt.NDArray[np.bool_] | None = None,
) -> tuple[SimulatedPrompts, PriorSpec]:
    """Draw prompts of one style for all objects of a step, and what is known before.

    Parameters
    ----------
    rng : numpy Generator
    masks, background : (N, S, S) bool
        The objects, and where negative points may lie.
    box_share : float
        Share of objects that are asked for with a box.
    cut : (N,) bool, optional
        Objects whose extent is not known: they get clicks where a box was drawn.
    """
    lot, kind = rng.random(), Prior.NONE
    for candidate, share in PRIOR_SHARES.items():
        if kind is Prior.NONE and lot < share:
            kind = candidate
        lot -= share
    prior = draw_prior(rng, kind, masks)
    if kind is Prior.STRIP:
        plans = [PromptPlan(False, int(rng.integers(1, 4)), 0)] * len(masks)
        where = [known_part(m, u) for m, u in zip(masks, prior.unknown_px, strict=True)]
        return simulate(rng, _stacked(where, masks), background, plans), prior
    plans = draw_plans(rng, box_share, len(masks))
    if cut is not None:
        plans = [
            PromptPlan(False, max(plan.n_positive, 1), plan.n_negative) if unknown else plan
            for plan, unknown in zip(plans, cut, strict=True)
        ]
    return simulate(rng, masks, background, plans), prior


def _stacked(parts: list[MaskArray], like: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.stack(parts) if parts else like


def _spaces(labels: LabelArray) -> LabelArray:
    _, spaces = cv2.connectedComponents((labels == 0).astype(np.uint8), connectivity=4)
    return np.asarray(spaces, dtype=np.int32)


def name_objects(
    labels: LabelArray, chosen: Sequence[int]
) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Rename the chosen objects 1..K, all others `REST`; repeated ones keep one name."""
    names = {label: i for i, label in enumerate(dict.fromkeys(chosen), start=1)}
    table = np.full(int(labels.max()) + 1, REST, dtype=np.uint8)
    table[0] = 0
    for label, name in names.items():
        table[label] = name
    return table[labels], [names[label] for label in chosen]


def choose_labels(rng: np.random.Generator, labels: npt.NDArray[np.int32], count: int) -> list[int]:
    """Choose objects to ask for; those below `MIN_OBJECT_PX` never are.

    Half of the draws favour large objects: few in number, they are what is hard.
    """
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    usable = np.nonzero(sizes >= MIN_OBJECT_PX)[0]
    if len(usable) == 0:
        return []
    share = sizes[usable] / sizes[usable].sum()
    weights = 0.5 * share + 0.5 / len(usable)
    if len(usable) >= count:
        return [int(v) for v in rng.choice(usable, count, replace=False, p=weights)]
    return [int(v) for v in rng.choice(usable, count, p=weights)]
