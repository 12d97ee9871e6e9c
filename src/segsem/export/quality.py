"""The figures that QA gates look at, out of results and of what was measured on them."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segsem.core.contour import ReviewStatus
from segsem.core.exceptions import InputError
from segsem.export.reviewed import ResultFolder
from segsem.layout.registration import Registration
from segsem.layout.registration_json import read_registrations
from segsem.review.gates import GateReport, ImageFigures, check_image, check_lot
from segsem.review.item import ItemKey, ReviewItem
from segsem.review.limits import QALimits
from segsem.review.review import Review

MEASURES = "measure"
REGISTRATION_JSON = "registration.json"
TOPOLOGY_CSV = "topology.csv"
CD_CSV = "cd.csv"


@dataclass(frozen=True, slots=True)
class Measured:
    """What `segsem measure` wrote about results; empty where nothing was measured.

    Attributes
    ----------
    registrations : mapping of image id to Registration
    design : mapping
        What tells the design again.
    topology : mapping of image id to number of faults by kind, or None
        None where no design was given.
    cd_nm : mapping of image id to CD by region
        Mean widths of features in nm.
    """

    registrations: Mapping[str, Registration] = field(default_factory=dict)
    design: Mapping[str, object] = field(default_factory=dict)
    topology: Mapping[str, Mapping[str, int]] | None = None
    cd_nm: Mapping[str, Mapping[int, float]] = field(default_factory=dict)


def find_measures(roots: Sequence[Path]) -> Path | None:
    """Find the folder that `segsem measure` writes beside results; None where there is none."""
    places = [place / MEASURES for root in roots for place in (root, root.parent)]
    return next((place for place in places if place.is_dir()), None)


def read_measures(folder: Path | None) -> Measured:
    """Read registrations, topology and CDs.

    Raises
    ------
    InputError
        If a file is damaged.
    """
    if folder is None:
        return Measured()
    registrations: Mapping[str, Registration] = {}
    design: Mapping[str, object] = {}
    if (folder / REGISTRATION_JSON).is_file():
        file = read_registrations(folder / REGISTRATION_JSON)
        registrations, design = file.registrations(), file.design
    return Measured(
        registrations,
        design,
        _topology(folder / TOPOLOGY_CSV),
        _cds(folder / CD_CSV),
    )


def image_figures(result: ResultFolder, review: Review, measured: Measured) -> ImageFigures:
    """Collect the figures of one image."""
    record = result.record
    provenance = record.provenance
    registration = measured.registrations.get(result.image_id)
    topology = None
    # An image that is not registered was not compared.
    if measured.topology is not None and registration is not None:
        topology = measured.topology.get(result.image_id, {})
    residual = None if registration is None else registration.residual_rms_px
    ood = provenance.get("ood")
    return ImageFigures(
        image_id=result.image_id,
        snr=_number(provenance.get("snr")),
        blur_px=_number(provenance.get("blur_px")),
        saturated_fraction=_number(provenance.get("saturated_fraction")),
        pixel_size_nm=record.pixel_size_nm,
        pixel_size_source=record.pixel_size_source,
        registration=None if registration is None else registration.verdict.value,
        residual_px=residual if residual is not None and residual == residual else None,
        topology=topology,
        unfamiliar=tuple(map(str, ood)) if isinstance(ood, list) else (),
        cd_nm=measured.cd_nm.get(result.image_id, {}),
        gone=len(review.gone.get(result.image_id, [])),
    )


@dataclass(frozen=True, slots=True)
class LotQuality:
    """Verdicts of a lot and of its images."""

    lot: GateReport
    images: Mapping[str, GateReport]


def check_quality(
    name: str,
    lot: Sequence[ResultFolder],
    reviews: Mapping[str, Review],
    measured: Measured,
    limits: QALimits,
) -> LotQuality:
    """Check all images of a lot, and the lot."""
    reports: dict[str, GateReport] = {}
    all_items: list[ReviewItem] = []
    all_statuses: dict[ItemKey, ReviewStatus] = {}
    for result in lot:
        review = reviews[result.image_id]
        keys = [ItemKey(result.image_id, region.id) for region in result.record.regions]
        items = [review.items[key] for key in keys]
        statuses = {key: review.status(key) for key in keys}
        figures = image_figures(result, review, measured)
        reports[result.image_id] = check_image(figures, items, statuses, limits)
        all_items += items
        all_statuses |= statuses
    whole = check_lot(name, list(reports.values()), all_items, all_statuses, limits)
    return LotQuality(whole, reports)


def _topology(path: Path) -> dict[str, dict[str, int]] | None:
    if not path.is_file():
        return None
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in _rows(path, ("image_id", "fault")):
        counts[row["image_id"]][row["fault"]] += 1
    return {image_id: dict(found) for image_id, found in counts.items()}


def _cds(path: Path) -> dict[str, dict[int, float]]:
    """Mean width of each feature along the direction in which it is narrower."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    if not path.is_file():
        return found
    for row in _rows(path, ("image_id", "name", "kind", "mean_nm")):
        # Gauges have names of their own.
        number = row["name"].removeprefix("region ")
        mean = _number_of(row["mean_nm"])
        if row["kind"] == "feature" and number.isdigit() and mean is not None:
            known = found[row["image_id"]].get(int(number), mean)
            found[row["image_id"]][int(number)] = min(known, mean)
    return found


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or [])]
            if missing:
                msg = f"it lacks the column {missing[0]}"
                raise ValueError(msg)
            return [row for row in reader if None not in row.values()]
    except (OSError, ValueError, csv.Error) as error:
        msg = f"Cannot read {path} of `segsem measure`: {error}"
        raise InputError(msg) from error


def _number_of(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
