"""One prepared image to rated regions: what the pipeline runs, and calibrating runs with faults."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import numpy as np

from segsem.contours.profiles import EdgeImage, prepare
from segsem.core.contour import Region
from segsem.core.params import ExtractParams, Tone
from segsem.core.progress import Progress
from segsem.core.types import FloatImage
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise, normalise_float
from segsem.segmentation.candidates import Candidates, find_candidates
from segsem.segmentation.confidence import Calibration
from segsem.segmentation.design_answers import look_for_unseen
from segsem.segmentation.expected import Expected
from segsem.segmentation.hybrid import RoutingRules, Watch, route
from segsem.segmentation.outlier import Look, look_of
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.rating import decide, rate
from segsem.segmentation.regions import RegionRules, build_regions
from segsem.segmentation.scale import FeatureScale, estimate_scale
from segsem.segmentation.stray_edges import StrayEdge


@dataclass(frozen=True, slots=True)
class Segmented:
    """What came out of one image.

    Attributes
    ----------
    regions : list of Region
        Rated; empty where nothing was found.
    confidence : (h, W) float32
        Of what stands at each pixel above the data bar.
    dropped : int
        Specks, ghosts and slivers left out.
    unfamiliar : list of str
        In which ways the image is unlike those of the calibration.
    stray_edges : list of StrayEdge
        Edges that no contour follows.
    """

    regions: list[Region]
    confidence: FloatImage
    dropped: int
    unfamiliar: list[str]
    stray_edges: list[StrayEdge] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seen:
    """An image made ready.

    Attributes
    ----------
    image : SEMImage
    edges : EdgeImage
        Its normalised grey values.
    scale : FeatureScale or None
        Tone and sizes; None where the image shows no two grey levels.
    """

    image: SEMImage
    edges: EdgeImage
    scale: FeatureScale | None


def see(image: SEMImage, tone: Tone) -> Seen:
    """Make an image ready and look at it as a whole."""
    grey = np.ascontiguousarray(normalise_float(image)[slice(*image.valid_rows)])
    edges = prepare(grey)
    return Seen(image, edges, estimate_scale(grey, edges.noise, tone))


def segment_steps(
    seen: Seen,
    predictor: Predictor | None,
    params: ExtractParams,
    calibration: Calibration,
    watch: Watch | None = None,
    spoil: Callable[[Candidates], Candidates] | None = None,
    expect: Callable[[Candidates], Expected | None] | None = None,
) -> Generator[Progress, None, Segmented]:
    """Segment one image, place its contours and rate its regions.

    Parameters
    ----------
    seen : Seen
        With a scale.
    predictor : Predictor or None
        The model.
    params : ExtractParams
        Routing, threshold, edge definition.
    calibration : Calibration
        Confidence.
    watch : callable, optional
        Is shown each part's mask and evidence.
    spoil : callable, optional
        Changes the candidates: planted failures.
    expect : callable, optional
        Says what a design expects of the image; None where it does not fit.

    Yields
    ------
    Progress

    Returns
    -------
    Segmented
    """
    image, scale = seen.image, seen.scale
    grey, noise = seen.edges.grey, seen.edges.noise
    if scale is None:
        return Segmented([], np.zeros(grey.shape, dtype=np.float32), 0, [])
    candidates = find_candidates(grey, noise, scale, params.sauvola, params.min_area_px)
    if spoil is not None:
        candidates = spoil(candidates)
    rules = RoutingRules(params.routing, calibration, calibration.stands_from(params.threshold))
    grey_u8 = np.ascontiguousarray(normalise(image)[slice(*image.valid_rows)])
    sauvola = candidates.labels > 0
    expected = None
    if expect is not None:
        yield Progress(0, 0, "laying the image on the design")
        expected = expect(candidates)
        if expected is not None and predictor is not None:
            candidates = look_for_unseen(expected, candidates, predictor, grey_u8)
    routed = yield from route(grey_u8, candidates, predictor, rules, watch=watch, expected=expected)
    dropped, smallest_px = candidates.dropped, candidates.rules.smallest_piece_px
    del candidates  # 12 bytes a pixel, which a large image needs for what follows
    yield Progress(0, 0, "placing contours")
    region_rules = RegionRules(scale.bright, params.edge, smallest_px)
    regions, left_out = build_regions(routed, seen.edges, region_rules)
    unfamiliar: list[str] = []
    strays: list[StrayEdge] = []
    if calibration.regions or watch is not None:
        yield Progress(0, 0, "rating contours")
        regions, strays = rate(regions, routed, sauvola, grey, noise)
        if calibration.familiar is not None:
            unfamiliar = calibration.familiar.unfamiliar(look(seen))
        doubtful_below = calibration.doubtful_below(params.threshold, bool(unfamiliar))
        regions = decide(regions, calibration, doubtful_below, bool(unfamiliar))
    return Segmented(regions, routed.confidence, dropped + left_out, unfamiliar, strays)


def look(seen: Seen) -> Look:
    """What the image looks like as a whole."""
    return look_of(seen.image, seen.edges.grey)
