"""A lot of results with planted errors in it, and where its queue puts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from segsem.core.contour import Region, Source
from segsem.core.extraction import STRAY_EDGES, Extraction
from segsem.core.params import ExtractParams, Tone
from segsem.core.progress import run_to_completion
from segsem.evaluation.planted_errors import (
    FALLBACK,
    MODEL_ALONE,
    WRONG_MASKS,
    Plant,
    Planted,
    planting,
)
from segsem.export.outputs import write_results
from segsem.imaging.image import SEMImage
from segsem.imaging.read import read_image
from segsem.metrics.polyline import Polyline
from segsem.metrics.right_regions import RegionTruth, right_regions
from segsem.pipeline import calibration_of, extract
from segsem.review.item import ItemFlag, ItemKey, ReviewItem
from segsem.review.review import Review
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.segment import see, segment_steps
from segsem.synth.generate import generate_image
from segsem.synth.write import SynthSet, write_set

KINDS = (*WRONG_MASKS, Planted.BRIDGED, *MODEL_ALONE, *FALLBACK)
PER_IMAGE = 3
"""Errors of one image at most, missing contacts apart."""

MOST_MISSED = 0.5
"""A feature of which less is covered is missing."""

NAMES_AN_EDGE = "that no contour follows"

BESIDE_PX = 20
"""A reviewer who looks at a region sees what lies so near to it."""


@dataclass(frozen=True, slots=True)
class LotImage:
    """An image that errors are planted in.

    Attributes
    ----------
    image : SEMImage
    tone : Tone
    truth : RegionTruth or None
        Exact edges; None where nobody knows them: then the extraction without planted errors
        says what is right.
    in_array : bool
        Whether its features are an array, of which one is planted as missing.
    """

    image: SEMImage
    tone: Tone = Tone.AUTO
    truth: RegionTruth | None = None
    in_array: bool = False


@dataclass(frozen=True, slots=True)
class PlantedError:
    """What became of a planted error.

    Attributes
    ----------
    image_id : str
    kind : str
        See `Planted`.
    state : str
        `stands`; `repaired`, where what came out is right all the same; `not rateable`, where
        too little of its edge lies inside the image.
    region_id : int or None
        The region that came out of it; None where none did.
    box_rc : (int, int, int, int)
        Half-open box of the feature in px.
    """

    image_id: str
    kind: str
    state: str
    region_id: int | None
    box_rc: tuple[int, int, int, int]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def synthetic_lot(folder: Path, preset: str, count: int, seed: int) -> Iterator[LotImage]:
    """Write images as `segsem synth` does, and give them with their exact truth.

    Parameters
    ----------
    folder : Path
        Where they are written.
    preset : str
    count, seed : int

    Yields
    ------
    LotImage
    """
    run_to_completion(write_set(folder, SynthSet(preset, count, seed)))
    for index, path in enumerate(sorted((folder / "images").iterdir())):
        drawn = generate_image(seed, preset, index)
        truth = RegionTruth(
            [Polyline(c.vertices_rc, c.closed) for c in drawn.contours],
            np.array([c.region_id for c in drawn.contours], dtype=np.int64),
            drawn.labels,
        )
        image = replace(
            read_image(path), pixel_size_nm=drawn.pixel_size_nm, pixel_size_source="manifest"
        )
        yield LotImage(image, Tone(drawn.tone), truth, drawn.family == "contacts")


def write_planted(
    images: Iterable[LotImage], predictor: Predictor, out: Path, seed: int
) -> list[PlantedError]:
    """Extract images with planted errors into a folder of results.

    Parameters
    ----------
    images : iterable of LotImage
    predictor : Predictor
        The model.
    out : Path
        Where results are written.
    seed : int
        Of the errors.

    Returns
    -------
    list of PlantedError
    """
    errors: list[PlantedError] = []
    for index, given in enumerate(images):
        rng = np.random.default_rng([seed, index])
        kinds = [KINDS[(PER_IMAGE * index + turn) % len(KINDS)] for turn in range(PER_IMAGE)]
        if given.in_array:
            kinds.insert(0, Planted.MISSING)
        truth = given.truth or _truth_of(extract(given.image, predictor))
        extraction, plants = _extracted(given, predictor, rng, kinds)
        write_results(extraction, out)
        errors += _judged(extraction, plants, truth)
    return errors


def _extracted(
    given: LotImage, predictor: Predictor, rng: np.random.Generator, kinds: Sequence[Planted]
) -> tuple[Extraction, list[Plant]]:
    image, params = given.image, ExtractParams(tone=given.tone)
    calibration, _ = calibration_of(predictor)
    misled, spoil, planter = planting(predictor, rng, kinds)
    found = run_to_completion(
        segment_steps(see(image, given.tone), misled, params, calibration, spoil=spoil)
    )
    confidence = np.full(image.shape, np.nan, dtype=np.float32)
    confidence[slice(*image.valid_rows)] = found.confidence
    extraction = Extraction(
        image_id=image.name,
        shape=image.shape,
        valid_rows=image.valid_rows,
        pixel_size_nm=image.pixel_size_nm,
        pixel_size_source=image.pixel_size_source,
        regions=tuple(found.regions),
        confidence_map=confidence,
        provenance={
            "image_path": None if image.path is None else str(image.path),
            "image_sha256": image.sha256,
            "model": predictor.name,
            "weights_sha256": predictor.weights_sha256,
            "threshold": calibration.doubtful_below(params.threshold, bool(found.unfamiliar)),
            "ood": found.unfamiliar,
            STRAY_EDGES: [edge.as_json() for edge in found.stray_edges],
        },
    )
    return extraction, planter.plants


def _truth_of(clean: Extraction) -> RegionTruth:
    lines = [(region.region_id, c) for region in clean.regions for c in region.contours]
    lines = [(number, c) for number, c in lines if len(c) > 1]
    return RegionTruth(
        [Polyline.from_contour(c) for _, c in lines],
        np.array([number for number, _ in lines], dtype=np.int64),
        clean.labels(),
    )


def _judged(
    extraction: Extraction, plants: Sequence[Plant], truth: RegionTruth
) -> list[PlantedError]:
    labels = extraction.labels()
    verdict = right_regions(extraction.regions, labels, truth, extraction.valid_rows)
    by_id = {region.region_id: region for region in extraction.regions}
    found = []
    for plant in plants:
        rows, cols = np.nonzero(plant.target)
        # Plants know nothing of a data bar, which is always below the image.
        box = (int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
        place = plant.wrong if plant.wrong.any() else plant.target
        covered = labels[: place.shape[0]][place]
        number = int(np.bincount(covered[covered > 0]).argmax()) if covered.any() else None
        state = _state(plant, number, covered, verdict, by_id)
        region = None if plant.kind is Planted.MISSING else number
        found.append(PlantedError(extraction.image_id, plant.kind.value, state, region, box))
    return found


def _state(
    plant: Plant,
    number: int | None,
    covered: Any,
    verdict: dict[int, bool],
    regions: dict[int, Region],
) -> str:
    if plant.kind is Planted.MISSING:
        is_gone = np.count_nonzero(covered) < MOST_MISSED * len(covered)
        return "stands" if is_gone else "repaired"
    if plant.kind is Planted.SAUVOLA_STANDS:
        took_over = number is not None and regions[number].source in (Source.SAUVOLA, Source.MIXED)
        return "stands" if took_over else "repaired"
    if number is None:
        return "stands"
    if number not in verdict:
        return "not rateable"
    return "repaired" if verdict[number] else "stands"


def rank_of(error: PlantedError, review: Review) -> int | None:
    """Place in the queue of the first entry that shows a planted error; None where none does.

    That is the region that came out of it. What is missing has none: it is shown by the entry
    that names its place, or by a doubtful neighbour whose reason is an edge without a contour.
    """
    if error.region_id is not None:
        return review.queue.position(ItemKey(error.image_id, error.region_id))
    for item in review.queue.items:
        if item.key.image_id == error.image_id and _is_shown(error, item):
            return review.queue.position(item.key)
    return None


def _is_shown(error: PlantedError, item: ReviewItem) -> bool:
    row0, col0, row1, col1 = error.box_rc
    if any(row0 <= row < row1 and col0 <= col < col1 for row, col in item.beside.gaps_rc):
        return True
    if any(_gap_px(error.box_rc, stray) <= 0 for stray in item.beside.strays_rc):
        return True
    near = _gap_px(error.box_rc, item.bbox_rc) < BESIDE_PX
    return near and ItemFlag.LOW_CONFIDENCE in item.flags and NAMES_AN_EDGE in item.reason


def _gap_px(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> int:
    rows = max(one[0] - other[2], other[0] - one[2])
    return max(rows, one[1] - other[3], other[1] - one[3])
