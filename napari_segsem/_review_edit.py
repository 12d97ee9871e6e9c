"""`RegionEdit`: one region of the review while a person changes it. Knows no Qt.

Strokes change a sketch of the regions at once; what becomes of the outline is worked out in the
background, one change after the other, each a step of undo. Nothing is decided before `done`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from psygnal import Signal

from napari_segsem._document import Document
from napari_segsem._documents import Background
from napari_segsem._grounds import Grounds
from napari_segsem._in_sight import in_sight
from napari_segsem._review_bench import (
    Bench,
    Draft,
    Job,
    checked,
    drag,
    grow,
    lay_bench,
    redraw,
    snap,
)
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._session import Session
from segsem.core.contour import Region
from segsem.core.exceptions import SegSemError
from segsem.core.mask_patch import MaskPatch
from segsem.core.types import PointsRC
from segsem.editing.window import Box
from segsem.engine.answers import Candidates
from segsem.review.decision import Action
from segsem.review.handles import Handles
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import Question

STEP_PX = 0.25
"""How far one press of the key moves an outline."""

UNFINISHED = "Finish the edit of region {} first: Enter keeps it, Esc drops it"


class RegionEdit:
    """Change the current region of the review.

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
        self._bench: Bench | None = None
        self._jobs: deque[Job] = deque()
        self.is_opening = self._busy = self._asking = self._finishing = False
        session.document_changed.connect(self._left)
        session.review_changed.connect(self._left)
        desk.current_changed.connect(self._stay)

    @property
    def is_active(self) -> bool:
        """Whether a region is being edited."""
        return self._bench is not None

    @property
    def is_busy(self) -> bool:
        """Whether something is worked out or asked."""
        return self.is_opening or self._busy or self._asking or bool(self._jobs)

    @property
    def document(self) -> Document | None:
        """The sketch that strokes change."""
        return None if self._bench is None else self._bench.document

    @property
    def region_id(self) -> int:
        """Region that is edited; 0 where there is none."""
        return 0 if self._bench is None else self._bench.region_id

    @property
    def draft(self) -> Draft | None:
        """The region as it is to be."""
        return None if self._bench is None else self._bench.draft

    @property
    def is_changed(self) -> bool:
        """Whether the region is another one by now."""
        return self._bench is not None and self._bench.draft.region is not self._bench.before

    def tell(self, text: str) -> None:
        """Show a message."""
        self._session.tell(text)

    def begin(self, then: Callable[[], None]) -> None:
        """Take the current region to the bench; `then` is called once it lies there."""
        if self.is_active or self.is_opening:
            return
        seen = in_sight(self._session, self._desk, "Nothing to edit")
        if seen is None:
            return
        document, review, region = seen.document, seen.review, seen.region
        self.is_opening = True
        self.changed.emit()
        extraction, found = review.extraction, review.found

        def lay_out() -> Bench:
            ground = self._grounds.ground(document, found)
            return lay_bench(review, extraction, region, ground, document.image)

        def ready(bench: Bench) -> None:
            self.is_opening = False
            if self._session.review is review and review.current_id == region.region_id:
                self._bench = bench
                bench.sketch.drawn.connect(self._stroke_ended)
                self.changed.emit()
                then()
            else:
                self.changed.emit()

        self._background(lay_out, ready, self._not_opened)

    def done(self) -> None:
        """Decide that the region stands as it is drawn."""
        bench = self._bench
        if bench is None:
            self.tell("No region is being edited")
        elif self._asking:
            self.tell("Wait: the model has not answered yet")
        elif self._busy or self._jobs:
            self._finishing = True
        else:
            self._finish(bench)

    def cancel(self) -> None:
        """Leave the region as it was."""
        if self._bench is not None:
            self.tell(f"Region {self._bench.region_id} is left as it was")
            self._end()

    def undo(self) -> None:
        """Take the last change of this edit back."""
        bench = self._bench
        if bench is None or self.is_busy:
            return
        if len(bench.drafts) < 2:
            self.tell("Nothing to undo in this edit: Esc leaves it")
            return
        bench.undone.append(bench.drafts.pop())
        self._show_draft(bench)

    def redo(self) -> None:
        """Make the change again that was undone last."""
        bench = self._bench
        if bench is None or self.is_busy:
            return
        if not bench.undone:
            self.tell("Nothing to redo in this edit")
            return
        bench.drafts.append(bench.undone.pop())
        self._show_draft(bench)

    def grow(self, amount_px: float) -> None:
        """Move the outline outwards; inwards where the amount is negative."""
        self._submit(grow(amount_px))

    def snap(self) -> None:
        """Place the whole outline on the edge that the image shows."""
        self._submit(snap)

    def drag(self, handles: Handles, moved_rc: PointsRC) -> None:
        """Move corners of the outline."""
        self._submit(drag(handles, moved_rc))

    def prompt(self, point_rc: tuple[float, float], label: int) -> None:
        """Have the model see the region anew: 1 belongs to it, 0 does not."""
        bench = self._bench
        if bench is None:
            return
        if self.is_busy:
            self.tell("Wait: the last change is not done yet")
            return
        draft = bench.draft
        seed = draft.seed or MaskPatch.of(draft.region.mask, draft.region.offset_rc)
        asked = Draft(
            draft.region, (*draft.points_rc, point_rc), (*draft.point_labels, label), seed
        )
        self._asking = True
        self.changed.emit()

        def answered(candidates: Candidates) -> None:
            self._asking = False
            if bench is self._bench:
                self._take_mask(bench, asked, candidates)

        def failed(message: str) -> None:
            self._asking = False
            if message:
                self._session.tell_error(message)
            self.changed.emit()

        prompts = Prompts(asked.points_rc, asked.point_labels, seed.box_rc)
        self._session.ask_about(Question(prompts, seed), answered, failed)

    def close(self) -> None:
        """Let go of the session."""
        self._bench = None
        self._jobs.clear()
        self._session.document_changed.disconnect(self._left, missing_ok=True)
        self._session.review_changed.disconnect(self._left, missing_ok=True)
        self._desk.current_changed.disconnect(self._stay, missing_ok=True)

    def _not_opened(self, message: str) -> None:
        self.is_opening = False
        self._session.tell_error(message)
        self.changed.emit()

    def _stroke_ended(self, box: Box) -> None:
        self._redraw(box, Draft)

    def _take_mask(self, bench: Bench, asked: Draft, candidates: Candidates) -> None:
        """Draw the model's answer into the sketch, in place of the region."""
        row, col = candidates.offset_rc
        mask = candidates.mask(0)
        height, width = mask.shape
        box = (row, col, row + height, col + width)
        bench.wipe()
        bench.fill(mask, (row, col))
        self._redraw(box, lambda region: replace(asked, region=region))

    def _redraw(self, box: Box, kept_as: Callable[[Region], Draft]) -> None:
        if self._bench is not None:
            self._bench.reach_to(box)
            self._submit(redraw(box, kept_as))

    def _submit(self, job: Job) -> None:
        if self._bench is not None:
            self._jobs.append(job)
            self._next()

    def _next(self) -> None:
        bench = self._bench
        if bench is None or self._busy:
            return
        if not self._jobs:
            self.changed.emit()
            if self._finishing:
                self._finishing = False
                self._finish(bench)
            return
        work, kept_as = self._jobs.popleft()(bench)
        self._busy = True
        self.changed.emit()

        def worked_out(region: Region) -> None:
            self._busy = False
            if bench is self._bench:
                self._take(bench, kept_as(region))
            self._next()

        def failed(message: str) -> None:
            self._busy = self._finishing = False
            if bench is self._bench:
                self.tell(message)
                self._show_draft(bench)
            self._next()

        self._background(lambda: checked(work), worked_out, failed)

    def _take(self, bench: Bench, draft: Draft) -> None:
        if draft.region is bench.draft.region:
            self.tell("Nothing to change here: other regions keep their pixels")
        else:
            bench.drafts.append(draft)
            bench.undone.clear()
        if not self._jobs:
            # Strokes that wait are in the sketch already.
            self._show_draft(bench)

    def _show_draft(self, bench: Bench) -> None:
        """Bring the sketch in line with the draft."""
        bench.sketch_draft()
        self.changed.emit()

    def _finish(self, bench: Bench) -> None:
        lot, region = bench.review.lot, bench.draft.region
        if region is bench.before:
            self.tell(f"Nothing was changed: region {bench.region_id} stays as it is")
            self._end()
            return
        try:
            lot.put_in_place(bench.review.key(bench.region_id), Action.EDIT, region)
        except SegSemError as error:
            self._session.tell_error(str(error))
            return
        self._end()
        self.tell(f"Region {bench.region_id} stands as you drew it; Undo takes that back")

    def _end(self) -> None:
        self._bench = None
        self._jobs.clear()
        self._finishing = False
        self.changed.emit()

    def _left(self) -> None:
        if self._session.document is None or self._session.review is None:
            self._grounds.forget()
        if self._bench is not None and self._session.review is not self._bench.review:
            self.tell(f"The edit of region {self._bench.region_id} was dropped: it was left")
            self._end()

    def _stay(self) -> None:
        """Keep to the region: nobody leaves an edit by mistake."""
        bench = self._bench
        if bench is None or bench.review.current_id == bench.region_id:
            return
        self.tell(UNFINISHED.format(bench.region_id))
        bench.review.select(bench.region_id)
