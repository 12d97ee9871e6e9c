"""A region in all repeats of its image: what it measures in each, and how far they differ."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from segsem.core.contour import ReviewStatus, Source
from segsem.core.types import PixelSize
from segsem.metrology.region_measures import ByRegion, RegionMeasures
from segsem.metrology.statistics import Stats
from segsem.review.facts import BoxRC
from segsem.review.item import ItemKey
from segsem.review.repeat_places import Presence, Way

WINDOW_SIDES = 1.6
"""Side of the part of an image that is shown, in sides of the region."""

LEAST_WINDOW_PX = 32.0
"""A speck is seen with what is around it."""


@dataclass(frozen=True, slots=True)
class RepeatRegion:
    """The region in one of the images.

    Attributes
    ----------
    image_id : str
    is_shown : bool
        Whether it is the region that the others are compared with.
    presence : Presence
    way : Way
        How its place was found.
    key : ItemKey or None
        The region; None where it has none there.
    beside : ItemKey or None
        Where it has none: the region of the image that lies nearest to the place.
    overlap : float
        With the region that is looked at, in [0, 1] (IoU).
    window_rc : (int, int, int, int)
        Half-open part of the image to look at, its middle at the place; the same size in nm in
        all repeats. It may reach over the border.
    source : Source or None
        Which method it stands on by now.
    confidence : float
        NaN where there is none.
    status : ReviewStatus
        What was decided.
    waits : bool
        Whether it must be decided about before export.
    area : float
        Of its mask, in nm², or in px² where the pixel size is unknown; NaN where the image's
        border cuts it.
    cd_nm : float
        Mean width in the direction in which it is narrower; NaN where not measured.
    """

    image_id: str
    is_shown: bool
    presence: Presence
    way: Way
    key: ItemKey | None
    beside: ItemKey | None
    overlap: float
    window_rc: BoxRC
    source: Source | None = None
    confidence: float = math.nan
    status: ReviewStatus = ReviewStatus.PENDING
    waits: bool = False
    area: float = math.nan
    cd_nm: float = math.nan

    @property
    def counts(self) -> bool:
        """Whether it is part of the means: it is there, and measuring would not leave it out."""
        return self.key is not None and not self.waits and self.status is not ReviewStatus.REJECTED


@dataclass(frozen=True, slots=True)
class RepeatComparison:
    """A region beside itself in all repeats.

    Attributes
    ----------
    regions : tuple of RepeatRegion
        In the order of the lot, the region that is looked at among them.
    place : str
        What the images share, in words.
    note : str
        Why there are no repeats, or which were left out; empty where nothing is to be said.
    area_unit : str
        nm² or px².
    """

    regions: tuple[RepeatRegion, ...]
    place: str = ""
    note: str = ""
    area_unit: str = "nm²"

    @property
    def shown(self) -> RepeatRegion:
        """The region that the others are compared with."""
        return next(region for region in self.regions if region.is_shown)

    @property
    def areas(self) -> Stats:
        """Of the areas in all images that count, the shown one included."""
        return _stats(region.area for region in self.regions if region.counts)

    @property
    def cds_nm(self) -> Stats:
        """Of the CDs in all images that count, the shown one included."""
        return _stats(region.cd_nm for region in self.regions if region.counts)

    def area_difference(self, region: RepeatRegion) -> float:
        """By how much a region is larger than the shown one, in `area_unit`; NaN if unknown."""
        return region.area - self.shown.area

    def cd_difference_nm(self, region: RepeatRegion) -> float:
        """By how much a region is wider than the shown one; NaN if unknown."""
        return region.cd_nm - self.shown.cd_nm


def with_measures(comparison: RepeatComparison, measures: ByRegion) -> RepeatComparison:
    """Enter CDs of `segsem measure` into a comparison; regions that have none there lose theirs."""
    nothing = RegionMeasures()

    def cd_nm(key: ItemKey | None) -> float:
        known = {} if key is None else measures.get(key.image_id, {})
        return nothing.cd_nm if key is None else known.get(key.region_id, nothing).cd_nm

    regions = tuple(replace(one, cd_nm=cd_nm(one.key)) for one in comparison.regions)
    return replace(comparison, regions=regions)


def window_about(
    centre_rc: tuple[float, float], bbox_rc: BoxRC, pixel_size_nm: PixelSize | None
) -> BoxRC:
    """Give a part of an image that is square in nm, for a region of a given box.

    Parameters
    ----------
    centre_rc : (float, float)
        Its middle, px.
    bbox_rc : (int, int, int, int)
        Half-open box of the region, in the image that is looked at.
    pixel_size_nm : (float, float) or None
        (y, x); square where unknown.
    """
    size = np.array(pixel_size_nm or (1.0, 1.0))
    extent = np.array([bbox_rc[2] - bbox_rc[0], bbox_rc[3] - bbox_rc[1]]) * size
    side = max(WINDOW_SIDES * float(extent.max()), LEAST_WINDOW_PX * float(size.min()))
    sides_px = np.maximum(np.rint(side / size), 1)
    start = np.rint(np.asarray(centre_rc) - (sides_px - 1) / 2)
    (row0, col0), (row1, col1) = start.astype(int).tolist(), (start + sides_px).astype(int).tolist()
    return row0, col0, row1, col1


def _stats(values: Iterable[float]) -> Stats:
    return Stats.of(np.array(list(values), dtype=np.float64))
