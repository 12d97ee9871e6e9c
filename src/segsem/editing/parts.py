"""Objects in parts: apart where they do not hang together, and cut along a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import LabelArray, MaskArray

MIN_PIECE_PX = 4
"""Crumbs beside a cut that are smaller than this go with it."""


@dataclass(frozen=True, slots=True)
class Divided:
    """A label image in which objects were divided.

    Attributes
    ----------
    labels : (h, w) int32
    parents : mapping of int to int
        For each new object, the one that it was part of; empty where nothing was divided.
    """

    labels: LabelArray
    parents: Mapping[int, int]


def pieces_of(mask: MaskArray) -> LabelArray:
    """(h, w) int32: 4-connected pieces, numbered from 1 by falling size."""
    pieces, count = ndi.label(mask)
    return by_size(pieces, count)


def by_size(pieces: LabelArray, count: int) -> LabelArray:
    """Number pieces from 1 by falling size, those of equal size by their first pixel."""
    areas = np.bincount(pieces.ravel(), minlength=count + 1)
    order = np.argsort(-areas[1:], kind="stable") + 1
    number = np.zeros(count + 1, dtype=np.int32)
    number[order] = np.arange(1, count + 1)
    return number[pieces]


def divide(labels: LabelArray, object_id: int, pieces: LabelArray, free_id: int) -> Divided:
    """Give an object's pieces ids of their own; the first piece keeps the object's.

    Parameters
    ----------
    labels : (h, w) int32
        The object's bounding box, or more of the image.
    object_id : int
    pieces : (h, w) int32
        Numbers from 1; 0 outside the object.
    free_id : int
        From here on ids are free.
    """
    after = labels.copy()
    count = int(pieces.max(initial=0))
    for number in range(2, count + 1):
        after[pieces == number] = free_id + number - 2
    return Divided(after, {free_id + i: object_id for i in range(max(count - 1, 0))})


def split_pieces(labels: LabelArray, object_id: int, free_id: int) -> Divided:
    """Make the 4-connected pieces of an object objects; the largest keeps its id."""
    return divide(labels, object_id, pieces_of(labels == object_id), free_id)


def cut(
    labels: LabelArray, line: MaskArray, free_id: int, *, keep_pieces: bool = True
) -> Divided | None:
    """Cut objects apart along a line.

    Only objects that it goes right through are cut. They lose the pixels under the line and the
    crumbs beside it; the largest piece keeps the id.

    Parameters
    ----------
    labels : (h, w) int32
        Holds every object that the line touches, whole.
    line : (h, w) bool
        Pixels under the line.
    free_id : int
        From here on ids are free.
    keep_pieces : bool
        Whether what is cut off becomes objects; otherwise it is removed, as a sliver is.

    Returns
    -------
    Divided or None
        None where the line goes through no object.
    """
    after = labels.copy()
    parents: dict[int, int] = {}
    was_cut = False
    for object_id in np.unique(labels[line & (labels > 0)]).tolist():
        pieces = _cut_one(labels == object_id, line)
        if pieces is None:
            continue
        was_cut = True
        after[labels == object_id] = 0
        for number in range(1, int(pieces.max()) + 1):
            mine = object_id if number == 1 else free_id + len(parents)
            if number > 1 and not keep_pieces:
                break
            after[pieces == number] = mine
            if number > 1:
                parents[mine] = object_id
    return Divided(after, parents) if was_cut else None


def _cut_one(mask: MaskArray, line: MaskArray) -> LabelArray | None:
    """Number the pieces that a cut leaves, from 1; None where it separates nothing.

    Pieces that lay apart before and were not cut stay together with the largest one.
    """
    before, _ = ndi.label(mask)
    rest, rest_count = ndi.label(mask & ~line)
    areas = np.bincount(rest.ravel(), minlength=rest_count + 1)
    touched = np.unique(before[mask & line])
    parent = np.zeros(rest_count + 1, dtype=np.intp)
    parent[rest[rest > 0]] = before[rest > 0]
    number = np.ones(rest_count + 1, dtype=np.int32)
    number[0] = 0
    separate: list[int] = []
    for piece in touched.tolist():
        inside = np.flatnonzero(parent == piece)
        inside = inside[np.argsort(-areas[inside], kind="stable")]
        crumbs = areas[inside] < MIN_PIECE_PX
        number[inside[crumbs]] = 0
        separate += inside[~crumbs][1:].tolist()
    if not separate:
        return None
    separate.sort(key=lambda piece: -areas[piece])
    for index, piece in enumerate(separate):
        number[piece] = index + 2
    return np.asarray(number[rest])
