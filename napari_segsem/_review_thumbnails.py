"""Small pictures of the regions of a lot, outlined: made in the background for rows in sight.

Knows no Qt. One image is read at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from psygnal import Signal

from napari_segsem._documents import Background
from napari_segsem._lot import Lot
from napari_segsem._lot_greys import LotGreys
from napari_segsem._region_pictures import Grey, Picture, draw_part
from napari_segsem._session import Session
from segsem.core.appearance import SOURCE_STYLES, LineStyle
from segsem.core.contour import Region, Source
from segsem.review.facts import BoxRC
from segsem.review.item import ItemKey
from segsem.review.outline import Outline, outline_of

SIDE_PX = 38
LEAST_PX = 24
"""Side of the smallest part of an image that is shown: a speck is seen with what is around it."""

MARGIN = 1.3
"""Side of the part that is shown, in sides of the region."""

WAITING_AT_MOST = 60
"""Who scrolls fast past thousands of regions waits for those in sight, not for all."""

AT_ONCE = 12
KEPT = 4000


@dataclass(frozen=True, slots=True)
class _Wish:
    key: ItemKey
    bbox_rc: BoxRC
    source: Source
    replacement: Region | None


class RegionThumbnails:
    """Gives pictures of regions, the last wish first; those of one image are made together.

    Parameters
    ----------
    session : Session
        Its images need not be read again.
    background : callable
        Where images are read and pictures drawn.
    later : callable
        Runs a callable once the list rests: who scrolls is not held up by what is read.
    """

    arrived = Signal(object)
    """The picture of a region (`ItemKey`) can be had now."""

    def __init__(
        self,
        session: Session,
        background: Background,
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._background, self._later = background, later
        self._lot: Lot | None = None
        self._known: OrderedDict[ItemKey, tuple[Region | None, Picture | None]] = OrderedDict()
        self._waiting: OrderedDict[ItemKey, None] = OrderedDict()
        self._being_made: dict[ItemKey, Region | None] = {}
        self._greys = LotGreys(session)
        self._busy = self._closed = False

    def show(self, lot: Lot | None) -> None:
        """Make pictures of another lot."""
        if lot is not self._lot:
            self._lot = lot
            self._known.clear()
            self._waiting.clear()

    def get(self, key: ItemKey) -> Picture | None:
        """Picture of a region; None where it is on its way, or the image cannot be read.

        Of a region that was changed meanwhile the old one, until the new one is there.
        """
        if self._lot is None or self._closed:
            return None
        replacement = self._lot.review.standing(key).replacement
        known = self._known.get(key)
        is_stale = known is None or known[0] is not replacement
        if is_stale and self._being_made.get(key, key) is not replacement:
            is_new = key not in self._waiting
            self._waiting[key] = None
            self._waiting.move_to_end(key)
            if len(self._waiting) > WAITING_AT_MOST:
                self._waiting.popitem(last=False)
            if is_new:
                self._later(self._work)
        elif not is_stale:
            self._known.move_to_end(key)
        return None if known is None else known[1]

    def close(self) -> None:
        """Make no more."""
        self._closed = True
        self._waiting.clear()

    def _work(self) -> None:
        lot = self._lot
        if self._busy or self._closed or lot is None or not self._waiting:
            return
        self._busy = True
        last = next(reversed(self._waiting))
        image_id = last.image_id
        chosen = [key for key in reversed(self._waiting) if key.image_id == image_id][:AT_ONCE]
        for key in chosen:
            del self._waiting[key]
        wishes = [_wish(lot, key) for key in chosen]
        self._being_made = {wish.key: wish.replacement for wish in wishes}
        self._background(
            partial(self._make, lot, image_id, self._greys.source(lot, image_id), wishes),
            partial(self._made, lot, wishes),
            lambda _message: self._made(lot, wishes, [None] * len(wishes)),
        )

    def _make(
        self, lot: Lot, image_id: str, read: Callable[[], Grey], wishes: Sequence[_Wish]
    ) -> list[Picture | None]:
        grey = self._greys.get(lot, image_id, read)
        outlines: dict[int, Outline] = {}
        if any(wish.replacement is None for wish in wishes):
            outlines = lot.review.outlines(image_id)
        return [_drawn(grey, wish, outlines.get(wish.key.region_id, ())) for wish in wishes]

    def _made(self, lot: Lot, wishes: Sequence[_Wish], pictures: Sequence[Picture | None]) -> None:
        self._busy = False
        self._being_made = {}
        if self._closed:
            return
        if lot is self._lot:
            for wish, picture in zip(wishes, pictures, strict=True):
                self._known[wish.key] = (wish.replacement, picture)
                self.arrived.emit(wish.key)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        self._later(self._work)


def _wish(lot: Lot, key: ItemKey) -> _Wish:
    item, replacement = lot.review.items[key], lot.review.standing(key).replacement
    if replacement is None:
        return _Wish(key, item.bbox_rc, item.source, None)
    return _Wish(key, replacement.bbox_rc, replacement.source, replacement)


def _drawn(grey: Grey, wish: _Wish, found: Outline) -> Picture:
    outline = found if wish.replacement is None else outline_of(wish.replacement.contours)
    return draw_thumbnail(grey, wish.bbox_rc, outline, SOURCE_STYLES[wish.source])


def draw_thumbnail(grey: Grey, bbox_rc: BoxRC, outline: Outline, style: LineStyle) -> Picture:
    """Draw a region in the middle of a square part of its image.

    Parameters
    ----------
    grey : (H, W) uint8 array
        The image.
    bbox_rc : (int, int, int, int)
        Half-open bounding box of the region.
    outline : Outline
        Its contours.
    style : LineStyle
        Of the method that it stands on.

    Returns
    -------
    (SIDE_PX, SIDE_PX, 3) uint8 array
        Black where the part reaches over the image's border.
    """
    row0, col0, row1, col1 = bbox_rc
    side = max(LEAST_PX, round(MARGIN * max(row1 - row0, col1 - col0)))
    start = (row0 + row1 - side) // 2, (col0 + col1 - side) // 2
    window = (*start, start[0] + side, start[1] + side)
    return draw_part(grey, window, SIDE_PX, [(outline, style)])
