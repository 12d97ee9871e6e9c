"""`ReviewItem`: one region as a reviewer sees it in the queue, before any image is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from segsem.core.contour import ReviewStatus, Source, against_design
from segsem.core.extraction import NECK, UNCAPPED
from segsem.review.beside import NOTHING_BESIDE, Beside, look_beside
from segsem.review.facts import BoxRC, PlaceRC, RegionFacts


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
    NECK = "parts joined by a thin neck"
    AGAINST_DESIGN = "differs from the design"
    MISSING = "missing feature beside it"
    GAP = "gap in the array beside it"
    STRAY_EDGE = "edge beside it without a contour"
    CARRIED = "decision carried over"
    REOPENED = "opened again"
    REVIEWERS_DIFFER = "reviewers differ"


LOOK_BESIDE = frozenset({ItemFlag.GAP, ItemFlag.STRAY_EDGE, ItemFlag.MISSING})
"""Something may be missing beside such a region, which has no entry of its own."""

WRONG_PIECE = frozenset({ItemFlag.NECK, ItemFlag.AGAINST_DESIGN})
"""It may be two features, or none: no confidence of an outline tells."""

LEFT_TO_A_PERSON = LOOK_BESIDE | WRONG_PIECE | {ItemFlag.NEEDS_HUMAN}
"""A batch never accepts these."""

SPEAKS_AGAINST = (
    LOOK_BESIDE | WRONG_PIECE
    | {ItemFlag.LOW_CONFIDENCE, ItemFlag.NOT_RATEABLE, ItemFlag.OUTLIER}
)  # fmt: skip

DOUBTFUL = frozenset({ItemFlag.NEEDS_HUMAN, ItemFlag.LOW_CONFIDENCE})

SURE = 0.95
"""From here on regions that SAM2 stands for come last: those on the fallback before them."""

FALLBACK_TIER = 3

AGREEMENT = "sam2_agreement"
"""Evidence of the parts: share of SAM2's outline on Sauvola's."""


@dataclass(frozen=True, slots=True, order=True)
class ItemKey:
    """A region of a lot."""

    image_id: str
    region_id: int


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
    beside : Beside
        What may be missing beside it.
    uncapped : float
        Confidence before it was held down because the image is unfamiliar.
    agreement : float
        Share of SAM2's outline on Sauvola's, in [0, 1]; 1 where SAM2 was not asked.
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
    beside: Beside = NOTHING_BESIDE
    uncapped: float = math.nan
    agreement: float = 1.0

    @property
    def is_doubtful(self) -> bool:
        """Whether it is highlighted: it needs a person, or lies below its image's threshold."""
        return not self.flags.isdisjoint(DOUBTFUL)

    @property
    def tier(self) -> int:
        """What is looked at first: 0 a person must decide, 1 something speaks against it.

        Then 2 what is less than sure, 3 what stands on the fallback, however sure, 4 the rest.
        """
        if ItemFlag.NEEDS_HUMAN in self.flags:
            return 0
        if self.flags & SPEAKS_AGAINST:
            return 1
        if self.confidence < SURE:
            return 2
        return FALLBACK_TIER if ItemFlag.FALLBACK in self.flags else 4

    @property
    def doubt(self) -> tuple[int, float, float, ItemKey]:
        """Sorts what is to be looked at first; equal ones by image and region, so order is stable.

        What is missing has no confidence, and what may be another feature has the wrong one: in
        their tier they come first. A region that is sure of an edge says nothing of being the
        right one; where it stands on the fallback, the other method is its second witness: the
        less the two agree, the earlier.
        """
        if math.isnan(self.confidence) or self.flags & (LOOK_BESIDE | WRONG_PIECE):
            return self.tier, -1.0, 0.0, self.key
        if self.tier == FALLBACK_TIER:
            return self.tier, self.agreement, self.confidence, self.key
        uncapped = self.confidence if math.isnan(self.uncapped) else self.uncapped
        return self.tier, self.confidence, uncapped, self.key


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
    stray_edges : sequence of (r0, c0, r1, c1)
        Boxes of edges that no contour follows.
    missing_rc : sequence of (row, column)
        Middles of features of the design that no region stands for.
    """

    image_id: str
    digest: str
    image_sha256: str
    regions: Sequence[RegionFacts]
    threshold: float
    groups: Mapping[str, str] = field(default_factory=dict)
    unfamiliar: bool = False
    stray_edges: Sequence[BoxRC] = ()
    missing_rc: Sequence[PlaceRC] = ()


def items_of(image: ReviewImage) -> list[ReviewItem]:
    """Make the items of an image, in the order of its results."""
    beside = look_beside(image.regions, image.stray_edges, image.missing_rc)
    return [_item(image, region, beside.get(region.id, NOTHING_BESIDE)) for region in image.regions]


def _item(image: ReviewImage, region: RegionFacts, beside: Beside) -> ReviewItem:
    confidence = math.nan if region.confidence is None else float(region.confidence)
    flags = _flags(image, region, confidence)
    flags |= {ItemFlag.GAP} if beside.gaps_rc else set()
    flags |= {ItemFlag.STRAY_EDGE} if beside.strays_rc else set()
    flags |= {ItemFlag.MISSING} if beside.missing_rc else set()
    reason = region.fallback_reason or ""
    if not reason and ItemFlag.NEEDS_HUMAN in flags:
        reason = "neither method was good enough"
    elif not reason and ItemFlag.LOW_CONFIDENCE in flags:
        reason = f"confidence {confidence:.2f} below {image.threshold:.2f}"
    parts = (against_design(_faults(region)), beside.in_words, neck_in_words(region), reason)
    reason = "; ".join(part for part in parts if part)
    uncapped, agreement = region.evidence.get(UNCAPPED), region.evidence.get(AGREEMENT)
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
        beside=beside,
        uncapped=math.nan if uncapped is None else uncapped,
        agreement=1.0 if agreement is None else agreement,
    )


def _faults(region: RegionFacts) -> Sequence[str]:
    """What is wrong with a region against its design; earlier results do not know it."""
    found: Sequence[str] = getattr(region, "flags", ())
    return found


def neck_in_words(region: RegionFacts) -> str:
    """Say where a region hangs together by a thread; empty where it does not."""
    width, row, col = (region.evidence.get(name) for name in NECK)
    if width is None or row is None or col is None:
        return ""
    return f"its parts are joined by {width:.0f} px or less at row {row:.0f}, column {col:.0f}"


def _flags(image: ReviewImage, region: RegionFacts, confidence: float) -> frozenset[ItemFlag]:
    holds = {
        ItemFlag.NEEDS_HUMAN: region.needs_human,
        ItemFlag.LOW_CONFIDENCE: confidence < image.threshold,
        ItemFlag.NOT_RATEABLE: math.isnan(confidence),
        ItemFlag.FALLBACK: region.source in (Source.SAUVOLA, Source.MIXED),
        ItemFlag.CUT: any(not contour.closed for contour in region.contours),
        ItemFlag.HOLE: any(contour.is_hole for contour in region.contours),
        ItemFlag.UNFAMILIAR: image.unfamiliar,
        ItemFlag.NECK: region.evidence.get(NECK[0]) is not None,
        ItemFlag.AGAINST_DESIGN: bool(_faults(region)),
    }
    return frozenset(flag for flag, is_set in holds.items() if is_set)
