"""`ReviewItem`: one region as a reviewer sees it in the queue, before any image is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from segsem.core.contour import ReviewStatus, Source

BoxRC = tuple[int, int, int, int]


class ItemFlag(StrEnum):
    """What is special about a region; the value is what a reviewer reads."""

    NEEDS_HUMAN = "needs a decision"
    LOW_CONFIDENCE = "low confidence"
    NOT_RATEABLE = "not rateable"
    FALLBACK = "Sauvola took over"
    CUT = "cut by the border"
    HOLE = "has holes"
    UNFAMILIAR = "image unlike the calibration"
    OUTLIER = "unlike its neighbours"
    CARRIED = "decision carried over"
    REOPENED = "opened again"
    REVIEWERS_DIFFER = "reviewers differ"


@dataclass(frozen=True, slots=True, order=True)
class ItemKey:
    """A region of a lot."""

    image_id: str
    region_id: int


class RegionFacts(Protocol):
    """What is read of a region: its record in `regions.json`, or the region itself."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def source(self) -> Source: ...  # noqa: D102
    @property
    def confidence(self) -> float | None: ...  # noqa: D102
    @property
    def fallback_reason(self) -> str | None: ...  # noqa: D102
    @property
    def needs_human(self) -> bool: ...  # noqa: D102
    @property
    def status(self) -> ReviewStatus: ...  # noqa: D102
    @property
    def area_px(self) -> int: ...  # noqa: D102
    @property
    def bbox_rc(self) -> BoxRC: ...  # noqa: D102
    @property
    def contours(self) -> Sequence[ContourFacts]: ...  # noqa: D102


class ContourFacts(Protocol):
    """What is read of a contour."""

    @property
    def is_hole(self) -> bool: ...  # noqa: D102
    @property
    def closed(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One region.

    Attributes
    ----------
    key : ItemKey
        Image and region.
    bbox_rc : (int, int, int, int)
        Half-open bounding box (r0, c0, r1, c1) in px.
    area_px : int
        Of the mask.
    source : Source
        Which method it stands on.
    confidence : float
        In [0, 1]; NaN where it is not rateable.
    reason : str
        Why SAM2 does not stand, or why a look is asked for; empty where nothing is to be said.
    flags : frozenset of ItemFlag
        What is special about it.
    groups : dict
        Wafer, site, dose and the like, of its image.
    status : ReviewStatus
        As the results say it, before any decision of the review.
    """

    key: ItemKey
    bbox_rc: BoxRC
    area_px: int
    source: Source
    confidence: float
    reason: str = ""
    flags: frozenset[ItemFlag] = frozenset()
    groups: Mapping[str, str] = field(default_factory=dict)
    status: ReviewStatus = ReviewStatus.PENDING

    @property
    def is_doubtful(self) -> bool:
        """Whether it is highlighted: it needs a person, or lies below its image's threshold."""
        return bool(self.flags & {ItemFlag.NEEDS_HUMAN, ItemFlag.LOW_CONFIDENCE})

    @property
    def doubt(self) -> tuple[bool, float, ItemKey]:
        """Sorts the least sure first; equal ones by image and region, so that order is stable."""
        confidence = -1.0 if math.isnan(self.confidence) else self.confidence
        return ItemFlag.NEEDS_HUMAN not in self.flags, confidence, self.key


@dataclass(frozen=True, slots=True)
class ReviewImage:
    """The results of one image, as far as a review needs them.

    Attributes
    ----------
    image_id : str
        Its id.
    digest : str
        Hash of the results: a decision holds for the results that it was made on.
    image_sha256 : str
        Of the image; empty where it is not known.
    regions : sequence of RegionFacts
        Its regions.
    threshold : float
        Confidence below which a region is doubtful.
    groups : dict
        Wafer, site, dose and the like.
    unfamiliar : bool
        Whether the image is unlike those that confidence was calibrated on.
    """

    image_id: str
    digest: str
    image_sha256: str
    regions: Sequence[RegionFacts]
    threshold: float
    groups: Mapping[str, str] = field(default_factory=dict)
    unfamiliar: bool = False


def items_of(image: ReviewImage) -> list[ReviewItem]:
    """Make the items of an image, in the order of its results."""
    return [_item(image, region) for region in image.regions]


def _item(image: ReviewImage, region: RegionFacts) -> ReviewItem:
    confidence = math.nan if region.confidence is None else float(region.confidence)
    flags = _flags(image, region, confidence)
    reason = region.fallback_reason or ""
    if not reason and ItemFlag.NEEDS_HUMAN in flags:
        reason = "neither method was good enough"
    elif not reason and ItemFlag.LOW_CONFIDENCE in flags:
        reason = f"confidence {confidence:.2f} below {image.threshold:.2f}"
    return ReviewItem(
        key=ItemKey(image.image_id, region.id),
        bbox_rc=region.bbox_rc,
        area_px=region.area_px,
        source=region.source,
        confidence=confidence,
        reason=reason,
        flags=flags,
        groups=image.groups,
        status=region.status,
    )


def _flags(image: ReviewImage, region: RegionFacts, confidence: float) -> frozenset[ItemFlag]:
    holds = {
        ItemFlag.NEEDS_HUMAN: region.needs_human,
        ItemFlag.LOW_CONFIDENCE: confidence < image.threshold,
        ItemFlag.NOT_RATEABLE: math.isnan(confidence),
        ItemFlag.FALLBACK: region.source in (Source.SAUVOLA, Source.MIXED),
        ItemFlag.CUT: any(not contour.closed for contour in region.contours),
        ItemFlag.HOLE: any(contour.is_hole for contour in region.contours),
        ItemFlag.UNFAMILIAR: image.unfamiliar,
    }
    return frozenset(flag for flag, is_set in holds.items() if is_set)
