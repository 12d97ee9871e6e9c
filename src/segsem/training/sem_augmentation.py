"""Changes that a microscope makes: orientation, dose, defocus, contrast, charging. No shear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.types import LabelArray, MaskArray
from segsem.segmentation.window import Window

Grey = npt.NDArray[np.uint8]

ROTATED_SHARE = 0.3
DOSE_SHARE, DEFOCUS_SHARE, CHARGING_SHARE, CONTRAST_SHARE = 0.35, 0.25, 0.25, 0.7
NOISE_GREY = (2.0, 14.0)
"""1-sigma noise at half the brightness, added: a dose can only be lowered afterwards."""

DEFOCUS_PX = (0.3, 1.3)
CHARGING_GREY = 22.0


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of an image as a model is to see it.

    Attributes
    ----------
    grey : (h, w) uint8
    labels : (h, w) int32
    not_rated : (h, w) bool
        Where nothing may be learnt from the labels.
    """

    grey: Grey
    labels: LabelArray
    not_rated: MaskArray


def cut_window(whole: Cut, window: Window) -> Cut:
    """Cut a native window out of an image."""
    part = window.slices
    return Cut(whole.grey[part], whole.labels[part], whole.not_rated[part])


def rotated_window(whole: Cut, window: Window, degrees: float) -> Cut:
    """Cut a window that is turned about its centre; what lies beyond the image is mirrored.

    Mirrored labels would be of objects that are not there: nothing is learnt beyond the image.
    """
    height, width = window.shape
    near = _neighbourhood(window, whole.grey.shape)
    whole, window = cut_window(whole, near), window.within(near)
    centre_xy = ((window.col0 + window.col1 - 1) / 2, (window.row0 + window.row1 - 1) / 2)
    turn = cv2.getRotationMatrix2D(centre_xy, degrees, 1.0)
    turn[:, 2] -= (window.col0, window.row0)
    size = (width, height)
    grey = cv2.warpAffine(
        whole.grey, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    # float64 holds every label exactly, which cv2's warp does not take as int32.
    labels = cv2.warpAffine(whole.labels.astype(np.float64), turn, size, flags=cv2.INTER_NEAREST)
    hidden = cv2.warpAffine(
        whole.not_rated.astype(np.uint8),
        turn,
        size,
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=1,
    )
    return Cut(np.asarray(grey), labels.astype(np.int32), hidden > 0)


def _neighbourhood(window: Window, shape: tuple[int, ...]) -> Window:
    """Return what a turned window may reach of an image: its diagonal."""
    margin = math.ceil(0.5 * (math.hypot(*window.shape) - min(window.shape))) + 2
    return Window(
        max(window.row0 - margin, 0),
        max(window.col0 - margin, 0),
        min(window.row1 + margin, shape[0]),
        min(window.col1 + margin, shape[1]),
    )


def oriented(rng: np.random.Generator, cut: Cut) -> Cut:
    """Turn by right angles and mirror: every pixel stays what it is."""
    turns, mirrored = int(rng.integers(0, 4)), rng.random() < 0.5

    def turned(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        plane = np.rot90(plane, turns)
        return np.ascontiguousarray(plane[:, ::-1] if mirrored else plane)

    return Cut(turned(cut.grey), turned(cut.labels), turned(cut.not_rated))


def other_exposure(rng: np.random.Generator, grey: Grey) -> Grey:
    """Take the image once more: out of focus, charged, with another contrast, at a lower dose."""
    values = grey.astype(np.float32)
    if rng.random() < DEFOCUS_SHARE:
        sigma = float(rng.uniform(*DEFOCUS_PX))
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), dtype=np.float32)
    if rng.random() < CHARGING_SHARE:
        values = values + _charging(rng, grey.shape)
    if rng.random() < CONTRAST_SHARE:
        gamma, gain = float(np.exp(rng.normal(0.0, 0.15))), rng.uniform(0.8, 1.1)
        levels = np.clip(values / np.float32(255.0), 0.0, 1.0) ** np.float32(gamma)
        values = levels * np.float32(255.0 * gain) + np.float32(rng.uniform(-12.0, 18.0))
    if rng.random() < DOSE_SHARE:
        # Shot noise grows with the root of the signal.
        sigma_grey = np.sqrt(np.clip(values, 8.0, None) / 128.0) * rng.uniform(*NOISE_GREY)
        values = values + rng.standard_normal(grey.shape, dtype=np.float32) * sigma_grey
    return np.clip(np.rint(values), 0.0, 255.0).astype(np.uint8)


def _charging(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Slow change of brightness: a few cells of noise, brought to the image's size."""
    cells = rng.normal(0.0, 1.0, (int(rng.integers(2, 5)), int(rng.integers(2, 5))))
    slow = cv2.resize(cells.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(slow * np.float32(rng.uniform(0.2, 1.0) * CHARGING_GREY / 2), np.float32)
