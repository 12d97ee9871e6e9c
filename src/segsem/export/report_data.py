"""What a report says about a lot, as values: nothing of how it looks."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from segsem.core.contour import Region, ReviewStatus, Source
from segsem.core.coordinates import nm_per_px_along
from segsem.core.exceptions import SegSemError
from segsem.core.extraction import Extraction
from segsem.core.progress import Progress
from segsem.core.types import PixelSize
from segsem.export.job import ExportJob
from segsem.export.report_pictures import Picture, draw_region, read_grey
from segsem.export.reviewed import ResultFolder
from segsem.metrology.feature_cd import measure_features
from segsem.metrology.measured import MeasuredImage
from segsem.review.agreement import Agreement
from segsem.review.item import ItemKey, ReviewItem
from segsem.review.queue import Counts

DEFAULT_PICTURES = 12


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """How one method did.

    Attributes
    ----------
    source : Source
    regions, accepted, corrected, rejected, open : int
    share : float
        Of all regions.
    confidence : float
        Median; NaN where none is rateable.
    sigma_nm, sigma_px : float
        Median standard error of its points; NaN where not known.
    """

    source: Source
    regions: int
    accepted: int
    corrected: int
    rejected: int
    open: int
    share: float
    confidence: float
    sigma_nm: float
    sigma_px: float


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report says.

    Attributes
    ----------
    job : ExportJob
        Results, decisions, verdicts, measures.
    counts : Counts
        Regions by status.
    sources : tuple of SourceQuality
    confidences : dict of Source to list of float
        Of rateable regions.
    cds_nm : list of float
        Mean CD of each feature along its narrower direction.
    worst, random : tuple of Picture
        Regions on their images.
    seed : int
        What the random ones were drawn with.
    agreements : tuple of Agreement
        Reviewers compared, two by two.
    last_decision : str
        Time of the last decision; empty without one.
    notes : tuple of str
        What could not be shown, and why.
    """

    job: ExportJob
    counts: Counts
    sources: tuple[SourceQuality, ...]
    confidences: Mapping[Source, Sequence[float]]
    cds_nm: Sequence[float]
    worst: tuple[Picture, ...]
    random: tuple[Picture, ...]
    seed: int
    agreements: tuple[Agreement, ...] = ()
    last_decision: str = ""
    notes: tuple[str, ...] = ()


def collect_report(
    job: ExportJob, *, seed: int = 0, pictures: int = DEFAULT_PICTURES, images: Path | None = None
) -> Generator[Progress, None, ReportData]:
    """Read a lot, one image at a time.

    Parameters
    ----------
    job : ExportJob
        The lot.
    seed : int
        Draws the random regions.
    pictures : int
        How many of the worst, and of random regions.
    images : Path, optional
        Folder of the images, where they are not where they were.

    Yields
    ------
    Progress
        One for each image.

    Returns
    -------
    ReportData
    """
    items = _items(job)
    worst, drawn = _choose(items, seed, pictures)
    wanted = {item.key for item in (*worst, *drawn)}
    seen = _Seen()
    for number, result in enumerate(job.lot):
        yield Progress(number, len(job.lot), result.image_id)
        _look_at(job, result, wanted, images, seen)
    reviews = {id(review): review for review in job.reviews.values()}.values()
    agreements = [
        review.compare(first, second)
        for review in reviews
        for n, first in enumerate(review.reviewers)
        for second in review.reviewers[n + 1 :]
    ]
    times = [
        standing.decision.at
        for item in items
        if (standing := job.reviews[item.key.image_id].standing(item.key)).decision is not None
    ]
    return ReportData(
        job=job,
        counts=_counts(job, items),
        sources=tuple(_source_quality(job, items, source, seen) for source in Source),
        confidences={
            source: [i.confidence for i in items if i.source is source and i.confidence >= 0]
            for source in Source
        },
        cds_nm=seen.cds_nm,
        worst=tuple(seen.pictures[item.key] for item in worst if item.key in seen.pictures),
        random=tuple(seen.pictures[item.key] for item in drawn if item.key in seen.pictures),
        seed=seed,
        agreements=tuple(agreement for agreement in agreements if agreement.both),
        last_decision=max(times, default=""),
        notes=tuple(seen.notes),
    )


@dataclass(slots=True)
class _Seen:
    pictures: dict[ItemKey, Picture] = field(default_factory=dict)
    cds_nm: list[float] = field(default_factory=list)
    sigma_px: dict[Source, list[float]] = field(default_factory=dict)
    sigma_nm: dict[Source, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _items(job: ExportJob) -> list[ReviewItem]:
    items = [
        job.reviews[result.image_id].items[ItemKey(result.image_id, region.id)]
        for result in job.lot
        for region in result.record.regions
    ]
    return sorted(items, key=lambda item: item.doubt)


def _choose(
    items: Sequence[ReviewItem], seed: int, number: int
) -> tuple[list[ReviewItem], list[ReviewItem]]:
    worst = list(items[:number])
    rest = sorted(items[number:], key=lambda item: item.key)
    drawn = Random(seed).sample(rest, min(number, len(rest)))
    return worst, sorted(drawn, key=lambda item: item.key)


def _look_at(
    job: ExportJob,
    result: ResultFolder,
    wanted: set[ItemKey],
    images: Path | None,
    seen: _Seen,
) -> None:
    extraction = job.read(result)
    size = extraction.pixel_size_nm
    for region in extraction.regions:
        if region.status is not ReviewStatus.REJECTED:
            _note_sigma(region, size, seen)
    seen.cds_nm += _cds(job, extraction)
    chosen = [r for r in extraction.regions if ItemKey(result.image_id, r.region_id) in wanted]
    if not chosen:
        return
    grey = None
    try:
        grey = read_grey(extraction, images)
    except SegSemError as error:
        seen.notes.append(f"{result.image_id}: outlines are shown without the image ({error})")
    review = job.reviews[result.image_id]
    for region in chosen:
        key = ItemKey(result.image_id, region.region_id)
        picture = draw_region(extraction, region, grey, review.reason(key))
        seen.pictures[key] = picture


def _note_sigma(region: Region, size: PixelSize | None, seen: _Seen) -> None:
    for contour in region.contours:
        known = np.isfinite(contour.sigma_px)
        sigma = contour.sigma_px[known]
        seen.sigma_px.setdefault(region.source, []).extend(sigma.tolist())
        if size is not None:
            scale = nm_per_px_along(contour.normals_rc[known], size)
            seen.sigma_nm.setdefault(region.source, []).extend((sigma * scale).tolist())


def _cds(job: ExportJob, extraction: Extraction) -> list[float]:
    measured = job.measured.cd_nm.get(extraction.image_id)
    if measured is not None:
        return sorted(measured.values())
    if extraction.pixel_size_nm is None:
        return []
    narrow: dict[int, float] = {}
    for cd in measure_features(MeasuredImage.of(extraction)):
        if cd.of == "feature":
            narrow[cd.region_id] = min(narrow.get(cd.region_id, np.inf), cd.stats.mean)
    return sorted(narrow.values())


def _counts(job: ExportJob, items: Sequence[ReviewItem]) -> Counts:
    statuses = [job.reviews[i.key.image_id].status(i.key) for i in items]
    still_open = [i for i, s in zip(items, statuses, strict=True) if s is ReviewStatus.PENDING]
    return Counts(
        total=len(items),
        open=len(still_open),
        accepted=statuses.count(ReviewStatus.ACCEPTED),
        corrected=statuses.count(ReviewStatus.CORRECTED),
        rejected=statuses.count(ReviewStatus.REJECTED),
        doubtful=sum(item.is_doubtful for item in still_open),
        blocking=sum(len(job.undecided_ids(result)) for result in job.lot),
    )


def _source_quality(
    job: ExportJob, items: Sequence[ReviewItem], source: Source, seen: _Seen
) -> SourceQuality:
    own = [item for item in items if item.source is source]
    statuses = [job.reviews[item.key.image_id].status(item.key) for item in own]
    rateable = [item.confidence for item in own if item.confidence >= 0]
    return SourceQuality(
        source=source,
        regions=len(own),
        accepted=statuses.count(ReviewStatus.ACCEPTED),
        corrected=statuses.count(ReviewStatus.CORRECTED),
        rejected=statuses.count(ReviewStatus.REJECTED),
        open=statuses.count(ReviewStatus.PENDING),
        share=len(own) / len(items) if items else 0.0,
        confidence=_median(rateable),
        sigma_nm=_median(seen.sigma_nm.get(source, [])),
        sigma_px=_median(seen.sigma_px.get(source, [])),
    )


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else float("nan")
