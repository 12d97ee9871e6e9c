"""How good a model is: IoU with known masks, by kind of prompt, in frames at native resolution."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import InputError
from segsem.core.progress import Progress
from segsem.core.types import BoxRC, LabelArray, MaskArray
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image
from segsem.segmentation.auto_prompts import prompts_for
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.prompts import Prompts
from segsem.synth.training import random_crop
from segsem.training.prompt_simulation import correction_click, distance_inside

SCORING_SEED = 987_654_321
"""First word of the seeds of scoring crops; training never uses it."""

MIN_OBJECT_PX = 64
OBJECTS_PER_FRAME = 4
CORRECTIONS = 2
KINDS = ("click", "box", "box+click", "automatic", "click+2")

LabelledFrame = tuple[npt.NDArray[np.uint8], LabelArray]


@dataclass(frozen=True, slots=True)
class KindScore:
    """Scores of one kind of prompt over N objects.

    Attributes
    ----------
    kind : str
    count : int
    mean_iou, best_of_three, over_85 : float
        Mean IoU of the mask that the model ranks first; of the best of the three; share of first
        masks with an IoU above 0.85.
    """

    kind: str
    count: int
    mean_iou: float
    best_of_three: float
    over_85: float


def synthetic_frames(count: int, size_px: int) -> Iterator[LabelledFrame]:
    """Fresh synthetic crops with their labels, of seeds that training never uses."""
    for index in range(count):
        yield random_crop(np.random.default_rng([SCORING_SEED, size_px, index]), size_px)


def reference_frames(
    images: Path, references: Path, size_px: int, per_image: int
) -> Iterator[LabelledFrame]:
    """Frames of real images with reference masks of the same stem (feature above 127).

    Raises
    ------
    InputError
        If a folder is not there, or an image has no reference, or one of another size.
    """
    for folder in (images, references):
        if not folder.is_dir():
            msg = f"Expected a folder of images, but {folder} is none."
            raise InputError(msg)
    for path in sorted(p for p in images.iterdir() if p.is_file()):
        found = sorted(references.glob(f"{path.stem}.*"))
        if not found:
            msg = f"Expected a reference mask {path.stem}.* in {references}, but there is none."
            raise InputError(msg)
        grey = normalise(read_image(path))
        inside = read_image(found[0]).data > 127
        if inside.shape != grey.shape:
            msg = f"{found[0]} has shape {inside.shape}, its image {grey.shape}; expected the same."
            raise InputError(msg)
        rng = np.random.default_rng([SCORING_SEED, *path.stem.encode()])
        for _ in range(per_image):
            row = int(rng.integers(0, max(grey.shape[0] - size_px, 0) + 1))
            col = int(rng.integers(0, max(grey.shape[1] - size_px, 0) + 1))
            window = (slice(row, row + size_px), slice(col, col + size_px))
            part = np.ascontiguousarray(inside[window]).astype(np.uint8)
            _, labels = cv2.connectedComponents(part, connectivity=4)
            yield np.ascontiguousarray(grey[window]), np.asarray(labels, dtype=np.int32)


def score(
    predictor: Predictor, frames: Iterable[LabelledFrame]
) -> Generator[Progress, None, list[KindScore]]:
    """Ask for the objects of labelled frames in every kind of way.

    Parameters
    ----------
    predictor : Predictor
    frames : iterable of ((S, S) uint8, (S, S) int32)

    Yields
    ------
    Progress
        After each frame.

    Returns
    -------
    list of KindScore
        One for each of `KINDS`.
    """
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for number, (image, labels) in enumerate(frames, start=1):
        rng = np.random.default_rng([SCORING_SEED, number])
        embedding = predictor.encode(image)
        for mask in _objects(rng, labels):
            for kind in KINDS[:-1]:
                prediction = predictor.decode(embedding, prompts_of(kind, mask, labels > 0))
                found[kind].append(_ious(prediction.masks, mask))
            prompts = prompts_of("click", mask, labels > 0)
            prediction = predictor.decode(embedding, prompts)
            for _ in range(CORRECTIONS):
                x, y, label = correction_click(rng, prediction.best_mask, mask)
                prompts = Prompts(
                    (*prompts.points_rc, (y, x)),
                    (*prompts.point_labels, label),
                    mask_input=prediction.low_res_logits[0],
                )
                prediction = predictor.decode(embedding, prompts)
            found[KINDS[-1]].append(_ious(prediction.masks, mask))
        yield Progress(number, 0, "scoring")
    return [_summary(kind, pairs) for kind, pairs in found.items()]


def prompts_of(kind: str, mask: MaskArray, features: MaskArray) -> Prompts:
    """Ask for a mask in one way: its deepest point, its box, both, or as the extraction does."""
    if kind == "automatic":
        return prompts_for(mask, features)
    depth = distance_inside(mask)
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    click = ((float(row), float(col)),)
    rows, cols = np.nonzero(mask)
    box: BoxRC = (
        float(rows.min()),
        float(cols.min()),
        float(max(rows.max(), rows.min() + 1)),
        float(max(cols.max(), cols.min() + 1)),
    )
    if kind == "click":
        return Prompts(click, (1,))
    return Prompts(box_rc=box) if kind == "box" else Prompts(click, (1,), box)


def _objects(rng: np.random.Generator, labels: LabelArray) -> Iterator[MaskArray]:
    sizes = np.bincount(labels.ravel())
    usable = np.nonzero(sizes[1:] >= MIN_OBJECT_PX)[0] + 1
    for label in rng.permutation(usable)[:OBJECTS_PER_FRAME]:
        yield labels == label


def _ious(masks: npt.NDArray[np.bool_], wanted: MaskArray) -> tuple[float, float]:
    """IoU of the first mask and of the best."""
    ious = [float((m & wanted).sum() / max((m | wanted).sum(), 1)) for m in masks]
    return ious[0], max(ious)


def _summary(kind: str, pairs: list[tuple[float, float]]) -> KindScore:
    values = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    if len(values) == 0:
        return KindScore(kind, 0, float("nan"), float("nan"), float("nan"))
    first, best = values.mean(axis=0)
    over = float((values[:, 0] > 0.85).mean())
    return KindScore(kind, len(values), float(first), float(best), over)
