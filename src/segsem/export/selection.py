"""Which regions may leave the house, and what stands against it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from segsem.core.contour import ReviewStatus
from segsem.core.exceptions import CalibrationError, ExportError
from segsem.core.extraction import Extraction
from segsem.core.types import PixelSize

_MOST_LISTED = 10


class Reviewed(Protocol):
    """What a decision is read from: a `Region`, or its record in `regions.json`."""

    @property
    def needs_human(self) -> bool:
        """Neither method was good enough."""
        ...

    @property
    def status(self) -> ReviewStatus:
        """The person's decision."""
        ...


def is_undecided(region: Reviewed) -> bool:
    """Tell whether a region waits for a person's decision."""
    return region.needs_human and region.status is ReviewStatus.PENDING


def is_exported(region: Reviewed, *, only_accepted: bool = False) -> bool:
    """Tell whether a region belongs into an export.

    Parameters
    ----------
    region : Region or RegionRecord
        The region.
    only_accepted : bool
        Ask for a person's word: only accepted and corrected regions. Otherwise all but the
        rejected ones.
    """
    if only_accepted:
        return region.status in (ReviewStatus.ACCEPTED, ReviewStatus.CORRECTED)
    return region.status is not ReviewStatus.REJECTED


def select_regions(extraction: Extraction, *, only_accepted: bool = False) -> Extraction:
    """Leave out the regions that do not belong into an export."""
    chosen = tuple(r for r in extraction.regions if is_exported(r, only_accepted=only_accepted))
    return replace(extraction, regions=chosen)


def check_pixel_size(image_id: str, pixel_size_nm: PixelSize | None) -> PixelSize:
    """Return the pixel size, or refuse.

    Raises
    ------
    CalibrationError
        If it is unknown.
    """
    if pixel_size_nm is None:
        msg = (
            f"Expected a known pixel size for a layout of {image_id}, but it is unknown: "
            "extract with --pixel-size NM or a manifest"
        )
        raise CalibrationError(msg)
    return pixel_size_nm


def check_decided(image_id: str, undecided_ids: Iterable[int]) -> None:
    """Refuse where regions wait for a decision.

    Raises
    ------
    ExportError
        If there is any such region.
    """
    ids = list(undecided_ids)
    if not ids:
        return
    listed = ", ".join(str(region_id) for region_id in ids[:_MOST_LISTED])
    listed += ", ..." if len(ids) > _MOST_LISTED else ""
    msg = (
        f"{len(ids)} region(s) of {image_id} need a person's decision ({listed}): accept, correct "
        "or reject them in Review, or override with --allow-needs-human"
    )
    raise ExportError(msg)
