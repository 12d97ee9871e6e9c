"""The region that is looked at, if its image is shown: nothing else is edited or switched."""

from __future__ import annotations

from dataclasses import dataclass

from napari_segsem._document import Document
from napari_segsem._review import Review
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._session import Session
from segsem.core.contour import Region


@dataclass(frozen=True, slots=True)
class InSight:
    """A region in its image."""

    document: Document
    review: Review
    region: Region


def in_sight(session: Session, desk: ReviewDesk, nothing: str) -> InSight | None:
    """Give the region that is looked at; where there is none, tell why.

    Parameters
    ----------
    session : Session
    desk : ReviewDesk
    nothing : str
        What to tell where no results are open.
    """
    document, review, lot = session.document, session.review, desk.lot
    if lot is None or lot.current is None:
        session.tell(f"{nothing}: extract an image, or open results")
        return None
    if document is None or review is None or review.lot is not lot or review.current is None:
        session.tell(f"Wait: {lot.current.image_id} is not shown yet")
        desk.show_current()
        return None
    return InSight(document, review, review.current)
