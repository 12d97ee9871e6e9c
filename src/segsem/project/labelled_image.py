"""A label image, its objects, and edits of both. Knows neither undo nor files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage as ndi

from segsem.core.contour import Source
from segsem.core.types import LabelArray, MaskArray
from segsem.project.label_edit import Box, LabelEdit, LabelObject, PixelChange

Painter = Callable[[tuple[slice, slice], MaskArray, LabelArray], None]
"""Sets the pixels of a mask in a box to one value, or to one each."""


class LabelledImage:
    """Objects of one image, none of which overlap.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the image in px.

    Attributes
    ----------
    labels : (H, W) int32
        0 where there is no object. Changed in place: a viewer may show this very array.
    objects : dict of int to LabelObject
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.labels: LabelArray = np.zeros(shape, dtype=np.int32)
        self.objects: dict[int, LabelObject] = {}
        self.paint: Painter = self.paint_array
        """How values get into `labels`; a viewer's layer may do it, and draw that part."""

    @property
    def next_id(self) -> int:
        """An id that no object has."""
        return max(self.objects, default=0) + 1

    def edit(
        self,
        name: str,
        offset_rc: tuple[int, int],
        after: LabelArray,
        made: Mapping[int, LabelObject] | None = None,
        touched_as: Source = Source.MIXED,
    ) -> LabelEdit | None:
        """Work out the edit that makes a part of the label image into another; nothing is changed.

        Parameters
        ----------
        name : str
            In the user's words.
        offset_rc : (int, int)
            Row and column of the part's first pixel.
        after : (h, w) int32
            What the part is to be.
        made : mapping of int to LabelObject, optional
            Where objects come from that are new or made anew; their area and box are found here.
        touched_as : Source
            What becomes of the source of the other objects whose pixels change, unless they are
            `manual`; objects that are only cut away by another one keep theirs.

        Returns
        -------
        LabelEdit or None
            None where nothing changes.
        """
        row, col = offset_rc
        part = (slice(row, row + after.shape[0]), slice(col, col + after.shape[1]))
        before = self.labels[part]
        pixels = PixelChange.between(before, after, offset_rc)
        if pixels.is_empty:
            return None
        changed = pixels.mask
        old = np.broadcast_to(pixels.before, (int(changed.sum()),))
        new = np.broadcast_to(pixels.after, old.shape)
        gained = set(np.unique(new).tolist()) - {0}
        ids = sorted((gained | set(np.unique(old).tolist())) - {0})
        replaced = np.where(before != after, after, before)
        places = ndi.find_objects(replaced)
        objects_after: dict[int, LabelObject | None] = {}
        for object_id in ids:
            origin = (made or {}).get(object_id) or self._origin(object_id, gained, touched_as)
            objects_after[object_id] = self._measured(origin, replaced, offset_rc, places)
        objects_before = {object_id: self.objects.get(object_id) for object_id in ids}
        return LabelEdit(name, pixels, objects_before, objects_after)

    def edit_objects(self, name: str, made: Mapping[int, LabelObject]) -> LabelEdit | None:
        """Work out the edit that changes what is known of objects, and no pixel.

        Parameters
        ----------
        name : str
            In the user's words.
        made : mapping of int to LabelObject
            Objects that are there; their area and box stay.

        Returns
        -------
        LabelEdit or None
            None where nothing changes.
        """
        before: dict[int, LabelObject | None] = {}
        after: dict[int, LabelObject | None] = {}
        for object_id, item in made.items():
            known = self.objects.get(object_id)
            if known is None:
                continue
            wanted = replace(item, object_id=object_id, area_px=known.area_px, bbox=known.bbox)
            if wanted != known:
                before[object_id], after[object_id] = known, wanted
        return LabelEdit(name, PixelChange.none(), before, after) if after else None

    def apply(self, edit: LabelEdit) -> None:
        """Do an edit."""
        self._set(edit.pixels, edit.pixels.after, edit.after)

    def revert(self, edit: LabelEdit) -> None:
        """Take an edit back."""
        self._set(edit.pixels, edit.pixels.before, edit.before)

    def paint_array(self, slices: tuple[slice, slice], mask: MaskArray, values: LabelArray) -> None:
        """Set pixels in the array itself."""
        self.labels[slices][mask] = values

    def mask_of(self, object_id: int) -> MaskArray:
        """(h, w) bool mask of an object in its bounding box."""
        return np.asarray(self.labels[self.objects[object_id].slices] == object_id)

    def _set(
        self,
        pixels: PixelChange,
        values: LabelArray,
        objects: Mapping[int, LabelObject | None],
    ) -> None:
        self.set_pixels(pixels, values)
        self.set_objects(objects)

    def set_pixels(self, pixels: PixelChange, values: LabelArray) -> None:
        """Set the pixels of a change to `values`, the objects left as they are."""
        if not pixels.is_empty:
            self.paint(pixels.slices, pixels.mask, values)

    def set_objects(self, objects: Mapping[int, LabelObject | None]) -> None:
        """Set objects, None takes one away; the pixels left as they are."""
        kept = {key: value for key, value in self.objects.items() if key not in objects}
        kept.update({key: value for key, value in objects.items() if value is not None})
        # A new dict: whoever holds the one before still sees what was there.
        self.objects = dict(sorted(kept.items()))

    def _origin(self, object_id: int, gained: set[int], touched_as: Source) -> LabelObject:
        known = self.objects.get(object_id)
        if known is None:
            return LabelObject(object_id, 0, (0, 0, 0, 0), Source.MANUAL)
        if object_id in gained and known.source is not Source.MANUAL:
            return replace(known, source=touched_as)
        return known

    def _measured(
        self,
        origin: LabelObject,
        after: LabelArray,
        offset_rc: tuple[int, int],
        places: list[tuple[slice, slice] | None],
    ) -> LabelObject | None:
        """Area and bounding box of an object once a part is as `after`; None where it is gone."""
        known = self.objects.get(origin.object_id)
        # Only where it is: an edit may make hundreds of objects in a large part at once.
        index = origin.object_id - 1
        place = places[index] if index < len(places) else None
        boxes, area = [], 0
        if place is not None:
            row0, col0 = offset_rc[0] + place[0].start, offset_rc[1] + place[1].start
            boxes = [(row0, col0, offset_rc[0] + place[0].stop, offset_rc[1] + place[1].stop)]
            area = int(np.count_nonzero(after[place] == origin.object_id))
        if known is not None:
            outside = self.mask_of(origin.object_id).copy()
            # What lies in the part is as `after` says, whatever it was.
            row0, col0, _, _ = known.bbox
            rows = slice(max(offset_rc[0] - row0, 0), max(offset_rc[0] + after.shape[0] - row0, 0))
            cols = slice(max(offset_rc[1] - col0, 0), max(offset_rc[1] + after.shape[1] - col0, 0))
            outside[rows, cols] = False
            boxes += _box_of(outside, (row0, col0))
            area += int(np.count_nonzero(outside))
        if area == 0:
            return None
        return replace(origin, area_px=area, bbox=_around(boxes))


def _box_of(mask: MaskArray, offset_rc: tuple[int, int]) -> list[Box]:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return []
    row, col = offset_rc
    return [
        (
            row + int(rows[0]),
            col + int(cols[0]),
            row + int(rows[-1]) + 1,
            col + int(cols[-1]) + 1,
        )
    ]


def _around(boxes: Iterable[Box]) -> Box:
    first_rows, first_cols, end_rows, end_cols = zip(*boxes, strict=True)
    return min(first_rows), min(first_cols), max(end_rows), max(end_cols)
