"""The review of the image that is shown: its regions as they stand, on top of its lot."""

from __future__ import annotations

from collections.abc import Mapping

from napari_segsem._contour_lines import DrawnRegion, drawn, line_width_px
from napari_segsem._lot import Lot
from segsem.core.contour import Region
from segsem.core.extraction import Extraction
from segsem.core.types import LabelArray
from segsem.export.reviewed import with_decisions
from segsem.review.item import ItemKey


class Review:
    """Regions of one image of a lot.

    Parameters
    ----------
    lot : Lot
        Holds the decisions.
    extraction : Extraction
        The image's results as they were found.
    lines : mapping of int to DrawnRegion, optional
        How they are drawn, where somebody has made that beside the window.
    """

    def __init__(
        self, lot: Lot, extraction: Extraction, lines: Mapping[int, DrawnRegion] | None = None
    ) -> None:
        self.lot = lot
        self.found = extraction
        self._lines = lines
        self._standing: tuple[int, Extraction] | None = None

    @property
    def image_id(self) -> str:
        """The image's id in the lot."""
        return self.found.image_id

    @property
    def extraction(self) -> Extraction:
        """The extraction with the decisions in it."""
        if self._standing is None or self._standing[0] != self.lot.version:
            decided = with_decisions(self.found, self.lot.review)
            self._standing = (self.lot.version, decided)
        return self._standing[1]

    def drawn(self) -> dict[int, DrawnRegion]:
        """How the regions are drawn as they stand, by their ids."""
        width = line_width_px(self.found.shape)
        if self._lines is None:
            self._lines = drawn(self.found.regions, width)
        changed = set(self.replaced)
        return {
            **self._lines,
            **drawn((r for r in self.extraction.regions if r.region_id in changed), width),
        }

    def labels(self) -> LabelArray:
        """Return (H, W) int32, the numbers of the regions as they stand; the caller's own."""
        return self.extraction.labels()

    @property
    def regions(self) -> list[Region]:
        """Regions, least sure first."""
        position = self.lot.review.queue.position
        return sorted(self.extraction.regions, key=lambda r: position(self.key(r.region_id)))

    @property
    def current_id(self) -> int | None:
        """The region that is looked at; None where it is one of another image."""
        current = self.lot.current
        if current is None or current.image_id != self.image_id:
            return None
        return current.region_id

    @property
    def current(self) -> Region | None:
        """The region that is looked at."""
        return None if self.current_id is None else self.region(self.current_id)

    def key(self, region_id: int) -> ItemKey:
        """A region's key in the lot."""
        return ItemKey(self.image_id, region_id)

    def region(self, region_id: int) -> Region | None:
        """Region by its id."""
        return next((r for r in self.extraction.regions if r.region_id == region_id), None)

    def found_region(self, region_id: int) -> Region:
        """Region as it was found, whatever was decided about it."""
        return next(r for r in self.found.regions if r.region_id == region_id)

    @property
    def replaced(self) -> dict[int, Region]:
        """What stands in place of regions that were found, by their ids."""
        standings = {
            region.region_id: self.lot.review.standing(self.key(region.region_id))
            for region in self.found.regions
        }
        return {i: s.replacement for i, s in standings.items() if s.replacement is not None}

    def is_doubtful(self, region: Region) -> bool:
        """Whether a region is highlighted: below the threshold or waiting for a decision."""
        return self.lot.is_doubtful(self.key(region.region_id))

    @property
    def doubtful(self) -> list[Region]:
        """Regions that are highlighted, least sure first."""
        return [region for region in self.regions if self.is_doubtful(region)]

    @property
    def undecided_ids(self) -> list[int]:
        """Regions of this image that block an export."""
        return [key.region_id for key in self.lot.undecided_of(self.image_id)]

    def select(self, region_id: int) -> None:
        """Look at a region."""
        self.lot.select(self.key(region_id))
