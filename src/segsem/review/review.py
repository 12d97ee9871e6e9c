"""`Review`: the regions of a lot, what was decided about them, and what is left."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from segsem.core.contour import Region, ReviewStatus
from segsem.core.exceptions import UsageError
from segsem.core.progress import Progress, run_to_completion
from segsem.review.agreement import Agreement, compare_reviewers
from segsem.review.decision import Action, Decision, DecisionKey, utc_now
from segsem.review.folder import ReviewFolder
from segsem.review.item import (
    LEFT_TO_A_PERSON,
    ItemFlag,
    ItemKey,
    ReviewImage,
    ReviewItem,
    items_of,
)
from segsem.review.ledger import Step
from segsem.review.outline import Outline
from segsem.review.queue import OPEN, QueueFilter, ReviewQueue
from segsem.review.standing import (
    OldResults,
    OutlineReader,
    Standing,
    compare_old_results,
    standings_of,
)

FORMAT = "segsem-review-state"
FORMAT_VERSION = 1


class Review:
    """A walk through all regions of a lot.

    No image is read: items come from the records of the results. Outlines are asked for when an
    image is first decided about, and where earlier results were.

    Parameters
    ----------
    images : sequence of ReviewImage
        The lot.
    folder : ReviewFolder
        Where decisions are kept.
    read_outlines : callable
        Gives the outlines of an image's regions by its id.
    outliers : iterable of ItemKey
        Regions that gates found unlike their neighbours.
    clock : callable
        Gives the time as ISO 8601 in UTC.
    """

    def __init__(
        self,
        images: Sequence[ReviewImage],
        folder: ReviewFolder,
        read_outlines: OutlineReader,
        *,
        outliers: Iterable[ItemKey] = (),
        clock: Callable[[], str] = utc_now,
    ) -> None:
        self.images = {image.image_id: image for image in images}
        self._folder, self._read_outlines, self._clock = folder, read_outlines, clock
        self._outlines: dict[str, dict[int, Outline]] = {}
        self._old: dict[str, list[OldResults]] = {
            image.image_id: compare_old_results(image, folder, self.outlines) for image in images
        }
        self._standings: dict[ItemKey, Standing] = {}
        self._gone: dict[str, list[str]] = {}
        for image in images:
            self._refresh(image.image_id)
        marked = set(outliers)
        items = [_marked(item, marked) for image in images for item in items_of(image)]
        self.items = {item.key: item for item in items}
        self.queue = ReviewQueue(items, self.status, self.flags)

    def standing(self, key: ItemKey) -> Standing:
        """How a region stands."""
        return self._standings[key]

    def status(self, key: ItemKey) -> ReviewStatus:
        """What holds for a region now."""
        return self._standings[key].status

    def flags(self, key: ItemKey) -> frozenset[ItemFlag]:
        """What is special about a region by now."""
        standing = self._standings[key]
        if standing.carried_px is None and not standing.reopened and not standing.differ:
            return self.items[key].flags
        holds = {
            ItemFlag.CARRIED: standing.carried_px is not None,
            ItemFlag.REOPENED: bool(standing.reopened),
            ItemFlag.REVIEWERS_DIFFER: bool(standing.differ),
        }
        extra = frozenset(flag for flag, is_set in holds.items() if is_set)
        return self.items[key].flags | extra

    def reason(self, key: ItemKey) -> str:
        """Why a look is asked for, in words: what the results say, and what became of decisions."""
        standing = self._standings[key]
        parts = [self.items[key].reason, standing.reopened]
        if standing.differ:
            parts.append(f"{' and '.join(standing.differ)} do not agree")
        if standing.carried_px is not None:
            parts.append("decided on earlier results with the same outline")
        return "; ".join(part for part in parts if part)

    @property
    def gone(self) -> dict[str, list[str]]:
        """Decided regions of earlier results that are not there any more, by image."""
        return {image_id: lines for image_id, lines in self._gone.items() if lines}

    @property
    def undo_name(self) -> str:
        """What undo would take back; empty where there is nothing."""
        done = self._folder.ledger.done
        return done[-1].name if done else ""

    @property
    def redo_name(self) -> str:
        """What redo would do again; empty where there is nothing."""
        undone = self._folder.ledger.undone
        return undone[-1].name if undone else ""

    @property
    def reviewers(self) -> list[str]:
        """Who has decided something that holds, by name."""
        return sorted({step.reviewer for step in self._folder.ledger.done})

    def outlines(self, image_id: str) -> dict[int, Outline]:
        """Simplified outlines of an image's regions, for thumbnails.

        The first call for an image may read its contours: a viewer makes it beside its window,
        or gives them with `know_outlines`, so that no decision waits for it.
        """
        if image_id not in self._outlines:
            image = self.images[image_id]
            kept = self._folder.outlines(image_id, image.digest)
            self._outlines[image_id] = self._read_outlines(image_id) if kept is None else kept[0]
        return self._outlines[image_id]

    def known_outlines(self, image_id: str) -> dict[int, Outline] | None:
        """Give the outlines of an image's regions if they are in memory."""
        return self._outlines.get(image_id)

    def know_outlines(self, image_id: str, outlines: dict[int, Outline]) -> None:
        """Take the outlines of an image's results from who has them in memory."""
        self._outlines[image_id] = outlines

    def decide(
        self,
        key: ItemKey,
        action: Action,
        reviewer: str,
        *,
        replacement: Region | None = None,
        comment: str = "",
    ) -> None:
        """Decide about one region; it is on record when this returns.

        Raises
        ------
        UsageError
            If the reviewer has no name, or a replacement is missing or out of place.
        ExportError
            If the record cannot be written; the decision holds in memory.
        """
        if replacement is not None and replacement.region_id != key.region_id:
            replacement = replace(replacement, region_id=key.region_id)
        at = self._clock()
        decision = Decision(action, reviewer, at, comment, replacement)
        self._keep_outlines(key.image_id)
        name = f"{action} region {key.region_id} of {key.image_id}"
        self._do(Step(name, reviewer, at, {self._decision_key(key): decision}))

    def accept_above(
        self, confidence: float, reviewer: str, wanted: QueueFilter = OPEN
    ) -> list[ItemKey]:
        """Accept all open regions that are at least so sure, as one step.

        What needs a person, was opened again, or has something missing beside it is left for one
        to look at.

        Returns
        -------
        list of ItemKey
            The regions that were accepted.
        """
        return run_to_completion(self.accept_above_steps(confidence, reviewer, wanted))

    def accept_above_steps(
        self, confidence: float, reviewer: str, wanted: QueueFilter = OPEN
    ) -> Generator[Progress, None, list[ItemKey]]:
        """Do the same, image by image; closing the generator leaves all as it was."""
        if not 0.0 <= confidence <= 1.0:
            msg = f"Expected a confidence between 0 and 1, but got {confidence:g}"
            raise UsageError(msg)
        chosen = [item.key for item in self.queue.shown(wanted) if self._is_sure(item, confidence)]
        if not chosen:
            return []
        at = self._clock()
        decision = Decision(Action.ACCEPT, reviewer, at, f"confidence {confidence:.2f} or more")
        chosen.sort()
        image_ids = list(dict.fromkeys(key.image_id for key in chosen))
        for number, image_id in enumerate(image_ids):
            yield Progress(number, len(image_ids), f"outlines of {image_id}")
            self._keep_outlines(image_id)
        name = f"accept {len(chosen)} regions of confidence {confidence:.2f} or more"
        self._do(Step(name, reviewer, at, {self._decision_key(key): decision for key in chosen}))
        return chosen

    def undo(self, reviewer: str) -> Step | None:
        """Take the last step back; None where there is none."""
        step = self._folder.undo(reviewer, self._clock())
        self._refresh_after(step)
        return step

    def redo(self, reviewer: str) -> Step | None:
        """Do the step again that was undone last; None where there is none."""
        step = self._folder.redo(reviewer, self._clock())
        self._refresh_after(step)
        return step

    def said_by(self, reviewer: str) -> dict[ItemKey, ReviewStatus]:
        """Last decisions of one reviewer about the present results."""
        said = {}
        for key in self.items:
            for _, decision in self._folder.ledger.history(self._decision_key(key)):
                if decision.reviewer == reviewer:
                    said[key] = decision.status
        return said

    def compare(self, first: str, second: str) -> Agreement:
        """Compare two reviewers of these results."""
        return compare_reviewers(first, self.said_by(first), second, self.said_by(second))

    def state(self) -> dict[str, Any]:
        """Say how all stands, as JSON values: what `review.json` holds."""
        counts = self.queue.counts()
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "counts": {name: getattr(counts, name) for name in counts.__slots__},
            "reviewers": self.reviewers,
            "decisions": [
                {"image_id": key.image_id, "region_id": key.region_id, **standing_json(standing)}
                for key, standing in sorted(self._standings.items())
                if standing.decision is not None or standing.reopened
            ],
            "gone": self.gone,
        }

    def save(self) -> None:
        """Write `review.json`, and wait until all decisions are on the disk.

        Raises
        ------
        ExportError
            If a file cannot be written.
        """
        self._folder.write_state(self.state())
        self._folder.sync()

    def close(self) -> None:
        """Let go of the files."""
        self._folder.close()

    def _is_sure(self, item: ReviewItem, confidence: float) -> bool:
        standing = self._standings[item.key]
        return (
            standing.status is ReviewStatus.PENDING
            and not item.flags & LEFT_TO_A_PERSON
            and not standing.reopened
            and item.confidence >= confidence
        )

    def _decision_key(self, key: ItemKey) -> DecisionKey:
        return DecisionKey(key.image_id, self.images[key.image_id].digest, key.region_id)

    def _keep_outlines(self, image_id: str) -> None:
        image = self.images[image_id]
        if not self._folder.has_outlines(image_id, image.digest):
            outlines = self.outlines(image_id)
            self._folder.keep_outlines(image_id, image.digest, outlines, image.image_sha256)

    def _do(self, step: Step) -> None:
        try:
            self._folder.do(step)
        finally:
            self._refresh_after(step)

    def _refresh_after(self, step: Step | None) -> None:
        if step is not None:
            for image_id in {key.image_id for key in step.decisions}:
                if image_id in self.images:
                    self._refresh(image_id)

    def _refresh(self, image_id: str) -> None:
        image = self.images[image_id]
        found, self._gone[image_id] = standings_of(image, self._folder.ledger, self._old[image_id])
        for region_id, standing in found.items():
            self._standings[ItemKey(image_id, region_id)] = standing


def standing_json(standing: Standing) -> Mapping[str, Any]:
    """Say how a region stands as JSON values, for files that people and programs read."""
    decision = standing.decision
    said: dict[str, Any] = {"status": standing.status.value}
    if decision is not None:
        said |= {"action": decision.action.value, "reviewer": decision.reviewer, "at": decision.at}
        if decision.comment:
            said["comment"] = decision.comment
    if standing.carried_px is not None:
        said["outline_moved_px"] = round(standing.carried_px, 3)
    if standing.reopened:
        said["opened_again"] = standing.reopened
    if standing.differ:
        said["reviewers_differ"] = list(standing.differ)
    return said


def _marked(item: ReviewItem, outliers: set[ItemKey]) -> ReviewItem:
    if item.key not in outliers:
        return item
    return replace(item, flags=item.flags | {ItemFlag.OUTLIER})
