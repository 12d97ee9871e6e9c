"""Cheap changes that make one synthetic crop serve several times."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Crop = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]

ZOOM_SHARE = 0.25
LARGEST_ZOOM = 3.0
NOISE_SHARE = 0.3


def augment(rng: np.random.Generator, crop: Crop) -> Crop:
    """Flip, turn, enlarge now and then, change gamma, contrast and noise.

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
    if rng.random() < ZOOM_SHARE:
        image, labels = _zoom(rng, image, labels)
    turns, mirrored = int(rng.integers(0, 4)), rng.random() < 0.5
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if mirrored:
        image, labels = image[:, ::-1], labels[:, ::-1]
    return _change_greys(rng, image), np.ascontiguousarray(labels)


def _zoom(
    rng: np.random.Generator, image: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32]
) -> Crop:
    """Enlarge a part of the crop: features that fill the frame and leave it on all sides."""
    size = image.shape[0]
    side = round(size / rng.uniform(1.0, LARGEST_ZOOM))
    row, col = (int(v) for v in rng.integers(0, size - side + 1, 2))
    window = (slice(row, row + side), slice(col, col + side))
    larger = cv2.resize(image[window], (size, size), interpolation=cv2.INTER_CUBIC)
    inside = (labels[window] > 0).astype(np.float32)
    smooth = cv2.resize(inside, (size, size), interpolation=cv2.INTER_CUBIC)
    # What was one feature may be two in the window.
    _, parts = cv2.connectedComponents((smooth > 0.5).astype(np.uint8), connectivity=4)
    return np.asarray(larger, dtype=np.uint8), np.asarray(parts, dtype=np.int32)


def _change_greys(rng: np.random.Generator, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    gamma, gain = np.exp(rng.normal(0.0, 0.2)), rng.uniform(0.75, 1.1)
    offset = rng.uniform(-15.0, 25.0)
    levels = np.linspace(0.0, 1.0, 256) ** gamma * 255.0
    table = np.clip(levels * gain + offset, 0.0, 255.0).astype(np.uint8)
    changed: npt.NDArray[np.uint8] = table[image]
    if rng.random() < NOISE_SHARE:
        noise = rng.normal(0.0, rng.uniform(2.0, 10.0), image.shape)
        changed = np.clip(changed + noise, 0.0, 255.0).astype(np.uint8)
    return np.ascontiguousarray(changed)
