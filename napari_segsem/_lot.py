"""A person's walk through the results of a lot: what is shown, where she is, what she decides.

The decisions themselves are kept by `segsem.review`; nothing of them is kept here.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from psygnal import Signal

from napari_segsem._lot_tally import REOPENED_OR_NEEDED, LotTally
from segsem.core.contour import Region, ReviewStatus
from segsem.core.exceptions import InputError
from segsem.export.project_groups import read_project_groups
from segsem.export.reviewed import DEFAULT_THRESHOLD, ResultFolder, find_lot, open_review
from segsem.review.decision import Action
from segsem.review.item import ItemKey, ReviewItem
from segsem.review.ledger import Step
from segsem.review.queue import EVERYTHING, Counts, QueueFilter
from segsem.review.review import Review as LotReview


def default_reviewer() -> str:
    """Who sits here, as the system knows her."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "reviewer"


class Lot:
    """Results of one or more images, least sure region first.

    Parameters
    ----------
    folder : Path
        Holds the results.
    results : sequence of ResultFolder
        The images.
    review : segsem.review.review.Review
        Their decisions, opened for writing.
    """

    decisions_changed = Signal()
    current_changed = Signal()
    threshold_changed = Signal()
    shown_changed = Signal()

    def __init__(self, folder: Path, results: Sequence[ResultFolder], review: LotReview) -> None:
        self.folder = folder
        self.results = {result.image_id: result for result in results}
        self.review = review
        self.reviewer = default_reviewer()
        self.version = 0
        """Goes up with each decision."""
        thresholds = [image.threshold for image in review.images.values()]
        self.threshold = max(thresholds, default=DEFAULT_THRESHOLD)
        self.wanted = EVERYTHING
        self.shown: list[ReviewItem] = []
        self._rows: dict[ItemKey, int] = {}
        self._tally = LotTally(review)
        self._list_shown()
        self.current: ItemKey | None = None
        keys = [item.key for item in self.shown]
        still_open = (key for key in keys if self.status(key) is ReviewStatus.PENDING)
        self.current = next(still_open, keys[0] if keys else None)

    @classmethod
    def open(cls, folder: Path) -> Lot:
        """Open results and the decisions about them; takes a while, so not in the GUI's thread.

        Raises
        ------
        InputError
            If there are no results, a file is damaged, or another program reviews them.
        ExportError
            If an image occurs twice.
        """
        results = find_lot([folder])
        groups: Mapping[str, Mapping[str, str]] = {}
        with suppress(InputError):
            # A damaged `images.csv` keeps nobody from reviewing; the page of repeats tells of it.
            groups = read_project_groups(folder, results).by_image
        return cls(folder, results, open_review(results, write=True, groups=groups))

    def close(self) -> None:
        """Bring `review.json` up to date and let go of the files."""
        try:
            if self.review.undo_name or self.review.redo_name:
                self.review.save()
        finally:
            self.review.close()

    def status(self, key: ItemKey) -> ReviewStatus:
        """What holds for a region now."""
        return self.review.status(key)

    def is_doubtful(self, key: ItemKey) -> bool:
        """Whether a region is highlighted: below the threshold or waiting for a decision."""
        if self.status(key) is not ReviewStatus.PENDING:
            return False
        item = self.review.items[key]
        return self.needs_human(key) or not item.confidence >= self.threshold

    def needs_human(self, key: ItemKey) -> bool:
        """Whether a region waits for a person, whatever its confidence."""
        return bool(self.review.flags(key) & REOPENED_OR_NEEDED)

    @property
    def undecided(self) -> list[ItemKey]:
        """Regions that block an export."""
        return self._tally.undecided()

    def undecided_of(self, image_id: str) -> list[ItemKey]:
        """Regions of one image that block an export."""
        return self._tally.undecided_of(image_id)

    @property
    def counts(self) -> Counts:
        """How much of what is shown is left."""
        return self._tally.counts()

    def row_of(self, key: ItemKey | None) -> int | None:
        """Row of a region in what is shown; None where it is not shown."""
        return None if key is None else self._rows.get(key)

    def set_threshold(self, threshold: float) -> None:
        """Move the confidence below which regions are highlighted."""
        if threshold != self.threshold:
            self.threshold = threshold
            self.threshold_changed.emit()

    def show_only(self, wanted: QueueFilter) -> None:
        """Show a part of the queue."""
        if wanted == self.wanted:
            return
        self.wanted = wanted
        self._list_shown()
        self.shown_changed.emit()
        if self.shown and self.row_of(self.current) is None:
            self.select(self.shown[0].key)

    def select(self, key: ItemKey) -> None:
        """Look at a region."""
        if key in self.review.items and key != self.current:
            self.current = key
            self.current_changed.emit()

    def step(self, by: int) -> None:
        """Look at the next (1) or previous (-1) region of what is shown."""
        found = self.review.queue.next_after(self.current, self.wanted, by)
        if found is not None:
            self.select(found)

    def decide(self, action: Action) -> None:
        """Decide about the current region, and go to the next that is open.

        Raises
        ------
        UsageError
            If the reviewer has no name.
        ExportError
            If the decision could not be written; it holds in memory.
        """
        key = self.current
        if key is None:
            return
        following = self.next_open()
        try:
            self.review.decide(key, action, self.reviewer)
        finally:
            self._decided({key.image_id})
        if following is not None:
            self.select(following)

    def put_in_place(self, key: ItemKey, action: Action, replacement: Region) -> None:
        """Put a region in place of the one that was found, and stay with it.

        Raises
        ------
        UsageError, ExportError
            As `decide`.
        """
        try:
            self.review.decide(key, action, self.reviewer, replacement=replacement)
        finally:
            self._decided({key.image_id})

    def accept_above(self, confidence: float) -> list[ItemKey]:
        """Accept all open regions of what is shown that are at least so sure, as one step.

        Raises
        ------
        UsageError, ExportError
            As `decide`.
        """
        try:
            return self.review.accept_above(confidence, self.reviewer, self.wanted)
        finally:
            self._decided()

    def n_above(self, confidence: float) -> int:
        """How many regions `accept_above` would accept."""
        return self._tally.n_above(confidence)

    def undo(self) -> str | None:
        """Take the last step back, look at what it was about, and give its name."""
        return self._walked(self.review.undo(self.reviewer))

    def redo(self) -> str | None:
        """Do the step again that was undone last."""
        return self._walked(self.review.redo(self.reviewer))

    def _walked(self, step: Step | None) -> str | None:
        if step is None:
            return None
        # A step may be about results that are no longer on the desk.
        self._decided({key.image_id for key in step.decisions} & set(self.results))
        key = next(iter(step.decisions))
        self.select(ItemKey(key.image_id, key.region_id))
        return step.name

    def next_open(self) -> ItemKey | None:
        """Region after the current one that is open; None where there is none."""
        key = self.current
        row = self.row_of(key)
        start = -1 if row is None else row
        n_shown = len(self.shown)
        for offset in range(1, n_shown + 1):
            other = self.shown[(start + offset) % n_shown].key
            if other != key and self.status(other) is ReviewStatus.PENDING:
                return other
        return None

    def _decided(self, image_ids: set[str] | None = None) -> None:
        """Tell of decisions in some images; in any if not given."""
        self.version += 1
        self._tally.forget(image_ids)
        if self.wanted.statuses or self.wanted.flags:
            self._list_shown()
            self.shown_changed.emit()
        self.decisions_changed.emit()

    def _list_shown(self) -> None:
        self.shown = self.review.queue.shown(self.wanted)
        self._rows = {item.key: row for row, item in enumerate(self.shown)}
        self._tally.show(self.shown)
