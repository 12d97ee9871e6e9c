"""What a registered design says of an image: where its features should be, and what to ask with.

Shapes of the design and candidates of the image are matched tile by tile. The design's shape is
what SAM2 is asked with only where one stands for the other. Wherever they differ the image asks:
prompts from a design must hide no bridge, no break and no flake.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from skimage.measure import label as label_pieces

from segsem.core.types import LabelArray, MaskArray
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.questions import Question

MOSTLY = 0.5
NOTICEABLE = 0.1


@dataclass(frozen=True, slots=True)
class Expected:
    """A design in the image's frame, above the data bar.

    Attributes
    ----------
    labels : (H, W) int32
        Features by number, 0 in the gaps.
    questions : tuple of (int, Question)
        Number of a feature, and what to ask for it with by itself.
    """

    labels: LabelArray
    questions: tuple[tuple[int, Question], ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """Part of a feature in a tile.

    Attributes
    ----------
    feature : int
        Its number.
    mask : (h, w) bool
        In the tile's frame.
    """

    feature: int
    mask: MaskArray


def shapes_of(tile: LabelArray) -> list[Shape]:
    """Separate shapes of a design in a tile."""
    pieces, count = label_pieces(tile, connectivity=1, background=0, return_num=True)
    masks = [pieces == number for number in range(1, count + 1)]
    return [Shape(int(tile[mask][0]), mask) for mask in masks]


def shapes_in(piece: MaskArray, shapes: list[Shape], features: MaskArray) -> list[Shape]:
    """Shapes that one candidate of a tile stands for; none where they do not correspond.

    Parameters
    ----------
    piece : (h, w) bool
        The candidate.
    shapes : list of Shape
        Of the design.
    features : (h, w) bool
        All candidates.
    """
    found: list[Shape] = []
    inside = 0
    for shape in shapes:
        common = int(np.count_nonzero(shape.mask & piece))
        area = int(np.count_nonzero(shape.mask))
        if common < NOTICEABLE * area:
            continue
        others = int(np.count_nonzero(shape.mask & features)) - common
        if common < MOSTLY * area or others >= NOTICEABLE * area:
            return []
        found.append(shape)
        inside += common
    return found if inside >= MOSTLY * np.count_nonzero(piece) else []


def unseen(expected: Expected, candidates: Candidates) -> list[tuple[int, Question]]:
    """Questions for features of which the threshold shows next to nothing."""
    asked = []
    seen = candidates.labels > 0
    for feature, question in expected.questions:
        box = question.prompts.box_rc
        if box is None:
            continue
        rows = slice(max(int(box[0]), 0), int(np.ceil(box[2])) + 1)
        cols = slice(max(int(box[1]), 0), int(np.ceil(box[3])) + 1)
        own = expected.labels[rows, cols] == feature
        if own.any() and np.mean(seen[rows, cols][own]) < NOTICEABLE:
            asked.append((feature, question))
    return asked


def with_found(candidates: Candidates, masks: list[MaskArray]) -> Candidates:
    """Candidates and what was found besides, each under a number of its own."""
    labels, field = candidates.labels.copy(), candidates.field.copy()
    number = int(labels.max(initial=0))
    for mask in masks:
        number += 1
        new = mask & (labels == 0)
        labels[new] = number
        field[new] = np.maximum(np.abs(field[new]), np.float32(0.05))
    return replace(candidates, labels=labels, field=field)
