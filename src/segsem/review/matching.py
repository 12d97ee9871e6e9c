"""Regions of results that were made anew, known again by their outlines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from segsem.review.outline import Outline, outline_bounds, outline_distance_px

SAME_WITHIN_PX = 0.5
"""An outline that has moved by less is the one that was decided about."""


@dataclass(frozen=True, slots=True)
class Match:
    """What became of a region in results that were made anew.

    Attributes
    ----------
    region_id : int or None
        The region that covers its place now, the nearest outline first; None where there is none.
    distance_px : float
        How far the two outlines are apart at most; infinite without a region.
    """

    region_id: int | None
    distance_px: float = math.inf


def match_outlines(
    old: Mapping[int, Outline],
    new: Mapping[int, Outline],
    same_within_px: float = SAME_WITHIN_PX,
) -> dict[int, Match]:
    """Find each old region among the new ones.

    Parameters
    ----------
    old, new : mapping of region id to Outline
    same_within_px : float
        At most so far apart, outlines are the same. No new region is the same as two old ones.

    Returns
    -------
    dict of int to Match
        For each old region; it is the same one where `distance_px` is at most `same_within_px`.
    """
    pairs = sorted(
        (outline_distance_px(old[old_id], new[new_id]), old_id, new_id)
        for old_id, new_id in _neighbours(old, new)
    )
    found = {old_id: Match(None) for old_id in old}
    taken: set[int] = set()
    for distance, old_id, new_id in pairs:
        if found[old_id].region_id is not None:
            continue
        is_same = distance <= same_within_px
        if is_same and new_id in taken:
            continue
        if is_same:
            taken.add(new_id)
        found[old_id] = Match(new_id, distance)
    return found


def _neighbours(old: Mapping[int, Outline], new: Mapping[int, Outline]) -> list[tuple[int, int]]:
    """Pairs whose boxes overlap."""
    old_ids, old_boxes = _boxes(old)
    new_ids, new_boxes = _boxes(new)
    if not old_ids or not new_ids:
        return []
    first, second = shapely.STRtree(new_boxes).query(old_boxes, predicate="intersects")
    return [(old_ids[i], new_ids[j]) for i, j in zip(first.tolist(), second.tolist(), strict=True)]


def _boxes(outlines: Mapping[int, Outline]) -> tuple[list[int], Any]:
    ids = [region_id for region_id, outline in outlines.items() if outline]
    bounds = np.array([outline_bounds(outlines[i]) for i in ids]).reshape(-1, 4)
    return ids, shapely.box(*bounds.T)
