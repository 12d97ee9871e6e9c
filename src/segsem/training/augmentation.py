"""Cheap changes that make one synthetic crop serve several times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Crop = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]


def augment(rng: np.random.Generator, crop: Crop) -> Crop:
    """Flip, turn, change gamma, contrast and noise; now and then blank what padding would blank.

    Parameters
    ----------
    rng : numpy Generator
    crop : ((S, S) uint8, (S, S) int32)
        Image and labels, left as they are.

    Returns
    -------
    ((S, S) uint8, (S, S) int32)
        Contiguous arrays.
    """
    image, labels = crop
    turns, mirrored = int(rng.integers(0, 4)), rng.random() < 0.5
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if mirrored:
        image, labels = image[:, ::-1], labels[:, ::-1]
    return _change_greys(rng, image), np.ascontiguousarray(labels)


def _change_greys(rng: np.random.Generator, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    gamma, gain = np.exp(rng.normal(0.0, 0.2)), rng.uniform(0.75, 1.1)
    offset = rng.uniform(-15.0, 25.0)
    levels = np.linspace(0.0, 1.0, 256) ** gamma * 255.0
    table = np.clip(levels * gain + offset, 0.0, 255.0).astype(np.uint8)
    changed: npt.NDArray[np.uint8] = table[image]
    if rng.random() < 0.3:
        noise = rng.normal(0.0, rng.uniform(2.0, 10.0), image.shape)
        changed = np.clip(changed + noise, 0.0, 255.0).astype(np.uint8)
    return changed
