"""Corrections, worked out beside the GUI one after the other, then applied.

A correction sees the label image as it is when its turn comes. Where somebody changed that part
before the correction was done, it is worked out once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from napari_segsem import _correction_plans as plans
from napari_segsem._annotation import Annotation
from napari_segsem._correction_plans import Correction, Plan
from napari_segsem._document import Document
from napari_segsem._documents import Background
from napari_segsem._session import Session
from segsem.core.types import LabelArray, PointsRC
from segsem.editing.errors import EditError
from segsem.editing.window import Slices

TRIES = 3

_Start = Callable[[Document], Plan]


class Corrections:
    """Fill, cut, split, merge, grow and snap, on the image that is shown.

    Parameters
    ----------
    session : Session
    background : callable
        Where corrections are worked out.
    """

    def __init__(self, session: Session, background: Background) -> None:
        self._session, self._background = session, background
        self._waiting: deque[tuple[Document, _Start, int]] = deque()
        self._busy = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being worked out."""
        return not self._busy and not self._waiting

    def fill(self, point_rc: tuple[int, int]) -> None:
        """Fill the hole at a pixel, or all holes of the object there."""
        self._submit(lambda document: plans.fill(document, point_rc))

    def fill_all(self, object_id: int) -> None:
        """Fill all holes of an object."""
        self._submit(lambda document: plans.fill_all(document, object_id))

    def cut(self, path_rc: PointsRC, width_px: float, *, keep_pieces: bool = True) -> None:
        """Cut objects apart along a line."""
        self._submit(
            lambda document: plans.cut(document, path_rc, width_px, keep_pieces=keep_pieces)
        )

    def split(self, object_id: int) -> None:
        """Make the parts of an object objects."""
        self._submit(lambda document: plans.split(document, object_id))

    def split_between(self, first_rc: tuple[int, int], second_rc: tuple[int, int]) -> None:
        """Part an object at the narrowest place between two of its pixels."""
        self._submit(lambda document: plans.split_between(document, first_rc, second_rc))

    def merge(self, path_rc: PointsRC, width_px: float) -> None:
        """Make the objects on a line one; the line closes the gaps between them."""
        self._submit(lambda document: plans.merge(document, path_rc, width_px))

    def join(self, ids: Sequence[int]) -> None:
        """Make objects one, wherever they lie."""
        self._submit(lambda document: plans.join(document, ids))

    def grow(self, object_id: int, amount_px: float) -> None:
        """Move an object's outline outwards; inwards where the amount is negative."""
        self._submit(lambda document: plans.grow(document, object_id, amount_px))

    def snap(self, object_id: int) -> None:
        """Move an object's outline onto the edge that the image shows."""
        self._submit(lambda document: plans.snap_to_edge(document, object_id))

    def _submit(self, start: _Start) -> None:
        document = self._session.document
        if document is not None:
            self._waiting.append((document, start, TRIES))
            self._next()

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        document, start, tries = self._waiting.popleft()
        try:
            plan = start(document)
        except EditError as error:
            self._session.tell(str(error))
            self._next()
            return
        self._busy = True
        before = document.annotation.labels[plan.window].copy()
        known = set(document.annotation.objects)

        def done(correction: Correction) -> None:
            self._busy = False
            if not _is_current(document.annotation, plan.window, before, known, correction):
                self._again(document, start, tries - 1)
            else:
                self._apply(document, plan, correction)
            self._next()

        def failed(message: str) -> None:
            self._busy = False
            self._session.tell(message)
            self._next()

        self._background(lambda: _worked_out(plan, before), done, failed)

    def _again(self, document: Document, start: _Start, tries: int) -> None:
        if tries > 0:
            self._waiting.appendleft((document, start, tries))
        else:
            self._session.tell("Not done: the object changed meanwhile; try once more")

    def _apply(self, document: Document, plan: Plan, correction: Correction) -> None:
        corner = (plan.window[0].start, plan.window[1].start)
        if document.annotation.change(plan.name, corner, correction.after, correction.made):
            self._session.tell(correction.told or f"Done: {plan.name}")
        else:
            self._session.tell("Nothing to change here")


def _worked_out(plan: Plan, before: LabelArray) -> Correction:
    try:
        return plan.work(before)
    except MemoryError as error:
        msg = "Not enough memory for this correction: close other programs or images"
        raise EditError(msg) from error


def _is_current(
    annotation: Annotation,
    window: Slices,
    before: LabelArray,
    known: set[int],
    correction: Correction,
) -> bool:
    """Whether a correction still fits: its part is as it was, and no new id is taken since."""
    taken = any(i in annotation.objects for i in correction.made if i not in known)
    return not taken and bool(np.array_equal(annotation.labels[window], before))
