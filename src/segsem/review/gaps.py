"""Places of an array where no region is: what is missing has no region and so no confidence.

Where whole regions of like size repeat along two directions, every place of that grid inside the
image should have one. A place that has at least three of its four neighbours but no region itself
is a gap: a contact that was not printed, or not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from segsem.core.types import FloatArray, MaskArray
from segsem.review.facts import BoxRC, RegionFacts

LEAST_MEMBERS = 9
"""Fewer regions make no array."""

ALIKE = 1.6
"""Members have areas within this factor of the median."""

NEAR = 0.22
"""A place is taken where a region's middle lies within this share of the shorter step."""

LEAST_SUPPORT = 0.75
"""From so many members a step leads to another one, or out of the image."""

LEAST_MEMBERS_BESIDE, LEAST_TAKEN = 2, 3
"""Members beside a gap, and neighbours of any kind, out of four: the edge of an array is no gap."""

MOST_OF_MEMBER = 8.0
"""A region that is larger than so many members, by their boxes, lies around an array, not in it."""

SLACK_PX = 2.0
"""A gap may reach so far out of the box that holds all regions."""

LEAST_SINE = 0.4
_NEIGHBOURS = 7
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """A place without a region.

    Attributes
    ----------
    place_rc : (float, float)
        Where the region's middle would be, in px.
    region_id : int
        The neighbour that is nearest: who looks at it sees the gap beside it.
    """

    place_rc: tuple[float, float]
    region_id: int


@dataclass(frozen=True, slots=True)
class _Array:
    """Members of an array, and the box of all regions as [low, high] in (row, column)."""

    ids: list[int]
    centres_rc: FloatArray
    half_rc: FloatArray
    field_rc: FloatArray
    others: list[BoxRC]


def find_gaps(regions: Sequence[RegionFacts]) -> list[Gap]:
    """Find the gaps in the array that an image shows; none where it shows no array.

    Parameters
    ----------
    regions : sequence of RegionFacts
        All of the image.

    Returns
    -------
    list of Gap
        By place, from the top.
    """
    array = _members(regions)
    if array is None:
        return []
    steps = _steps(array)
    if steps is None:
        return []
    reach = NEAR * float(np.linalg.norm(steps, axis=1).min())
    tree = cKDTree(array.centres_rc)
    around = np.concatenate([steps, -steps])
    wanted = (array.centres_rc[:, None] + around).reshape(-1, 2)
    distance, _ = tree.query(wanted)
    empty = wanted[(distance > reach) & _inside(wanted, array, array.half_rc - SLACK_PX)]
    gaps = []
    for place in _merged(empty, reach):
        beside = place + around
        distance, _ = tree.query(beside)
        taken = (distance <= reach) | np.array([_is_covered(at, array) for at in beside])
        if np.count_nonzero(taken) >= LEAST_TAKEN and not _is_covered(place, array):
            _, nearest = tree.query(place)
            row, col = place.round(1).tolist()
            gaps.append(Gap((row, col), array.ids[int(nearest)]))
    return sorted(gaps, key=lambda gap: gap.place_rc)


def _members(regions: Sequence[RegionFacts]) -> _Array | None:
    whole = [r for r in regions if r.contours and all(c.closed for c in r.contours)]
    if len(whole) < LEAST_MEMBERS:
        return None
    areas = np.array([r.area_px for r in whole], dtype=float)
    middle = float(np.median(areas))
    alike = (areas < ALIKE * middle) & (areas > middle / ALIKE)
    if np.count_nonzero(alike) < LEAST_MEMBERS:
        return None
    members = [r for r, is_one in zip(whole, alike, strict=True) if is_one]
    ids = {r.id for r in members}
    boxes = np.array([r.bbox_rc for r in members], dtype=float)
    every = np.array([r.bbox_rc for r in regions], dtype=float)
    sizes = boxes[:, 2:] - boxes[:, :2]
    return _Array(
        [r.id for r in members],
        (boxes[:, :2] + boxes[:, 2:] - 1) / 2,
        np.median(sizes, axis=0) / 2,
        np.array([every[:, :2].min(axis=0), every[:, 2:].max(axis=0) - 1]),
        [r.bbox_rc for r in regions if r.id not in ids],
    )


def _steps(array: _Array) -> FloatArray | None:
    """(2, 2) steps of the array, the shorter first; None where nothing repeats."""
    centres = array.centres_rc
    n_near = min(_NEIGHBOURS, len(centres))
    _, near = cKDTree(centres).query(centres, n_near)
    found = (centres[near[:, 1:]] - centres[:, None]).reshape(-1, 2)
    # A step and the way back are one.
    found[(found[:, 0] < 0) | ((found[:, 0] == 0) & (found[:, 1] < 0))] *= -1
    candidates = _common(found)
    first = next((step for step in candidates if _support(step, array) >= LEAST_SUPPORT), None)
    if first is None:
        return None
    for second in candidates:
        sine = abs(_cross(first, second)) / (np.linalg.norm(first) * np.linalg.norm(second))
        if sine >= LEAST_SINE and _support(second, array) >= LEAST_SUPPORT:
            return np.array([first, second])
    return None


def _common(found: FloatArray) -> list[FloatArray]:
    """Steps that occur often, each as the median of those like it, shortest first."""
    reach = NEAR * float(np.quantile(np.linalg.norm(found, axis=1), 0.1))
    left, steps = found, []
    while len(left) >= LEAST_MEMBERS:
        counts = [len(near) for near in cKDTree(left).query_ball_point(left, reach)]
        step = left[int(np.argmax(counts))]
        for _ in range(_ROUNDS):
            like = np.linalg.norm(left - step, axis=1) <= reach
            step = np.median(left[like], axis=0) if like.any() else step
        like = np.linalg.norm(left - step, axis=1) <= reach
        if np.count_nonzero(like) < LEAST_MEMBERS // 2:
            break
        steps.append(step)
        left = left[~like]
    return sorted(steps, key=lambda step: float(np.linalg.norm(step)))


def _support(step: FloatArray, array: _Array) -> float:
    """Share of members from which a step leads to a member, of those that it keeps inside."""
    reach = NEAR * float(np.linalg.norm(step))
    there = np.concatenate([array.centres_rc + step, array.centres_rc - step])
    inside = _inside(there, array, array.half_rc + reach)
    if np.count_nonzero(inside) < LEAST_MEMBERS // 2:
        return 0.0
    distance, _ = cKDTree(array.centres_rc).query(there[inside])
    return float(np.mean(distance <= reach))


def _inside(places: FloatArray, array: _Array, margin: FloatArray) -> MaskArray:
    low, high = array.field_rc
    return np.asarray(((places >= low + margin) & (places <= high - margin)).all(axis=1))


def _merged(places: FloatArray, reach: float) -> list[FloatArray]:
    """Middles of places that neighbours agree on, with enough of them."""
    left, merged = places, []
    while len(left) >= LEAST_MEMBERS_BESIDE:
        like = np.linalg.norm(left - left[0], axis=1) <= 2 * reach
        if np.count_nonzero(like) >= LEAST_MEMBERS_BESIDE:
            merged.append(left[like].mean(axis=0))
        left = left[~like]
    return merged


def _is_covered(place_rc: FloatArray, array: _Array) -> bool:
    """Whether a region that is no member lies there: a bridged, swollen or cut one."""
    low, high = array.field_rc
    if (place_rc < low - array.half_rc).any() or (place_rc > high + array.half_rc).any():
        return False
    # The middle of what the border cuts may lie outside.
    row, col = np.clip(place_rc, low, high)
    most = MOST_OF_MEMBER * float(np.prod(2 * array.half_rc))
    return any(
        (row1 - row0) * (col1 - col0) <= most and row0 <= row < row1 and col0 <= col < col1
        for row0, col0, row1, col1 in array.others
    )


def _cross(one: FloatArray, other: FloatArray) -> float:
    return float(one[0] * other[1] - one[1] * other[0])
