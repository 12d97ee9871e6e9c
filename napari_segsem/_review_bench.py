"""What lies on the bench while a region is edited: its drafts, and a sketch that strokes change.

Jobs say what a change makes of the draft: they are begun in the GUI's thread, where they take
copies of what they look at, and worked out anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from psygnal import Signal

from napari_segsem._annotation import Annotation
from napari_segsem._document import Document
from napari_segsem._review import Review
from segsem.core.contour import Region, ReviewStatus
from segsem.core.extraction import Extraction
from segsem.core.mask_patch import MaskPatch
from segsem.core.types import LabelArray, MaskArray, PointsRC
from segsem.editing.errors import EditError
from segsem.editing.window import Box, Slices, around
from segsem.imaging.image import SEMImage
from segsem.project.label_edit import LabelObject
from segsem.review.ground import Ground
from segsem.review.handles import Handles, box_around, dragged, grown, snapped
from segsem.review.redraw import redrawn, window_of


@dataclass(frozen=True, slots=True)
class Draft:
    """A region as it is to be, and the clicks that ask the model for it.

    Attributes
    ----------
    region : Region
    points_rc, point_labels
        Clicks since the last change of another kind.
    seed : MaskPatch or None
        The mask before the first of them.
    """

    region: Region
    points_rc: tuple[tuple[float, float], ...] = ()
    point_labels: tuple[int, ...] = ()
    seed: MaskPatch | None = None


class Sketch(Annotation):
    """The regions of an image as a label image that strokes change; it keeps nothing."""

    drawn = Signal(object)
    """`Box` of what a stroke changed."""

    def __init__(self, labels: LabelArray) -> None:
        super().__init__((labels.shape[0], labels.shape[1]))
        self.image.labels = labels

    def change(
        self,
        name: str,
        offset_rc: tuple[int, int],
        after: LabelArray,
        made: Mapping[int, LabelObject] | None = None,
    ) -> bool:
        """Change a part of the label image; tell whether anything is different."""
        row, col = offset_rc
        height, width = after.shape
        part = self.labels[row : row + height, col : col + width]
        if np.array_equal(part, after):
            return False
        part[...] = after
        self.drawn.emit((row, col, row + height, col + width))
        return True


@dataclass(slots=True)
class Bench:
    """A region that is edited.

    Attributes
    ----------
    review : Review
        Of its image.
    before : Region
        As it stood.
    ground : Ground
        The image, made ready for placing edges.
    document : Document
        The image with the sketch.
    sketch : Sketch
    drafts, undone : list of Draft
        What undo takes back and redo makes again, the next one last.
    reach : Box
        Holds all that strokes and drafts have covered.
    """

    review: Review
    before: Region
    ground: Ground
    document: Document
    sketch: Sketch
    drafts: list[Draft]
    undone: list[Draft]
    reach: Box

    @property
    def region_id(self) -> int:
        """Number of the region."""
        return self.before.region_id

    @property
    def draft(self) -> Draft:
        """The region as it is to be."""
        return self.drafts[-1]

    def reach_to(self, box: Box) -> None:
        """Take a box into what strokes have covered."""
        (r0, c0, r1, c1), (s0, d0, s1, d1) = self.reach, box
        self.reach = min(r0, s0), min(c0, d0), max(r1, s1), max(c1, d1)

    def sketch_draft(self) -> None:
        """Bring the sketch in line with the draft."""
        region = self.draft.region
        self.reach_to(region.bbox_rc)
        self.wipe()
        self.fill(region.mask, region.offset_rc)

    def wipe(self) -> None:
        """Take the region out of the sketch."""
        height, width = self.sketch.labels.shape
        part = self.sketch.labels[around([self.reach], 2, (0, 0, height, width))]
        part[part == self.region_id] = 0

    def fill(self, mask: MaskArray, offset_rc: tuple[int, int]) -> None:
        """Put a mask into the sketch as the region; others keep their pixels."""
        row, col = offset_rc
        part = self.sketch.labels[row : row + mask.shape[0], col : col + mask.shape[1]]
        part[mask[: part.shape[0], : part.shape[1]] & (part == 0)] = self.region_id


def lay_bench(
    review: Review, extraction: Extraction, region: Region, ground: Ground, image: SEMImage
) -> Bench:
    """Lay out what an edit of a region needs; rejected regions are in nobody's way."""
    standing = tuple(r for r in extraction.regions if _is_in_the_way(r, region))
    sketch = Sketch(replace(extraction, regions=standing).labels())
    page = Document(image)
    page.annotation = sketch
    return Bench(review, region, ground, page, sketch, [Draft(region)], [], region.bbox_rc)


Work = Callable[[], Region]
Job = Callable[[Bench], tuple[Work, Callable[[Region], Draft]]]
"""Begins a change: what works it out, and what is kept of it."""


def redraw(box: Box, kept_as: Callable[[Region], Draft]) -> Job:
    """Give the region the mask that the sketch has, which changed in a box."""

    def job(bench: Bench) -> tuple[Work, Callable[[Region], Draft]]:
        region, (labels, window) = bench.draft.region, _around(bench, box)
        return lambda: redrawn(bench.ground, region, labels, window), kept_as

    return job


def grow(amount_px: float) -> Job:
    """Move the outline outwards; inwards where the amount is negative."""

    def job(bench: Bench) -> tuple[Work, Callable[[Region], Draft]]:
        region, (labels, window) = bench.draft.region, _around(bench)
        return lambda: grown(bench.ground, region, amount_px, labels, window), Draft

    return job


def drag(handles: Handles, moved_rc: PointsRC) -> Job:
    """Move corners of the outline."""

    def job(bench: Bench) -> tuple[Work, Callable[[Region], Draft]]:
        region, (labels, window) = bench.draft.region, _around(bench, box_around(moved_rc))
        return lambda: dragged(bench.ground, region, handles, moved_rc, labels, window), Draft

    return job


def snap(bench: Bench) -> tuple[Work, Callable[[Region], Draft]]:
    """Place the whole outline on the edge that the image shows."""
    region, (labels, window) = bench.draft.region, _around(bench)
    return lambda: snapped(bench.ground, region, labels, window), Draft


def checked(work: Work) -> Region:
    """Work something out; no memory for it is something to be told.

    Raises
    ------
    EditError
        If it cannot be done.
    """
    try:
        return work()
    except MemoryError as error:
        msg = "Not enough memory for this change: close other programs or images"
        raise EditError(msg) from error


def _around(bench: Bench, *boxes: Box) -> tuple[LabelArray, Slices]:
    window = window_of(bench.draft.region, bench.ground, boxes)
    return bench.sketch.labels[window].copy(), window


def _is_in_the_way(region: Region, edited: Region) -> bool:
    return region.region_id == edited.region_id or region.status is not ReviewStatus.REJECTED
