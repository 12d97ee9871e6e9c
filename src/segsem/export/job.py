"""`ExportJob`: what is exported, how, and what stands against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segsem.core.contour import ReviewStatus
from segsem.core.exceptions import ExportError, UsageError
from segsem.core.extraction import Extraction
from segsem.export.layout import LayoutFormat, LayoutOptions
from segsem.export.outputs import CSV, LAYOUT_FORMATS
from segsem.export.parquet import check_parquet
from segsem.export.point_columns import ColumnTemplate
from segsem.export.quality import LotQuality, Measured, check_quality, find_measures, read_measures
from segsem.export.results import REGIONS_JSON, read_results
from segsem.export.reviewed import ResultFolder, find_lot, open_reviews, with_decisions
from segsem.export.selection import (
    check_decided,
    check_pixel_size,
    is_exported,
    is_undecided,
    select_regions,
)
from segsem.layout.registration import Place, Verdict
from segsem.metrology.offset import OffsetFile, apply_offset
from segsem.review.item import ItemKey
from segsem.review.limits import QALimits, project_file_near, read_limits
from segsem.review.review import Review

PARQUET = "parquet"
GEOJSON = "geojson"
EXPORT_FORMATS = (*LAYOUT_FORMATS, CSV, PARQUET, GEOJSON)
DEFAULT_FORMATS = (*LAYOUT_FORMATS, CSV)
NEEDS_NM = (*LAYOUT_FORMATS, GEOJSON)

_MOST_LISTED = 5


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export.

    Attributes
    ----------
    formats : tuple of str
        Out of `oas`, `gds`, `csv`, `parquet`, `geojson`.
    layout : LayoutOptions
        `only_accepted` and `allow_needs_human` hold for every format.
    columns : ColumnTemplate or None
        Of the point tables; all of `contours.csv` by default.
    image_frame : bool
        Leave cells in their image's coordinates although it is registered to a design.
    measures : Path or None
        What `segsem measure` wrote; looked for beside the results by default.
    offset : OffsetFile or None
        Applied to all contours.
    offset_layer : str or None
        Which of its layers.
    limits : Path or None
        File with a table `[qa]`; the project's by default.
    """

    formats: tuple[str, ...] = DEFAULT_FORMATS
    layout: LayoutOptions = field(default_factory=LayoutOptions)
    columns: ColumnTemplate | None = None
    image_frame: bool = False
    measures: Path | None = None
    offset: OffsetFile | None = None
    offset_layer: str | None = None
    limits: Path | None = None

    @property
    def layouts(self) -> list[LayoutFormat]:
        """Layout formats among the formats."""
        return [f for f in LayoutFormat if f.value in self.formats]


@dataclass(frozen=True, slots=True)
class ExportJob:
    """Results with decisions, measures and verdicts, ready to be exported.

    Attributes
    ----------
    lot : tuple of ResultFolder
    reviews : dict of image id to Review
    measured : Measured
    quality : LotQuality
    options : ExportOptions
        With the places that cells get.
    limits : QALimits
    """

    lot: tuple[ResultFolder, ...]
    reviews: dict[str, Review]
    measured: Measured
    quality: LotQuality
    options: ExportOptions
    limits: QALimits

    @classmethod
    def open(cls, results: Sequence[Path | str], options: ExportOptions | None = None) -> ExportJob:
        """Read the records of results, the decisions, and what was measured; no contour is read.

        Raises
        ------
        InputError
            If something cannot be read.
        """
        options = options or ExportOptions()
        check_formats(options.formats)
        roots = [Path(root) for root in results]
        lot = tuple(find_lot(roots))
        reviews = open_reviews(lot)
        measured = read_measures(options.measures or find_measures(roots))
        limits = read_limits(options.limits or project_file_near(roots[0]))
        name = " + ".join(dict.fromkeys(root.resolve().name for root in roots))
        quality = check_quality(name, lot, reviews, measured, limits)
        places = _places(lot, measured, options)
        options = replace(options, layout=replace(options.layout, places=places))
        return cls(lot, reviews, measured, quality, options, limits)

    def read(self, result: ResultFolder) -> Extraction:
        """Read an image's results with all decisions, the offset applied."""
        extraction = with_decisions(read_results(result.folder), self.reviews[result.image_id])
        if self.options.offset is None:
            return extraction
        return apply_offset(extraction, self.options.offset, self.options.offset_layer)

    def chosen(self, result: ResultFolder) -> Extraction:
        """Read what of an image is exported."""
        only = self.options.layout.only_accepted
        return select_regions(self.read(result), only_accepted=only)

    def undecided_ids(self, result: ResultFolder) -> list[int]:
        """Regions of an image that would be exported though they wait for a person."""
        stands = self.stands(result)
        only = self.options.layout.only_accepted
        return [
            region_id
            for region_id, region in stands.items()
            if is_undecided(region) and is_exported(region, only_accepted=only)
        ]

    def stands(self, result: ResultFolder) -> dict[int, Stands]:
        """Say how each region of an image stands, without reading a contour."""
        review = self.reviews[result.image_id]
        found = {}
        for region in result.record.regions:
            standing = review.standing(ItemKey(result.image_id, region.id))
            needs = region.needs_human or bool(standing.reopened)
            found[region.id] = Stands(needs, standing.status)
        return found

    def check(self) -> None:
        """Refuse what must not be exported.

        Raises
        ------
        CalibrationError
            If a format in nm is asked for and a pixel size is unknown.
        ExportError
            If regions wait for a decision, nothing was accepted, or an image is registered badly.
        """
        options = self.options.layout
        if any(name in NEEDS_NM for name in self.options.formats):
            for result in self.lot:
                check_pixel_size(result.image_id, result.record.pixel_size_nm)
        self._check_places()
        only = options.only_accepted
        if only and not any(
            is_exported(region, only_accepted=True)
            for result in self.lot
            for region in self.stands(result).values()
        ):
            msg = (
                "Expected accepted or corrected regions, but no region of these results was "
                "accepted: review them first, or export without --only accepted"
            )
            raise ExportError(msg)
        if not options.allow_needs_human:
            self._check_decisions()

    def _check_decisions(self) -> None:
        waiting = {r.image_id: ids for r in self.lot if (ids := self.undecided_ids(r))}
        if len(waiting) > 1:
            named = [f"{name} ({len(ids)})" for name, ids in waiting.items()]
            more = ", ..." if len(named) > _MOST_LISTED else ""
            msg = (
                f"Regions of {len(waiting)} images need a person's decision: "
                f"{', '.join(named[:_MOST_LISTED])}{more}. Decide in Review, export with "
                "--only accepted, or override with --allow-needs-human"
            )
            raise ExportError(msg)
        for name, ids in waiting.items():
            check_decided(name, ids)

    def _check_places(self) -> None:
        if self.options.image_frame or not self.measured.registrations:
            return
        for result in self.lot:
            found = self.measured.registrations.get(result.image_id)
            if found is None or found.verdict is not Verdict.GOOD:
                said = "not registered" if found is None else f"registered, but {found.verdict}"
                msg = (
                    f"Expected all images to be registered well to their design, but "
                    f"{result.image_id} is {said}: measure it again with --near, or leave all "
                    "cells in image coordinates with --image-frame"
                )
                raise ExportError(msg)


@dataclass(frozen=True, slots=True)
class Stands:
    """Whether a region needs a person, and what was decided."""

    needs_human: bool
    status: ReviewStatus


def check_formats(formats: Sequence[str]) -> None:
    """Refuse unknown formats, and those that cannot be written here.

    Raises
    ------
    UsageError
        If there is one, or none at all.
    """
    unknown = [name for name in formats if name not in EXPORT_FORMATS]
    if unknown or not formats:
        got = repr(unknown[0]) if unknown else "none"
        msg = f"Expected formats out of {', '.join(EXPORT_FORMATS)}, but got {got}"
        raise UsageError(msg)
    if PARQUET in formats:
        check_parquet()


def check_target(out: Path, lot: Sequence[ResultFolder]) -> None:
    """Refuse to export over results.

    Raises
    ------
    UsageError
        If the folder holds results.
    """
    folders = {result.folder.resolve() for result in lot}
    if (out / REGIONS_JSON).exists() or out.resolve() in folders:
        msg = f"Expected a folder for the export, but {out} holds results: choose another one"
        raise UsageError(msg)


def _places(
    lot: Sequence[ResultFolder], measured: Measured, options: ExportOptions
) -> dict[str, Place]:
    if options.image_frame:
        return {}
    return {
        result.image_id: measured.registrations[result.image_id].place
        for result in lot
        if result.image_id in measured.registrations
    }
