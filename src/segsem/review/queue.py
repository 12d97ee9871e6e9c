"""The queue: all regions of all images, least sure first, and what of it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from segsem.core.contour import ReviewStatus, Source
from segsem.review.item import ItemFlag, ItemKey, ReviewItem


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """What is to be seen; an empty set asks for nothing in particular.

    Attributes
    ----------
    sources : frozenset of Source
    statuses : frozenset of ReviewStatus
    flags : frozenset of ItemFlag
        One of them is enough.
    images : frozenset of str
        Image ids.
    groups : mapping of str to str
        Values that the image's groups must have: ``{"wafer": "W07"}``.
    reason : str
        Part of the reason, upper and lower case alike.
    below : float or None
        Only what is less sure than that, and what is not rateable.
    """

    sources: frozenset[Source] = frozenset()
    statuses: frozenset[ReviewStatus] = frozenset()
    flags: frozenset[ItemFlag] = frozenset()
    images: frozenset[str] = frozenset()
    groups: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    below: float | None = None

    def shows(self, item: ReviewItem, status: ReviewStatus, flags: frozenset[ItemFlag]) -> bool:
        """Whether an item belongs in, with the status and the flags that it has by now."""
        return (
            (not self.sources or item.source in self.sources)
            and (not self.statuses or status in self.statuses)
            and (not self.flags or bool(flags & self.flags))
            and (not self.images or item.key.image_id in self.images)
            and all(item.groups.get(name) == value for name, value in self.groups.items())
            and self.reason.lower() in item.reason.lower()
            # Written so that what is not rateable is shown.
            and (self.below is None or not item.confidence >= self.below)
        )


EVERYTHING = QueueFilter()
OPEN = QueueFilter(statuses=frozenset({ReviewStatus.PENDING}))


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is left.

    Attributes
    ----------
    total, open, accepted, corrected, rejected : int
        Regions by status.
    doubtful : int
        Open ones that are doubtful.
    blocking : int
        Open ones that need a person: an export waits for them.
    """

    total: int
    open: int
    accepted: int
    corrected: int
    rejected: int
    doubtful: int
    blocking: int


class ReviewQueue:
    """Items in the order of doubt, of which a part is shown.

    Parameters
    ----------
    items : iterable of ReviewItem
        Of all images.
    status_of, flags_of : callable
        Status and flags of an item by now, by its key.
    """

    def __init__(
        self,
        items: Iterable[ReviewItem],
        status_of: Callable[[ItemKey], ReviewStatus],
        flags_of: Callable[[ItemKey], frozenset[ItemFlag]],
    ) -> None:
        self._ordered = sorted(items, key=lambda item: item.doubt)
        self._position = {item.key: index for index, item in enumerate(self._ordered)}
        self._status_of, self._flags_of = status_of, flags_of

    def __len__(self) -> int:
        return len(self._ordered)

    @property
    def items(self) -> Sequence[ReviewItem]:
        """All items, least sure first."""
        return self._ordered

    def position(self, key: ItemKey) -> int:
        """Place of an item in the order of all."""
        return self._position[key]

    def shown(self, wanted: QueueFilter = EVERYTHING) -> list[ReviewItem]:
        """Items that a filter lets through, least sure first."""
        return [item for item in self._ordered if self._is_shown(item, wanted)]

    def next_after(
        self, key: ItemKey | None, wanted: QueueFilter = OPEN, step: int = 1
    ) -> ItemKey | None:
        """Next item (or, with -1, the one before) that a filter lets through.

        It goes round at the ends; None where nothing is shown but the item itself, or nothing.
        """
        n_items = len(self._ordered)
        outside = -1 if step > 0 else n_items
        start = outside if key is None else self._position[key]
        for offset in range(1, n_items + 1):
            item = self._ordered[(start + step * offset) % n_items]
            if item.key != key and self._is_shown(item, wanted):
                return item.key
        return None

    def counts(self, wanted: QueueFilter = EVERYTHING) -> Counts:
        """Count what a filter lets through by status."""
        by_status = dict.fromkeys(ReviewStatus, 0)
        doubtful = blocking = 0
        # Once for each decision, of thousands of regions.
        for item in self._ordered if wanted == EVERYTHING else self.shown(wanted):
            status = self._status_of(item.key)
            by_status[status] += 1
            if status is ReviewStatus.PENDING:
                doubtful += item.is_doubtful
                blocking += ItemFlag.NEEDS_HUMAN in item.flags
        return Counts(
            total=sum(by_status.values()),
            open=by_status[ReviewStatus.PENDING],
            accepted=by_status[ReviewStatus.ACCEPTED],
            corrected=by_status[ReviewStatus.CORRECTED],
            rejected=by_status[ReviewStatus.REJECTED],
            doubtful=doubtful,
            blocking=blocking,
        )

    def _is_shown(self, item: ReviewItem, wanted: QueueFilter) -> bool:
        # Flags are worked out only where they are asked for: a queue may hold thousands.
        flags = self._flags_of(item.key) if wanted.flags else frozenset()
        return wanted.shows(item, self._status_of(item.key), flags)
