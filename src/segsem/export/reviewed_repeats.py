"""Repeats of a reviewed region, read from the results of a lot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segsem.core.contour import Region, ReviewStatus, Source
from segsem.core.exceptions import InputError
from segsem.core.extraction import DESIGN
from segsem.core.types import LabelArray, MaskArray
from segsem.export.labels import read_labels
from segsem.export.project_groups import ProjectGroups
from segsem.export.quality import Measured
from segsem.export.results import LABELS_TIF
from segsem.export.reviewed import ResultFolder, read_outlines
from segsem.layout.design_job import distrust
from segsem.layout.registration_json import registration_of
from segsem.metrology.region_measures import ByRegion
from segsem.review.facts import BoxRC
from segsem.review.item import ItemFlag, ItemKey
from segsem.review.outline import Outline, outline_of
from segsem.review.repeat_figures import (
    RepeatComparison,
    RepeatRegion,
    window_about,
    with_measures,
)
from segsem.review.repeat_places import (
    BY_POSITION,
    DesignPlace,
    Presence,
    RegionMatch,
    Way,
    map_places,
    match_region,
)
from segsem.review.repeats import FoundRepeats, RepeatImage, find_repeats
from segsem.review.review import Review

WAITS = frozenset({ItemFlag.NEEDS_HUMAN, ItemFlag.REOPENED})


def repeats_of(
    image_id: str, lot: Mapping[str, ResultFolder], review: Review, project: ProjectGroups
) -> FoundRepeats:
    """Find the repeats of an image among those of a lot and of its project."""
    images = {
        name: RepeatImage(
            name,
            {**review.images[name].groups, **project.by_image.get(name, {})},
            result.record.shape_px,
            result.record.pixel_size_nm,
        )
        for name, result in lot.items()
    }
    return find_repeats(images[image_id], [*images.values(), *project.without_results])


def compare_repeats(
    key: ItemKey,
    lot: Mapping[str, ResultFolder],
    review: Review,
    *,
    project: ProjectGroups | None = None,
    measured: Measured | None = None,
    measures: ByRegion | None = None,
) -> RepeatComparison:
    """Find a region again in all repeats of its image, and compare what it measures there.

    Parameters
    ----------
    key : ItemKey
        The region that is looked at.
    lot : mapping of str to ResultFolder
        All results, by image id.
    review : Review
        The decisions about them.
    project : ProjectGroups, optional
        What the project says of the images.
    measured : Measured, optional
        Registrations of `segsem measure`, for images that were extracted without a design.
    measures : mapping, optional
        CDs of `segsem measure`, by image and region.

    Raises
    ------
    InputError
        If a label image cannot be read.
    """
    found = repeats_of(key.image_id, lot, review, project or ProjectGroups())
    offset, mask = _standing_mask(lot[key.image_id], review, key)
    box = (*offset, offset[0] + mask.shape[0], offset[1] + mask.shape[1])
    places = design_places(lot[key.image_id], measured)
    regions = []
    for image_id in (name for name in lot if name in {key.image_id, *found.image_ids}):
        result = lot[image_id]
        if image_id == key.image_id:
            place_map = BY_POSITION
            middle = np.asarray(offset) + (np.array(mask.shape) - 1) / 2
            match = RegionMatch(
                Presence.FOUND, key.region_id, 1.0, (float(middle[0]), float(middle[1]))
            )
        else:
            place_map = map_places(places, design_places(result, measured))
            labels = standing_labels(result, review)
            match = match_region(offset, mask, place_map, labels, result.record.valid_rows)
        is_shown = image_id == key.image_id
        regions.append(_region(result, review, match, place_map.way, box, is_shown=is_shown))
    unit = "px²" if lot[key.image_id].record.pixel_size_nm is None else "nm²"
    compared = RepeatComparison(tuple(regions), found.place, found.note, unit)
    return with_measures(compared, measures or {})


def design_places(result: ResultFolder, measured: Measured | None = None) -> list[DesignPlace]:
    """Say where an image lies in designs: as it was extracted, then as it was measured.

    Registrations that are not to be relied on are left out.
    """
    record = result.record.provenance.get(DESIGN)
    places = []
    if isinstance(record, Mapping) and record.get("used"):
        extracted = registration_of(record.get("registration"))
        if extracted is not None:
            places.append(DesignPlace(_design(record), extracted))
    if measured is not None and result.image_id in measured.registrations:
        found = measured.registrations[result.image_id]
        if distrust(found, near_given=False) is None:
            places.append(DesignPlace(_design(measured.design), found))
    frame = tuple(result.record.shape_px), result.record.pixel_size_nm
    return [
        place
        for place in places
        if (tuple(place.registration.shape), place.registration.pixel_size_nm) == frame
    ]


def standing_labels(result: ResultFolder, review: Review) -> LabelArray:
    """Read (H, W) int32 region ids of an image, with the regions that replace others.

    Raises
    ------
    InputError
        If `labels.tif` cannot be read, or is of another image.
    """
    path = result.folder / LABELS_TIF
    labels = read_labels(path)
    if labels.shape != tuple(result.record.shape_px):
        msg = f"Expected {path} to have shape {result.record.shape_px}, but got {labels.shape}"
        raise InputError(msg)
    changed = [
        region
        for record in result.record.regions
        if (region := review.standing(ItemKey(result.image_id, record.id)).replacement) is not None
    ]
    labels[np.isin(labels, [region.region_id for region in changed])] = 0
    for region in changed:
        row0, col0, row1, col1 = region.bbox_rc
        labels[row0:row1, col0:col1][region.mask] = region.region_id
    return labels


def outlines_within(
    result: ResultFolder, review: Review, window_rc: BoxRC, asked: int | None = None
) -> dict[int, tuple[Source, Outline]]:
    """Give the outlines of the regions that reach into a part of an image, as they stand.

    Parameters
    ----------
    result : ResultFolder
        Of the image; only contours that are not in memory are read.
    review : Review
    window_rc : (int, int, int, int)
        Half-open part of the image.
    asked : int, optional
        A region that is given although it was rejected; others are left out then.

    Raises
    ------
    InputError
        If the contours cannot be read.
    """
    met: dict[int, tuple[Source, Region | None]] = {}
    for region in review.images[result.image_id].regions:
        standing = review.standing(ItemKey(result.image_id, region.id))
        new = standing.replacement
        is_out = standing.status is ReviewStatus.REJECTED and region.id != asked
        if not is_out and _meet(region.bbox_rc if new is None else new.bbox_rc, window_rc):
            met[region.id] = region.source, new
    outlines = review.known_outlines(result.image_id)
    if outlines is None:
        outlines = read_outlines(result, [i for i, (_, new) in met.items() if new is None])
    return {
        region_id: (source, outlines.get(region_id, ()))
        if new is None
        else (new.source, outline_of(new.contours))
        for region_id, (source, new) in met.items()
    }


def _region(
    result: ResultFolder,
    review: Review,
    match: RegionMatch,
    way: Way,
    box_rc: BoxRC,
    *,
    is_shown: bool,
) -> RepeatRegion:
    size, image_id = result.record.pixel_size_nm, result.image_id
    window = window_about(match.centre_rc, box_rc, size)
    if match.region_id is None:
        beside = _nearest(result, match.centre_rc)
        return RepeatRegion(image_id, is_shown, match.presence, way, None, beside, 0.0, window)
    key = ItemKey(image_id, match.region_id)
    item, standing, flags = review.items[key], review.standing(key), review.flags(key)
    new = standing.replacement
    area = float(item.area_px if new is None else new.area_px)
    waits = standing.status is ReviewStatus.PENDING and not flags.isdisjoint(WAITS)
    # What the border cuts has no area to compare.
    px_area = float("nan") if ItemFlag.CUT in flags else 1.0 if size is None else size[0] * size[1]
    return RepeatRegion(
        image_id,
        is_shown,
        match.presence,
        way,
        key,
        None,
        match.overlap,
        window,
        source=item.source if new is None else new.source,
        confidence=item.confidence if new is None else new.confidence,
        status=standing.status,
        waits=waits,
        area=area * px_area,
    )


def _standing_mask(
    result: ResultFolder, review: Review, key: ItemKey
) -> tuple[tuple[int, int], MaskArray]:
    new = review.standing(key).replacement
    if new is not None:
        return new.offset_rc, new.mask
    row0, col0, row1, col1 = review.items[key].bbox_rc
    labels = standing_labels(result, review)[row0:row1, col0:col1]
    return (row0, col0), np.asarray(labels == key.region_id)


def _nearest(result: ResultFolder, centre_rc: tuple[float, float]) -> ItemKey | None:
    """Find the region whose box is nearest to a place."""
    records = result.record.regions
    if not records:
        return None
    boxes = np.array([record.bbox_rc for record in records], dtype=np.float64)
    place = np.asarray(centre_rc)
    away = np.maximum(np.maximum(boxes[:, :2] - place, place - (boxes[:, 2:] - 1)), 0)
    return ItemKey(result.image_id, records[int(np.argmin(np.hypot(*away.T)))].id)


def _design(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(record.get(name, "")) for name in ("sha256", "cell", "layer"))


def _meet(one: BoxRC, other: BoxRC) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
