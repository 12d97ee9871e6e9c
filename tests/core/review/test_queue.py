from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from segsem.core.contour import ReviewStatus, Source
from segsem.core.extraction import NECK, UNCAPPED
from segsem.review.item import (
    AGREEMENT,
    LEFT_TO_A_PERSON,
    ItemFlag,
    ItemKey,
    ReviewImage,
    ReviewItem,
    items_of,
)
from segsem.review.queue import QueueFilter, ReviewQueue

PENDING, ACCEPTED = ReviewStatus.PENDING, ReviewStatus.ACCEPTED


@dataclass
class Facts:
    id: int
    confidence: float | None
    source: Source = Source.SAM2
    fallback_reason: str | None = None
    needs_human: bool = False
    status: ReviewStatus = PENDING
    area_px: int = 9
    bbox_rc: tuple[int, int, int, int] = (0, 0, 3, 3)
    contours: tuple = ()
    evidence: dict[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def queue_of(
    *images: ReviewImage, statuses: dict[ItemKey, ReviewStatus] | None = None
) -> ReviewQueue:
    items = {item.key: item for image in images for item in items_of(image)}
    known = statuses if statuses is not None else {}
    return ReviewQueue(
        items.values(), lambda key: known.get(key, PENDING), lambda key: items[key].flags
    )


def image(name: str, *facts: Facts, **more: object) -> ReviewImage:
    return ReviewImage(name, "digest", "hash", facts, 0.8, **more)


def ids(items: list[ReviewItem]) -> list[str]:
    return [f"{item.key.image_id}{item.key.region_id}" for item in items]


def test_least_sure_first_whatever_the_order_was() -> None:
    facts = [Facts(1, 0.9), Facts(2, 0.3), Facts(3, None), Facts(4, 0.95, needs_human=True)]
    other = [Facts(1, 0.3), Facts(2, 0.99)]
    expected = ["a4", "a3", "a2", "b1", "a1", "b2"]
    assert ids(queue_of(image("a", *facts), image("b", *other)).shown()) == expected
    random.Random(1).shuffle(facts)
    assert ids(queue_of(image("b", *other), image("a", *facts)).shown()) == expected


def test_the_fallback_comes_before_what_sam2_is_sure_of_and_after_what_is_doubtful() -> None:
    facts = [
        Facts(1, 0.96),
        Facts(2, 0.99, Source.SAUVOLA),
        Facts(3, 0.98, Source.MIXED),
        Facts(4, 0.94),
        Facts(5, 0.5),
    ]
    assert ids(queue_of(image("a", *facts)).shown()) == ["a5", "a4", "a3", "a2", "a1"]


def test_held_down_confidences_keep_their_order() -> None:
    facts = [
        Facts(1, 0.8, evidence={UNCAPPED: 0.99}),
        Facts(2, 0.8, evidence={UNCAPPED: 0.85}),
        Facts(3, 0.8),
        Facts(4, 0.8, evidence={UNCAPPED: 0.93}),
    ]
    assert ids(queue_of(image("a", *facts)).shown()) == ["a3", "a2", "a4", "a1"]


def test_flags_and_reasons() -> None:
    sauvola = Facts(2, 0.5, Source.SAUVOLA, "confidence 0.31 below 0.85", needs_human=True)
    first, second, third, fourth = items_of(
        image("a", Facts(1, 0.7), sauvola, Facts(3, None), Facts(4, 0.9, needs_human=True),
              unfamiliar=True)
    )  # fmt: skip
    assert first.flags == {ItemFlag.LOW_CONFIDENCE, ItemFlag.UNFAMILIAR}
    assert first.reason == "confidence 0.70 below 0.80"
    assert second.flags >= {ItemFlag.NEEDS_HUMAN, ItemFlag.FALLBACK, ItemFlag.LOW_CONFIDENCE}
    assert second.reason == "confidence 0.31 below 0.85"
    assert third.flags == {ItemFlag.NOT_RATEABLE, ItemFlag.UNFAMILIAR}
    assert fourth.reason == "neither method was good enough"
    assert [item.is_doubtful for item in (first, second, third, fourth)] == [
        True, True, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (QueueFilter(sources=frozenset({Source.SAUVOLA})), ["a2"]),
        (QueueFilter(reason="BELOW"), ["a2", "a1"]),
        (QueueFilter(groups={"wafer": "W2"}), ["b1"]),
        (QueueFilter(images=frozenset("b")), ["b1"]),
        (QueueFilter(flags=frozenset({ItemFlag.FALLBACK, ItemFlag.NOT_RATEABLE})), ["a3", "a2"]),
        (QueueFilter(statuses=frozenset({ACCEPTED})), ["a1"]),
        (QueueFilter(below=0.6), ["a3", "a2"]),
        (QueueFilter(groups={"wafer": "W1"}, reason="below", below=0.6), ["a2"]),
    ],
)
def test_filters(wanted: QueueFilter, expected: list[str]) -> None:
    queue = queue_of(
        image("a", Facts(1, 0.7), Facts(2, 0.5, Source.SAUVOLA, "SAM2 is below 0.85"),
              Facts(3, None), groups={"wafer": "W1"}),
        image("b", Facts(1, 0.9), groups={"wafer": "W2"}),
        statuses={ItemKey("a", 1): ACCEPTED},
    )  # fmt: skip
    assert ids(queue.shown(wanted)) == expected


def test_next_and_previous_go_round_and_pass_over_what_is_decided() -> None:
    statuses: dict[ItemKey, ReviewStatus] = {}
    queue = queue_of(image("a", *(Facts(n, n / 10) for n in (1, 2, 3, 4))), statuses=statuses)
    one, two, three, four = (ItemKey("a", n) for n in (1, 2, 3, 4))
    assert queue.next_after(None) == one
    assert queue.next_after(None, step=-1) == four
    statuses[two] = ACCEPTED
    assert queue.next_after(one) == three
    assert queue.next_after(three, step=-1) == one
    assert queue.next_after(four) == one
    statuses.update(dict.fromkeys((one, three), ACCEPTED))
    assert queue.next_after(four) is None
    assert queue.next_after(one) == four
    statuses[four] = ACCEPTED
    assert queue.next_after(one) is None


def test_counts() -> None:
    statuses = {ItemKey("a", 1): ACCEPTED, ItemKey("a", 2): ReviewStatus.REJECTED}
    queue = queue_of(
        image("a", Facts(1, 0.2), Facts(2, 0.3), Facts(3, 0.4), Facts(4, 0.9, needs_human=True)),
        statuses=statuses,
    )
    counts = queue.counts()
    assert (counts.total, counts.open, counts.accepted, counts.rejected) == (4, 2, 1, 1)
    assert (counts.doubtful, counts.blocking) == (2, 1)
    assert queue.counts(QueueFilter(statuses=frozenset({ACCEPTED}))).total == 1


def test_five_thousand_regions() -> None:
    images = [image(f"i{n:02d}", *(Facts(k + 1, (k * 37 % 101) / 101) for k in range(250)))
              for n in range(20)]  # fmt: skip
    queue = queue_of(*images)
    assert len(queue) == 5000
    shown = queue.shown()
    assert [item.confidence for item in shown] == sorted(item.confidence for item in shown)
    assert queue.position(shown[1234].key) == 1234


def test_a_fallback_region_comes_the_earlier_the_less_the_methods_agree() -> None:
    facts = [
        Facts(1, 0.96, Source.SAUVOLA, evidence={AGREEMENT: 0.7}),
        Facts(2, 0.999, Source.SAUVOLA, evidence={AGREEMENT: 0.1}),
        Facts(3, 0.94, Source.SAUVOLA, evidence={AGREEMENT: 0.9}),
        Facts(4, 0.97, Source.MIXED, evidence={AGREEMENT: 0.7}),
        Facts(5, 0.96, Source.SAUVOLA),
        Facts(6, 0.95, evidence={AGREEMENT: 0.1}),
    ]
    assert ids(queue_of(image("a", *facts)).shown()) == ["a3", "a2", "a1", "a4", "a5", "a6"]


def test_a_thin_neck_comes_first_however_sure_its_edge_is() -> None:
    neck = dict(zip(NECK, (3.0, 12.0, 40.0), strict=True))
    facts = [Facts(1, 0.7), Facts(2, 0.999, evidence=neck), Facts(3, 0.1, needs_human=True)]
    queue = queue_of(image("a", *facts))
    assert ids(queue.shown()) == ["a3", "a2", "a1"]
    item = queue.shown()[1]
    assert item.reason == "its parts are joined by 3 px or less at row 12, column 40"
    assert item.flags & LEFT_TO_A_PERSON


def test_what_differs_from_the_design_comes_first_and_is_never_accepted_in_a_batch() -> None:
    bridged = Facts(2, 0.999, flags=("bridged",))
    far = Facts(4, 0.99, bbox_rc=(80, 80, 90, 90))
    queue = queue_of(image("a", Facts(1, 0.7), bridged, far, Facts(3, 0.99),
                           missing_rc=[(95.0, 85.0)]))  # fmt: skip
    assert ids(queue.shown()) == ["a2", "a4", "a1", "a3"]
    first, second = queue.shown()[:2]
    assert first.reason == "bridged against the design"
    assert second.reason == "missing against the design at row 95, column 85"
    assert second.flags == {ItemFlag.MISSING}
    assert first.flags & LEFT_TO_A_PERSON
    assert second.flags & LEFT_TO_A_PERSON
