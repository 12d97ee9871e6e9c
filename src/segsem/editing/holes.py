"""Filling of holes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import LabelArray, MaskArray

EIGHT = np.ones((3, 3), dtype=bool)
"""Objects are 4-connected and their background 8-connected, as contours are traced."""


def fill_holes(
    labels: LabelArray, object_id: int, at_rc: tuple[int, int] | None = None
) -> LabelArray:
    """Fill background that an object encloses.

    Parameters
    ----------
    labels : (h, w) int32
        The object's bounding box, or more of the image.
    object_id : int
        The object. Others that lie in its holes stay what they are.
    at_rc : (int, int), optional
        Only the hole with this pixel; all of them by default.

    Returns
    -------
    (h, w) int32
        A new array. What reaches the window's edge is no hole: the image ends there, or the
        object does.
    """
    holes = holes_of(labels == object_id, at_rc)
    return np.where(holes & (labels == 0), np.int32(object_id), labels)


def holes_of(mask: MaskArray, at_rc: tuple[int, int] | None = None) -> MaskArray:
    """(h, w) bool: holes of a mask, or the one with a certain pixel."""
    outside, count = ndi.label(~mask, structure=EIGHT)
    is_hole = np.ones(count + 1, dtype=bool)
    sides = np.concatenate([outside[0], outside[-1], outside[:, 0], outside[:, -1]])
    is_hole[np.unique(sides)] = False
    is_hole[0] = False
    if at_rc is not None:
        is_hole &= np.arange(count + 1) == outside[at_rc]
    return np.asarray(is_hole[outside])
