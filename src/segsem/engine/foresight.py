"""Which windows the next prompt will need, and which prompts a window serves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.segmentation.native import MAX_GROWTHS
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window, window_for_prompts

SAME_WINDOW = 0.25
"""Prompts nearer than this part of a frame are taken to need the same window: its grid."""

_NOWHERE = (np.inf, np.inf, -np.inf, -np.inf)
_ANYWHERE = (-np.inf, -np.inf, np.inf, np.inf)


@dataclass(frozen=True, slots=True)
class Focus:
    """What is being encoded: prompts whose centre lies in the box need it, too.

    Attributes
    ----------
    image_id : str
    box_rc : (r0, c0, r1, c1)
        In px.
    """

    image_id: str
    box_rc: tuple[float, float, float, float]

    def serves(self, image_id: object, prompts: Prompts) -> bool:
        """Whether prompts of an image need it."""
        row, col = centre_of(prompts)
        top, left, bottom, right = self.box_rc
        return image_id == self.image_id and top <= row <= bottom and left <= col <= right


def focus_on_prompts(image_id: str, prompts: Prompts, frame_px: int) -> Focus:
    """Focus while prompts are answered."""
    return Focus(image_id, _around(centre_of(prompts), frame_px * SAME_WINDOW))


def focus_on_window(image_id: str, window: Window, shape: tuple[int, int], frame_px: int) -> Focus:
    """Focus while a window of an image of a shape (H, W) is encoded."""
    if window.shape == shape:
        # Of a large image, only objects that no other window holds need the whole.
        return Focus(image_id, _NOWHERE if max(shape) > frame_px else _ANYWHERE)
    centre = (window.row0 + window.row1) / 2, (window.col0 + window.col1) / 2
    return Focus(image_id, _around(centre, frame_px * SAME_WINDOW))


def likely_windows(
    shape: tuple[int, int], frame_px: int, point_rc: tuple[float, float] | None
) -> list[Window]:
    """Windows that the first prompt may need.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the image in px.
    frame_px : int
        Side of the model's frame.
    point_rc : (row, column) or None
        Where the mouse is.

    Returns
    -------
    list of Window
        About the mouse; without one about the middle, and the whole where it is ever looked at.
    """
    middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    first = window_for_prompts(Prompts([point_rc or middle], [1]), shape, frame_px)
    whole = Window(0, 0, *shape)
    never = max(shape) > frame_px * 2**MAX_GROWTHS
    return [first] if point_rc is not None or first == whole or never else [first, whole]


def centre_of(prompts: Prompts) -> tuple[float, float]:
    """(row, column) of the middle of points and box."""
    points = [np.asarray(prompts.points_rc, dtype=float).reshape(-1, 2)]
    if prompts.box_rc is not None:
        points.append(np.asarray(prompts.box_rc, dtype=float).reshape(2, 2))
    stacked = np.concatenate(points)
    row, col = (stacked.min(axis=0) + stacked.max(axis=0)) / 2
    return float(row), float(col)


def _around(centre_rc: tuple[float, float], reach: float) -> tuple[float, float, float, float]:
    row, col = centre_rc
    return row - reach, col - reach, row + reach, col + reach
