"""Corrections of accepted objects, each as a plan that can be worked out anywhere.

A plan is made in the GUI's thread from the objects as they are; its work sees only a copy of the
labels of its window. What cannot be done raises `EditError` with a line for the user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_segsem._annotation import Annotation
from napari_segsem._document import Document
from segsem.core.contour import Source
from segsem.core.types import LabelArray, PointsRC
from segsem.editing import holes, merging, offset, parts, snap, strokes, touching
from segsem.editing.errors import EditError
from segsem.editing.window import Box, Slices, around
from segsem.imaging.normalise import stretched
from segsem.project.label_edit import LabelObject


@dataclass(frozen=True, slots=True)
class Correction:
    """What a correction makes of its window.

    Attributes
    ----------
    after : (h, w) int32
    made : mapping of int to LabelObject
        Where objects come from that are new or another kind now.
    told : str
        For the user, once it is done.
    """

    after: LabelArray
    made: Mapping[int, LabelObject] = field(default_factory=dict)
    told: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A correction to be worked out.

    Attributes
    ----------
    name : str
        In the user's words, for "Undo ...".
    window : (slice, slice)
        Part of the label image that it looks at and changes.
    work : callable
        Makes a `Correction` of the labels of the window.
    """

    name: str
    window: Slices
    work: Callable[[LabelArray], Correction]


def fill(document: Document, point_rc: tuple[int, int]) -> Plan:
    """Fill the hole at a pixel, or all holes of the object there."""
    annotation = document.annotation
    object_id = int(annotation.labels[point_rc])
    if object_id:
        return fill_all(document, object_id)
    ids = _around_point(annotation, point_rc)
    if not ids:
        raise EditError("No object has a hole here: point at the hole, or at its object")
    window = _window([annotation.objects[i] for i in ids], 0, document)
    at = _inside(point_rc, window)
    return Plan("filled hole", window, lambda labels: _filled(labels, ids, at))


def fill_all(document: Document, object_id: int) -> Plan:
    """Fill all holes of an object."""
    known = _object(document.annotation, object_id)
    window = _window([known], 0, document)
    return Plan("filled hole", window, lambda labels: _filled(labels, [object_id], None))


def cut(document: Document, path_rc: PointsRC, width_px: float, *, keep_pieces: bool) -> Plan:
    """Cut objects apart along a line; without `keep_pieces` what is cut off is removed."""
    limits = _limits(document)
    seen = strokes.stroke_window(path_rc, width_px, limits)
    covered = strokes.stroke(path_rc, width_px, seen)
    ids = np.unique(document.annotation.labels[seen][covered]).tolist()
    known = [document.annotation.objects[i] for i in ids if i]
    if not known:
        raise EditError("The line crosses no object: draw it right across one")
    window = _window(known, 0, document)
    line = strokes.stroke(path_rc, width_px, window)
    free = document.annotation.image.next_id

    def work(labels: LabelArray) -> Correction:
        divided = parts.cut(labels, line, free, keep_pieces=keep_pieces)
        if divided is None:
            raise EditError("The line goes right through no object: start and end it outside")
        if not keep_pieces:
            was_cut = [item for item in known if _changed(labels, divided.labels, item)]
            made = {item.object_id: _by_hand(item) for item in was_cut}
            return Correction(divided.labels, made, "The smaller part is gone")
        return _divided(divided, known)

    return Plan("cut", window, work)


def split(document: Document, object_id: int) -> Plan:
    """Make the parts of an object objects: its pieces, or blobs that touch in a neck."""
    known = _object(document.annotation, object_id)
    free = document.annotation.image.next_id

    def work(labels: LabelArray) -> Correction:
        mask = labels == object_id
        pieces = parts.pieces_of(mask)
        if pieces.max() < 2:
            pieces = touching.divide_at_necks(mask)
        if pieces.max() < 2:
            msg = "This object is in one part and has no neck: cut it where it is to be divided"
            raise EditError(msg)
        return _divided(parts.divide(labels, object_id, pieces, free), [known])

    return Plan(f"split of object {object_id}", _window([known], 1, document), work)


def split_between(
    document: Document, first_rc: tuple[int, int], second_rc: tuple[int, int]
) -> Plan:
    """Part an object at the narrowest place between two of its pixels."""
    object_id = int(document.annotation.labels[first_rc])
    known = _object(document.annotation, object_id)
    if document.annotation.labels[second_rc] != object_id:
        raise EditError("Split: start and end the line inside one object, in its two parts")
    window, free = _window([known], 1, document), document.annotation.image.next_id

    def work(labels: LabelArray) -> Correction:
        pieces = touching.divide_between(
            labels == object_id, _inside(first_rc, window), _inside(second_rc, window)
        )
        return _divided(parts.divide(labels, object_id, pieces, free), [known])

    return Plan(f"split of object {object_id}", window, work)


def merge(document: Document, path_rc: PointsRC, width_px: float) -> Plan:
    """Make the objects on a line one; the line closes the gaps between them."""
    limits = _limits(document)
    seen = strokes.stroke_window(path_rc, width_px, limits)
    ids = merging.crossed_ids(document.annotation.labels[seen], path_rc, seen)
    known = _several(document.annotation, ids)
    window = around([*(item.bbox for item in known), _box(seen)], 0, limits)

    def work(labels: LabelArray) -> Correction:
        bridge = merging.bridge_between(labels, path_rc, width_px, window)
        return _merged(merging.merge(labels, ids, bridge), known)

    return Plan(f"merge into object {ids[0]}", window, work)


def join(document: Document, ids: Sequence[int]) -> Plan:
    """Make objects one, the first, wherever they lie; no background becomes part of it."""
    known = _several(document.annotation, ids)

    def work(labels: LabelArray) -> Correction:
        return _merged(merging.merge(labels, ids), known)

    return Plan(f"merge into object {ids[0]}", _window(known, 0, document), work)


def grow(document: Document, object_id: int, amount_px: float) -> Plan:
    """Move an object's outline outwards; inwards where the amount is negative."""
    known = _object(document.annotation, object_id)
    window = offset.offset_window(known.bbox, known.prompts, amount_px, _limits(document))

    def work(labels: LabelArray) -> Correction:
        moved = offset.move_outline(labels, window, object_id, amount_px, known.prompts)
        made = replace(_by_hand(known), prompts=moved.prompts)
        where = f"{moved.amount_px:+.2f} px from" if moved.amount_px else "back"
        told = f"Outline of object {object_id}: {where} where it was"
        return Correction(moved.labels, {object_id: made}, told)

    how = "growth" if amount_px > 0 else "shrinking"
    return Plan(f"{how} of object {object_id} by {abs(amount_px):g} px", window, work)


def snap_to_edge(document: Document, object_id: int) -> Plan:
    """Move an object's outline onto the edge that the image shows."""
    known = _object(document.annotation, object_id)
    window = _window([known], snap.MARGIN_PX, document)
    data, limits = document.image.data[window], document.display_limits

    def work(labels: LabelArray) -> Correction:
        after = snap.snap(labels, object_id, stretched(data, *limits))
        told = f"Outline of object {object_id} is on the edge"
        return Correction(after, {object_id: _by_hand(known)}, told)

    return Plan(f"snap of object {object_id}", window, work)


def _object(annotation: Annotation, object_id: int) -> LabelObject:
    known = annotation.objects.get(object_id)
    if known is None:
        raise EditError("No accepted object is under the mouse: point at one")
    return known


def _several(annotation: Annotation, ids: Sequence[int]) -> list[LabelObject]:
    known = [annotation.objects[i] for i in ids if i in annotation.objects]
    if len(known) < max(len(ids), 2):
        raise EditError("Merge: drag from one object to another, or click on both")
    return known


def _around_point(annotation: Annotation, point_rc: tuple[int, int]) -> list[int]:
    """Objects whose bounding box holds a pixel, smallest first."""
    row, col = point_rc
    found = [
        item
        for item in annotation.objects.values()
        if item.bbox[0] <= row < item.bbox[2] and item.bbox[1] <= col < item.bbox[3]
    ]
    found.sort(key=lambda item: (item.bbox[2] - item.bbox[0]) * (item.bbox[3] - item.bbox[1]))
    return [item.object_id for item in found]


def _filled(labels: LabelArray, ids: list[int], at: tuple[int, int] | None) -> Correction:
    for object_id in ids:
        after = holes.fill_holes(labels, object_id, at)
        count = int(np.count_nonzero(after != labels))
        if count:
            return Correction(after, told=f"Filled {count:,} px² in object {object_id}")
    raise EditError("There is no hole here: a hole is closed all around by one object")


def _changed(before: LabelArray, after: LabelArray, item: LabelObject) -> bool:
    return bool(((before == item.object_id) & (after != item.object_id)).any())


def _divided(divided: parts.Divided, known: Sequence[LabelObject]) -> Correction:
    """Say where the parts come from: their prompts were those of the whole, so they have none."""
    by_id = {item.object_id: _by_hand(item) for item in known}
    made = {parent: by_id[parent] for parent in divided.parents.values()}
    for new, parent in divided.parents.items():
        made[new] = replace(by_id[parent], object_id=new, prompts={}, iou_pred=None)
    count = len(divided.parents)
    return Correction(divided.labels, made, f"{count} new object{'s' if count > 1 else ''}")


def _merged(after: LabelArray, known: Sequence[LabelObject]) -> Correction:
    manual = all(item.source is Source.MANUAL for item in known)
    first = replace(known[0], source=Source.MANUAL if manual else Source.MIXED)
    told = f"{len(known)} objects are one now, object {first.object_id}"
    return Correction(after, {first.object_id: first}, told)


def _by_hand(known: LabelObject) -> LabelObject:
    manual = known.source is Source.MANUAL
    return known if manual else replace(known, source=Source.MIXED)


def _limits(document: Document) -> Box:
    top, bottom = document.image.valid_rows
    return (top, 0, bottom, document.image.shape[1])


def _window(known: Sequence[LabelObject], margin_px: int, document: Document) -> Slices:
    return around([item.bbox for item in known], margin_px, _limits(document))


def _box(part: Slices) -> Box:
    rows, cols = part
    return rows.start, cols.start, rows.stop, cols.stop


def _inside(point_rc: tuple[int, int], window: Slices) -> tuple[int, int]:
    return point_rc[0] - window[0].start, point_rc[1] - window[1].start
