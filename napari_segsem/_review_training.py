"""Regions of the review as objects of the project, for the model to learn from."""

from __future__ import annotations

from napari_segsem._annotation import Made
from napari_segsem._document import Document
from napari_segsem._in_sight import in_sight
from napari_segsem._review import Review
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._session import Session
from segsem.core.contour import Region, ReviewStatus
from segsem.dataset.additions import ORIGIN
from segsem.project.label_edit import LabelObject

SIGNED = (ReviewStatus.ACCEPTED, ReviewStatus.CORRECTED)


def put_into_training_set(session: Session, desk: ReviewDesk) -> None:
    """Put the image with the current region, and all others that are accepted, into the set.

    A region takes the place of the object that it overlaps by more than half. It is one step of
    undo in Annotate, and journalled as all that is done there.
    """
    workplace = session.workplace
    seen = in_sight(session, desk, "Nothing to learn from")
    if seen is None:
        return
    document, review, region = seen.document, seen.review, seen.region
    if region.status not in SIGNED:
        session.tell(f"Accept or edit region {region.region_id} first: then it can be learned from")
        return
    if workplace is None:
        session.tell("Nothing is kept here: no project is open")
        return
    others = [r for r in review.extraction.regions if r.status in SIGNED and r is not region]
    added = document.annotation.add(
        "reviewed regions", [_made(review, one) for one in (region, *others)]
    )
    row = workplace.row(document)
    inside = row is not None and row.training
    if not inside and not workplace.mark(document, training=True):
        # Why not has been told.
        return
    session.tell(_said(document, region, len(others), is_new=bool(added) or not inside))


def _made(review: Review, region: Region) -> Made:
    origin = LabelObject(
        0,
        0,
        (0, 0, 0, 0),
        region.source,
        None,
        {ORIGIN: {"review": review.image_id, "region": region.region_id}},
    )
    return Made(region.offset_rc, region.mask, origin)


def _said(document: Document, region: Region, n_others: int, *, is_new: bool) -> str:
    name = document.image.name
    if not is_new:
        return f"{name} is in the training set with this region already"
    others = f" and {n_others} other accepted" if n_others else ""
    are = "are" if n_others else "is"
    return f"Region {region.region_id}{others} of {name} {are} in the training set now"
