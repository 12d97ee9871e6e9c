"""A person's walk through an extraction: order, threshold, decisions, undo."""

from __future__ import annotations

import math
from dataclasses import replace

from psygnal import Signal

from napari_segsem._history import History, Step
from segsem.core.contour import Region, ReviewStatus
from segsem.core.extraction import Extraction
from segsem.export.selection import is_undecided

DEFAULT_THRESHOLD = 0.85
"""Used until an extraction says which threshold it was made with."""


class Review:
    """Regions of one extraction, least sure first, with what was decided about them."""

    decisions_changed = Signal()
    current_changed = Signal()
    threshold_changed = Signal()

    def __init__(self, extraction: Extraction) -> None:
        self._extraction = extraction
        self._regions = {region.region_id: region for region in extraction.regions}
        self.order = [r.region_id for r in sorted(extraction.regions, key=_doubt)]
        self.current_id: int | None = self.order[0] if self.order else None
        self.threshold = _threshold(extraction)
        self.history = History()

    @property
    def extraction(self) -> Extraction:
        """The extraction with the decisions in it."""
        return replace(self._extraction, regions=tuple(self._regions.values()))

    @property
    def regions(self) -> list[Region]:
        """Regions, least sure first."""
        return [self._regions[region_id] for region_id in self.order]

    @property
    def current(self) -> Region | None:
        """The region that is looked at."""
        return None if self.current_id is None else self._regions[self.current_id]

    def region(self, region_id: int) -> Region | None:
        """Region by its id."""
        return self._regions.get(region_id)

    def is_doubtful(self, region: Region) -> bool:
        """Whether a region is highlighted: below the threshold or waiting for a decision."""
        if region.status is not ReviewStatus.PENDING:
            return False
        return region.needs_human or not region.confidence >= self.threshold

    @property
    def doubtful(self) -> list[Region]:
        """Regions that are highlighted, least sure first."""
        return [region for region in self.regions if self.is_doubtful(region)]

    @property
    def undecided_ids(self) -> list[int]:
        """Regions that block an export."""
        return [region.region_id for region in self.regions if is_undecided(region)]

    def set_threshold(self, threshold: float) -> None:
        """Move the confidence below which regions are highlighted."""
        if threshold != self.threshold:
            self.threshold = threshold
            self.threshold_changed.emit()

    def select(self, region_id: int) -> None:
        """Look at a region."""
        if region_id in self._regions and region_id != self.current_id:
            self.current_id = region_id
            self.current_changed.emit()

    def step(self, by: int) -> None:
        """Look at the next (1) or previous (-1) region of the list."""
        if self.current_id is not None:
            index = self.order.index(self.current_id)
            self.select(self.order[(index + by) % len(self.order)])

    def decide(self, status: ReviewStatus) -> None:
        """Decide about the current region and go to the next that is in doubt."""
        region = self.current
        if region is None:
            return
        before = region.status
        region_id = region.region_id
        self.history.do(
            Step(
                f"{status.value} region {region_id}",
                lambda: self._set(region_id, status),
                lambda: self._take_back(region_id, before),
            )
        )
        self._go_on()

    def _go_on(self) -> None:
        doubtful = [region.region_id for region in self.doubtful]
        if not doubtful or self.current_id is None:
            return
        position = self.order.index(self.current_id)
        later = [i for i in doubtful if self.order.index(i) > position]
        self.select((later or doubtful)[0])

    def _set(self, region_id: int, status: ReviewStatus) -> None:
        self._regions[region_id] = replace(self._regions[region_id], status=status)
        self.decisions_changed.emit()

    def _take_back(self, region_id: int, status: ReviewStatus) -> None:
        self._set(region_id, status)
        self.select(region_id)


def _doubt(region: Region) -> tuple[bool, float]:
    confidence = -1.0 if math.isnan(region.confidence) else region.confidence
    return not region.needs_human, confidence


def _threshold(extraction: Extraction) -> float:
    value = extraction.provenance.get("threshold")
    return float(value) if isinstance(value, int | float) else DEFAULT_THRESHOLD
