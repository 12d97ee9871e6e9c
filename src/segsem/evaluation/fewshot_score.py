"""How well a model finds objects whose exact edges are known, before any placement and after."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from segsem.contours.place import place
from segsem.contours.profiles import EdgeImage, prepare
from segsem.contours.trace import Polyline as Traced
from segsem.contours.trace import trace
from segsem.core.params import EdgeParams
from segsem.core.progress import Progress
from segsem.core.types import FloatArray, LabelArray, MaskArray
from segsem.evaluation.engine_session import Answer
from segsem.evaluation.protocol import deepest_point, depth_px, exact_box, measure
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise
from segsem.metrics.epe import EPEParams
from segsem.metrics.normal_epe import NormalEPE, epe_along_normals
from segsem.metrics.polyline import Polyline, Target
from segsem.segmentation.native import NativeAnswer, answer
from segsem.segmentation.predictor import MASK_THRESHOLD, ImageEmbedding, Predictor
from segsem.segmentation.prompts import FOREGROUND, Prompts
from segsem.segmentation.window import Window

REACH_PX = 10.0
"""An edge that is farther off, or missing, counts as this far."""

OBJECTS_PER_IMAGE = 8
MIN_AREA_PX = 64
MIN_DEPTH_PX = 3.0
CACHED_WINDOWS = 32

MEASURES = (
    "click_epe_px",
    "box_epe_px",
    "click_boundary_f1",
    "box_boundary_f1",
    "click_iou",
    "box_iou",
    "placed_epe_px",
)
"""Of the raw logits, all but the last: that one is of the click's outline once the image has
placed it, about the mean of its image, which is the affair of the edge definition."""


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image whose edges are known exactly.

    Attributes
    ----------
    image_id, group, site : str
        Name; what it is counted with; what it is drawn with in the bootstrap.
    grey : (H, W) uint8
    labels : (H, W) int32
    contours : tuple of Polyline
    region : tuple of int
        Label that each contour bounds.
    bright : bool
        Whether features are material.
    """

    image_id: str
    group: str
    site: str
    grey: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
    labels: LabelArray
    contours: tuple[Polyline, ...]
    region: tuple[int, ...]
    bright: bool


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """One object and what was measured of it.

    Attributes
    ----------
    image_id, group, site : str
    label : int
    values : dict of str to float
        By `MEASURES`; EPE is NaN where no edge of the object lies away from the border.
    """

    image_id: str
    group: str
    site: str
    label: int
    values: dict[str, float]


def score_images(
    predictor: Predictor, images: Sequence[KnownImage]
) -> Generator[Progress, None, list[ObjectResult]]:
    """Ask for the objects of images by one click, and by their box.

    Objects and prompts depend on nothing but the images.

    Yields
    ------
    Progress
        Before each image.
    """
    found: list[ObjectResult] = []
    for number, image in enumerate(images):
        yield Progress(number, len(images), image.image_id)
        found += score_image(predictor, image)
    return found


def score_image(predictor: Predictor, image: KnownImage) -> list[ObjectResult]:
    """Ask for the objects of one image."""
    grey = normalise(SEMImage(image.grey, image.image_id))
    image_edges = prepare(grey.astype(np.float32))

    @lru_cache(maxsize=CACHED_WINDOWS)
    def encode(window: Window) -> ImageEmbedding:
        return predictor.encode(np.ascontiguousarray(grey[window.slices]))

    found: list[ObjectResult] = []
    placed: list[_Edges] = []
    for label in objects_of(image):
        mask = np.asarray(image.labels == label)
        truth = [
            c for c, region in zip(image.contours, image.region, strict=True) if region == label
        ]
        values: dict[str, float] = {}
        for kind, prompts in _asked(mask).items():
            given = answer(predictor, encode, prompts, mask.shape)
            score = measure(Answer(_whole(given, mask.shape)[None]), mask)
            values[f"{kind}_iou"], values[f"{kind}_boundary_f1"] = score.iou, score.boundary_f1
            lines = trace(given.logits[0] - np.float32(MASK_THRESHOLD), given.offset_rc)
            values[f"{kind}_epe_px"] = _mean(_edges(lines, truth, mask.shape).distance_px)
            if kind == "click":
                placed.append(_edges(_placed(image_edges, lines, image.bright), truth, mask.shape))
        found.append(ObjectResult(image.image_id, image.group, image.site, label, values))
    for result, error in zip(found, _about_mean(placed), strict=True):
        result.values["placed_epe_px"] = error
    return found


def objects_of(image: KnownImage) -> list[int]:
    """Labels of up to `OBJECTS_PER_IMAGE` objects, drawn without looking at size but for specks."""
    rng = np.random.default_rng([*image.image_id.encode()])
    chosen: list[int] = []
    for label in rng.permutation(np.unique(image.labels[image.labels > 0])).tolist():
        mask = np.asarray(image.labels == label)
        if mask.sum() >= MIN_AREA_PX and float(depth_px(mask).max()) >= MIN_DEPTH_PX:
            chosen.append(label)
    return sorted(chosen[:OBJECTS_PER_IMAGE])


def _asked(mask: MaskArray) -> dict[str, Prompts]:
    return {
        "click": Prompts([deepest_point(mask)], [FOREGROUND]),
        "box": Prompts(box_rc=exact_box(mask)),
    }


@dataclass(frozen=True, slots=True)
class _Edges:
    """Outlines against the truth of one object, asked at the truth away from the border.

    Attributes
    ----------
    along : NormalEPE
        Signed, where an outline cuts the truth's normal.
    distance_px : (N,) array
        To the nearest outline, `REACH_PX` at most: so nothing that is missing looks good, and a
        corner that was rounded does not count as missing.
    """

    along: NormalEPE
    distance_px: FloatArray


def _edges(lines: Sequence[Traced], truth: Sequence[Polyline], shape: tuple[int, int]) -> _Edges:
    outlines = [Polyline(line.vertices_rc, line.closed) for line in lines]
    along = epe_along_normals(outlines, truth, shape, params=EPEParams(match_px=REACH_PX))
    if not outlines or not len(along.points_rc):
        return _Edges(along, np.full(len(along.points_rc), REACH_PX))
    nearest = Target(outlines).nearest(along.points_rc).distance_px
    return _Edges(along, np.minimum(nearest, REACH_PX))


def _placed(edges: EdgeImage, lines: Sequence[Traced], bright: bool) -> list[Traced]:
    params = EdgeParams()
    done = [place(edges, line, bright, params) for line in lines]
    return [Traced(line.vertices_rc, line.closed) for line in done if len(line.vertices_rc) > 1]


def _about_mean(placed: Sequence[_Edges]) -> list[float]:
    """Mean absolute error of each object about the mean of all of the image's."""
    signed = [edges.along.epe_px[edges.along.found] for edges in placed]
    all_of_them = np.concatenate(signed) if signed else np.zeros(0)
    bias = float(all_of_them.mean()) if len(all_of_them) else 0.0
    return [
        _mean(np.where(edges.along.found, np.abs(edges.along.epe_px - bias), edges.distance_px))
        for edges in placed
    ]


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _whole(given: NativeAnswer, shape: tuple[int, ...]) -> MaskArray:
    mask = np.zeros(shape, dtype=bool)
    row, col = given.offset_rc
    height, width = given.logits.shape[1:]
    mask[row : row + height, col : col + width] = given.logits[0] > MASK_THRESHOLD
    return mask
