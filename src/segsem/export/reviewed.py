"""Results with the decisions about them: what the review, the export and the report read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segsem.core.contour import Contour, Region
from segsem.core.exceptions import ExportError, InputError
from segsem.core.extraction import DESIGN, STRAY_EDGES, Extraction
from segsem.export.contours_csv_reader import read_contours_csv
from segsem.export.regions_json import RegionsFile, read_regions_json
from segsem.export.results import CONTOURS_CSV, REGIONS_JSON, find_results, read_results
from segsem.review.facts import BoxRC, PlaceRC
from segsem.review.folder import ReviewFolder, review_folder
from segsem.review.gates import ImageFigures, image_outliers
from segsem.review.item import ItemKey, ReviewImage, items_of
from segsem.review.limits import QALimits
from segsem.review.outline import Outline, outline_of
from segsem.review.review import Review
from segsem.review.standing import Standing

STRAY_FIELDS = 5

DEFAULT_THRESHOLD = 0.85
"""Where results do not say below which confidence a region is doubtful."""


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """The results of one image on disk, contours not read.

    Attributes
    ----------
    folder : Path
        `OUT/<image-id>/`.
    record : RegionsFile
        Content of its `regions.json`.
    digest : str
        Hash of what can be decided about: regions and contours, but not their status.
    """

    folder: Path
    record: RegionsFile
    digest: str

    @classmethod
    def read(cls, folder: Path) -> ResultFolder:
        """Read it.

        Raises
        ------
        InputError
            If a file is missing or damaged.
        """
        record = read_regions_json(folder / REGIONS_JSON)
        return cls(folder, record, _digest(folder, record))

    @property
    def image_id(self) -> str:
        """The image's id."""
        return self.record.image_id

    def review_image(self, groups: Mapping[str, str] | None = None) -> ReviewImage:
        """Give what a review needs of it."""
        provenance = self.record.provenance
        threshold = provenance.get("threshold")
        own = provenance.get("groups")
        return ReviewImage(
            image_id=self.image_id,
            digest=self.digest,
            image_sha256=str(provenance.get("image_sha256") or ""),
            regions=self.record.regions,
            threshold=float(threshold) if isinstance(threshold, int | float) else DEFAULT_THRESHOLD,
            groups={**_texts(own), **(groups or {})},
            unfamiliar=bool(provenance.get("ood")),
            stray_edges=_boxes(provenance.get(STRAY_EDGES)),
            missing_rc=_missing(provenance.get(DESIGN)),
        )


def find_lot(roots: Iterable[Path | str]) -> list[ResultFolder]:
    """Read the records of all results in folders, one for each image.

    Raises
    ------
    InputError
        If a folder holds no results, or a file is damaged.
    ExportError
        If an image occurs twice.
    """
    found: dict[str, ResultFolder] = {}
    for root in roots:
        for folder in find_results(root):
            result = ResultFolder.read(folder)
            if result.image_id in found:
                msg = f"Expected one result for each image, but {result.image_id} occurs twice"
                raise ExportError(msg)
            found[result.image_id] = result
    return list(found.values())


def open_review(
    lot: Sequence[ResultFolder],
    *,
    write: bool = False,
    folder: Path | None = None,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    limits: QALimits | None = None,
) -> Review:
    """Open the decisions about results.

    Parameters
    ----------
    lot : sequence of ResultFolder
        The results.
    write : bool
        Whether decisions shall be made.
    folder : Path, optional
        Where decisions are kept; `review/` beside the results if not given.
    groups : mapping, optional
        Wafer, site, dose and the like by image id, e.g. from a project's `images.csv`.
    limits : QALimits, optional
        Say from where on a region's area is unlike the others of its image.

    Raises
    ------
    InputError
        If results of several folders are given without saying where decisions are kept, or the
        decisions cannot be read.
    """
    results = {result.image_id: result for result in lot}
    if folder is None:
        places = {review_folder(result.folder) for result in lot}
        if len(places) != 1:
            msg = (
                "Expected results of one folder to review, but they lie in "
                f"{len(places)}: review each folder for itself"
            )
            raise InputError(msg)
        folder = places.pop()

    def read_all(image_id: str) -> dict[int, Outline]:
        return read_outlines(results[image_id])

    images = [result.review_image((groups or {}).get(result.image_id)) for result in lot]
    asked = limits or QALimits()
    outliers = [
        key
        for image in images
        for key in image_outliers(ImageFigures(image.image_id), items_of(image), asked)
    ]
    return Review(images, ReviewFolder(folder, write=write), read_all, outliers=outliers)


def read_outlines(
    result: ResultFolder, region_ids: Collection[int] | None = None
) -> dict[int, Outline]:
    """Read the outlines of an image's regions as they were found.

    Parameters
    ----------
    result : ResultFolder
    region_ids : collection of int, optional
        Of all regions if not given.

    Raises
    ------
    InputError
        If the contours are missing or damaged.
    """
    records = result.record.regions
    wanted = {one.id for one in records if region_ids is None or one.id in region_ids}
    contours: dict[int, list[Contour]] = {region_id: [] for region_id in wanted}
    path, size = result.folder / CONTOURS_CSV, result.record.pixel_size_nm
    for row in read_contours_csv(path, size, None if region_ids is None else wanted):
        contours.setdefault(row.region_id, []).append(row.contour)
    return {region_id: outline_of(found) for region_id, found in contours.items()}


def open_reviews(lot: Sequence[ResultFolder]) -> dict[str, Review]:
    """Open, for reading, the decisions about results that may lie in several folders.

    Returns
    -------
    dict of str to Review
        By image id; images of one folder share theirs.
    """
    by_place: dict[Path, list[ResultFolder]] = {}
    for result in lot:
        by_place.setdefault(review_folder(result.folder), []).append(result)
    reviews: dict[str, Review] = {}
    for place, results in by_place.items():
        review = open_review(results, folder=place)
        reviews |= {result.image_id: review for result in results}
    return reviews


def read_reviewed(result: ResultFolder, review: Review) -> Extraction:
    """Read the results of an image with all decisions in it."""
    return with_decisions(read_results(result.folder), review)


def with_decisions(extraction: Extraction, review: Review) -> Extraction:
    """Give an extraction the status that was decided, and the regions that replace others."""
    standings = {
        region.region_id: review.standing(ItemKey(extraction.image_id, region.region_id))
        for region in extraction.regions
    }
    n_ids = max((c.contour_id for r in extraction.regions for c in r.contours), default=0)
    regions = []
    for region in extraction.regions:
        decided = _decided(region, standings[region.region_id])
        if decided.contours is not region.contours:
            decided = replace(decided, contours=_numbered(decided.contours, n_ids))
            n_ids += len(decided.contours)
        regions.append(decided)
    return replace(extraction, regions=tuple(regions))


def _decided(region: Region, standing: Standing) -> Region:
    if standing.replacement is None:
        # What was decided about another outline waits for a person again.
        needs_human = region.needs_human or bool(standing.reopened)
        return replace(region, status=standing.status, needs_human=needs_human)
    new = standing.replacement
    return replace(
        region,
        status=standing.status,
        offset_rc=new.offset_rc,
        mask=new.mask,
        contours=new.contours,
        source=new.source,
        confidence=new.confidence,
        fallback_reason=new.fallback_reason,
    )


def _numbered(contours: tuple[Contour, ...], after: int) -> tuple[Contour, ...]:
    return tuple(replace(c, contour_id=after + n) for n, c in enumerate(contours, start=1))


def _digest(folder: Path, record: RegionsFile) -> str:
    content = record.model_dump(mode="json", include={"image_id", "shape_px", "regions"})
    for region in content["regions"]:
        del region["status"]
    made = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    try:
        with (folder / CONTOURS_CSV).open("rb") as file:
            made.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        msg = f"Cannot read {folder / CONTOURS_CSV}: {error.strerror or error}"
        raise InputError(msg) from error
    return made.hexdigest()[:32]


def _boxes(value: object) -> list[BoxRC]:
    """Boxes of stray edges, each with its length behind it; what is something else is left out."""
    if not isinstance(value, list):
        return []
    rows = [row for row in value if isinstance(row, list) and len(row) == STRAY_FIELDS]
    return [
        (int(r0), int(c0), int(r1), int(c1))
        for r0, c0, r1, c1, length in rows
        if all(isinstance(number, int) for number in (r0, c0, r1, c1, length))
    ]


def _missing(design: object) -> list[PlaceRC]:
    """Middles of features of the design that no region stands for."""
    faults = design.get("faults") if isinstance(design, dict) else None
    places = []
    for fault in faults if isinstance(faults, list) else []:
        place = fault.get("centre_rc") if isinstance(fault, dict) else None
        if isinstance(place, list) and fault.get("fault") == "missing" and not fault.get("regions"):
            places.append((float(place[0]), float(place[1])))
    return places


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(name): str(text) for name, text in value.items()}
