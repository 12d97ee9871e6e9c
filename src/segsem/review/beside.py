"""What may be missing beside a region: it has no entry in the queue, so a neighbour tells of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsem.review.facts import BoxRC, RegionFacts
from segsem.review.gaps import find_gaps

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Beside:
    """What is to be looked at beside a region.

    Attributes
    ----------
    gaps_rc : tuple of (row, column)
        Places where an array has no region; see `segsem.review.gaps`.
    strays_rc : tuple of (r0, c0, r1, c1)
        Boxes of edges that no contour follows: a feature that was not found leaves a ring.
    """

    gaps_rc: tuple[tuple[float, float], ...] = ()
    strays_rc: tuple[BoxRC, ...] = ()

    @property
    def in_words(self) -> str:
        """What a reviewer reads; empty where there is nothing."""
        middles = [((r0 + r1 - 1) / 2, (c0 + c1 - 1) / 2) for r0, c0, r1, c1 in self.strays_rc]
        said = []
        if self.gaps_rc:
            said.append(f"the array has no region at {_listed(self.gaps_rc)}")
        if middles:
            said.append(f"no contour follows the edge at {_listed(middles)}")
        return "; ".join(said)


NOTHING_BESIDE = Beside()


def look_beside(regions: Sequence[RegionFacts], strays: Sequence[BoxRC]) -> dict[int, Beside]:
    """Say beside which regions of an image something may be missing.

    Parameters
    ----------
    regions : sequence of RegionFacts
        All of the image.
    strays : sequence of (r0, c0, r1, c1)
        Boxes of edges that no contour follows. Those around a gap are told as the gap.

    Returns
    -------
    dict of int to Beside
        By region id: each gap and each edge is told by the region that is nearest.
    """
    gaps: dict[int, list[tuple[float, float]]] = defaultdict(list)
    edges: dict[int, list[BoxRC]] = defaultdict(list)
    found = find_gaps(regions)
    for gap in found:
        gaps[gap.region_id].append(gap.place_rc)
    if strays and regions:
        ids = [region.id for region in regions]
        boxes = np.array([region.bbox_rc for region in regions], dtype=float)
        for stray in strays:
            if not any(_holds(stray, gap.place_rc) for gap in found):
                edges[ids[_nearest(boxes, stray)]].append(stray)
    return {
        number: Beside(tuple(gaps.get(number, ())), tuple(edges.get(number, ())))
        for number in gaps.keys() | edges.keys()
    }


def _nearest(boxes: np.ndarray[tuple[int, ...], np.dtype[np.float64]], stray: BoxRC) -> int:
    """Number of the box with the smallest gap to another; the smaller one where several touch."""
    row0, col0, row1, col1 = stray
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
