"""From labelled crops to a batch: frames, objects, and which objects are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.training.augmentation import Crop

MIN_OBJECT_PX = 16
PADDED_SHARE = 0.1
"""Share of frames of which the right and bottom part is blank, as where an image is smaller."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B frames and N objects in them.

    Attributes
    ----------
    grey : (B, S, S) uint8
    filled_px : (B, 2) int
        Part (h, w) of each frame that the image fills; the rest is padding.
    features : (B, S, S) bool
        All objects of each frame.
    masks : (N, S, S) bool
        The objects asked for.
    frame_index : (N,) int
        Each object's frame.
    """

    grey: npt.NDArray[np.uint8]
    filled_px: npt.NDArray[np.int64]
    features: npt.NDArray[np.bool_]
    masks: npt.NDArray[np.bool_]
    frame_index: npt.NDArray[np.int64]


def make_batch(rng: np.random.Generator, crops: Sequence[Crop], n_objects: int) -> Batch:
    """Choose objects of labelled crops.

    Parameters
    ----------
    rng : numpy Generator
    crops : sequence of ((S, S) uint8, (S, S) int32)
    n_objects : int
        Objects of each frame; where a frame has fewer, they are repeated with other prompts.

    Returns
    -------
    Batch
        Frames without any object are not asked for anything.
    """
    side = crops[0][0].shape[0]
    filled = np.full((len(crops), 2), side, dtype=np.int64)
    masks, owners, features = [], [], []
    for i, (_, labels) in enumerate(crops):
        if rng.random() < PADDED_SHARE:
            filled[i] = rng.integers(side // 2, side + 1, 2)
        kept = np.zeros_like(labels)
        height, width = filled[i]
        kept[:height, :width] = labels[:height, :width]
        features.append(kept > 0)
        for label in _choose_labels(rng, kept, n_objects):
            masks.append(kept == label)
            owners.append(i)
    stacked = np.stack(masks) if masks else np.zeros((0, side, side), dtype=bool)
    grey = np.stack([image for image, _ in crops])
    return Batch(grey, filled, np.stack(features), stacked, np.array(owners, dtype=np.int64))


def _choose_labels(
    rng: np.random.Generator, labels: npt.NDArray[np.int32], count: int
) -> list[int]:
    """Half of the draws favour large objects: few in number, they are what is hard."""
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
