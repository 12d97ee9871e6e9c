"""Results that are extracted anew: decisions are found again by outline, or set open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segsem.core.contour import Region, ReviewStatus
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.review.decision import Action
from segsem.review.item import ItemFlag, ItemKey
from segsem.review.review import Review

CONFIDENCES = [0.9, 0.5, 0.7, 0.99]
A1, A2, A3, A4 = (ItemKey("a", n) for n in (1, 2, 3, 4))
Opened = Callable[..., Review]
Make = Callable[..., Extraction]


@pytest.fixture
def decided(opened: Opened) -> Opened:
    review = opened()
    review.decide(A1, Action.ACCEPT, "Anna")
    review.decide(A2, Action.REJECT, "Anna")
    return opened


def test_the_same_results_written_again_keep_their_decisions(
    decided: Opened, out: Path, make_extraction: Make
) -> None:
    write_results(make_extraction("a", CONFIDENCES), out)
    standing = decided().standing(A1)
    assert standing.status is ReviewStatus.ACCEPTED
    assert standing.carried_px is None


def test_the_same_outlines_carry_the_decision_and_say_so(
    decided: Opened, out: Path, make_extraction: Make, make_square: Callable[..., Region]
) -> None:
    made = make_extraction("a", CONFIDENCES)
    # Another order, other confidence, and a new region besides.
    regions = (
        make_square(1, 80, 80, 0.9),
        replace(made.regions[1], region_id=2, confidence=0.4),
        replace(made.regions[0], region_id=3, confidence=0.8),
    )
    regions = tuple(
        replace(r, contours=(replace(r.contours[0], contour_id=r.region_id),)) for r in regions
    )
    write_results(replace(made, regions=regions), out)
    review = decided()
    assert review.status(A1) is ReviewStatus.PENDING
    assert review.status(A2) is ReviewStatus.REJECTED
    assert review.status(A3) is ReviewStatus.ACCEPTED
    assert review.standing(A3).carried_px == pytest.approx(0.0)
    assert ItemFlag.CARRIED in review.flags(A3)
    assert ItemFlag.CARRIED not in review.flags(A1)
    assert review.gone == {}
    # Undo takes back what was decided then.
    review.undo("Anna")
    assert review.status(A2) is ReviewStatus.PENDING
    review.redo("Anna")
    assert review.status(A2) is ReviewStatus.REJECTED


def moved(made: Extraction, by_px: float) -> Extraction:
    first = made.regions[0]
    contour = first.contours[0]
    contour = replace(contour, vertices_rc=contour.vertices_rc + np.array([0.0, by_px]))
    return replace(made, regions=(replace(first, contours=(contour,)), *made.regions[1:]))


@pytest.mark.parametrize(("by_px", "status"), [(0.4, "accepted"), (0.8, "pending")])
def test_an_outline_that_moved_is_open_again(
    decided: Opened, out: Path, make_extraction: Make, by_px: float, status: str
) -> None:
    write_results(moved(make_extraction("a", CONFIDENCES), by_px), out)
    review = decided()
    assert review.status(A1).value == status
    assert (ItemFlag.REOPENED in review.flags(A1)) == (status == "pending")
    if status == "pending":
        assert "was accepted by Anna, but its outline has moved by up to 0.8 px" in (
            review.reason(A1)
        )
        assert review.accept_above(0.9, "Anna") == [A4, ItemKey("b", 2)]
        review.decide(A1, Action.ACCEPT, "Anna")
        assert ItemFlag.REOPENED not in decided(write=False).flags(A1)


def test_a_region_that_is_gone_is_told(decided: Opened, out: Path, make_extraction: Make) -> None:
    made = make_extraction("a", CONFIDENCES)
    write_results(replace(made, regions=made.regions[1:]), out)
    review = decided()
    assert review.gone == {
        "a": ["region 1 of earlier results, accepted by Anna: nothing lies there now"]
    }
    assert review.status(A2) is ReviewStatus.REJECTED


def test_decisions_never_go_to_another_image(
    decided: Opened, out: Path, make_extraction: Make
) -> None:
    made = make_extraction("a", [0.91, *CONFIDENCES[1:]])
    write_results(replace(made, provenance={**made.provenance, "image_sha256": "another"}), out)
    review = decided()
    assert review.status(A1) is ReviewStatus.PENDING
    assert all("the image is another one now" in line for line in review.gone["a"])
    assert len(review.gone["a"]) == 2


def test_without_the_old_outlines_nothing_is_carried(
    decided: Opened, out: Path, make_extraction: Make
) -> None:
    for path in (out / "review" / "outlines").iterdir():
        path.unlink()
    write_results(make_extraction("a", [0.91, *CONFIDENCES[1:]]), out)
    review = decided()
    assert review.status(A1) is ReviewStatus.PENDING
    assert "no longer known" in review.gone["a"][0]


def test_one_region_cannot_take_two_decisions(
    opened: Opened, out: Path, make_extraction: Make, make_square: Callable[..., Region]
) -> None:
    made = make_extraction("a", CONFIDENCES)
    twice = replace(
        made,
        regions=(
            made.regions[0],
            replace(made.regions[0], region_id=2,
                    contours=(replace(made.regions[0].contours[0], contour_id=2),)),
        ),
    )  # fmt: skip
    write_results(twice, out)
    review = opened()
    review.decide(A1, Action.ACCEPT, "Anna")
    review.decide(A2, Action.REJECT, "Anna")
    write_results(replace(made, regions=(replace(made.regions[0], confidence=0.3),)), out)
    review = opened()
    assert review.status(A1) is ReviewStatus.ACCEPTED
    assert len(review.gone["a"]) == 1
