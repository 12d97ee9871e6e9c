"""What may be missing beside a region: it has no entry in the queue, so a neighbour tells of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsem.review.facts import BoxRC, PlaceRC, RegionFacts
from segsem.review.gaps import find_gaps

MOST_NAMED = 3

SAME_PX = 12.0
"""A gap of an array so near to the middle of a missing feature is told as that feature."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is to be looked at beside a region.

    Attributes
    ----------
    gaps_rc : tuple of (row, column)
        Places where an array has no region; see `segsem.review.gaps`.
    strays_rc : tuple of (r0, c0, r1, c1)
        Boxes of edges that no contour follows: a feature that was not found leaves a ring.
    missing_rc : tuple of (row, column)
        Middles of features of the design that no region stands for.
    """

    gaps_rc: tuple[PlaceRC, ...] = ()
    strays_rc: tuple[BoxRC, ...] = ()
    missing_rc: tuple[PlaceRC, ...] = ()

    @property
    def in_words(self) -> str:
        """What a reviewer reads; empty where there is nothing."""
        middles = [((r0 + r1 - 1) / 2, (c0 + c1 - 1) / 2) for r0, c0, r1, c1 in self.strays_rc]
        said = []
        if self.missing_rc:
            said.append(f"missing against the design at {_listed(self.missing_rc)}")
        if self.gaps_rc:
            said.append(f"the array has no region at {_listed(self.gaps_rc)}")
        if middles:
            said.append(f"no contour follows the edge at {_listed(middles)}")
        return "; ".join(said)


NOTHING_BESIDE = Beside()


def look_beside(
    regions: Sequence[RegionFacts], strays: Sequence[BoxRC], missing_rc: Sequence[PlaceRC] = ()
) -> dict[int, Beside]:
    """Say beside which regions of an image something may be missing.

    Parameters
    ----------
    regions : sequence of RegionFacts
        All of the image.
    strays : sequence of (r0, c0, r1, c1)
        Boxes of edges that no contour follows. Those around a gap are told as the gap.
    missing_rc : sequence of (row, column)
        Middles of features that the design has and the image's regions have not.

    Returns
    -------
    dict of int to Beside
        By region id: each gap and each edge is told by the region that is nearest.
    """
    gaps: dict[int, list[PlaceRC]] = defaultdict(list)
    edges: dict[int, list[BoxRC]] = defaultdict(list)
    missing: dict[int, list[PlaceRC]] = defaultdict(list)
    found = [gap for gap in find_gaps(regions) if not _is_told(gap.place_rc, missing_rc)]
    for gap in found:
        gaps[gap.region_id].append(gap.place_rc)
    told = [*missing_rc, *(gap.place_rc for gap in found)]
    strays = [stray for stray in strays if not any(_holds(stray, place) for place in told)]
    if regions and (strays or missing_rc):
        ids = [region.id for region in regions]
        boxes = np.array([region.bbox_rc for region in regions], dtype=float)
        for stray in strays:
            edges[ids[_nearest(boxes, stray)]].append(stray)
        for row, col in missing_rc:
            missing[ids[_nearest(boxes, (row, col, row, col))]].append((row, col))
    return {
        number: Beside(
            tuple(gaps.get(number, ())),
            tuple(edges.get(number, ())),
            tuple(missing.get(number, ())),
        )
        for number in gaps.keys() | edges.keys() | missing.keys()
    }


def _is_told(place_rc: PlaceRC, others_rc: Sequence[PlaceRC]) -> bool:
    return any(np.hypot(*np.subtract(place_rc, other)) <= SAME_PX for other in others_rc)


def _nearest(
    boxes: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    other: tuple[float, float, float, float],
) -> int:
    """Number of the box with the smallest gap to another; the smaller one where several touch."""
    row0, col0, row1, col1 = other
    rows = np.maximum(np.maximum(boxes[:, 0] - row1, row0 - boxes[:, 2]), 0)
    cols = np.maximum(np.maximum(boxes[:, 1] - col1, col0 - boxes[:, 3]), 0)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return int(np.lexsort((areas, np.hypot(rows, cols)))[0])


def _holds(box: BoxRC, place_rc: tuple[float, float]) -> bool:
    row0, col0, row1, col1 = box
    return row0 <= place_rc[0] < row1 and col0 <= place_rc[1] < col1


def _listed(places_rc: Sequence[tuple[float, float]]) -> str:
    named = [f"row {row:.0f}, column {col:.0f}" for row, col in places_rc[:MOST_NAMED]]
    more = len(places_rc) - len(named)
    return " and at ".join(named) + (f" and {more} more" if more else "")
