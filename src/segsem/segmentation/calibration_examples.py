"""Examples that confidence is calibrated on: parts and regions, their evidence, right or wrong."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.contours.trace import trace
from segsem.core.contour import Source
from segsem.core.params import (
    EdgeMethod,
    EdgeParams,
    ExtractParams,
    Routing,
    SauvolaParams,
    Tone,
)
from segsem.core.progress import Progress
from segsem.core.types import FloatArray, LabelArray, MaskArray
from segsem.imaging.image import SEMImage
from segsem.metrics.polyline import Polyline
from segsem.metrics.right_regions import RegionTruth, right_regions
from segsem.segmentation.auto_prompts import Part
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.confidence import UNCALIBRATED
from segsem.segmentation.evidence import Evidence, boundary_agreement, boundary_of
from segsem.segmentation.outlier import Look
from segsem.segmentation.planted_faults import FaultyPredictor, spoil_candidates
from segsem.segmentation.predictor import ImageEmbedding, Predictor
from segsem.segmentation.rating import evidence_for, model_of
from segsem.segmentation.segment import Seen, Segmented, look, see, segment_steps

PART_WITHIN_PX = 3.0
"""A part leads to the right edge where 95 % of its outline lies so near: placement's second pass
searches that far."""

PART_RIGHT_SHARE = 0.95
LEAST_PART_PX = 16
"""Shorter outlines say nothing."""

FAULTY_PROMPTS = 0.3
FAULTY_CANDIDATES = 0.25
ODD_SAUVOLA = 0.3
"""Share of the images that Sauvola is set wrongly for."""

EDGE_METHODS = (EdgeMethod.HALF_OF_EXTREMES, EdgeMethod.HALF_OF_EXTREMES, EdgeMethod.INVERSE)
"""Confidence has to hold however edges are placed."""

_VARIANTS = (Routing.SAM2_ONLY, Routing.SAUVOLA_ONLY, Routing.HYBRID)


@dataclass(frozen=True, slots=True)
class CalibrationImage:
    """An image with truth.

    Attributes
    ----------
    image : SEMImage
    labels : (H, W) int32
        True regions, 0 background, counted from 1.
    tone : Tone
        Of its features.
    truth : RegionTruth or None
        Exact contours; None: traced from the labels.
    group : str
        Images of one group (wafer, site) are alike and stay together; its own name by default.
    """

    image: SEMImage
    labels: LabelArray
    tone: Tone
    truth: RegionTruth | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Examples:
    """Evidence and verdicts of one kind.

    Attributes
    ----------
    evidence : list of dict
    right : list of bool
    group : list of str
        Group of the image that each comes from.
    """

    evidence: list[dict[str, float]] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    group: list[str] = field(default_factory=list)

    def add(self, evidence: dict[str, float], right: bool, group: str) -> None:
        """Add one."""
        self.evidence.append(evidence)
        self.right.append(right)
        self.group.append(group)

    def columns(self, names: Iterable[str]) -> FloatArray:
        """(N, F) evidence by name."""
        wanted = list(names)
        rows = [[one[name] for name in wanted] for one in self.evidence]
        return np.array(rows, dtype=np.float64).reshape(-1, len(wanted))

    @property
    def is_right(self) -> FloatArray:
        """(N,) 1.0 where right."""
        return np.array(self.right, dtype=np.float64)

    @property
    def group_number(self) -> npt.NDArray[np.intp]:
        """(N,) number of the group, 0, 1, 2, ..."""
        return np.unique(self.group, return_inverse=True)[1].astype(np.intp)


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """Everything that was seen on the images of a split.

    Attributes
    ----------
    parts, regions : dict
        By the source whose model judges them.
    looks : list of Look
        Of the images.
    """

    parts: dict[Source, Examples]
    regions: dict[Source, Examples]
    looks: list[Look]


def truth_from_labels(labels: LabelArray) -> RegionTruth:
    """Contours of a label image, its steps smoothed away (0.3 px of noise are left).

    Parameters
    ----------
    labels : (H, W) int array
        Regions, 0 background.
    """
    contours: list[Polyline] = []
    region: list[int] = []
    for number, box in enumerate(ndi.find_objects(labels), start=1):
        if box is None:
            continue
        rows, cols = (slice(max(s.start - 3, 0), s.stop + 3) for s in box)
        mask = (labels[rows, cols] == number).astype(np.float32)
        soft = ndi.gaussian_filter(mask, 1.0, mode="nearest") - np.float32(0.5)
        for line in trace(soft, (rows.start, cols.start)):
            contours.append(Polyline(line.vertices_rc, line.closed))
            region.append(number)
    return RegionTruth(contours, np.array(region, dtype=np.int64), labels)


def collect_examples(
    predictor: Predictor, images: Iterable[CalibrationImage], seed: int, total: int = 0
) -> Generator[Progress, None, ExampleSet]:
    """Extract every image in three ways, with faults planted, and see what is right.

    The model alone, Sauvola alone and both together, as a user may ask for them.

    Parameters
    ----------
    predictor : Predictor
        The model that is calibrated.
    images : iterable of CalibrationImage
        None of which it was trained on.
    seed : int
        Of the faults.
    total : int
        Number of the images, for the progress alone.

    Yields
    ------
    Progress

    Returns
    -------
    ExampleSet
    """
    found = ExampleSet(
        {source: Examples() for source in (Source.SAM2, Source.SAUVOLA)},
        {source: Examples() for source in (Source.SAM2, Source.SAUVOLA)},
        [],
    )
    for index, given in enumerate(images):
        step = Progress(index, total, f"calibrating on {given.image.name}")
        yield step
        seen = see(given.image, given.tone)
        found.looks.append(look(seen))
        if seen.scale is None:
            continue
        encoded: dict[bytes, ImageEmbedding] = {}
        for number, routing in enumerate(_VARIANTS):
            rng = np.random.default_rng([seed, index, number])
            faulty = FaultyPredictor(predictor, rng, FAULTY_PROMPTS, encoded)
            for _ in _one_way(seen, given, faulty, routing, rng, found):
                yield step  # cancelled between tiles, not only between images
    return found


def _one_way(
    seen: Seen,
    given: CalibrationImage,
    predictor: Predictor,
    routing: Routing,
    rng: np.random.Generator,
    found: ExampleSet,
) -> Generator[Progress, None, None]:
    group = given.group or given.image.name
    truth = given.truth or truth_from_labels(given.labels)
    params = ExtractParams(
        routing=routing,
        tone=given.tone,
        sauvola=_sauvola(rng, routing),
        edge=EdgeParams(edge_method=EDGE_METHODS[rng.integers(len(EDGE_METHODS))]),
    )
    steps = segment_steps(
        seen,
        predictor,
        params,
        UNCALIBRATED,
        watch=_Verdict(given, found, group) if routing is not Routing.SAUVOLA_ONLY else _ignore,
        spoil=_spoiler(rng, routing),
    )
    segmented: Segmented = yield from steps
    labels = np.zeros(given.image.shape, dtype=np.int32)
    for region in segmented.regions:
        row0, col0, row1, col1 = region.bbox_rc
        labels[row0:row1, col0:col1][region.mask] = region.region_id
    verdict = right_regions(segmented.regions, labels, truth, given.image.valid_rows)
    for region in segmented.regions:
        if region.region_id in verdict:
            right = verdict[region.region_id]
            found.regions[model_of(region)].add(evidence_for(region), right, group)


def _ignore(part: Part, source: Source, mask: MaskArray, evidence: Evidence) -> None:
    """Regions are rated where somebody watches."""


def _sauvola(rng: np.random.Generator, routing: Routing) -> SauvolaParams:
    """Sauvola's parameters, sometimes unfit for the image."""
    if routing is not Routing.SAUVOLA_ONLY or rng.random() >= ODD_SAUVOLA:
        return SauvolaParams()
    if rng.random() < 0.5:
        return SauvolaParams(window_px=2 * int(rng.integers(5, 16)) + 1)
    return SauvolaParams(k=float(rng.choice([-0.9, 0.8])), smooth_px=float(rng.uniform(0.3, 6.0)))


class _Spoiler:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self, candidates: Candidates) -> Candidates:
        return spoil_candidates(self._rng, candidates, FAULTY_CANDIDATES)


def _spoiler(rng: np.random.Generator, routing: Routing) -> _Spoiler | None:
    """Sauvola errs in every other image; where the model alone is asked, its prompts err then."""
    wanted = routing is Routing.SAUVOLA_ONLY or rng.random() < 0.5
    return _Spoiler(rng) if wanted else None


class _Verdict:
    """Sees each part's mask and says whether it leads to the right edge."""

    def __init__(self, given: CalibrationImage, found: ExampleSet, group: str) -> None:
        self._labels = given.labels[slice(*given.image.valid_rows)]
        self._found, self._group = found, group

    def __call__(self, part: Part, source: Source, mask: MaskArray, evidence: Evidence) -> None:
        labels = self._labels[part.window.slices]
        met = np.bincount(labels[mask & part.counted], minlength=1)
        met[0] = 0
        true = labels == int(met.argmax()) if met.any() else np.zeros(mask.shape, dtype=bool)
        edge = (boundary_of(mask) | boundary_of(true)) & part.counted
        if np.count_nonzero(edge) < LEAST_PART_PX:
            return
        near = boundary_agreement(mask, true, part.counted, PART_WITHIN_PX)
        self._found.parts[source].add(evidence.as_dict(), near >= PART_RIGHT_SHARE, self._group)
