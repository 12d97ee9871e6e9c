"""From one window to the next along an object that leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.auto_prompts import deepest_points
from segsem.segmentation.predictor import MASK_THRESHOLD, MaskPrediction
from segsem.segmentation.prompts import FOREGROUND, Prompts
from segsem.segmentation.window import Window, window_around

OVERLAP = 4
"""Neighbouring windows share this part of a frame (a quarter), a strip that both see."""

INSET = 16
"""An object leaves a window where it comes within this part of a frame of an open side: the
outermost pixels, which see nothing of what follows, are guesses."""

LEAST_EXIT_PX = 2

LEAST_AGREEMENT = 0.6
"""A window whose answer agrees less than this (IoU) with what is known there is not believed."""

MOST_VISITS = 2
"""A window may be asked again, once another one has found a further branch in it."""

SETTLED_WEIGHT = 0.5
"""Pixels at least half-way into another window need no further one."""

MOST_POINTS = 3

SURROUNDINGS = 16
"""A window is told of what lies within this part of a frame of the object."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A place where an object leaves a window.

    Attributes
    ----------
    start_rc, stop_rc : (int, int)
        First and last pixel of the exit on the window's outermost line, in the image's frame.
    side : (int, int)
        Direction (row, column) in which it leaves: (-1, 0) is up.
    touching : tuple of bool
        For each pixel, whether the object reaches the outermost line itself there, or only comes
        near it.
    """

    start_rc: tuple[int, int]
    stop_rc: tuple[int, int]
    side: tuple[int, int]
    touching: tuple[bool, ...]

    @property
    def width_px(self) -> int:
        """Number of pixels."""
        return 1 + max(self.stop_rc[0] - self.start_rc[0], self.stop_rc[1] - self.start_rc[1])

    @property
    def pixels(self) -> tuple[slice, slice]:
        """The pixels, as an index into a (H, W) array."""
        return (
            slice(self.start_rc[0], self.stop_rc[0] + 1),
            slice(self.start_rc[1], self.stop_rc[1] + 1),
        )

    def part(self, first: int, last: int) -> Exit:
        """Return the exit's pixels from `first` to `last`, counted along it."""
        (row, col), across = self.start_rc, self.side[0] != 0
        touching = self.touching[first : last + 1]
        if across:
            return Exit((row, col + first), (row, col + last), self.side, touching)
        return Exit((row + first, col), (row + last, col), self.side, touching)


def exits(window: Window, mask: MaskArray, shape: tuple[int, int], frame_px: int) -> Iterator[Exit]:
    """Find where a mask leaves its window through sides that are not the image's border.

    Parameters
    ----------
    window : Window
        Inside the image.
    mask : (h, w) bool
        The object in it.
    shape : (int, int)
        (H, W) of the image.
    frame_px : int
        Side of the model's frame.
    """
    inset = max(frame_px // INSET, 1)
    far_row, far_col = window.row1 - 1, window.col1 - 1
    sides = (
        ((-1, 0), window.row0 > 0, mask[:inset], window.row0),
        ((1, 0), window.row1 < shape[0], mask[-inset:][::-1], far_row),
        ((0, -1), window.col0 > 0, mask[:, :inset].T, window.col0),
        ((0, 1), window.col1 < shape[1], mask[:, -inset:].T[::-1], far_col),
    )
    for side, is_open, strip, line in sides:
        for start, stop in _runs(strip.any(axis=0)) if is_open else []:
            touching = tuple(strip[0, start : stop + 1].tolist())
            if side[0] != 0:
                first, last = (line, window.col0 + start), (line, window.col0 + stop)
            else:
                first, last = (window.row0 + start, line), (window.row0 + stop, line)
            yield Exit(first, last, side, touching)


def next_window(left: Exit, shape: tuple[int, int], frame_px: int) -> Window:
    """Native window beyond an exit, which shares a quarter of a frame with the one before."""
    ahead = frame_px / 2 - frame_px / OVERLAP
    row = (left.start_rc[0] + left.stop_rc[0]) / 2 + left.side[0] * ahead
    col = (left.start_rc[1] + left.stop_rc[1]) / 2 + left.side[1] * ahead
    return window_around((row, col), shape, frame_px)


def seeds(start: MaskArray) -> list[tuple[float, float]]:
    """Points of what is known of an object, one in each of its largest pieces.

    Parameters
    ----------
    start : (h, w) bool
        Where the object is known to be.

    Returns
    -------
    list of (row, column)
        At most `MOST_POINTS`, the deepest of a piece first; empty where nothing is known.
    """
    pieces, count = ndi.label(start, structure=np.ones((3, 3)))
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    largest = np.argsort(-areas, kind="stable")[:MOST_POINTS] + 1
    each = [deepest_points(pieces == number, MOST_POINTS) for number in largest]
    ranked = [found[rank] for rank in range(MOST_POINTS) for found in each if rank < len(found)]
    return ranked[:MOST_POINTS]


def told(start: MaskArray, known: MaskArray, frame_px: int) -> MaskArray:
    """Where the next window is told what is known: the object and what lies close to it.

    What lies farther away was only found not to hang together with it within one window.
    """
    reach = max(frame_px // SURROUNDINGS, 1)
    about = ndi.maximum_filter(start.astype(np.uint8), 2 * reach + 1) > 0
    return np.asarray(known & about)


def with_seeds(given: Prompts | None, points: list[tuple[float, float]]) -> Prompts:
    """Add points inside an object to what the user asked for in a window."""
    labels = [FOREGROUND] * len(points)
    if given is None:
        return Prompts(tuple(points), tuple(labels))
    return Prompts((*given.points_rc, *points), (*given.point_labels, *labels), given.box_rc)


def best_fitting(
    prediction: MaskPrediction, mask: MaskArray, known: MaskArray
) -> FloatImage | None:
    """Choose the first answer, in the model's order, that agrees with what is known.

    Parameters
    ----------
    prediction : MaskPrediction
        The model's candidates.
    mask : (h, w) bool
        What is known of the object.
    known : (h, w) bool
        Where it is known.

    Returns
    -------
    (h, w) float32 or None
        Its logits; None where every candidate contradicts what is known.
    """
    inside = mask & known
    for index, candidate in enumerate(prediction.masks):
        if _agreement(candidate & known, inside) >= LEAST_AGREEMENT:
            return np.asarray(prediction.logits[index])
    return None


def _agreement(candidate: MaskArray, inside: MaskArray) -> float:
    """IoU of what is known and the pieces of a candidate that touch it.

    Other pieces are no contradiction: they may hang together with the rest beyond what is known.
    """
    pieces, count = ndi.label(candidate)
    touching = np.zeros(count + 1, dtype=bool)
    touching[np.unique(pieces[inside])] = True
    touching[0] = False
    claimed = touching[pieces]
    either = np.count_nonzero(claimed | inside)
    return np.count_nonzero(claimed & inside) / either if either else 1.0


def connected(logits: FloatImage, start: MaskArray) -> FloatImage:
    """Take what does not hang together with the start out of a mask.

    Parameters
    ----------
    logits : (h, w) float32
        Positive inside.
    start : (h, w) bool
        Part of the object that is known.

    Returns
    -------
    (h, w) float32
        Negative in all 8-connected pieces without a pixel of the start.
    """
    pieces, count = ndi.label(logits > MASK_THRESHOLD, structure=np.ones((3, 3)))
    keep = np.zeros(count + 1, dtype=bool)
    keep[np.unique(pieces[start])] = True
    keep[0] = True
    return np.asarray(np.where(keep[pieces], logits, -np.abs(logits) - 1e-3), dtype=np.float32)


def _runs(line: npt.ArrayLike) -> list[tuple[int, int]]:
    """First and last index of each run of True that is long enough."""
    steps = np.flatnonzero(
        np.diff(np.concatenate([[False], np.asarray(line), [False]]).astype(np.int8))
    )
    runs = [(int(start), int(stop) - 1) for start, stop in steps.reshape(-1, 2)]
    return [(start, stop) for start, stop in runs if stop - start + 1 >= LEAST_EXIT_PX]
