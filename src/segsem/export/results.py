"""A result folder `OUT/<image-id>/` back into an `Extraction`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segsem.core.contour import Contour, Region
from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.core.types import LabelArray
from segsem.export.contours_csv_reader import ContourRows, read_contours_csv
from segsem.export.labels import read_confidence, read_labels
from segsem.export.regions_json import RegionRecord, RegionsFile, read_regions_json

CONTOURS_CSV = "contours.csv"
REGIONS_JSON = "regions.json"
LABELS_TIF = "labels.tif"
CONFIDENCE_TIF = "confidence.tif"
OVERLAY_PNG = "overlay.png"


def read_results(folder: Path | str) -> Extraction:
    """Read everything that an extraction wrote for one image.

    Parameters
    ----------
    folder : path
        `OUT/<image-id>/`.

    Returns
    -------
    Extraction
        As it was written: points within 1e-5 px. Where regions overlapped, a pixel belongs to
        the later one only, as in `labels.tif`.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the files do not belong together.
    """
    folder = Path(folder)
    record = read_regions_json(folder / REGIONS_JSON)
    rows = read_contours_csv(folder / CONTOURS_CSV, record.pixel_size_nm)
    labels = read_labels(folder / LABELS_TIF)
    confidence = read_confidence(folder / CONFIDENCE_TIF)
    for name, array in ((LABELS_TIF, labels), (CONFIDENCE_TIF, confidence)):
        if array.shape != record.shape_px:
            msg = (
                f"Expected {folder / name} to have shape {record.shape_px} as "
                f"{REGIONS_JSON} says, but got {array.shape}"
            )
            raise InputError(msg)
    contours = _contours_of_regions(folder, record, rows)
    return Extraction(
        image_id=record.image_id,
        shape=record.shape_px,
        valid_rows=record.valid_rows,
        pixel_size_nm=record.pixel_size_nm,
        pixel_size_source=record.pixel_size_source,
        regions=tuple(_region(r, contours[r.id], labels) for r in record.regions),
        confidence_map=confidence,
        provenance=record.provenance,
        warnings=record.warnings,
    )


def find_results(root: Path | str) -> list[Path]:
    """Find the result folders in a folder, itself included, sorted by name.

    Parameters
    ----------
    root : path
        A result folder, or the folder that holds result folders.

    Returns
    -------
    list of Path
        Folders that hold a `regions.json`.

    Raises
    ------
    InputError
        If the folder is not there or holds no results.
    """
    root = Path(root)
    if not root.is_dir():
        msg = f"Expected a folder of results, but {root} is not a folder"
        raise InputError(msg)
    if (root / REGIONS_JSON).is_file():
        return [root]
    # Dot folders are ours or another program's working space.
    folders = sorted(
        path.parent for path in root.glob(f"*/{REGIONS_JSON}") if path.parent.name[0] != "."
    )
    if not folders:
        msg = f"Expected results of `segsem extract` (a {REGIONS_JSON}) in {root}, but found none"
        raise InputError(msg)
    return folders


def _contours_of_regions(
    folder: Path, record: RegionsFile, rows: list[ContourRows]
) -> dict[int, tuple[Contour, ...]]:
    read = {row.contour.contour_id: row for row in rows}
    listed = {contour.id for region in record.regions for contour in region.contours}
    stray = sorted(set(read) - listed)
    if stray or any(row.image_id != record.image_id for row in rows):
        raise InputError(_mismatch(folder, f"contour {stray[0]}" if stray else "an image_id"))
    found: dict[int, tuple[Contour, ...]] = {}
    for region in record.regions:
        contours = []
        for listed_contour in region.contours:
            row = read.get(listed_contour.id)
            if row is None and listed_contour.points == 0:
                continue
            if (
                row is None
                or row.region_id != region.id
                or len(row.contour) != listed_contour.points
                or row.contour.closed != listed_contour.closed
                or row.contour.is_hole != listed_contour.is_hole
            ):
                raise InputError(_mismatch(folder, f"contour {listed_contour.id}"))
            contours.append(row.contour)
        found[region.id] = tuple(contours)
    return found


def _mismatch(folder: Path, what: str) -> str:
    return (
        f"{CONTOURS_CSV} and {REGIONS_JSON} in {folder} do not belong together: they differ in "
        f"{what}. Extract the image again."
    )


def _region(record: RegionRecord, contours: tuple[Contour, ...], labels: LabelArray) -> Region:
    row0, col0, row1, col1 = record.bbox_rc
    return Region(
        region_id=record.id,
        offset_rc=(row0, col0),
        mask=np.asarray(labels[row0:row1, col0:col1] == record.id),
        contours=contours,
        source=record.source,
        confidence=float("nan") if record.confidence is None else record.confidence,
        fallback_reason=record.fallback_reason,
        needs_human=record.needs_human,
        status=record.status,
        evidence={
            name: float("nan") if value is None else value
            for name, value in record.evidence.items()
        },
        prompts=record.prompts,
        flags=record.flags,
    )
