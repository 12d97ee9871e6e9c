"""An array says where a region should be; what is missing has none of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from segsem.core.contour import ReviewStatus, Source
from segsem.review.gaps import find_gaps
from segsem.review.item import ItemFlag, ReviewImage, items_of

PITCH_ROW, PITCH_COL = 31.0, 27.0
SIDE = 13


@dataclass(frozen=True)
class Fact:
    """A square as `regions.json` tells of it."""

    id: int
    bbox_rc: tuple[int, int, int, int]
    source: Source = Source.SAM2
    confidence: float = 0.9
    fallback_reason: str | None = None
    needs_human: bool = False
    status: ReviewStatus = ReviewStatus.PENDING
    evidence: dict[str, float] = field(default_factory=dict)
    contours: tuple[SimpleNamespace, ...] = field(
        default=(SimpleNamespace(is_hole=False, closed=True),)
    )

    @property
    def area_px(self) -> int:
        row0, col0, row1, col1 = self.bbox_rc
        return (row1 - row0) * (col1 - col0)


def square(number: int, row: float, col: float, width: int = SIDE) -> Fact:
    at = round(row), round(col)
    return Fact(number, (*at, at[0] + SIDE, at[1] + width))


def array(
    left_out: Iterable[tuple[int, int]] = (),
    *,
    rows: int = 6,
    cols: int = 7,
    angle_deg: float = 0.0,
    stagger: float = 0.0,
    scatter_px: float = 0.0,
) -> list[Fact]:
    """Squares of 13 px on a grid, (row, column) numbers left out."""
    rng = np.random.default_rng(4)
    turn = np.deg2rad(angle_deg)
    made = []
    for row in range(rows):
        for col in range(cols):
            if (row, col) in left_out:
                continue
            at = np.array([PITCH_ROW * row, PITCH_COL * (col + stagger * (row % 2))])
            at = np.array(
                [
                    at[0] * np.cos(turn) + at[1] * np.sin(turn),
                    at[1] * np.cos(turn) - at[0] * np.sin(turn),
                ]
            )
            at += 120 + rng.normal(0, scatter_px, 2)
            made.append(square(len(made) + 1, at[0], at[1]))
    return made


def place(row: int, col: int) -> tuple[float, float]:
    """Middle of a square that was left out of a straight array."""
    return 120 + PITCH_ROW * row + 6, 120 + PITCH_COL * col + 6


@pytest.mark.parametrize("scatter_px", [0.0, 1.0])
def test_a_gap_is_found_where_it_is(scatter_px: float) -> None:
    (gap,) = find_gaps(array([(2, 3)], scatter_px=scatter_px))
    np.testing.assert_allclose(gap.place_rc, place(2, 3), atol=1.0 + scatter_px)


@pytest.mark.parametrize(("angle_deg", "stagger"), [(2.5, 0.0), (30.0, 0.0), (0.0, 0.5)])
def test_turned_and_staggered_arrays(angle_deg: float, stagger: float) -> None:
    whole = array(angle_deg=angle_deg, stagger=stagger)
    assert find_gaps(whole) == []
    missing = whole[7 * 2 + 3]
    (gap,) = find_gaps([region for region in whole if region is not missing])
    row0, col0, row1, col1 = missing.bbox_rc
    assert row0 < gap.place_rc[0] < row1
    assert col0 < gap.place_rc[1] < col1


def test_two_gaps_beside_each_other() -> None:
    found = find_gaps(array([(2, 3), (2, 4)]))
    np.testing.assert_allclose(
        [gap.place_rc for gap in found], [place(2, 3), place(2, 4)], atol=1.0
    )


def test_the_end_of_an_array_is_no_gap() -> None:
    # A missing corner, and a row that is shorter than the others.
    corner = [(0, 0), (5, 5), (5, 6)]
    assert find_gaps(array(corner)) == []


def test_a_bridged_pair_is_no_gap_and_hides_none() -> None:
    regions = array([(2, 2), (2, 3), (3, 3)])
    row, col = place(2, 2)
    pair = square(99, row - 6, col - 6, SIDE + round(PITCH_COL))
    (gap,) = find_gaps([*regions, pair])
    np.testing.assert_allclose(gap.place_rc, place(3, 3), atol=1.0)


def test_no_array_no_gaps() -> None:
    rng = np.random.default_rng(7)
    spots = rng.permutation(144)[:30]
    scattered = [
        square(n + 1, 40 * (s // 12) + int(rng.integers(20)), 40 * (s % 12))
        for n, s in enumerate(spots.tolist())
    ]
    assert find_gaps(scattered) == []
    assert find_gaps(array(rows=2, cols=4)) == []
    assert find_gaps([]) == []


def test_the_neighbour_tells_of_the_gap() -> None:
    regions = array([(2, 3)])
    image = ReviewImage("a", "digest", "", regions, threshold=0.8)
    flagged = [item for item in items_of(image) if ItemFlag.GAP in item.flags]
    (item,) = flagged
    assert item.reason == "the array has no region at row 188, column 207"
    assert item.beside.gaps_rc == (find_gaps(regions)[0].place_rc,)


def test_an_edge_without_a_contour_is_told_by_the_nearest_region() -> None:
    regions = [square(1, 20, 20), square(2, 20, 120), square(3, 200, 200)]
    stray = (18, 90, 34, 106)
    image = ReviewImage("a", "digest", "", regions, threshold=0.8, stray_edges=[stray])
    first, second, third = items_of(image)
    assert second.beside.strays_rc == (stray,)
    assert second.flags == {ItemFlag.STRAY_EDGE}
    assert second.reason == "no contour follows the edge at row 26, column 98"
    assert first.flags == third.flags == frozenset()
    assert second.doubt < first.doubt < third.doubt


def test_an_edge_around_a_gap_is_told_as_the_gap() -> None:
    regions = array([(2, 3)])
    row, col = place(2, 3)
    stray = (round(row) - 6, round(col) - 6, round(row) + 7, round(col) + 7)
    image = ReviewImage("a", "digest", "", regions, threshold=0.8, stray_edges=[stray])
    flagged = [item for item in items_of(image) if item.flags]
    assert [set(item.flags) for item in flagged] == [{ItemFlag.GAP}]


def test_edges_of_an_image_without_regions_are_told_by_none() -> None:
    image = ReviewImage("a", "digest", "", [], threshold=0.8, stray_edges=[(1, 1, 40, 40)])
    assert items_of(image) == []
