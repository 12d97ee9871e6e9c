"""Edges that no contour follows, as places to look at: a feature that was missed leaves a ring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from segsem.core.types import MaskArray

LEAST_PX = 32
"""Shorter ones are noise, or lie at corners; of so much edge on, a region can be rated."""

LINKED_PX = 3.0
"""Marks so near to each other are of one edge."""

MOST_MARKS = 400_000
"""An image with more is texture all over; nothing can be told from it."""


@dataclass(frozen=True, slots=True)
class StrayEdge:
    """One edge without a contour.

    Attributes
    ----------
    bbox_rc : (int, int, int, int)
        Half-open box in px.
    length_px : int
    """

    bbox_rc: tuple[int, int, int, int]
    length_px: int

    def as_json(self) -> list[int]:
        """Box and length, as provenance keeps them."""
        return [*self.bbox_rc, self.length_px]


def stray_edges(unfollowed: MaskArray) -> list[StrayEdge]:
    """Collect marks into edges, the longest first.

    Parameters
    ----------
    unfollowed : (H, W) bool
        From `unfollowed_edges`: one pixel wide.

    Returns
    -------
    list of StrayEdge
        Of 32 px or more.
    """
    marks = np.argwhere(unfollowed)
    if not LEAST_PX <= len(marks) <= MOST_MARKS:
        return []
    # Marks are few: no label image of the whole size is made.
    pairs = cKDTree(marks).query_pairs(LINKED_PX, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(marks),) * 2)
    count, edge = connected_components(links, directed=False)
    lengths = np.bincount(edge, minlength=count)
    found = []
    for number in np.argsort(-lengths, kind="stable"):
        if lengths[number] < LEAST_PX:
            break
        own = marks[edge == number]
        (row0, col0), (row1, col1) = own.min(axis=0).tolist(), (own.max(axis=0) + 1).tolist()
        found.append(StrayEdge((row0, col0, row1, col1), int(lengths[number])))
    return found
