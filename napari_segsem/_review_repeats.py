"""The region in hand in the repeats of its image: compared and drawn in the background.

Knows no Qt. Works only while somebody looks. Who compares and who draws are each one at a time;
the latest wish wins.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from psygnal import Signal

from napari_segsem._documents import Background
from napari_segsem._lot import Lot
from napari_segsem._lot_greys import LotGreys
from napari_segsem._region_pictures import Grey, Picture, draw_part
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._review_gates import LotFacts, read_facts
from napari_segsem._review_measures import LotMeasures
from napari_segsem._session import Session
from segsem.core.appearance import SOURCE_STYLES
from segsem.export.project_groups import read_project_groups
from segsem.export.reviewed_repeats import compare_repeats, outlines_within
from segsem.review.facts import BoxRC
from segsem.review.item import ItemKey
from segsem.review.repeat_figures import RepeatComparison, RepeatRegion, with_measures

SIDE_PX = 96
KEPT = 200

NOTHING_CHOSEN = "No region is chosen: choose one on the page Regions."

_Place = tuple[str, BoxRC, ItemKey | None]


class LotRepeats:
    """The comparison of the current region; `words` say why there is none.

    Parameters
    ----------
    session : Session
        Its images need not be read again.
    desk : ReviewDesk
    measures : LotMeasures
        CDs of the lot's images; asked for those that are compared.
    background : callable
        Where files are read and pictures drawn.
    """

    changed = Signal()
    arrived = Signal(str)
    """The picture of an image can be had now."""

    def __init__(
        self, session: Session, desk: ReviewDesk, measures: LotMeasures, background: Background
    ) -> None:
        self._desk, self._measures, self._background = desk, measures, background
        self.comparison: RepeatComparison | None = None
        self.words = ""
        self._facts: tuple[Lot, LotFacts] | None = None
        self._greys = LotGreys(session)
        self._pictures: OrderedDict[_Place, tuple[int, Picture | None]] = OrderedDict()
        self._pictures_of: Lot | None = None
        self._is_wanted = self._comparing = self._is_stale = self._drawing = self._closed = False

    def want(self, wanted: bool) -> None:
        """Tell whether somebody looks: only then anything is read."""
        self._is_wanted = wanted
        self.refresh()

    def refresh(self) -> None:
        """Compare the current region as it all stands now, if somebody looks."""
        lot = self._desk.lot
        if self._closed or not self._is_wanted or lot is None:
            return
        key = lot.current
        if key is None:
            self._tell(None, NOTHING_CHOSEN)
            return
        if self._comparing:
            self._is_stale = True
            return
        self._comparing, self._is_stale = True, False
        facts = self._facts[1] if self._facts is not None and self._facts[0] is lot else None

        def done(found: tuple[LotFacts, RepeatComparison]) -> None:
            read, comparison = found
            self._facts = (lot, read)
            self._compared(lot, key, comparison, comparison.note)

        self._background(
            partial(_compared, lot, key, facts),
            done,
            lambda message: self._compared(lot, key, None, message),
        )

    def measured(self) -> None:
        """CDs have come in: enter them."""
        if self.comparison is not None and self._is_wanted and not self._closed:
            self._tell(with_measures(self.comparison, self._measures.known), self.words)

    def picture(self, region: RepeatRegion) -> Picture | None:
        """Picture of a region in one image; None where it is on its way or cannot be made."""
        known = self._pictures.get(_place(region))
        return None if known is None else known[1]

    def close(self) -> None:
        """Read and draw nothing any more."""
        self._closed = True

    def _tell(self, comparison: RepeatComparison | None, words: str) -> None:
        self.comparison, self.words = comparison, words
        self.changed.emit()

    def _compared(
        self, lot: Lot, key: ItemKey, comparison: RepeatComparison | None, words: str
    ) -> None:
        self._comparing = False
        if self._closed:
            return
        if lot is not self._desk.lot or key != lot.current or self._is_stale:
            self.refresh()
            return
        if lot is not self._pictures_of:
            self._pictures.clear()
            self._pictures_of = lot
        if comparison is not None and len(comparison.regions) > 1:
            self._measures.want([one.image_id for one in comparison.regions if one.key is not None])
            comparison = with_measures(comparison, self._measures.known)
        self._tell(comparison, words)
        self._draw(lot)

    def _draw(self, lot: Lot) -> None:
        """Draw the next picture that is not up to date."""
        comparison = self.comparison
        if self._drawing or self._closed or not self._is_wanted or comparison is None:
            return
        if lot is not self._desk.lot or len(comparison.regions) < 2:
            return
        version = lot.version
        region = next((one for one in comparison.regions if self._is_old(one, version)), None)
        if region is None:
            return
        self._drawing = True
        read = self._greys.source(lot, region.image_id)

        def work() -> Picture:
            return _drawn(lot, region, self._greys.get(lot, region.image_id, read))

        def drawn(picture: Picture | None) -> None:
            self._drawing = False
            if self._closed:
                return
            if lot is self._pictures_of:
                self._pictures[_place(region)] = (version, picture)
                self._pictures.move_to_end(_place(region))
                while len(self._pictures) > KEPT:
                    self._pictures.popitem(last=False)
                self.arrived.emit(region.image_id)
            if self._desk.lot is not None:
                self._draw(self._desk.lot)

        self._background(work, drawn, lambda _message: drawn(None))

    def _is_old(self, region: RepeatRegion, version: int) -> bool:
        known = self._pictures.get(_place(region))
        return known is None or known[0] != version


def _place(region: RepeatRegion) -> _Place:
    return region.image_id, region.window_rc, region.key


def _compared(lot: Lot, key: ItemKey, known: LotFacts | None) -> tuple[LotFacts, RepeatComparison]:
    facts = read_facts(lot.folder, known)
    project = read_project_groups(lot.folder, list(lot.results.values()))
    comparison = compare_repeats(
        key, lot.results, lot.review, project=project, measured=facts.measured
    )
    return facts, comparison


def _drawn(lot: Lot, region: RepeatRegion, grey: Grey) -> Picture:
    asked = None if region.key is None else region.key.region_id
    found = outlines_within(lot.results[region.image_id], lot.review, region.window_rc, asked)
    outlines = [(outline, SOURCE_STYLES[source]) for source, outline in found.values()]
    marked = () if asked is None or asked not in found else found[asked][1]
    return draw_part(grey, region.window_rc, SIDE_PX, outlines, marked)
