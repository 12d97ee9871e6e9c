"""Before and after on images that nothing was learnt from, asked as the viewer asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from segsem.contours.trace import Polyline, resample, trace
from segsem.core.progress import Progress
from segsem.core.types import FloatArray, MaskArray, PointsRC
from segsem.metrics.boundary import boundary_f1
from segsem.metrics.overlap import iou
from segsem.segmentation.native import NativeAnswer, answer
from segsem.segmentation.predictor import MASK_THRESHOLD, ImageEmbedding, Predictor
from segsem.segmentation.prompts import FOREGROUND, Prompts
from segsem.segmentation.window import Window
from segsem.training.few_shot_images import FewShotImage
from segsem.training.prompt_simulation import distance_inside

OBJECTS_PER_IMAGE = 12
FARTHEST_EDGE_PX = 10.0
BORDER_PX = 4
"""Truth nearer to the image's border is not asked for its edge."""

DRAWS = 4000
KINDS = ("click", "box")
MEASURES = ("click_iou", "box_iou", "click_boundary_f1", "box_boundary_f1", "edge_px")
"""`edge_px` is the mean over both kinds."""

CACHED_WINDOWS = 32
TIMED_OBJECTS = 3
ENOUGH_IMAGES = 3


@dataclass(frozen=True, slots=True)
class ObjectScore:
    """One object of a held-out image.

    Attributes
    ----------
    image_id : str
    values : dict of str to float
        One for each of `MEASURES`; `edge_px` NaN where all of the outline lies at the border.
    outlines : dict of str to tuple of Polyline
        What was found, by kind of prompt, in the image's frame.
    """

    image_id: str
    values: dict[str, float]
    outlines: dict[str, tuple[Polyline, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval, images drawn with replacement (bootstrap)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure before and after.

    Attributes
    ----------
    measure : str
    before, after : Interval
    gain : Interval
        After minus before of the same objects; before minus after for `edge_px`, so that more is
        better.
    """

    measure: str
    before: Interval
    after: Interval
    gain: Interval


def measure_images(
    predictor: Predictor, images: Sequence[FewShotImage]
) -> Generator[Progress, None, list[ObjectScore]]:
    """Ask for the objects of images by one click, and by their box.

    The objects and prompts depend on nothing but the images.

    Yields
    ------
    Progress
        After each image.
    """
    found: list[ObjectScore] = []
    for number, image in enumerate(images):
        yield Progress(number, len(images), f"checking on {image.image_id}")
        found += _measure_image(predictor, image)
    return found


def seconds_of_checking(
    predictor: Predictor, timed: FewShotImage, images: Sequence[FewShotImage]
) -> float:
    """Seconds that `measure_images` will take, from a few objects of another image.

    Parameters
    ----------
    predictor : Predictor
    timed : FewShotImage
        Asked for its first objects.
    images : sequence of FewShotImage
        Of which nothing but the number of objects is looked at.
    """
    encode = _encoder(predictor, timed)
    shape = (timed.grey.shape[0], timed.grey.shape[1])
    took = []
    for mask in _objects(timed)[:TIMED_OBJECTS]:
        began = time.perf_counter()
        _measure_object(predictor, encode, mask, shape)
        took.append(time.perf_counter() - began)
    # The first one pays for encoding what the others are looked for in.
    first, further = took[0], float(np.mean(took[1:] or took))
    counts = [min(len(np.unique(image.labels)) - 1, OBJECTS_PER_IMAGE) for image in images]
    return sum(first + (count - 1) * further for count in counts)


def compare(before: Sequence[ObjectScore], after: Sequence[ObjectScore]) -> list[Comparison]:
    """Compare the scores of the same objects, one `Comparison` for each of `MEASURES`."""
    cluster = _clusters(before)
    made = []
    for measure in MEASURES:
        old, new = (
            np.array([score.values[measure] for score in scores], dtype=np.float64)
            for scores in (before, after)
        )
        gain = old - new if measure == "edge_px" else new - old
        known = np.isfinite(gain)
        made.append(
            Comparison(
                measure, *(_bootstrap(values[known], cluster[known]) for values in (old, new, gain))
            )
        )
    return made


def overall_gain(before: Sequence[ObjectScore], after: Sequence[ObjectScore]) -> Interval:
    """Gain of the mean of IoU and boundary F1 over clicks and boxes: what decides."""
    gains = [
        np.mean([new.values[name] - old.values[name] for name in MEASURES if name != "edge_px"])
        for old, new in zip(before, after, strict=True)
    ]
    return _bootstrap(np.array(gains, dtype=np.float64), _clusters(before))


def _clusters(scores: Sequence[ObjectScore]) -> npt.NDArray[np.intp]:
    """Number of each score's image; of the object itself where there are too few images."""
    names = [score.image_id for score in scores]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(numbers) < ENOUGH_IMAGES:
        # Of one or two images nothing can be drawn.
        return np.arange(len(names), dtype=np.intp)
    return np.array([numbers[name] for name in names], dtype=np.intp)


def _bootstrap(values: FloatArray, cluster: npt.NDArray[np.intp]) -> Interval:
    if len(values) == 0:
        return Interval(0.0, 0.0, 0.0)
    _, cluster = np.unique(cluster, return_inverse=True)
    count = int(cluster.max()) + 1
    sums = np.bincount(cluster, values, count)
    sizes = np.bincount(cluster, minlength=count)
    drawn = np.random.default_rng([count, len(values)]).multinomial(
        count, np.full(count, 1 / count), DRAWS
    )
    means = (drawn @ sums) / (drawn @ sizes)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def _measure_image(predictor: Predictor, image: FewShotImage) -> list[ObjectScore]:
    shape = (image.grey.shape[0], image.grey.shape[1])
    encode = _encoder(predictor, image)
    return [
        ObjectScore(image.image_id, *_measure_object(predictor, encode, mask, shape))
        for mask in _objects(image)
    ]


def _encoder(predictor: Predictor, image: FewShotImage) -> Callable[[Window], ImageEmbedding]:
    @lru_cache(maxsize=CACHED_WINDOWS)
    def encode(window: Window) -> ImageEmbedding:
        return predictor.encode(np.ascontiguousarray(image.grey[window.slices]))

    return encode


def _objects(image: FewShotImage) -> list[MaskArray]:
    labels = np.unique(image.labels)
    rng = np.random.default_rng([*image.image_id.encode()])
    chosen = rng.permutation(labels[labels > 0])[:OBJECTS_PER_IMAGE]
    return [np.asarray(image.labels == label) for label in sorted(chosen.tolist())]


def _measure_object(
    predictor: Predictor,
    encode: Callable[[Window], ImageEmbedding],
    mask: MaskArray,
    shape: tuple[int, int],
) -> tuple[dict[str, float], dict[str, tuple[Polyline, ...]]]:
    depth = distance_inside(mask)
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    rows, cols = np.nonzero(mask)
    row0, col0 = float(rows.min()), float(cols.min())
    box = (row0, col0, max(float(rows.max()), row0 + 1), max(float(cols.max()), col0 + 1))
    asked = {
        "click": Prompts([(float(row), float(col))], [FOREGROUND]),
        "box": Prompts(box_rc=box),
    }
    values: dict[str, float] = {}
    outlines: dict[str, tuple[Polyline, ...]] = {}
    edges = []
    for kind, prompts in asked.items():
        given = answer(predictor, encode, prompts, shape)
        found = _whole_mask(given, shape)
        values[f"{kind}_iou"] = iou(found, mask)
        values[f"{kind}_boundary_f1"] = boundary_f1(*_cropped(found, mask))
        edges.append(edge_error_px(given, mask))
        outlines[kind] = _traced(given)
    values["edge_px"] = float(np.mean(edges))
    return {name: values[name] for name in MEASURES}, outlines


def edge_error_px(given: NativeAnswer, mask: MaskArray) -> float:
    """Mean distance of the true outline from the outline of the raw logits, at most 10 px each.

    Asked at the truth, so nothing that is missing can look good; NaN where there is no truth away
    from the image's border. Both outlines are traced below a pixel.
    """
    rows, cols = np.nonzero(mask)
    part = (
        slice(max(rows.min() - 1, 0), rows.max() + 2),
        slice(max(cols.min() - 1, 0), cols.max() + 2),
    )
    signed = np.where(mask[part], np.float32(1), np.float32(-1))
    true = _points(trace(signed, (int(part[0].start), int(part[1].start))))
    limit = np.array(mask.shape) - 1.0
    inner = np.minimum(true, limit - true).min(axis=1) >= BORDER_PX
    if not inner.any():
        return float("nan")
    found = _points(_traced(given))
    if len(found) == 0:
        return FARTHEST_EDGE_PX
    distance, _ = cKDTree(found).query(true[inner], distance_upper_bound=FARTHEST_EDGE_PX)
    return float(np.minimum(distance, FARTHEST_EDGE_PX).mean())


def _traced(given: NativeAnswer) -> tuple[Polyline, ...]:
    return tuple(trace(given.logits[0] - np.float32(MASK_THRESHOLD), given.offset_rc))


def _points(lines: Sequence[Polyline]) -> PointsRC:
    points = [resample(line, 0.5).vertices_rc for line in lines]
    return np.concatenate(points) if points else np.zeros((0, 2))


def _whole_mask(given: NativeAnswer, shape: tuple[int, int]) -> MaskArray:
    mask = np.zeros(shape, dtype=bool)
    row, col = given.offset_rc
    height, width = given.logits.shape[1:]
    mask[row : row + height, col : col + width] = given.logits[0] > MASK_THRESHOLD
    return mask


def _cropped(found: MaskArray, mask: MaskArray) -> tuple[MaskArray, MaskArray]:
    rows, cols = np.nonzero(found | mask)
    part = tuple(slice(max(int(at.min()) - 2, 0), int(at.max()) + 3) for at in (rows, cols))
    return np.ascontiguousarray(found[part]), np.ascontiguousarray(mask[part])
