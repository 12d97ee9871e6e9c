"""The current region on its other source: Sauvola in place of SAM2, SAM2 in place of Sauvola."""

from __future__ import annotations

from dataclasses import dataclass

from psygnal import Signal

from napari_segsem._document import Document
from napari_segsem._documents import Background
from napari_segsem._grounds import Grounds
from napari_segsem._in_sight import in_sight
from napari_segsem._review import Review
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._session import Session
from segsem.core.contour import Region, Source
from segsem.core.exceptions import SegSemError
from segsem.engine.answers import Candidates
from segsem.review.decision import Action
from segsem.review.other_source import (
    NAMES,
    other_source,
    sam2_prompts,
    sam2_region,
    sauvola_region,
)
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import Question


@dataclass(frozen=True, slots=True)
class _Wish:
    """A region that is to stand on another source."""

    document: Document
    review: Review
    region: Region
    source: Source


class Switching:
    """Puts a region on its other source, one at a time.

    Parameters
    ----------
    session : Session
    desk : ReviewDesk
    background : callable
        Where outlines are worked out.
    grounds : Grounds
    """

    changed = Signal()

    def __init__(
        self, session: Session, desk: ReviewDesk, background: Background, grounds: Grounds
    ) -> None:
        self._session, self._desk = session, desk
        self._background, self._grounds = background, grounds
        self.is_busy = False

    def switch(self) -> None:
        """Switch the current region to its other source."""
        seen = in_sight(self._session, self._desk, "Nothing to switch")
        if seen is None:
            return
        review, region = seen.review, seen.region
        if self.is_busy:
            self._session.tell("Wait: another region is being switched")
            return
        wish = _Wish(seen.document, review, region, other_source(region))
        found = review.found_region(region.region_id)
        self.is_busy = True
        self.changed.emit()
        if found.source is wish.source:
            self._put(wish, found)
        elif wish.source is Source.SAUVOLA:
            self._background(
                lambda: self._sauvola(wish), lambda made: self._put(wish, made), self._failed
            )
        else:
            # Where a region is deepest takes a while to find.
            self._background(
                lambda: sam2_prompts(region), lambda asked: self._ask(wish, asked), self._failed
            )

    def _sauvola(self, wish: _Wish) -> Region:
        found = wish.review.found
        ground = self._grounds.ground(wish.document, found)
        candidates = self._grounds.candidates(wish.document, found)
        return sauvola_region(ground, wish.region, candidates, found.labels())

    def _ask(self, wish: _Wish, prompts: Prompts) -> None:
        if wish.document is not self._session.document:
            self._failed(f"Region {wish.region.region_id} was left before it was switched")
            return

        def answered(candidates: Candidates) -> None:
            self._background(
                lambda: self._sam2(wish, candidates),
                lambda made: self._put(wish, made),
                self._failed,
            )

        self._session.ask_about(Question(prompts), answered, self._failed)

    def _sam2(self, wish: _Wish, candidates: Candidates) -> Region:
        found = wish.review.found
        ground = self._grounds.ground(wish.document, found)
        logits, offset = candidates.logits[0], candidates.offset_rc
        return sam2_region(ground, wish.region, logits, offset, found.labels())

    def _put(self, wish: _Wish, made: Region) -> None:
        self._end()
        review, region_id = wish.review, wish.region.region_id
        now = review.region(region_id)
        if review.lot is not self._desk.lot or now is None or now.contours != wish.region.contours:
            self._session.tell(f"Region {region_id} is another one by now: it was not switched")
            return
        try:
            review.lot.put_in_place(review.key(region_id), Action.SWITCH_SOURCE, made)
        except SegSemError as error:
            self._session.tell_error(str(error))
            return
        self._session.tell(
            f"Region {region_id} stands on {NAMES[wish.source]} now; Undo takes that back"
        )

    def _failed(self, message: str) -> None:
        self._end()
        self._session.tell(message or "Not switched: the model was asked for something else")

    def _end(self) -> None:
        self.is_busy = False
        self.changed.emit()
