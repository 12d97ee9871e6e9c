"""What is left of a lot, counted image by image: a decision counts its own image anew, not all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from segsem.core.contour import ReviewStatus
from segsem.review.item import LEFT_TO_A_PERSON, ItemFlag, ItemKey, ReviewItem
from segsem.review.queue import Counts
from segsem.review.review import Review as LotReview

REOPENED_OR_NEEDED = frozenset({ItemFlag.NEEDS_HUMAN, ItemFlag.REOPENED})


@dataclass(slots=True)
class _Known:
    """Of one image; None where it is to be counted."""

    counts: Counts | None = None
    undecided: list[ItemKey] | None = None
    above: tuple[float, int] | None = None


class LotTally:
    """Counts of a lot that are asked for many times between two decisions.

    Parameters
    ----------
    review : segsem.review.review.Review
        Holds the decisions.
    """

    def __init__(self, review: LotReview) -> None:
        self._review = review
        self._items = _by_image(review.items.values())
        self._shown: dict[str, list[ReviewItem]] = {}
        self._known: defaultdict[str, _Known] = defaultdict(_Known)

    def show(self, shown: Sequence[ReviewItem]) -> None:
        """Count these from now on."""
        self._shown = _by_image(shown)
        self.forget()

    def forget(self, image_ids: Iterable[str] | None = None) -> None:
        """Count images anew that something was decided in; all if not given."""
        for image_id in list(self._known) if image_ids is None else image_ids:
            self._known.pop(image_id, None)

    def counts(self) -> Counts:
        """How much of what is shown is left."""
        each = [self._counts_of(image_id) for image_id in self._shown]
        return Counts(
            **{name: sum(getattr(one, name) for one in each)
               for name in (field.name for field in fields(Counts))}
        )  # fmt: skip

    def undecided(self) -> list[ItemKey]:
        """Regions that block an export, whether shown or not."""
        return [key for image_id in self._items for key in self.undecided_of(image_id)]

    def undecided_of(self, image_id: str) -> list[ItemKey]:
        """Regions of an image that block an export."""
        known = self._known[image_id]
        if known.undecided is None:
            known.undecided = [
                item.key for item in self._items.get(image_id, ()) if self._blocks(item)
            ]
        return known.undecided

    def n_above(self, confidence: float) -> int:
        """How many open regions of what is shown may be accepted together at a confidence."""
        return sum(self._above(image_id, confidence) for image_id in self._shown)

    def _counts_of(self, image_id: str) -> Counts:
        known = self._known[image_id]
        if known.counts is None:
            items = self._shown[image_id]
            statuses = [self._review.status(item.key) for item in items]
            pending = [
                item
                for item, status in zip(items, statuses, strict=True)
                if status is ReviewStatus.PENDING
            ]
            known.counts = Counts(
                total=len(items),
                open=len(pending),
                accepted=statuses.count(ReviewStatus.ACCEPTED),
                corrected=statuses.count(ReviewStatus.CORRECTED),
                rejected=statuses.count(ReviewStatus.REJECTED),
                doubtful=sum(item.is_doubtful for item in pending),
                blocking=sum(ItemFlag.NEEDS_HUMAN in item.flags for item in pending),
            )
        return known.counts

    def _blocks(self, item: ReviewItem) -> bool:
        standing = self._review.standing(item.key)
        needs = ItemFlag.NEEDS_HUMAN in item.flags or bool(standing.reopened)
        return needs and standing.status is ReviewStatus.PENDING

    def _above(self, image_id: str, confidence: float) -> int:
        known = self._known[image_id]
        if known.above is None or known.above[0] != confidence:
            number = sum(self._may_be_accepted(item, confidence) for item in self._shown[image_id])
            known.above = (confidence, number)
        return known.above[1]

    def _may_be_accepted(self, item: ReviewItem, confidence: float) -> bool:
        review = self._review
        return (
            item.confidence >= confidence
            and review.status(item.key) is ReviewStatus.PENDING
            and not review.flags(item.key) & REOPENED_OR_NEEDED
            and not item.flags & LEFT_TO_A_PERSON
        )


def _by_image(items: Iterable[ReviewItem]) -> dict[str, list[ReviewItem]]:
    found: dict[str, list[ReviewItem]] = {}
    for item in items:
        found.setdefault(item.key.image_id, []).append(item)
    return found
